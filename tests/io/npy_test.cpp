#include "langevin/io/npy.h"

#include <cstring>

#include "scratch.h"

namespace langevin {
namespace {

using namespace scratch;

// What `numpy.save` (1.24) writes for numpy.array([[1, -2, 0.5]], dtype='<f4'): 128 bytes of front, then the
// data.
Bytes numpy_file() {
  std::string text("\x93NUMPY\x01\x00\x76\x00", 10);
  text += "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
  text.append(127 - text.size(), ' ');
  text += '\n';
  text += std::string("\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f", 12);
  return as_bytes(text);
}

// A version 1 file around any dictionary.
Bytes with_dict(std::string_view dict, std::string_view data = "") {
  std::string text("\x93NUMPY\x01\x00", 8);
  text += static_cast<char>(dict.size() & 0xff);
  text += static_cast<char>(dict.size() >> 8);
  text += dict;
  text += data;
  return as_bytes(text);
}

TEST(Npy, ReadsAndWritesNumpysBytes) {
  const NpyArray array = parse_npy(numpy_file(), "test");
  EXPECT_EQ(array.dtype, DType::f32);
  EXPECT_EQ(array.shape, (Shape{1, 3}));
  const HostArrayF values = array.to_float();
  EXPECT_EQ(std::vector<float>(values.data().begin(), values.data().end()),
            (std::vector<float>{1, -2, 0.5f}));
  Folder folder;
  write_npy(folder / "a.npy", array.dtype, array.shape, array.bytes);
  EXPECT_EQ(as_string(get(folder / "a.npy")), as_string(numpy_file()));
}

TEST(Npy, EveryTypeAndRankComesBack) {
  Folder folder;
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::i64, DType::i32, DType::i16, DType::i8,
                            DType::u8, DType::boolean}) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0}, Shape{1, 2, 3, 4}}) {
      uint64_t size = 0;
      ASSERT_TRUE(tensor_bytes(shape, dtype, size));
      const Bytes data = random_bytes(size, size);
      write_npy(folder / "x.npy", dtype, shape, data);
      const NpyArray array = read_npy(folder / "x.npy", size);
      EXPECT_EQ(array.dtype, dtype);
      EXPECT_EQ(array.shape, shape);
      EXPECT_EQ(array.bytes, data);
      EXPECT_EQ(parse_npy_header(get(folder / "x.npy"), "x").data_offset % 64, 0u);
    }
  }
  EXPECT_ERROR(write_npy(folder / "y.npy", DType::bf16, {1}, Bytes(2)), "no type for bf16");
  EXPECT_ERROR(write_npy(folder / "y.npy", DType::u8, {3}, Bytes(2)), "does not fit");
  EXPECT_ERROR(read_npy(folder / "x.npy", 23), "at most 23");
}

TEST(Npy, IntegersBecomeFloats) {
  const NpyArray array = parse_npy(with_dict("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }",
                                             std::string_view("\xff\xff\x00\x01", 4)),
                                   "t");
  EXPECT_EQ(array.to_float()[0], -1.0f);
  EXPECT_EQ(array.to_float()[1], 256.0f);
}

// Other writers space, quote and order the dictionary differently; version 2 has a longer length.
TEST(Npy, ReadsOtherSpellings) {
  for (const char* dict : {"{\"shape\":(2,),\"descr\":\"|u1\",\"fortran_order\":False}",
                           "{'shape': (2), 'descr': '|u1', "
                           "'fortran_order': False, }   \n"}) {
    EXPECT_EQ(parse_npy(with_dict(dict, "ab"), "t").shape, (Shape{2}));
  }
  std::string text = as_string(
      with_dict("{'descr': '|b1', 'fortran_order': False, 'shape': ()}", std::string_view("\1", 1)));
  text[6] = '\x02';
  text.insert(10, 2, '\0');
  EXPECT_EQ(parse_npy(as_bytes(text), "t").dtype, DType::boolean);
  text[6] = '\x03';
  EXPECT_ERROR(parse_npy(as_bytes(text), "t"), "version 3");
}

TEST(Npy, RefusesWhatItCannotMean) {
  const auto message = [](std::string_view dict) {
    return error_of([&] { parse_npy(with_dict(dict, "abcd"), "t"); });
  };
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", "Fortran order"},
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "'>f4' is not supported"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "not supported"},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "not supported"},
      {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "not supported"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "no text"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "fortran_order"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "wrong shape"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1L,)}", "wrong character"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os'),)}", "wrong shape"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "wrong shape"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8)}", "not possible"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", "needs 4000000000000 bytes"},
      {"{'descr': '<f4', 'fortran_order': False}", "no descr"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "repeated"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", "unknown"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "text after"},
      {"{'descr': '<f4", "no text"},
      {"", "wrong character"},
      {"{", "no text"},
  };
  for (const auto& [dict, part] : cases) {
    EXPECT_NE(message(dict).find(part), std::string::npos) << dict << " gave: " << message(dict);
  }
  EXPECT_NE(message("{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::string(60'000, '0')).size(),
            0u);
  EXPECT_ERROR(parse_npy(with_dict("{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", "abcd"), "t"),
               "the file has 4");
}

TEST(Npy, EveryCutIsNoticedAndDamageNeverCrashes) {
  const Bytes bytes = numpy_file();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(error_of([&] { parse_npy(std::span(bytes).first(size), "t"); }), "") << size;
  }
  const int64_t before = peak_memory();
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    const Bytes damaged = mutate(bytes, seed);
    error_of([&] {
      const NpyArray array = parse_npy(damaged, "t");
      array.to_float();
      ASSERT_LE(array.bytes.size(), damaged.size());
    });
  }
  EXPECT_LT(peak_memory() - before, int64_t{64} << 20);
}

}  // namespace
}  // namespace langevin
