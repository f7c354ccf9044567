#include "langevin/io/npz.h"

#include <cstdlib>

#include "zip_maker.h"

namespace langevin {
namespace {

using namespace scratch;

Bytes npy_of(DType dtype, const Shape& shape, const Bytes& data) {
  Bytes bytes = as_bytes(npy_header(dtype, shape));
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

void write_small(const fs::path& path, const Bytes& images, const Bytes& labels) {
  NpzWriter out(path);
  out.begin_array("arr_0", DType::u8, {2, 4, 4, 3});
  out.append(std::span(images).first(48));
  out.append(std::span(images).subspan(48));
  out.end_array();
  out.begin_array("arr_1", DType::i64, {2});
  out.append(labels);
  out.end_array();
  out.commit();
}

TEST(Npz, ReadsWhatWasWritten) {
  Folder folder;
  const Bytes images = random_bytes(96, 1), labels = random_bytes(16, 2);
  write_small(folder / "a.npz", images, labels);
  const std::vector<NpzMember> members = list_npz(folder / "a.npz");
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].name, "arr_0");
  EXPECT_EQ(members[0].bytes, 128 + 96);
  EXPECT_EQ(members[1].name, "arr_1");
  const NpyArray array = read_npz(folder / "a.npz", "arr_0", 96);
  EXPECT_EQ(array.dtype, DType::u8);
  EXPECT_EQ(array.shape, (Shape{2, 4, 4, 3}));
  EXPECT_EQ(array.bytes, images);
  EXPECT_EQ(read_npz(folder / "a.npz", "arr_1", 1000).bytes, labels);
  EXPECT_ERROR(read_npz(folder / "a.npz", "arr_2", 1000), "no array 'arr_2'; it has: arr_0, arr_1");
  EXPECT_ERROR(read_npz(folder / "a.npz", "arr_0", 95), "limit");

  write_small(folder / "b.npz", images, labels);
  EXPECT_EQ(as_string(get(folder / "a.npz")), as_string(get(folder / "b.npz")));
}

TEST(Npz, ReadsDeflatedMembers) {
  Folder folder;
  const Bytes zeros(30'000);
  make_zip(folder / "a.npz", {{"x.npy", npy_of(DType::f32, {7500}, zeros)}, {"notes.txt", as_bytes("hello")}},
           true);
  EXPECT_LT(fs::file_size(folder / "a.npz"), 1000u);
  EXPECT_EQ(list_npz(folder / "a.npz").size(), 1u);
  EXPECT_EQ(read_npz(folder / "a.npz", "x", 30'000).bytes, zeros);
  EXPECT_ERROR(read_npz(folder / "a.npz", "notes", 1000), "no array 'notes'");
}

TEST(Npz, NothingIsThereBeforeCommit) {
  Folder folder;
  {
    NpzWriter out(folder / "a.npz");
    out.begin_array("arr_0", DType::u8, {4});
    out.append(as_bytes("ab"));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Npz, AFullDiskLeavesWhatWasThere) {
  Folder folder;
  const Bytes images = random_bytes(96, 1), labels = random_bytes(16, 2), large = random_bytes(100'000, 3);
  write_small(folder / "a.npz", images, labels);
  {
    const FullDisk full(50'000);
    NpzWriter out(folder / "a.npz");
    out.begin_array("arr_0", DType::u8, {300'000});
    const std::string message = error_of([&] {
      for (int i = 0; i < 3; ++i) out.append(large);
      out.end_array();
      out.commit();
    });
    EXPECT_NE(message.find("cannot write"), std::string::npos) << message;
  }
  EXPECT_EQ(read_npz(folder / "a.npz", "arr_0", 96).bytes, images);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(Npz, RefusesWrongCalls) {
  Folder folder;
  NpzWriter out(folder / "a.npz");
  EXPECT_ERROR(out.append(as_bytes("a")), "begin an array first");
  EXPECT_ERROR(out.end_array(), "begin an array first");
  EXPECT_ERROR(out.begin_array("", DType::u8, {1}), "cannot name an array");
  EXPECT_ERROR(out.begin_array("../x", DType::u8, {1}), "cannot name an array");
  EXPECT_ERROR(out.begin_array("a", DType::u8, {-1}), "not possible");
  out.begin_array("ok", DType::u8, {3});
  EXPECT_ERROR(out.begin_array("b", DType::u8, {1}), "end the array before");
  EXPECT_ERROR(out.append(as_bytes("abcd")), "3 bytes left in the array, got 4");
  out.append(as_bytes("ab"));
  EXPECT_ERROR(out.end_array(), "1 bytes of the array are missing");
  EXPECT_ERROR(out.commit(), "end the open array first");
  out.append(as_bytes("c"));
  out.end_array();
  EXPECT_ERROR(out.begin_array("ok", DType::u8, {1}), "names one already");
  out.commit();
  EXPECT_ERROR(out.commit(), "commit once");
  EXPECT_EQ(as_string(read_npz(folder / "a.npz", "ok", 10).bytes), "abc");
}

TEST(Npz, RefusesTwiceTheSameNameAndOtherFiles) {
  Folder folder;
  const Bytes npy = npy_of(DType::u8, {1}, as_bytes("a"));
  make_zip(folder / "a.npz", {{"x.npy", npy}, {"x.npy", npy}}, false);
  EXPECT_ERROR(read_npz(folder / "a.npz", "x", 10), "'x' twice");
  put(folder / "b.npz", npy);
  EXPECT_ERROR(list_npz(folder / "b.npz"), "does not begin as an .npz");
  put(folder / "c.npz", "");
  EXPECT_ERROR(list_npz(folder / "c.npz"), "does not begin as an .npz");
}

TEST(Npz, ShapesThatLieAreRefused) {
  Folder folder;
  make_zip(folder / "a.npz", {{"x.npy", npy_of(DType::f32, {int64_t{1} << 40}, Bytes(8))}}, true);
  const int64_t before = peak_memory();
  EXPECT_ERROR(read_npz(folder / "a.npz", "x", uint64_t{1} << 50), "needs 4398046511104 bytes, it has 8");
  EXPECT_LT(peak_memory() - before, int64_t{64} << 20);
}

TEST(Npz, EveryCutAndEveryFlippedBitOfTheDataIsNoticed) {
  Folder folder;
  const Bytes images = random_bytes(96, 1), labels = random_bytes(16, 2);
  write_small(folder / "a.npz", images, labels);
  Bytes bytes = get(folder / "a.npz");
  const auto read = [&](std::span<const std::byte> file) {
    put(folder / "x.npz", file);
    return read_npz(folder / "x.npz", "arr_0", 1000);
  };
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(error_of([&] { read(std::span(bytes).first(size)); }), "") << "cut to " << size;
  }
  const std::string all = as_string(bytes);
  const size_t start = all.find(as_string(std::span(images).first(16)));
  ASSERT_NE(start, std::string::npos);
  for (size_t at = start; at < start + 96; ++at) {
    bytes[at] ^= std::byte{0x10};
    EXPECT_ERROR(read(bytes), "x.npz");
    bytes[at] ^= std::byte{0x10};
  }
  for (uint64_t seed = 0; seed < 2000; ++seed) {  // elsewhere: an error, or the very array
    error_of([&] {
      const NpyArray array = read(mutate(bytes, seed));
      ASSERT_EQ(array.bytes, images) << "seed " << seed;
    });
  }
}

}  // namespace
}  // namespace langevin
