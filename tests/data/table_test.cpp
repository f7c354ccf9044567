// Sets that lie as one array: IDX, CIFAR, npy, npz.
#include <zlib.h>

#include <cstring>
#include <numeric>

#include "langevin/io/idx.h"
#include "langevin/io/npz.h"
#include "tests/data/data_samples.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

using test::contains;
using test::error_of;
using test::open_quietly;
using test::TempFolder;

std::vector<uint8_t> counting(size_t n, unsigned start = 0) {
  std::vector<uint8_t> out(n);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>((i + start) * 7);
  return out;
}

void write_digits(const fs::path& folder, const std::string& prefix, int64_t n, unsigned start) {
  write_idx(folder / (prefix + "-images-idx3-ubyte"),
            {{n, 4, 5}, counting(static_cast<size_t>(20 * n), start)});
  IdxArray labels{{n}, {}};
  for (int64_t i = 0; i < n; ++i) labels.data.push_back(static_cast<uint8_t>(i % 3));
  write_idx(folder / (prefix + "-labels-idx1-ubyte"), labels);
}

void gzip(const fs::path& path) {
  const std::string content = read_file(path, 1 << 20);
  gzFile file = gzopen((path.string() + ".gz").c_str(), "wb");
  ASSERT_EQ(gzwrite(file, content.data(), static_cast<unsigned>(content.size())),
            static_cast<int>(content.size()));
  gzclose(file);
  fs::remove(path);
}

TEST(Idx, FolderWithTwoParts) {
  TempFolder folder;
  write_digits(folder.path(), "train", 6, 0);
  write_digits(folder.path(), "t10k", 2, 50);
  const auto train = open_quietly(folder.path());
  ASSERT_EQ(train->size(), 6);
  EXPECT_EQ(train->spec(), (ImageSpec{1, 4, 5}));
  EXPECT_EQ(train->class_names(), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(all_labels(*train), (std::vector<int64_t>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(train->name(3), "train-images-idx3-ubyte[3]");
  const auto all_bytes = counting(120);
  EXPECT_EQ(train->get(2).image.pixels, std::vector<uint8_t>(all_bytes.begin() + 40, all_bytes.begin() + 60));
  EXPECT_TRUE(train->view(0));
  const auto test = open_quietly(folder.path(), {.split = "test"});
  EXPECT_EQ(test->size(), 2);
  const auto all = open_quietly(folder.path(), {.split = "all"});
  ASSERT_EQ(all->size(), 8);
  EXPECT_EQ(all->get(6).image.pixels, test->get(0).image.pixels);
  EXPECT_EQ(all->label(7), 1);
}

TEST(Idx, GzippedAndByFileAndWithoutLabels) {
  TempFolder folder;
  write_digits(folder.path(), "train", 4, 0);
  const auto plain = open_quietly(folder.path());
  const auto pixels = plain->get(1).image.pixels;
  for (const char* what : {"images-idx3", "labels-idx1"}) gzip(folder / fmt::format("train-{}-ubyte", what));
  for (const auto& path : {folder.path(), folder / "train-images-idx3-ubyte.gz"}) {
    const auto set = open_quietly(path);
    ASSERT_EQ(set->size(), 4);
    EXPECT_EQ(set->get(1).image.pixels, pixels);
    EXPECT_EQ(set->label(2), 2);
  }
  fs::remove(folder / "train-labels-idx1-ubyte.gz");
  test::Listener listener;
  const auto set = open_dataset(folder.path(), {}, listener.console);
  EXPECT_EQ(set->label(2), -1);
  EXPECT_TRUE(set->class_names().empty());
  EXPECT_TRUE(contains(listener.heard(), "no labels beside it"));
}

TEST(Idx, LabelsThatDoNotMatchAreRefused) {
  TempFolder folder;
  write_digits(folder.path(), "train", 4, 0);
  write_idx(folder / "train-labels-idx1-ubyte", {{3}, {0, 1, 2}});
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder.path()); }), "holds 4 pictures"));
}

TEST(Idx, ResizedAndInColour) {
  TempFolder folder;
  write_digits(folder.path(), "train", 4, 0);
  const auto set = open_quietly(folder.path(), {.size = 8, .channels = 3});
  EXPECT_EQ(set->spec(), (ImageSpec{3, 8, 8}));
  const Image image = set->get(0).image;
  for (size_t p = 0; p < image.pixels.size(); p += 3) ASSERT_EQ(image.pixels[p], image.pixels[p + 2]);
}

