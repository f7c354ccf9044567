// Bringing pictures into shape, and what is said of bad ones.
#include "langevin/data/open.h"

#include "langevin/core/config.h"
#include "langevin/data/loader.h"
#include "langevin/data/resize.h"
#include "langevin/io/npy.h"
#include "tests/data/data_samples.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

using test::contains;
using test::error_of;
using test::Files;
using test::noise_image;
using test::open_quietly;
using test::png;
using test::TempFolder;

Files mixed_sizes() {
  return {{"a.png", png(noise_image(32, 32, 3, 1))},
          {"b.png", png(noise_image(40, 48, 3, 2))},
          {"c.png", png(noise_image(16, 20, 3, 3))}};
}

TEST(Open, MemoryAndStreamGiveTheSamePictures) {
  TempFolder folder;
  auto files = mixed_sizes();
  for (unsigned i = 0; i < 300; ++i)
    files.emplace_back(fmt::format("d{}.png", i), png(noise_image(33, 40, 3, i)));
  test::write_folder(folder.path(), files);
  for (const char* fit : {"crop", "stretch", "random-crop"}) {
    const auto cached = open_quietly(folder.path(), {.size = 48, .width = 40, .fit = fit, .memory = 100});
    const auto streamed = open_quietly(folder.path(), {.size = 48, .width = 40, .fit = fit, .memory = 1});
    EXPECT_TRUE(cached->view(0));
    EXPECT_FALSE(streamed->view(0));
    EXPECT_GT(cached->summary().memory_bytes, 0);
    EXPECT_EQ(streamed->summary().memory_bytes, 0);
    EXPECT_EQ(cached->spec(), (ImageSpec{3, 48, 40}));
    EXPECT_EQ(cached->summary().hash, streamed->summary().hash);
    for (int64_t i : {0, 1, 2, 100}) {
      const Image a = cached->get(i).image, b = streamed->get(i).image;
      EXPECT_EQ(a.pixels, b.pixels) << fit << " " << i;
      EXPECT_GE(a.height, 48);
      EXPECT_GE(a.width, 40);
    }
    Loader x(cached, {.batch = 16, .seed = 1}), y(streamed, {.batch = 16, .seed = 1});
    for (int k = 0; k < 5; ++k) {
      const Batch p = x.next(), q = y.next();
      EXPECT_EQ(p.images.shape(), (Shape{16, 3, 48, 40}));
      EXPECT_TRUE(std::equal(p.images.data().begin(), p.images.data().end(), q.images.data().begin()));
    }
  }
}

TEST(Open, CropStretchAndZoom) {
  TempFolder folder;
  const Image image = noise_image(16, 32, 3, 1);
  test::write_folder(folder.path(), {{"a.png", png(image)}});
  EXPECT_EQ(open_quietly(folder.path(), {.size = 16})->get(0).image.pixels,
            centre_crop(image, {16, 16}).pixels);
  EXPECT_EQ(open_quietly(folder.path(), {.size = 8, .fit = "stretch"})->get(0).image.pixels,
            resize(image, {8, 8}).pixels);
  EXPECT_EQ(open_quietly(folder.path(), {.size = 16, .fit = "crop", .zoom = 2})->get(0).image.pixels,
            resize(image, Window{4, 12, 8, 8}, {16, 16}).pixels);
  const auto random = open_quietly(folder.path(), {.size = 8, .fit = "random-crop", .zoom = 1.5});
  EXPECT_EQ(random->get(0).image.pixels, resize(image, {12, 24}).pixels);
  EXPECT_EQ(random->spec(), (ImageSpec{3, 8, 8}));
}

TEST(Open, ChannelsAreGrayUnlessAColourPictureIsThere) {
  TempFolder folder;
  test::write_folder(folder.path(), {{"a.png", png(noise_image(4, 4, 1, 1))}});
  EXPECT_EQ(open_quietly(folder.path())->spec().channels, 1);
  EXPECT_EQ(open_quietly(folder.path(), {.channels = 4})->get(0).image.pixels[3], 255);
  Image clear = make_image(4, 4, 4, 0);  // fully transparent black
  test::write_folder(folder.path(), {{"b.png", png(clear)}});
  const auto set = open_quietly(folder.path(), {.background = "#102030"});
  EXPECT_EQ(set->spec().channels, 3);
  EXPECT_EQ(set->get(0).image.pixels[0], set->get(0).image.pixels[1]);
  EXPECT_EQ(set->get(1).image.at(2, 2, 0), 0x10);
  EXPECT_EQ(set->get(1).image.at(2, 2, 2), 0x30);
  const auto rgba = open_quietly(folder.path(), {.channels = 4});
  EXPECT_EQ(rgba->get(1).image.pixels, clear.pixels);
  EXPECT_EQ(open_quietly(folder.path(), {.channels = 1})->spec().channels, 1);
}

