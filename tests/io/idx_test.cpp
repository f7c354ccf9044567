#include "langevin/io/idx.h"

#include <zlib.h>

#include "scratch.h"

namespace langevin {
namespace {

using namespace scratch;

void put_gz(const fs::path& path, std::string_view text) {
  gzFile file = gzopen(path.c_str(), "wb9");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
  ASSERT_EQ(gzclose(file), Z_OK);
}

std::string front(char type, const std::vector<uint32_t>& extents) {
  std::string text{'\0', '\0', type, static_cast<char>(extents.size())};
  for (const uint32_t extent : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(extent >> shift);
  }
  return text;
}

TEST(Idx, ReadsPlainAndGzip) {
  Folder folder;
  const std::string text = front(8, {2, 1, 3}) + "abcdef";
  put(folder / "a", text);
  put_gz(folder / "b", text);
  for (const char* name : {"a", "b"}) {
    const IdxArray array = read_idx(folder / name);
    EXPECT_EQ(array.shape, (Shape{2, 1, 3}));
    EXPECT_EQ(std::string(array.data.begin(), array.data.end()), "abcdef");
  }
  write_idx(folder / "c", read_idx(folder / "a"));
  EXPECT_EQ(as_string(get(folder / "c")), text);
}

TEST(Idx, RefusesWhatItDoesNotHold) {
  Folder folder;
  const auto message = [&](const std::string& text) {
    put(folder / "x", text);
    return error_of([&] { read_idx(folder / "x"); });
  };
  EXPECT_NE(message(front(0x0d, {1}) + "abcd").find("32-bit floats"), std::string::npos);
  EXPECT_NE(message(front(0x0c, {1}) + "abcd").find("32-bit integers"), std::string::npos);
  EXPECT_NE(message(front(0x77, {1}) + "a").find("does not begin"), std::string::npos);
  EXPECT_NE(message(std::string("\1\0\x08\1\0\0\0\1a", 9)).find("does not begin"), std::string::npos);
  EXPECT_NE(message(front(8, {})).find("does not begin"), std::string::npos);
  EXPECT_NE(message(front(8, {2}) + "abc").find("goes on"), std::string::npos);
  EXPECT_NE(message(front(8, std::vector<uint32_t>(9, 1)) + "a").find("does not begin"), std::string::npos);
  put(folder / "big", front(8, {5}) + "abcde");
  EXPECT_ERROR(read_idx(folder / "big", 4), "at most 4");
  EXPECT_ERROR(read_idx(folder / "absent"), "absent");
  EXPECT_ERROR(read_idx(folder.path()), "not a regular file");
}

TEST(Idx, ExtentsThatLieTakeNoMemory) {
  Folder folder;
  const int64_t before = peak_memory();
  for (const auto& extents : std::vector<std::vector<uint32_t>>{
           {0xffffffff}, {0xffffffff, 0xffffffff, 0xffffffff}, {1u << 30, 3}, {60000, 28, 28}}) {
    put(folder / "x", front(8, extents) + "abc");
    EXPECT_ERROR(read_idx(folder / "x", UINT64_MAX), "does not fit a file");
    put_gz(folder / "y", front(8, extents) + "abc");
    EXPECT_ERROR(read_idx(folder / "y", UINT64_MAX), "does not fit a file");
  }
  EXPECT_LT(peak_memory() - before, int64_t{64} << 20);
}

TEST(Idx, EveryCutIsNoticed) {
  Folder folder;
  const std::string text = front(8, {4, 3}) + "abcdefghijkl";
  put(folder / "plain", text);
  put_gz(folder / "packed", text);
  for (const char* name : {"plain", "packed"}) {
    const Bytes bytes = get(folder / name);
    for (size_t size = 0; size < bytes.size(); ++size) {
      put(folder / "cut", std::span(bytes).first(size));
      EXPECT_NE(error_of([&] { read_idx(folder / "cut"); }), "") << name << " cut to " << size;
    }
  }
}

TEST(Idx, DamageIsAnErrorOrAnArrayThatFits) {
  Folder folder;
  const std::string text = front(8, {50, 4}) + as_string(random_bytes(200, 3));
  put(folder / "plain", text);
  put_gz(folder / "packed", text);
  for (const char* name : {"plain", "packed"}) {
    const Bytes bytes = get(folder / name);
    for (uint64_t seed = 0; seed < 1500; ++seed) {
      put(folder / "x", mutate(bytes, seed));
      error_of([&] {
        const IdxArray array = read_idx(folder / "x");
        ASSERT_EQ(element_count(array.shape), static_cast<int64_t>(array.data.size()));
      });
    }
  }
  // A flipped bit of compressed data never yields other pixels: gzip carries a CRC.
  Bytes bytes = get(folder / "packed");
  for (size_t at = 10; at < bytes.size(); ++at) {
    bytes[at] ^= std::byte{4};
    put(folder / "x", bytes);
    error_of([&] {
      const IdxArray array = read_idx(folder / "x");
      ASSERT_EQ(front(8, {50, 4}) + std::string(array.data.begin(), array.data.end()), text) << "byte " << at;
    });
    bytes[at] ^= std::byte{4};
  }
}

TEST(Idx, ReadsMnist) {
  const fs::path folder = fs::path(LANGEVIN_SHARED) / "data/mnist10k";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const IdxArray images = read_idx(folder / "train-images-idx3-ubyte.gz");
  const IdxArray labels = read_idx(folder / "train-labels-idx1-ubyte.gz");
  ASSERT_EQ(images.shape.size(), 3u);
  EXPECT_EQ(images.shape[1], 28);
  EXPECT_EQ(images.shape[2], 28);
  EXPECT_EQ(labels.shape, (Shape{images.shape[0]}));
  for (const uint8_t label : labels.data) ASSERT_LT(label, 10);
}

}  // namespace
}  // namespace langevin