std::string cifar_records(int n, bool hundred) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    if (hundred) out += static_cast<char>(i % 20);
    out += static_cast<char>(i % 10);
    for (int c = 0; c < 3; ++c) {
      for (int p = 0; p < 1024; ++p) out += static_cast<char>((p + 50 * c + i) & 0xff);
    }
  }
  return out;
}

test::Files cifar10_files() {
  return {{"cifar-10-batches-bin/data_batch_1.bin", cifar_records(3, false)},
          {"cifar-10-batches-bin/data_batch_2.bin", cifar_records(2, false)},
          {"cifar-10-batches-bin/test_batch.bin", cifar_records(4, false)},
          {"cifar-10-batches-bin/batches.meta.txt",
           "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"},
          {"cifar-10-batches-bin/readme.html", "x"}};
}

TEST(Cifar, TenAsFolderAndArchive) {
  TempFolder folder;
  test::write_folder(folder / "get", cifar10_files());
  test::write_archive(folder / "c.tar.gz", test::Pack::tar_gz, cifar10_files());
  for (const auto& path : {folder / "get", folder / "get/cifar-10-batches-bin", folder / "c.tar.gz"}) {
    const auto set = open_quietly(path);
    ASSERT_EQ(set->size(), 5) << path;
    EXPECT_EQ(set->spec(), (ImageSpec{3, 32, 32}));
    EXPECT_EQ(set->class_names()[2], "bird");
    EXPECT_EQ(all_labels(*set), (std::vector<int64_t>{0, 1, 2, 0, 1}));
    const Image image = set->get(4).image;  // the second of batch 2
    EXPECT_EQ(image.at(3, 2, 1), static_cast<uint8_t>(2 * 32 + 3 + 50 + 1));
    EXPECT_EQ(open_quietly(path, {.split = "test"})->size(), 4);
    EXPECT_EQ(open_quietly(path, {.split = "all"})->size(), 9);
  }
  const auto one = open_quietly(folder / "get/cifar-10-batches-bin/data_batch_2.bin");
  EXPECT_EQ(one->size(), 2);
  EXPECT_EQ(one->class_names()[0], "airplane");
}

TEST(Cifar, HundredUsesFineLabels) {
  TempFolder folder;
  test::write_folder(folder.path(),
                     {{"train.bin", cifar_records(12, true)}, {"test.bin", cifar_records(1, true)}});
  const auto set = open_quietly(folder.path());
  EXPECT_EQ(set->size(), 12);
  EXPECT_EQ(set->class_names().size(), 100U);
  EXPECT_EQ(set->label(11), 1);
  EXPECT_EQ(set->summary().kind, "cifar100");
}

TEST(Cifar, DamagedFileIsNamed) {
  TempFolder folder;
  test::write_folder(folder.path(), {{"data_batch_1.bin", cifar_records(2, false).substr(0, 5000)}});
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder.path()); }), "data_batch_1.bin"));
}

void write_bytes_npy(const fs::path& path, const Shape& shape, const std::vector<uint8_t>& data) {
  write_npy(path, DType::u8, shape, std::as_bytes(std::span(data)));
}

TEST(Npy, LayoutsAreTold) {
  TempFolder folder;
  const auto data = counting(2 * 6 * 5 * 3);
  write_bytes_npy(folder / "nhwc.npy", {2, 6, 5, 3}, data);
  write_bytes_npy(folder / "nchw.npy", {2, 3, 6, 5}, data);
  write_bytes_npy(folder / "nhw.npy", {6, 6, 5}, data);
  const auto nhwc = open_quietly(folder / "nhwc.npy"), nchw = open_quietly(folder / "nchw.npy"),
             nhw = open_quietly(folder / "nhw.npy");
  EXPECT_EQ(nhwc->spec(), (ImageSpec{3, 6, 5}));
  EXPECT_EQ(nchw->spec(), (ImageSpec{3, 6, 5}));
  EXPECT_EQ(nhw->spec(), (ImageSpec{1, 6, 5}));
  EXPECT_EQ(nhwc->get(1).image.at(2, 4, 1), data[90 + (4 * 5 + 2) * 3 + 1]);
  EXPECT_EQ(nchw->get(1).image.at(2, 4, 1), data[90 + 30 + 4 * 5 + 2]);
  EXPECT_EQ(nhw->get(3).image.at(2, 4, 0), data[90 + 22]);
  EXPECT_TRUE(nchw->view(1));  // decoded once, then in memory
}

