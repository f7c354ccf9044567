#include "langevin/io/dtype.h"

namespace langevin {

size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
      return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      return 1;
  }
  fail("dtype_size: {} is no element type", static_cast<int>(dtype));
}

bool is_floating(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "f64";
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i64:
      return "i64";
    case DType::i32:
      return "i32";
    case DType::i16:
      return "i16";
    case DType::i8:
      return "i8";
    case DType::u8:
      return "u8";
    case DType::boolean:
      return "boolean";
  }
  return "?";
}

bool tensor_bytes(const Shape& shape, DType dtype, uint64_t& bytes) {
  constexpr uint64_t kLimit = uint64_t{1} << 62;
  uint64_t product = dtype_size(dtype);
  bool empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0) return false;
    if (extent == 0) {
      empty = true;
      continue;
    }
    if (product > kLimit / static_cast<uint64_t>(extent)) return false;
    product *= static_cast<uint64_t>(extent);
  }
  bytes = empty ? 0 : product;
  return true;
}

}  // namespace langevin
