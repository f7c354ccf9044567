// Folders and archives of pictures.
#include "langevin/data/file_tree.h"
#include "tests/data/data_samples.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

using test::contains;
using test::error_of;
using test::Files;
using test::noise_image;
using test::open_quietly;
using test::Pack;
using test::png;
using test::TempFolder;

std::vector<std::string> names_of(const Dataset& set) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < set.size(); ++i) names.push_back(set.name(i));
  return names;
}

Files two_classes() {
  return {{"dog/b10.png", png(noise_image(8, 8, 3, 1))},
          {"dog/b2.png", png(noise_image(8, 8, 3, 2))},
          {"cat/a.png", png(noise_image(8, 8, 3, 3))}};
}

TEST(NaturalOrder, NumbersCountAsNumbers) {
  const std::vector<std::string> sorted{"a/1.png", "a/b/c.png", "a.png",   "a1.png",
                                        "a01.png", "a2.png",    "a10.png", "b"};
  std::vector<std::string> shuffled{"b",      "a10.png", "a01.png", "a/b/c.png",
                                    "a2.png", "a.png",   "a1.png",  "a/1.png"};
  std::sort(shuffled.begin(), shuffled.end(), natural_less);
  std::vector<std::string> expected = sorted;
  std::swap(expected[3], expected[4]);  // equal numbers: by bytes, "a01" before "a1"
  EXPECT_EQ(shuffled, expected);
  EXPECT_FALSE(natural_less("a1", "a1"));
}

TEST(Folder, ClassesAreSubfoldersInNaturalOrder) {
  TempFolder folder;
  test::write_folder(folder.path(), two_classes());
  const auto set = open_quietly(folder.path());
  EXPECT_EQ(set->class_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(names_of(*set), (std::vector<std::string>{"cat/a.png", "dog/b2.png", "dog/b10.png"}));
  EXPECT_EQ(all_labels(*set), (std::vector<int64_t>{0, 1, 1}));
  EXPECT_EQ(set->get(2).image.pixels, noise_image(8, 8, 3, 1).pixels);
  EXPECT_EQ(set->spec(), (ImageSpec{3, 8, 8}));
  EXPECT_EQ(set->summary().kind, "folder");
  EXPECT_EQ(set->summary().classes, (std::vector<std::pair<std::string, int64_t>>{{"cat", 1}, {"dog", 2}}));
}

TEST(Folder, NoClassesWithoutTwoFoldersOrWithLooseFiles) {
  TempFolder a, b, c;
  test::write_folder(a.path(),
                     {{"x/1.png", png(noise_image(4, 4, 1, 1))}, {"x/2.png", png(noise_image(4, 4, 1, 2))}});
  EXPECT_TRUE(open_quietly(a.path())->class_names().empty());
  EXPECT_EQ(open_quietly(a.path())->label(0), -1);
  auto files = two_classes();
  files.emplace_back("loose.png", png(noise_image(8, 8, 3, 9)));
  test::write_folder(b.path(), files);
  test::Listener listener;
  const auto set = open_dataset(b.path(), {}, listener.console);
  EXPECT_TRUE(set->class_names().empty());
  EXPECT_EQ(set->size(), 4);
  const std::string heard = listener.heard();  // classes do not vanish without a word
  EXPECT_TRUE(contains(heard, "warning: " + b.path().string()) && contains(heard, "loose.png")) << heard;
}

TEST(Folder, JpegAndWebpAreReadAndWrongExtensionsAreBadPictures) {
  TempFolder folder;
  const Image image = noise_image(8, 8, 3, 4);
  test::write_folder(folder.path(), {{"a.jpg", test::as_text(encode_jpeg(image))},
                                     {"b.webp", test::as_text(encode_webp(image))},
                                     {"c.jpeg", png(image)}});
  test::Listener listener;
  const auto set = open_dataset(folder.path(), {}, listener.console);
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->get(1).image.pixels, image.pixels);
  const std::string heard = listener.heard();
  EXPECT_TRUE(contains(heard, "skipped 1 of 3 images: c.jpeg: is png by its contents")) << heard;
  const std::string strict = error_of([&] { open_quietly(folder.path(), {.strict = true}); });
  EXPECT_TRUE(contains(strict, "c.jpeg: is png by its contents")) << strict;
}

