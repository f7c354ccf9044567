#include "langevin/io/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace langevin {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Every 16-bit pattern is a number that the way back must find again.
TEST(DType, HalfAndBfloatSurviveTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float from_f16 = f16_to_float(half), from_bf16 = bf16_to_float(half);
    if (std::isnan(from_f16)) {
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(from_f16))));
    } else {
      ASSERT_EQ(float_to_f16(from_f16), half);
    }
    if (std::isnan(from_bf16)) {
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(from_bf16))));
    } else {
      ASSERT_EQ(float_to_bf16(from_bf16), half);
    }
  }
}

// IEEE 754-2008, 3.6: binary16 has 5 exponent and 10 fraction bits.
TEST(DType, HalfHasItsKnownValues) {
  EXPECT_EQ(f16_to_float(0x3c00), 1.0f);
  EXPECT_EQ(f16_to_float(0xc000), -2.0f);
  EXPECT_EQ(f16_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(f16_to_float(0x0400), 0x1p-14f);
  EXPECT_EQ(f16_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_float(0x03ff), 1023 * 0x1p-24f);
  EXPECT_EQ(f16_to_float(0x7c00), kInf);
  EXPECT_TRUE(std::signbit(f16_to_float(0x8000)));
  EXPECT_EQ(bf16_to_float(0x3f80), 1.0f);
  EXPECT_EQ(bf16_to_float(0x4049), 3.140625f);
}

// Between two neighbours: below the middle down, above it up, the middle itself to the even one.
template <class ToFloat, class FromFloat>
void check_rounding(uint16_t largest, ToFloat to_float, FromFloat from_float) {
  for (uint16_t bits = 0; bits < largest; ++bits) {
    const auto next = static_cast<uint16_t>(bits + 1);
    const double a = to_float(bits), b = to_float(next);
    const auto middle = static_cast<float>((a + b) / 2);
    ASSERT_EQ(static_cast<double>(middle), (a + b) / 2);
    const uint16_t even = bits % 2 == 0 ? bits : next;
    ASSERT_EQ(from_float(middle), even);
    ASSERT_EQ(from_float(-middle), even | 0x8000);
    ASSERT_EQ(from_float(std::nextafter(middle, 0.0f)), bits);
    ASSERT_EQ(from_float(std::nextafter(middle, kInf)), next);
  }
}

TEST(DType, RoundsToNearestEven) {
  check_rounding(0x7bff, f16_to_float, float_to_f16);
  check_rounding(0x7f7f, bf16_to_float, float_to_bf16);
  EXPECT_EQ(float_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);  // half a step beyond the largest: infinity
  EXPECT_EQ(float_to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_f16(kInf), 0x7c00);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(float_to_bf16(-kInf), 0xff80);
}

TEST(DType, BytesOfATensorDoNotOverflow) {
  uint64_t bytes = 7;
  EXPECT_TRUE(tensor_bytes({2, 3}, DType::f64, bytes));
  EXPECT_EQ(bytes, 48u);
  EXPECT_TRUE(tensor_bytes({}, DType::bf16, bytes));
  EXPECT_EQ(bytes, 2u);
  EXPECT_TRUE(tensor_bytes({int64_t{1} << 40, 0, 3}, DType::f32, bytes));
  EXPECT_EQ(bytes, 0u);
  EXPECT_FALSE(tensor_bytes({int64_t{1} << 40, int64_t{1} << 40}, DType::u8, bytes));
  EXPECT_FALSE(tensor_bytes({int64_t{1} << 62}, DType::f32, bytes));
  EXPECT_FALSE(tensor_bytes({-1}, DType::f32, bytes));
}

}  // namespace
}  // namespace langevin
