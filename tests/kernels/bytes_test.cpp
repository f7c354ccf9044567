// Activations as bytes: the pass of its own, and GroupNorm's store, against plain loops.
#include "langevin/kernels/bytes.h"

#include <limits>

#include "langevin/core/check.h"
#include "langevin/kernels/group_norm_silu.h"
#include "support.h"

namespace langevin {
namespace {

using test::each_target;
using test::normals;
using test::with_threads;

/// Gains and zeros of every channel, and room for a picture that starts out as rubbish.
struct Target {
  Target(int64_t n, int64_t h, int64_t w, int64_t c, Frame frame)
      : gain(static_cast<size_t>(c)), offset(gain.size()), zero(gain.size()) {
    RandomStream random(NoiseKey{3, static_cast<uint64_t>(c), Purpose::test, 0});
    for (size_t i = 0; i < gain.size(); ++i) {
      zero[i] = static_cast<uint8_t>(random.below(256));
      offset[i] = static_cast<float>(zero[i]);
      gain[i] = 5.0F + static_cast<float>(random.below(100));
    }
    picture = {nullptr, w, frame, gain.data(), offset.data(), zero.data()};
    bytes.assign(static_cast<size_t>(n * frame.height(h) * frame.width(w) * c), 0xA5);
    picture.y = bytes.data();
  }
  std::vector<float> gain, offset;
  std::vector<uint8_t> zero, bytes;
  BytePicture picture;
};

struct Size {
  int64_t n, h, w, c;
  Frame frame;
};
const std::vector<Size> kSizes = {{1, 1, 1, 1, {}},
                                  {2, 3, 5, 7, {1, 1, 1, 1}},
                                  {1, 4, 4, 256, {1, 1, 1, 1}},
                                  {3, 9, 17, 48, {0, 1, 0, 1}},
                                  {2, 8, 8, 64, {1, 0, 0, 1}},
                                  {1, 32, 32, 96, {1, 1, 1, 1}},
                                  {2, 1, 40, 32, {}},
                                  {1, 70, 3, 24, {2, 3, 0, 1}}};

/// Equal, but where rounding to fp32 moved a value across a tie.
void expect_bytes(const std::vector<uint8_t>& got, const std::vector<uint8_t>& want, double share,
                  const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  size_t different = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::abs(static_cast<int>(got[i]) - static_cast<int>(want[i])), 1) << what << " at " << i;
    different += got[i] != want[i] ? 1 : 0;
  }
  EXPECT_LE(static_cast<double>(different), 2 + share * static_cast<double>(got.size())) << what;
}

template <class T>
void quantise_like_reference() {
  for (const Size& s : kSizes) {
    const auto x = normals<T>(s.n * s.h * s.w * s.c, 5, 0.5F, 2);
    Target want(s.n, s.h, s.w, s.c, s.frame);
    reference::quantise(Quantise<T>{x.data(), s.n, s.h, s.c, want.picture});
    each_target([&](const std::string& target) {
      for (int threads : {1, 3}) {
        with_threads(threads, [&] {
          Target got(s.n, s.h, s.w, s.c, s.frame);
          quantise(Quantise<T>{x.data(), s.n, s.h, s.c, got.picture});
          expect_bytes(got.bytes, want.bytes, 1e-3,
                       fmt::format("{} {}x{}x{}x{}", target, s.n, s.h, s.w, s.c));
        });
      }
    });
  }
}

TEST(Quantise, Fp32LikeReference) { quantise_like_reference<float>(); }
TEST(Quantise, Bf16LikeReference) { quantise_like_reference<BF16>(); }

TEST(Quantise, WhatIsTooLargeSaturatesAndTiesGoToEven) {
  const float gain = 2, offset = 10;
  const uint8_t zero = 10;
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x{0,       -5,    -5.25F,   -1e30F, -infinity, 122.5F,
                             122.75F, 1e30F, infinity, 0.25F,  0.75F};
  const std::vector<uint8_t> want{10, 0, 0, 0, 0, 255, 255, 255, 255, 10, 12};
  each_target([&](const std::string& target) {
    std::vector<uint8_t> y(x.size());
    quantise(Quantise<float>{
        x.data(), 1, 1, 1, {y.data(), static_cast<int64_t>(x.size()), {}, &gain, &offset, &zero}});
    EXPECT_EQ(y, want) << target;
  });
}

template <class T>
void group_norm_like_reference(Activation activation) {
  for (const Size& s : kSizes) {
    GroupNormShape shape{s.n, s.h * s.w, s.c, s.c % 8 == 0 ? 8 : 1};
    shape.activation = activation;
    const auto x = normals<T>(s.n * s.h * s.w * s.c, 6, 0.3F, 1.5F);
    const auto gamma = normals<float>(s.c, 7, 1, 0.3F), added = normals<float>(s.n * s.c, 8);
    GroupNormForward<T> arrays;
    arrays.x = x.data();
    arrays.gamma = gamma.data();
    arrays.added = added.data();
    arrays.added_stride = s.c;
    Target want(s.n, s.h, s.w, s.c, s.frame);
    arrays.bytes = &want.picture;
    reference::group_norm_silu(shape, arrays);
    each_target([&](const std::string& target) {
      for (int threads : {1, 3}) {
        with_threads(threads, [&] {
          Target got(s.n, s.h, s.w, s.c, s.frame);
          GroupNormForward<T> fast = arrays;
          fast.bytes = &got.picture;
          group_norm_silu(shape, fast);
          // SiLU's four digits, times up to 105 bytes a unit.
          expect_bytes(got.bytes, want.bytes, 0.03,
                       fmt::format("{} {}x{}x{}x{}", target, s.n, s.h, s.w, s.c));
        });
      }
    });
  }
}

TEST(GroupNormBytes, Fp32LikeReference) { group_norm_like_reference<float>(Activation::silu); }
TEST(GroupNormBytes, Bf16LikeReference) { group_norm_like_reference<BF16>(Activation::silu); }
TEST(GroupNormBytes, WithoutActivationLikeReference) { group_norm_like_reference<float>(Activation::none); }

TEST(GroupNormBytes, PositionsThatAreNoRowsAreRefused) {
  const std::vector<float> x(30, 1.0F);
  Target target(1, 3, 10, 1, {});
  target.picture.w = 7;
  GroupNormForward<float> arrays;
  arrays.x = x.data();
  arrays.bytes = &target.picture;
  EXPECT_THROW(group_norm_silu({1, 30, 1, 1}, arrays), Error);
}

}  // namespace
}  // namespace langevin