TEST(Open, DoesNotDependOnThreads) {
  TempFolder folder;
  auto files = mixed_sizes();
  for (unsigned i = 0; i < 40; ++i) {
    files.emplace_back(fmt::format("x{}.png", i),
                       i % 7 == 3 ? "broken" : png(noise_image(20, 24, i % 2 ? 3 : 1, i)));
  }
  test::write_folder(folder.path(), files);
  const auto one = open_quietly(folder.path(), {.size = 16, .threads = 1}),
             many = open_quietly(folder.path(), {.size = 16, .threads = 8});
  ASSERT_EQ(one->size(), many->size());
  EXPECT_EQ(one->summary().skipped, many->summary().skipped);
  EXPECT_EQ(one->summary().skipped.size(), 6U);
  for (int64_t i = 0; i < one->size(); ++i) {
    EXPECT_EQ(one->name(i), many->name(i));
    EXPECT_EQ(one->get(i).image.pixels, many->get(i).image.pixels);
  }
}

TEST(BadInput, BadPicturesAreSkippedCountedAndNamed) {
  TempFolder folder;
  const std::string good = png(noise_image(64, 64, 3, 1));
  std::string bomb = png(noise_image(8, 8, 3, 1));
  const unsigned char huge[] = {0, 1, 0, 0, 0, 1, 0, 0};  // 65536 x 65536 in IHDR
  bomb.replace(16, 8, reinterpret_cast<const char*>(huge), 8);
  test::write_folder(folder.path(), {{"good.png", good},
                                     {"cut.png", good.substr(0, good.size() / 2)},
                                     {"empty.png", ""},
                                     {"lie.jpg", "this is text"},
                                     {"bomb.png", bomb}});
  test::Listener listener;
  const auto set = open_dataset(folder.path(), {}, listener.console);
  EXPECT_EQ(set->size(), 1);
  ASSERT_EQ(set->summary().skipped.size(), 4U);
  const std::string heard = listener.heard();
  EXPECT_TRUE(contains(heard, "warning: skipped 4 of 5 images: bomb.png: ")) << heard;
  EXPECT_TRUE(contains(heard, "; cut.png: ") && contains(heard, "; empty.png: ") &&
              contains(heard, "; and 1 more"));
  const std::string strict = error_of([&] { open_quietly(folder.path(), {.strict = true}); });
  EXPECT_TRUE(contains(strict, "bomb.png: ") && contains(strict, "data.strict")) << strict;
  fs::remove(folder / "good.png");
  EXPECT_TRUE(
      contains(error_of([&] { open_quietly(folder.path()); }), "none of the 4 images is usable: bomb.png"));
}

TEST(BadInput, PixelCapHoldsBeforeDecoding) {
  TempFolder folder;
  test::write_folder(folder.path(),
                     {{"a.png", png(noise_image(10, 10, 1, 1))}, {"b.png", png(noise_image(40, 40, 1, 1))}});
  for (bool verify : {true, false}) {
    const auto set = open_quietly(folder.path(), {.verify = verify, .max_pixels = 400});
    EXPECT_EQ(set->size(), 1);
    EXPECT_EQ(set->summary().skipped[0].first, "b.png");
  }
}

TEST(BadInput, HeadersOnlyFindsWhatHeadersShow) {
  TempFolder folder;
  Files files{{"z.png", "broken"}};
  for (unsigned i = 0; i < 50; ++i)
    files.emplace_back(fmt::format("{}.png", i), png(noise_image(100, 100, 3, i)));
  test::write_folder(folder.path(), files);
  const auto set = open_quietly(folder.path(), {.verify = false, .memory = 1});
  EXPECT_EQ(set->size(), 50);
  EXPECT_FALSE(set->view(0));
  EXPECT_EQ(set->get(7).image.pixels, noise_image(100, 100, 3, 7).pixels);
}

TEST(BadInput, MixedSizesNeedASize) {
  TempFolder folder;
  test::write_folder(folder.path(), mixed_sizes());
  const std::string error = error_of([&] { open_quietly(folder.path()); });
  EXPECT_TRUE(contains(error, "sizes differ (a.png 32x32, b.png 48x40): give --set data.size=N")) << error;
  const auto set = open_quietly(folder.path(), {.size = 32, .fit = "none"});
  EXPECT_EQ(set->size(), 1);
  EXPECT_TRUE(contains(set->summary().skipped[0].second, "48x40, not 32x32"));
}

TEST(BadInput, NothingThere) {
  TempFolder folder;
  EXPECT_TRUE(
      contains(error_of([&] { open_quietly(folder / "nowhere"); }), "nowhere: no such file or folder"));
  EXPECT_TRUE(
      contains(error_of([&] { open_quietly(folder.path()); }), "is empty; it should hold PNG, JPEG or WebP"));
  test::write_folder(folder.path(), {{"a.gif", "x"}, {"b.gif", "x"}, {"c.txt", "x"}});
  EXPECT_TRUE(
      contains(error_of([&] { open_quietly(folder.path()); }), "nothing to train on (found 2 .gif, 1 .txt)"));
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder / "c.txt"); }), "c.txt is no data set"));
}

