#include "langevin/io/archive.h"

#include <zlib.h>

#include <cstdlib>
#include <map>

#include "zip_maker.h"

namespace langevin {
namespace {

using namespace scratch;

using Files = std::map<std::string, Bytes>;

void run(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

Files read_all(const fs::path& path, const ArchiveOptions& options = {}) {
  Files files;
  read_archive(path, options, [&](const ArchiveEntry& entry, Bytes&& bytes) {
    EXPECT_TRUE(entry.size < 0 || static_cast<size_t>(entry.size) == bytes.size());
    EXPECT_TRUE(files.emplace(entry.path, std::move(bytes)).second) << entry.path;
  });
  return files;
}

// A tree with what trips readers: sizes around tar's blocks, long names, names that are not ASCII, links.
Files make_tree(const fs::path& root) {
  Files files;
  const std::string deep = std::string(120, 'd') + "/" + std::string(150, 'f') + ".bin";
  for (const auto& [name, size] :
       std::vector<std::pair<std::string, size_t>>{{"empty", 0},
                                                   {"cat/one.png", 1},
                                                   {"cat/511", 511},
                                                   {"cat/512", 512},
                                                   {"dog/513", 513},
                                                   {"dog/large", 300'000},
                                                   {"\xc3\xa4\xe7\x8c\xab.png", 77},
                                                   {deep, 1000}}) {
    fs::create_directories((root / name).parent_path());
    files[name] = random_bytes(size, size + name.size());
    put(root / name, files[name]);
  }
  fs::create_symlink("empty", root / "link");
  return files;
}

std::string quoted(const fs::path& path) { return fmt::format("'{}'", path.string()); }

TEST(Archive, ReadsAndIndexesTarsOfEveryFlavour) {
  Folder folder;
  const Files files = make_tree(folder / "tree");
  for (const std::string format : {"gnu", "oldgnu", "pax", "posix", "ustar"}) {
    SCOPED_TRACE(format);
    Files expected = files;
    std::string exclude;
    if (format == "ustar") {  // has no room for it
      exclude = " --exclude='ddd*'";
      expected.erase(std::string(120, 'd') + "/" + std::string(150, 'f') + ".bin");
    }
    const fs::path tar = folder / (format + ".tar"), packed = folder / (format + ".tar.gz");
    run("tar -C " + quoted(folder / "tree") + exclude + " --format=" + format + " -cf " + quoted(tar) + " .");
    run("gzip -k -n " + quoted(tar));
    EXPECT_EQ(read_all(tar), expected);
    EXPECT_EQ(read_all(packed), expected);

    const Bytes raw = get(tar);
    const std::vector<ArchiveEntry> index = index_tar(tar);
    EXPECT_EQ(index.size(), expected.size());
    for (const ArchiveEntry& entry : index) {
      ASSERT_GE(entry.offset, 0) << entry.path;
      ASSERT_LE(static_cast<size_t>(entry.offset + entry.size), raw.size());
      const Bytes data(raw.begin() + entry.offset, raw.begin() + entry.offset + entry.size);
      EXPECT_EQ(data, expected.at(entry.path)) << entry.path;
    }
    EXPECT_EQ(list_archive(packed).size(), expected.size());
    EXPECT_ERROR(index_tar(packed), "no uncompressed tar");
  }
}

// Headers of two kinds before one file: a name too long for gnu and a time or owner only pax can hold.
TEST(Archive, OffsetsHoldBehindSeveralHeaders) {
  Folder folder;
  fs::create_directories(folder / "t");
  const std::string name(200, 'n');
  const Bytes data = random_bytes(700, 9);
  put(folder / "t" / name, data);
  run("touch -d '1969-01-01 00:00:00.123456789' " + quoted(folder / "t" / name));
  run("tar -C " + quoted(folder / "t") + " --format=pax --pax-option=comment=long" + std::string(600, 'x') +
      " -cf " + quoted(folder / "a.tar") + " " + name);
  const std::vector<ArchiveEntry> index = index_tar(folder / "a.tar");
  ASSERT_EQ(index.size(), 1u);
  const Bytes raw = get(folder / "a.tar");
  ASSERT_GT(index[0].offset, 0);
  EXPECT_EQ(Bytes(raw.begin() + index[0].offset, raw.begin() + index[0].offset + 700), data);
}

TEST(Archive, SparseEntriesAreReadButHaveNoPlace) {
  Folder folder;
  fs::create_directories(folder / "t");
  Bytes data(1'000'000);
  data[500'000] = std::byte{7};
  put(folder / "t" / "holes", "");
  fs::resize_file(folder / "t" / "holes", data.size());
  std::fstream(folder / "t" / "holes", std::ios::in | std::ios::out | std::ios::binary).seekp(500'000).put(7);
  put(folder / "t" / "solid", random_bytes(3000, 4));
  for (const std::string format :
       {"gnu", "pax --sparse-version=0.0", "pax --sparse-version=0.1", "pax --sparse-version=1.0"}) {
    SCOPED_TRACE(format);
    run("tar -C " + quoted(folder / "t") + " -S --hole-detection=raw --format=" + format + " -cf " +
        quoted(folder / "s.tar") + " holes solid");
    if (fs::file_size(folder / "s.tar") > 100'000u) GTEST_SKIP() << "the file system here has no holes";
    const Files files = read_all(folder / "s.tar");
    EXPECT_EQ(files.at("holes"), data);
    EXPECT_EQ(files.at("solid"), get(folder / "t" / "solid"));
    for (const ArchiveEntry& entry : index_tar(folder / "s.tar")) {
      EXPECT_EQ(entry.offset >= 0, entry.path == "solid") << entry.path;
    }
  }
}

TEST(Archive, ReadsZips) {
  Folder folder;
  const Members members = {{"a/b.png", random_bytes(5000, 1)}, {"zeros", Bytes(100'000)}, {"empty", {}}};
  for (const bool deflate : {false, true}) {
    make_zip(folder / "a.zip", members, deflate);
    EXPECT_EQ(read_all(folder / "a.zip"), Files(members.begin(), members.end()));
    const std::vector<ArchiveEntry> list = list_archive(folder / "a.zip");
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[1].size, 100'000);
    EXPECT_EQ(list[1].offset, -1);
    EXPECT_ERROR(index_tar(folder / "a.zip"), "no uncompressed tar");
  }
}

TEST(Archive, OnlyWhatIsWantedIsRead) {
  Folder folder;
  make_zip(folder / "a.zip", {{"a.png", Bytes(10)}, {"b.txt", Bytes(5000)}}, true);
  ArchiveOptions options;
  options.max_entry_bytes = 100;  // b.txt is beyond it, and is not asked for
  options.wanted = [](const ArchiveEntry& entry) { return entry.path.ends_with(".png"); };
  EXPECT_EQ(read_all(folder / "a.zip", options).size(), 1u);
}

// One header of a ustar file by hand.
std::string tar_header(std::string name, const std::string& size_field, char type) {
  std::string block(512, '\0');
  block.replace(0, name.size(), name);
  block.replace(100, 8, "0000644\0", 8);
  block.replace(124, size_field.size(), size_field);
  block[156] = type;
  block.replace(257, 8,
                "ustar\0"
                "00",
                8);
  block.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  block.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512, '\0');
  return text;
}

TEST(Archive, NamesAreOnlyNames) {
  Folder folder;
  std::string tar;
  const std::vector<std::pair<std::string, std::string>> names = {{"/etc/passwd", "etc/passwd"},
                                                                  {"../../up", "up"},
                                                                  {"a/./b/../c", "a/b/c"},
                                                                  {"line\nbreak\x1b[31m", "line_break_[31m"},
                                                                  {"latin\xe4", "latin_"},
                                                                  {"..", "_"},
                                                                  {"x//y", "x/y"}};
  for (const auto& [raw, clean] : names) tar += tar_header(raw, "00000000001", '0') + padded("z");
  put(folder / "a.tar", tar + std::string(1024, '\0'));
  std::vector<std::string> seen, expected;
  for (const ArchiveEntry& entry : index_tar(folder / "a.tar")) seen.push_back(entry.path);
  for (const auto& [raw, clean] : names) expected.push_back(clean);
  EXPECT_EQ(seen, expected);
}

TEST(Archive, SizesThatLieTakeNoMemory) {
  Folder folder;
  const int64_t before = peak_memory();
  const std::string base256 = std::string("\x80\0\0\0\x3f\xff\xff\xff\xff\xff\xff\xff", 12);
  for (const std::string& size : {std::string("77777777777"), std::string("00100000000"), base256}) {
    put(folder / "a.tar", tar_header("big", size, '0') + padded("only this"));
    EXPECT_ERROR(read_all(folder / "a.tar"), "'big' is cut short");
    EXPECT_ERROR(index_tar(folder / "a.tar"), "'big' is cut short");
    gzFile packed = gzopen((folder / "a.tar.gz").c_str(), "wb");
    const std::string text = as_string(get(folder / "a.tar"));
    gzwrite(packed, text.data(), static_cast<unsigned>(text.size()));
    gzclose(packed);
    EXPECT_ERROR(read_all(folder / "a.tar.gz"), "'big'");
    EXPECT_ERROR(list_archive(folder / "a.tar.gz"), "a.tar.gz");
  }
  const std::string negative = std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 12);
  put(folder / "n.tar", tar_header("negative", negative, '0') + padded("x"));
  error_of([&] { read_all(folder / "n.tar"); });
  EXPECT_LT(peak_memory() - before, int64_t{64} << 20);
}

TEST(Archive, BombsMeetALimit) {
  Folder folder;
  make_zip(folder / "a.zip", {{"a", Bytes(3'000'000)}, {"b", Bytes(3'000'000)}}, true);
  ASSERT_LT(fs::file_size(folder / "a.zip"), 20'000u);
  ArchiveOptions options;
  options.max_entry_bytes = 2'999'999;
  EXPECT_ERROR(read_all(folder / "a.zip", options), "entry 'a' unpacks to more than 2999999 bytes");
  options = {};
  options.max_total_bytes = 5'000'000;
  EXPECT_ERROR(read_all(folder / "a.zip", options), "entry 'b' unpacks to more than");
  EXPECT_ERROR(list_archive(folder / "a.zip", options), "unpacks to more than 5000000 bytes");
  options = {};
  options.max_entries = 1;
  EXPECT_ERROR(read_all(folder / "a.zip", options), "more than 1 entries");

  gzFile packed =
      gzopen((folder / "zeros.tar.gz").c_str(), "wb");  // behind the archive's end, still to be unpacked
  const std::string zeros(1 << 20, '\0'), front = tar_header("a", "00000000001", '0') + padded("z");
  gzwrite(packed, front.data(), static_cast<unsigned>(front.size()));
  for (int i = 0; i < 30; ++i) gzwrite(packed, zeros.data(), static_cast<unsigned>(zeros.size()));
  gzclose(packed);
  EXPECT_EQ(read_all(folder / "zeros.tar.gz").size(), 1u);
  EXPECT_ERROR(
      [&] {
        ArchiveOptions small;
        small.max_total_bytes = 10'000'000;
        read_all(folder / "zeros.tar.gz", small);
      }(),
      "unpacks to more than 10000000");
}

TEST(Archive, OtherFilesAreRefused) {
  Folder folder;
  put(folder / "empty.tar", "");
  put(folder / "text.tar", "not an archive at all, only words");
  gzFile packed = gzopen((folder / "text.gz").c_str(), "wb");
  gzputs(packed, "words again");
  gzclose(packed);
  for (const char* name : {"empty.tar", "text.tar", "text.gz"}) {
    EXPECT_ERROR(read_all(folder / name), std::string(name) + ": it is no tar, tar.gz or zip");
  }
  EXPECT_ERROR(read_all(folder / "absent.tar"), "absent.tar");
  EXPECT_ERROR(read_all(folder.path()), "not a regular file");
}

struct Samples {
  Folder folder;
  Files files = {{"a/x", random_bytes(700, 1)}, {"y", random_bytes(30, 2)}};
  Samples() {
    make_zip(folder / "deflated.zip", Members(files.begin(), files.end()), true);
    make_zip(folder / "stored.zip", Members(files.begin(), files.end()), false);
    std::string tar;
    for (const auto& [name, bytes] : files) {
      tar += tar_header(name, fmt::format("{:011o}", bytes.size()), '0') + padded(as_string(bytes));
    }
    tar += std::string(1024, '\0');
    put(folder / "plain.tar", tar);
    gzFile packed = gzopen((folder / "packed.tar.gz").c_str(), "wb9");
    gzwrite(packed, tar.data(), static_cast<unsigned>(tar.size()));
    gzclose(packed);
  }
};

TEST(Archive, ACutIsNoticedOrCostsWholeEntries) {
  Samples samples;
  for (const char* name : {"deflated.zip", "stored.zip", "packed.tar.gz", "plain.tar"}) {
    const Bytes bytes = get(samples.folder / name);
    EXPECT_EQ(read_all(samples.folder / name), samples.files);
    for (size_t size = 0; size < bytes.size(); ++size) {
      put(samples.folder / "cut", std::span(bytes).first(size));
      bool complete = false;
      const std::string message = error_of([&] {
        for (const auto& [path, data] : read_all(samples.folder / "cut"))
          ASSERT_EQ(data, samples.files.at(path));
        complete = true;
      });
      // A tar may end without its closing blocks, as some programs write it, but only between entries.
      const bool between = std::string(name) == "plain.tar" && size > 0 && (size % 512 == 0 || size > 2560);
      ASSERT_TRUE(message != "" || (complete && between)) << name << " cut to " << size;
      error_of([&] { index_tar(samples.folder / "cut"); });
    }
  }
}

TEST(Archive, DamageIsAnErrorOrTheSameData) {
  Samples samples;
  for (const char* name : {"deflated.zip", "stored.zip", "packed.tar.gz"}) {  // those that carry a CRC
    Bytes bytes = get(samples.folder / name);
    for (size_t at = 0; at < bytes.size(); ++at) {
      bytes[at] ^= std::byte{0x08};
      put(samples.folder / "x", bytes);
      error_of([&] {
        for (const auto& [path, data] : read_all(samples.folder / "x")) {
          const auto original = samples.files.find(path);
          ASSERT_TRUE(original == samples.files.end() || data == original->second) << name << " byte " << at;
        }
      });
      bytes[at] ^= std::byte{0x08};
    }
    if (std::string(name) == "packed.tar.gz") {  // gzip's CRC itself
      bytes[bytes.size() - 6] ^= std::byte{1};
      put(samples.folder / "x", bytes);
      EXPECT_ERROR(read_all(samples.folder / "x"), "cut short or damaged");
    }
  }
  const int64_t before = peak_memory();
  for (const char* name : {"deflated.zip", "stored.zip", "packed.tar.gz", "plain.tar"}) {
    const Bytes bytes = get(samples.folder / name);
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      put(samples.folder / "x", mutate(bytes, seed));
      error_of([&] { read_archive(samples.folder / "x", {}, [](const ArchiveEntry&, Bytes&&) {}); });
      error_of([&] { index_tar(samples.folder / "x"); });
    }
  }
  EXPECT_LT(peak_memory() - before, int64_t{128} << 20);
}

}  // namespace
}  // namespace langevin
