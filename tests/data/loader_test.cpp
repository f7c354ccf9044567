#include "langevin/data/loader.h"

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "langevin/data/resize.h"
#include "tests/data/data_samples.h"

namespace langevin {
namespace {

using test::noise_image;

std::shared_ptr<Dataset> sample_set(int64_t n, int height = 4, int width = 6, int channels = 3) {
  std::vector<Example> examples;
  for (int64_t i = 0; i < n; ++i) {
    examples.push_back({noise_image(height, width, channels, static_cast<unsigned>(i + 1)), i % 3,
                        fmt::format("c{}", i), fmt::format("e{}", i)});
  }
  return in_memory(std::move(examples), {"a", "b", "c"});
}

/// The same pictures without the fast path, slow in an uneven way, failing where told.
class Slow final : public Dataset {
 public:
  explicit Slow(std::shared_ptr<Dataset> base, int64_t bad = -1) : base_(std::move(base)), bad_(bad) {}
  int64_t size() const override { return base_->size(); }
  Example get(int64_t i) const override {
    if (i == bad_) fail("e{}: broken", i);
    if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
    return base_->get(i);
  }

 private:
  std::shared_ptr<Dataset> base_;
  int64_t bad_;
};

void expect_same(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.first, b.first);
  EXPECT_EQ(a.indices, b.indices);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.captions, b.captions);
  ASSERT_EQ(a.images.shape(), b.images.shape());
  EXPECT_TRUE(std::equal(a.images.data().begin(), a.images.data().end(), b.images.data().begin()));
}

TEST(ToFloat, PlanesAndRange) {
  const std::vector<uint8_t> pixels{0, 127, 255, 1, 128, 254};  // 1 x 2, RGB
  const PixelView view{pixels, 1, 2, 3};
  std::vector<float> out(6);
  to_float_chw(view, {3, 1, 2}, 0, 0, false, out);
  const double wanted[] = {-1, 1 / 127.5 - 1, 127 / 127.5 - 1, 128 / 127.5 - 1, 1, 254 / 127.5 - 1};
  for (size_t i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(out[i], static_cast<float>(wanted[i]));
  std::vector<float> mirrored(6);
  to_float_chw(view, {3, 1, 2}, 0, 0, true, mirrored);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(mirrored[2 * c], out[2 * c + 1]);
    EXPECT_EQ(mirrored[2 * c + 1], out[2 * c]);
  }
}

TEST(ToFloat, CutEqualsCropAndRefusesWhatLeavesThePicture) {
  for (int channels : {1, 3, 4}) {
    const Image image = noise_image(7, 9, channels, 3);
    const Image cut = crop(image, 2, 3, {4, 5});
    const ImageSpec spec{channels, 4, 5};
    std::vector<float> a(static_cast<size_t>(spec.size())), b(a.size());
    to_float_chw({image.pixels, 7, 9, channels}, spec, 2, 3, false, a);
    to_float_chw({cut.pixels, 4, 5, channels}, spec, 0, 0, false, b);
    EXPECT_EQ(a, b);
    EXPECT_THROW(to_float_chw({image.pixels, 7, 9, channels}, spec, 4, 3, false, a), Error);
    EXPECT_THROW(to_float_chw({image.pixels, 7, 9, channels}, spec, 0, -1, false, a), Error);
    EXPECT_THROW(to_float_chw({image.pixels, 7, 9, channels}, {channels + 1, 4, 5}, 0, 0, false, a), Error);
  }
}

TEST(Loader, EveryEpochHoldsEveryExampleOnceInAnotherOrder) {
  const auto set = sample_set(23);
  Loader loader(set, {3, 4, 6}, {.batch = 23, .seed = 5});
  std::set<std::vector<int64_t>> orders;
  for (int epoch = 0; epoch < 4; ++epoch) {
    std::vector<int64_t> indices = loader.next().indices;
    orders.insert(indices);
    std::sort(indices.begin(), indices.end());
    for (int64_t i = 0; i < 23; ++i) ASSERT_EQ(indices[static_cast<size_t>(i)], i);
  }
  EXPECT_EQ(orders.size(), 4U);
}

TEST(Loader, FollowsTheStatedRule) {
  const auto set = sample_set(10);
  Loader loader(set, {3, 4, 6}, {.batch = 7, .seed = 9, .captions = true});
  for (uint64_t k = 0; k < 42;) {
    const Batch batch = loader.next();
    EXPECT_EQ(batch.first, k);
    ASSERT_EQ(batch.images.shape(), (Shape{7, 3, 4, 6}));
    for (int64_t b = 0; b < 7; ++b, ++k) {
      const auto order = permutation(10, NoiseKey{9, k / 10, Purpose::data_order, 0});
      const auto i = static_cast<int64_t>(order[k % 10]);
      EXPECT_EQ(batch.indices[static_cast<size_t>(b)], i);
      EXPECT_EQ(example_at(k, 10, 9), i);
      EXPECT_EQ(batch.labels[static_cast<size_t>(b)], i % 3);
      EXPECT_EQ(batch.captions[static_cast<size_t>(b)], fmt::format("c{}", i));
      const Image image = set->get(i).image;
      EXPECT_FLOAT_EQ(batch.images.sample(b)[0], static_cast<float>(image.pixels[0] / 127.5 - 1));
    }
    EXPECT_EQ(loader.position(), k);
  }
}

TEST(Loader, BatchMayExceedTheSet) {
  const auto set = sample_set(3);
  Loader loader(set, {3, 4, 6}, {.batch = 64, .seed = 1});
  const Batch batch = loader.next();
  std::array<int, 3> count{};
  for (int64_t i : batch.indices) ++count[static_cast<size_t>(i)];
  EXPECT_GE(*std::min_element(count.begin(), count.end()), 21);
  Loader one(sample_set(1), {3, 4, 6}, {.batch = 5});
  EXPECT_EQ(one.next().indices, (std::vector<int64_t>{0, 0, 0, 0, 0}));
}

