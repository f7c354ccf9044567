#include "langevin/kernels/layout.h"

#include "support.h"

namespace langevin {
namespace {

using test::normals;
using test::with_threads;

template <class T>
class Layout : public testing::Test {};
using Types = testing::Types<float, BF16>;
TYPED_TEST_SUITE(Layout, Types);

template <class T>
bool equal(T a, T b) {
  return to_float(a) == to_float(b);
}

TYPED_TEST(Layout, ChannelsLastAndBack) {
  const int64_t n = 3, c = 5, hw = 77;
  const auto x = normals<float>(n * c * hw, 1);
  std::vector<TypeParam> y(x.size());
  std::vector<float> back(x.size());
  to_channels_last(x.data(), y.data(), n, c, hw);
  from_channels_last(y.data(), back.data(), n, c, hw);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < c; ++k)
      for (int64_t p = 0; p < hw; ++p) {
        TypeParam want;
        test::put(want, x[static_cast<size_t>((i * c + k) * hw + p)]);
        ASSERT_TRUE(equal(y[static_cast<size_t>((i * hw + p) * c + k)], want));
        ASSERT_EQ(back[static_cast<size_t>((i * c + k) * hw + p)], to_float(want));
      }
}

TYPED_TEST(Layout, ConcatPutsChannelsSideBySide) {
  const int64_t positions = 70, ca = 3, cb = 6;
  const auto a = normals<TypeParam>(positions * ca, 1), b = normals<TypeParam>(positions * cb, 2);
  std::vector<TypeParam> y(static_cast<size_t>(positions * 9));
  concat_channels(Concat<TypeParam>{a.data(), b.data(), y.data(), ca, cb, positions});
  for (int64_t p = 0; p < positions; ++p)
    for (int64_t k = 0; k < 9; ++k) {
      const TypeParam want =
          k < ca ? a[static_cast<size_t>(p * ca + k)] : b[static_cast<size_t>(p * cb + k - ca)];
      ASSERT_TRUE(equal(y[static_cast<size_t>(p * 9 + k)], want));
    }
}

TYPED_TEST(Layout, NearestRepeatsPixels) {
  struct Case {
    int64_t h, w, to_h, to_w;
  };
  for (const Case& s : {Case{4, 6, 8, 12}, Case{5, 9, 9, 17}, Case{3, 3, 3, 7}}) {
    const int64_t n = 2, c = 4;
    const auto x = normals<TypeParam>(n * s.h * s.w * c, 1);
    std::vector<TypeParam> y(static_cast<size_t>(n * s.to_h * s.to_w * c));
    upsample_nearest(Upsample<TypeParam>{x.data(), y.data(), n, s.h, s.w, c, s.to_h, s.to_w});
    for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
      const int64_t k = i % c, column = i / c % s.to_w, row = i / c / s.to_w % s.to_h,
                    sample = i / c / s.to_w / s.to_h;
      const int64_t from = (sample * s.h + row * s.h / s.to_h) * s.w + column * s.w / s.to_w;
      ASSERT_TRUE(equal(y[static_cast<size_t>(i)], x[static_cast<size_t>(from * c + k)])) << i;
    }
  }
}

TYPED_TEST(Layout, ParitiesInterleave) {
  const int64_t n = 2, h = 3, w = 5, c = 4;
  std::vector<std::vector<TypeParam>> parts;
  Interleave<TypeParam> call;
  for (uint64_t i = 0; i < 4; ++i) {
    parts.push_back(normals<TypeParam>(n * h * w * c, i));
    call.parts[i] = parts.back().data();
  }
  std::vector<TypeParam> y(parts[0].size() * 4);
  call.y = y.data();
  call.n = n;
  call.h = h;
  call.w = w;
  call.c = c;
  interleave(call);
  for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
    const int64_t k = i % c, column = i / c % (2 * w), row = i / c / (2 * w) % (2 * h),
                  sample = i / c / (2 * w) / (2 * h);
    const auto& part = parts[static_cast<size_t>(2 * (row % 2) + column % 2)];
    const int64_t from = ((sample * h + row / 2) * w + column / 2) * c + k;
    ASSERT_TRUE(equal(y[static_cast<size_t>(i)], part[static_cast<size_t>(from)])) << i;
  }
}

}  // namespace
}  // namespace langevin