TEST(Folder, HiddenFilesAndOtherFilesAreLeftOut) {
  TempFolder folder;
  test::write_folder(folder.path(), {{"a.PNG", png(noise_image(4, 4, 1, 1))},
                                     {".hidden.png", "x"},
                                     {".git/b.png", "x"},
                                     {"__MACOSX/c.png", "x"},
                                     {"notes.txt", "x"}});
  const auto set = open_quietly(folder.path());
  EXPECT_EQ(names_of(*set), (std::vector<std::string>{"a.PNG"}));
  EXPECT_TRUE(set->summary().skipped.empty());
}

TEST(Folder, CaptionsComeFromMetadata) {
  TempFolder folder;
  auto files = two_classes();
  files.emplace_back("metadata.jsonl",
                     "{\"file_name\": \"cat/a.png\", \"text\": \"a cat\"}\n\n"
                     "{\"file_name\": \"gone.png\", \"text\": \"?\"}\r\n");
  files.emplace_back("dog/metadata.jsonl", "{\"file_name\": \"b2.png\", \"caption\": \"a dog\"}");
  test::write_folder(folder.path(), files);
  const auto set = open_quietly(folder.path());
  EXPECT_EQ(set->caption(0), "a cat");
  EXPECT_EQ(set->get(1).caption, "a dog");
  EXPECT_EQ(set->caption(2), "");
  EXPECT_EQ(set->summary().captions, 2);
}

TEST(Folder, BadMetadataNamesFileAndLine) {
  TempFolder folder;
  auto files = two_classes();
  files.emplace_back("metadata.jsonl", "{\"file_name\": \"cat/a.png\"}\n{\"file_name\": 7}\n");
  test::write_folder(folder.path(), files);
  EXPECT_TRUE(
      contains(error_of([&] { open_quietly(folder.path()); }), "metadata.jsonl:2: not a JSON object"));
}

TEST(Folder, SplitsAreFoldersToo) {
  TempFolder folder;
  Files files;
  for (const char* part : {"train", "test"}) {
    for (const char* kind : {"cat", "dog"}) {
      files.emplace_back(fmt::format("{}/{}/1.png", part, kind), png(noise_image(4, 4, 3, 1)));
    }
  }
  files.emplace_back("train/dog/2.png", png(noise_image(4, 4, 3, 2)));
  test::write_folder(folder.path(), files);
  EXPECT_EQ(open_quietly(folder.path())->size(), 3);
  EXPECT_EQ(open_quietly(folder.path(), {.split = "train"})->size(), 3);
  EXPECT_EQ(open_quietly(folder.path(), {.split = "test"})->size(), 2);
  const auto all = open_quietly(folder.path(), {.split = "all"});
  EXPECT_EQ(all->size(), 5);
  EXPECT_EQ(all->class_names(), (std::vector<std::string>{"cat", "dog"}));
  TempFolder whole;
  test::write_folder(whole.path(), two_classes());
  EXPECT_TRUE(
      contains(error_of([&] { open_quietly(whole.path(), {.split = "test"}); }), "no part named test"));
}

class Archives : public testing::TestWithParam<std::pair<Pack, const char*>> {};

TEST_P(Archives, HoldTheSameSetAsTheFolder) {
  const auto [pack, suffix] = GetParam();
  TempFolder folder;
  auto files = two_classes();
  files.emplace_back("metadata.jsonl", "{\"file_name\": \"cat/a.png\", \"text\": \"a cat\"}\n");
  files.emplace_back("LICENSE", "free");
  test::write_folder(folder / "plain", files);
  test::write_archive(folder / (std::string("set") + suffix), pack, files);
  const auto plain = open_quietly(folder / "plain"),
             packed = open_quietly(folder / (std::string("set") + suffix));
  EXPECT_EQ(names_of(*packed), names_of(*plain));
  EXPECT_EQ(all_labels(*packed), all_labels(*plain));
  EXPECT_EQ(packed->summary().hash, plain->summary().hash);
  EXPECT_EQ(std::string(".") + packed->summary().kind, suffix);
  for (int64_t i = 0; i < plain->size(); ++i) {
    EXPECT_EQ(packed->get(i).image.pixels, plain->get(i).image.pixels);
    EXPECT_EQ(packed->caption(i), plain->caption(i));
  }
  // Decoding on the fly gives the same too.
  const auto streamed = open_quietly(folder / (std::string("set") + suffix), {.memory = 1});
  EXPECT_EQ(streamed->get(1).image.pixels, plain->get(1).image.pixels);
}