TEST(Npy, FloatsBecomeBytesWithAStatement) {
  TempFolder folder;
  const std::vector<float> signed_values{-1, 0, 1, 0.5F}, unsigned_values{0, 0.5F, 1, 0.25F};
  write_npy(folder / "a.npy", DType::f32, {1, 2, 2}, std::as_bytes(std::span(signed_values)));
  write_npy(folder / "b.npy", DType::f32, {1, 2, 2}, std::as_bytes(std::span(unsigned_values)));
  test::Listener listener;
  EXPECT_EQ(open_dataset(folder / "a.npy", {}, listener.console)->get(0).image.pixels,
            (std::vector<uint8_t>{0, 128, 255, 191}));
  EXPECT_EQ(open_dataset(folder / "b.npy", {}, listener.console)->get(0).image.pixels,
            (std::vector<uint8_t>{0, 128, 255, 64}));
  EXPECT_TRUE(contains(listener.heard(), "a.npy: floats taken as [-1, 1]"));
  EXPECT_TRUE(contains(listener.heard(), "b.npy: floats taken as [0, 1]"));
  const std::vector<float> wild{-3, 0, 1, 900};
  write_npy(folder / "c.npy", DType::f32, {1, 2, 2}, std::as_bytes(std::span(wild)));
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "c.npy"); }), "neither in [0, 1]"));
  const std::vector<float> bad{0, NAN, 1, 1};
  write_npy(folder / "d.npy", DType::f32, {1, 2, 2}, std::as_bytes(std::span(bad)));
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "d.npy"); }), "not finite"));
}

TEST(Npy, BadShapesTypesAndLengthsAreOneLine) {
  TempFolder folder;
  write_bytes_npy(folder / "a.npy", {4, 5}, counting(20));
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "a.npy"); }), "shape (4, 5) is none of"));
  write_bytes_npy(folder / "b.npy", {1, 2, 2, 7}, counting(28));
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "b.npy"); }), "is none of"));
  write_bytes_npy(folder / "c.npy", {0, 2, 2}, {});
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "c.npy"); }), "holds no picture"));
  const std::vector<int64_t> ints(8, 1);
  write_npy(folder / "d.npy", DType::i64, {2, 2, 2}, std::as_bytes(std::span(ints)));
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "d.npy"); }), "store uint8 or float"));
  write_bytes_npy(folder / "e.npy", {2, 9, 9}, counting(162));
  fs::resize_file(folder / "e.npy", fs::file_size(folder / "e.npy") - 5);
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "e.npy"); }), "e.npy"));
}

template <class T>
void add_array(NpzWriter& out, const std::string& name, DType dtype, const Shape& shape,
               const std::vector<T>& data) {
  out.begin_array(name, dtype, shape);
  out.append(std::as_bytes(std::span(data)));
  out.end_array();
}

TEST(Npz, ImagesAndLabelsUnderTheUsualNames) {
  TempFolder folder;
  const auto data = counting(3 * 2 * 2 * 3);
  for (const auto& [images, labels] :
       {std::pair{"arr_0", "arr_1"}, {"images", "labels"}, {"x_train", "y_train"}}) {
    const auto path = folder / fmt::format("{}.npz", images);
    NpzWriter out(path);
    add_array(out, images, DType::u8, {3, 2, 2, 3}, data);
    add_array(out, labels, DType::i64, {3}, std::vector<int64_t>{2, 0, 1});
    out.commit();
    const auto set = open_quietly(path);
    ASSERT_EQ(set->size(), 3);
    EXPECT_EQ(all_labels(*set), (std::vector<int64_t>{2, 0, 1}));
    EXPECT_EQ(set->class_names().size(), 3U);
    EXPECT_EQ(set->get(1).image.pixels, std::vector<uint8_t>(data.begin() + 12, data.begin() + 24));
  }
}

TEST(Npz, RefusesWhatItCannotUse) {
  TempFolder folder;
  const auto write = [&](const std::string& name, const std::vector<int64_t>& labels) {
    NpzWriter out(folder / "a.npz");
    add_array(out, name, DType::u8, {2, 2, 2}, counting(8));
    add_array(out, "arr_1", DType::i64, {static_cast<int64_t>(labels.size())}, labels);
    out.commit();
    return error_of([&] { open_quietly(folder / "a.npz"); });
  };
  EXPECT_TRUE(contains(write("latents", {0, 1}),
                       "no array named images, arr_0 or x_train; it holds: latents, arr_1"));
  EXPECT_TRUE(contains(write("arr_0", {0, 1, 2}), "there are 2 pictures"));
  EXPECT_TRUE(contains(write("arr_0", {0, -1}), "label -1"));
  EXPECT_TRUE(contains(write("arr_0", {0, int64_t{1} << 40}), "label 1099511627776"));
}

}  // namespace
}  // namespace langevin