TEST(BadInput, OptionsThatContradict) {
  TempFolder folder;
  test::write_folder(folder.path(), {{"a.png", png(noise_image(8, 8, 1, 1))}});
  const std::vector<DataOptions> bad{{.width = 8},
                                     {.size = -1},
                                     {.fit = "cover"},
                                     {.zoom = 2},
                                     {.size = 8, .zoom = 0.5},
                                     {.fit = "random-crop"},
                                     {.channels = 2},
                                     {.background = "red"},
                                     {.split = "best"},
                                     {.memory = -1},
                                     {.max_pixels = 0}};
  for (const DataOptions& options : bad) EXPECT_THROW(open_quietly(folder.path(), options), UsageError);
}

TEST(Open, OptionsAreKeys) {
  DataOptions options;
  Schema schema;
  register_data_options(schema, options);
  schema.set("data.size=64");
  schema.set("data.fit=random-crop");
  schema.set("data.flip=true");
  schema.set("data.background=#000000");
  EXPECT_EQ(options.size, 64);
  EXPECT_EQ(options.fit, "random-crop");
  EXPECT_TRUE(options.flip);
  EXPECT_EQ(options.background, "#000000");
  EXPECT_THROW(schema.set("data.fit=cover"), UsageError);
  EXPECT_THROW(schema.set("data.size=99999"), UsageError);
}

TEST(Open, FlipOptionReachesTheLoader) {
  TempFolder folder;
  test::write_folder(folder.path(), {{"a.png", png(noise_image(4, 4, 3, 1))}});
  Loader flipping(open_quietly(folder.path(), {.flip = true}), {.batch = 32});
  Loader still(open_quietly(folder.path()), {.batch = 32});
  const auto differing = [](const Batch& batch) {
    int count = 0;
    for (int64_t b = 1; b < 32; ++b) count += batch.images.sample(b)[0] != batch.images.sample(0)[0];
    return count;
  };
  EXPECT_GT(differing(flipping.next()), 4);
  EXPECT_EQ(differing(still.next()), 0);
}

TEST(Open, SummaryForPeopleAndMachines) {
  TempFolder folder;
  test::write_folder(folder.path(), {{"x/a.png", png(noise_image(8, 8, 3, 1))},
                                     {"y/b.png", png(noise_image(9, 8, 3, 2))},
                                     {"y/c.png", "broken"}});
  const auto set = open_quietly(folder.path(), {.size = 8});
  const DatasetSummary& summary = set->summary();
  EXPECT_EQ(summary.count, 2);
  EXPECT_TRUE(summary.mixed_sizes);
  EXPECT_EQ(summary.hash.size(), 32U);
  const auto json = to_json(summary);
  EXPECT_EQ(json["classes"][1]["name"], "y");
  EXPECT_EQ(json["classes"][1]["count"], 1);
  EXPECT_EQ(json["skipped"][0]["name"], "y/c.png");
  const std::string text = to_string(summary);
  EXPECT_TRUE(contains(text, "2 images of 3 x 8 x 8") && contains(text, "2 classes: x (1), y (1)")) << text;
}

TEST(Open, FingerprintTellsNamesLabelsSizesAndPixels) {
  const std::vector<ExamplePrint> examples{{"a", 0, 5, "x"}, {"b", 1, 6, "y"}};
  const std::string base = fingerprint(examples);
  EXPECT_EQ(base, fingerprint(examples));
  for (const ExamplePrint& other : {ExamplePrint{"c", 1, 6, "y"}, ExamplePrint{"b", 0, 6, "y"},
                                    ExamplePrint{"b", 1, 7, "y"}, ExamplePrint{"b", 1, 6, "z"}}) {
    EXPECT_NE(base, fingerprint({examples[0], other}));
  }
  EXPECT_NE(fingerprint({{"ab", 0, 0, ""}, {"", 0, 0, ""}}), fingerprint({{"a", 0, 0, ""}, {"b", 0, 0, ""}}));
}

TEST(Open, OtherPixelsOfTheSameSizeAreOtherData) {
  for (const char* name : {"set.npy", "folder"}) {  // looked at where it lies; decoded
    TempFolder folder;
    std::vector<std::string> hashes;
    for (unsigned seed : {1U, 2U, 1U}) {
      const Image image = noise_image(8, 8, 1, seed);
      if (std::string(name) == "folder") {
        test::write_folder(folder / name, {{"a.png", png(image)}});
      } else {
        write_npy(folder / name, DType::u8, {1, 8, 8}, std::as_bytes(std::span(image.pixels)));
      }
      hashes.push_back(open_quietly(folder / name)->summary().hash);
    }
    EXPECT_EQ(hashes[0], hashes[2]) << name;
    EXPECT_NE(hashes[0], hashes[1]) << name;
  }
}

}  // namespace
}  // namespace langevin