TEST_P(Archives, WrappingFolderIsNoClassAndBadEntriesAreSkipped) {
  const auto [pack, suffix] = GetParam();
  TempFolder folder;
  Files files{{"set-1.0/cat/bad.png", "not a picture"}, {"set-1.0/README", "hello"}};
  for (auto& [name, content] : two_classes()) files.emplace_back("set-1.0/" + name, content);
  const auto path = folder / (std::string("set") + suffix);
  test::write_archive(path, pack, files);
  test::Listener listener;
  const auto set = open_dataset(path, {}, listener.console);
  EXPECT_EQ(set->class_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(set->size(), 3);
  EXPECT_TRUE(contains(listener.heard(), "skipped 1 of 4 images: set-1.0/cat/bad.png: "));
}

TEST_P(Archives, CutShortOrWithoutPicturesIsOneLine) {
  const auto [pack, suffix] = GetParam();
  TempFolder folder;
  Files files;
  for (int i = 0; i < 5; ++i) files.emplace_back(fmt::format("{}.png", i), png(noise_image(40, 40, 3, 1)));
  const auto path = folder / (std::string("set") + suffix);
  test::write_archive(path, pack, files);
  fs::resize_file(path, fs::file_size(path) / 2);
  EXPECT_TRUE(contains(error_of([&] { open_quietly(path); }), path.string()));
  test::write_archive(path, pack, {{"a.txt", "x"}, {"b.txt", "y"}, {"c.gif", "z"}});
  EXPECT_TRUE(contains(error_of([&] { open_quietly(path); }), "nothing to train on (found 2 .txt, 1 .gif)"));
}

INSTANTIATE_TEST_SUITE_P(Packs, Archives,
                         testing::Values(std::pair{Pack::tar, ".tar"}, std::pair{Pack::tar_gz, ".tar.gz"},
                                         std::pair{Pack::zip, ".zip"}),
                         [](const auto& info) {
                           const std::string suffix = info.param.second + 1;
                           return suffix == "tar.gz" ? "tar_gz" : suffix;
                         });

TEST(Archive, BeyondMemoryIsRefusedWithAdvice) {
  TempFolder folder;
  Files files;
  for (int i = 0; i < 4; ++i) {
    files.emplace_back(fmt::format("{}.png", i), png(noise_image(400, 400, 3, static_cast<unsigned>(i))));
  }
  test::write_archive(folder / "a.zip", Pack::zip, files);
  const std::string error = error_of([&] { open_quietly(folder / "a.zip", {.memory = 1}); });
  EXPECT_TRUE(contains(error, "more than 1 MiB") && contains(error, "data.memory")) << error;
  test::write_archive(folder / "a.tar", Pack::tar, files);
  const auto set = open_quietly(folder / "a.tar", {.memory = 1});  // read in place
  EXPECT_EQ(set->size(), 4);
  EXPECT_FALSE(set->view(0));
  EXPECT_EQ(set->get(2).image.pixels, noise_image(400, 400, 3, 2).pixels);
}

TEST(Archive, LastOfEqualNamesCounts) {
  TempFolder folder;
  test::write_archive(folder / "a.tar", Pack::tar,
                      {{"a.png", png(noise_image(4, 4, 3, 1))}, {"a.png", png(noise_image(4, 4, 3, 2))}});
  const auto set = open_quietly(folder / "a.tar");
  ASSERT_EQ(set->size(), 1);
  EXPECT_EQ(set->get(0).image.pixels, noise_image(4, 4, 3, 2).pixels);
}

TEST(Archive, FolderThatHoldsJustOneIsOpenedThrough) {
  TempFolder folder;
  test::write_archive(folder / "a.tgz", Pack::tar_gz, two_classes());
  test::write_folder(folder.path(), {{"LICENSE.txt", "x"}});
  EXPECT_EQ(open_quietly(folder.path())->size(), 3);
  test::write_archive(folder / "b.zip", Pack::zip, two_classes());
  EXPECT_TRUE(contains(error_of([&] { open_quietly(folder.path()); }), "holds several sets (a.tgz, b.zip)"));
}

}  // namespace
}  // namespace langevin