TEST(Loader, StreamDoesNotDependOnThreadsPrefetchOrFastPath) {
  const auto set = sample_set(37, 8, 9);
  LoaderOptions options{
      .batch = 8, .seed = 3, .flip = true, .random_crop = true, .captions = true, .threads = 1};
  const ImageSpec spec{3, 5, 6};
  std::vector<Batch> reference;
  for (uint64_t k = 0; k < 30; ++k) reference.push_back(make_batch(*set, spec, options, 8 * k));
  for (const auto& [threads, prefetch] : {std::pair{1, 1}, {1, 0}, {2, 3}, {8, 2}, {8, 0}}) {
    options.threads = threads;
    options.prefetch = prefetch;
    Loader fast(set, spec, options), slow(std::make_shared<Slow>(set), spec, options);
    for (const Batch& batch : reference) {
      expect_same(fast.next(), batch);
      expect_same(slow.next(), batch);
    }
  }
}

TEST(Loader, ResumesExactlyAtAnyPosition) {
  const auto set = sample_set(11, 6, 6);
  const LoaderOptions options{.batch = 4, .seed = 8, .flip = true, .random_crop = true, .threads = 2};
  Loader whole(set, {3, 4, 4}, options);
  for (int i = 0; i < 7; ++i) whole.next();
  Loader resumed(set, {3, 4, 4}, options, whole.position());
  for (int i = 0; i < 7; ++i) expect_same(resumed.next(), whole.next());
  // A position within a batch, and another batch size: the same samples.
  Loader odd(set, {3, 4, 4}, options, 5);
  const Batch first =
      make_batch(*set, {3, 4, 4}, {.batch = 12, .seed = 8, .flip = true, .random_crop = true}, 0);
  const Batch shifted = odd.next();
  for (int64_t b = 0; b < 4; ++b) {
    const auto x = shifted.images.sample(b), y = first.images.sample(b + 5);
    EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin()));
  }
}

TEST(Loader, AugmentationIsFairAndPerPosition) {
  Image image = make_image(4, 3, 1);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(20 * i);
  const auto set = in_memory({{image, -1, "", "a"}});
  const Batch batch =
      make_batch(*set, {1, 2, 2}, {.batch = 2000, .seed = 4, .flip = true, .random_crop = true}, 0);
  std::map<std::vector<float>, int> seen;
  for (int64_t b = 0; b < 2000; ++b) {
    const auto x = batch.images.sample(b);
    ++seen[{x.begin(), x.end()}];
  }
  EXPECT_EQ(seen.size(), 12U);  // 2 x 3 places, mirrored or not
  for (const auto& [what, count] : seen) EXPECT_NEAR(count, 2000 / 12.0, 60);
  // Without augmentation: the centre. Flipping alone does not move the cut.
  const Batch centre = make_batch(*set, {1, 2, 2}, {.batch = 1}, 0);
  EXPECT_FLOAT_EQ(centre.images[0], static_cast<float>(20 / 127.5 - 1));
}

TEST(Loader, SequentialOrderWhenNotShuffled) {
  Loader loader(sample_set(4), {3, 4, 6}, {.batch = 6, .shuffle = false});
  EXPECT_EQ(loader.next().indices, (std::vector<int64_t>{0, 1, 2, 3, 0, 1}));
}

TEST(Loader, WorkersErrorSurfacesAtItsBatchAndAgain) {
  const auto set = std::make_shared<Slow>(sample_set(12), 9);
  Loader loader(set, {3, 4, 6}, {.batch = 4, .shuffle = false, .threads = 3});
  loader.next();
  loader.next();
  EXPECT_EQ(test::error_of([&] { loader.next(); }), "e9: broken");
  EXPECT_EQ(test::error_of([&] { loader.next(); }), "e9: broken");
  EXPECT_EQ(loader.position(), 8U);
}

TEST(Loader, StopsCleanlyWhileWorking) {
  for (int i = 0; i < 30; ++i) {
    Loader loader(std::make_shared<Slow>(sample_set(40)), {3, 4, 6},
                  {.batch = 3, .threads = 4, .prefetch = 6});
    if (i % 2 == 0) loader.next();
  }
}

TEST(Loader, RefusesNonsense) {
  EXPECT_THROW(Loader(sample_set(3), {3, 4, 6}, {.batch = 0}), UsageError);
  EXPECT_THROW(Loader(in_memory({}), {3, 4, 6}, {.batch = 1}), Error);
  EXPECT_THROW(Loader(sample_set(3), {3, 4, 6}, {.batch = 1}, ~uint64_t{0}), Error);
  Loader small(sample_set(3), {3, 5, 6}, {.batch = 1});
  EXPECT_TRUE(test::contains(test::error_of([&] { small.next(); }), "smaller than"));
}

TEST(Dataset, SubsetAndLabels) {
  const auto set = subset(sample_set(6), {4, 0, 4});
  EXPECT_EQ(all_labels(*set), (std::vector<int64_t>{1, 0, 1}));
  EXPECT_EQ(set->name(2), "e4");
  EXPECT_EQ(set->get(0).image.pixels, sample_set(6)->get(4).image.pixels);
  EXPECT_THROW(subset(sample_set(6), {6}), Error);
  EXPECT_THROW(set->get(3), Error);
  EXPECT_THROW(in_memory({{noise_image(2, 2, 1, 1), 5, "", "x"}}, {"a"}), Error);
}

}  // namespace
}  // namespace langevin
