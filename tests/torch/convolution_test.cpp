// Convolutions and their gradients against libtorch's own in float64.
#include "langevin/torch/convolution.h"

#include <gtest/gtest.h>

#include "langevin/core/rng.h"
#include "langevin/kernels/processor.h"

namespace langevin {
namespace {

at::Tensor randn(at::IntArrayRef shape, uint64_t sample) {
  at::Tensor t = at::empty(shape, at::kFloat);
  fill_normal(std::span<float>(t.data_ptr<float>(), static_cast<size_t>(t.numel())),
              NoiseKey{7, sample, Purpose::test, 0});
  return t;
}

double relative(const at::Tensor& got, const at::Tensor& want) {
  return (got.to(at::kDouble) - want).norm().item<double>() / want.norm().item<double>();
}

struct Case {
  std::vector<int64_t> x, weight;
  ConvGeometry geometry = {};
  bool winograd = false;
};

const std::vector<Case> kCases{
    {{1, 16, 12, 12}, {16, 16, 3, 3}, {}, true},
    {{2, 32, 16, 16}, {48, 32, 3, 3}, {}, true},
    {{3, 64, 13, 29}, {32, 64, 3, 3}, {}, true},
    {{5, 16, 28, 28}, {112, 16, 3, 3}, {}, true},
    {{4, 64, 8, 8}, {64, 64, 3, 3}},                              // too small for Winograd
    {{2, 3, 16, 16}, {40, 3, 3, 3}},                              // odd channels
    {{2, 24, 9, 7}, {5, 24, 3, 3}},                               //
    {{2, 32, 16, 16}, {32, 32, 3, 3}, {{2, 2}, {0, 0}, {1, 1}}},  // DDPM's downsampling
    {{2, 32, 16, 16}, {32, 32, 3, 3}, {{2, 2}, {1, 1}, {1, 1}}},  // the other one
    {{3, 20, 1, 16}, {36, 20, 1, 5}, {{1, 1}, {0, 2}, {0, 2}}},   // along a trajectory
    {{3, 20, 1, 16}, {36, 20, 1, 3}, {{1, 2}, {0, 1}, {0, 1}}},   //
};

struct Pass {
  at::Tensor y;
  std::vector<at::Tensor> gradients;
};

/// Ours on values stored as `type`.
Pass ours(const Case& c, at::ScalarType type, bool leave_out) {
  const at::Tensor x = randn(c.x, 1).to(type).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const at::Tensor weight = randn(c.weight, 2).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const at::Tensor bias = randn({c.weight[0]}, 3).requires_grad_();
  const at::Tensor same = x.detach().clone();
  Again again;
  if (leave_out) again = [same] { return same; };
  const at::Tensor y = convolution(x, weight, bias, c.geometry, again);
  y.backward(randn(y.sizes(), 4).to(type));
  return {y.detach(), {x.grad(), weight.grad(), bias.grad()}};
}

/// libtorch's in float64, on the values that `type` can hold.
Pass exact(const Case& c, at::ScalarType type) {
  const ConvGeometry& g = c.geometry;
  const at::Tensor x = randn(c.x, 1).to(type).to(at::kDouble).requires_grad_();
  const at::Tensor weight = randn(c.weight, 2).to(at::kDouble).requires_grad_();
  const at::Tensor bias = randn({c.weight[0]}, 3).to(at::kDouble).requires_grad_();
  const at::Tensor padded = at::constant_pad_nd(x, {g.before[1], g.after[1], g.before[0], g.after[0]});
  const at::Tensor y = at::conv2d(padded, weight, bias, at::IntArrayRef(g.stride));
  y.backward(randn(y.sizes(), 4).to(type).to(at::kDouble));
  return {y.detach(), {x.grad(), weight.grad(), bias.grad()}};
}

class Convolution : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Convolution, testing::ValuesIn(kCases));

TEST_P(Convolution, ValuesAndGradientsEqualFloat64) {
  const Case& c = GetParam();
  const Pass got = ours(c, at::kFloat, false), want = exact(c, at::kFloat);
  EXPECT_TRUE(got.y.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_LT(relative(got.y, want.y), 5e-6);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_LT(relative(got.gradients[i], want.gradients[i]), 5e-6) << "input " << i;
  const at::Tensor weight = randn(c.weight, 2).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(got.gradients[1].strides(), weight.strides());  // as the optimizer wants it
}

TEST_P(Convolution, StoredInBf16ItRoundsOnlyWhatItStores) {
  if (has_fast_bf16()) GTEST_SKIP() << "arithmetic is bf16 here";
  const Pass got = ours(GetParam(), at::kBFloat16, false), want = exact(GetParam(), at::kBFloat16);
  EXPECT_EQ(got.y.scalar_type(), at::kBFloat16);
  EXPECT_LT(relative(got.y, want.y), 2.5e-3);  // half a unit in the last of 8 bits is at most 3.9e-3
  EXPECT_LT(relative(got.gradients[0], want.gradients[0]), 2.5e-3);
  EXPECT_LT(relative(got.gradients[1], want.gradients[1]), 5e-6);
  EXPECT_LT(relative(got.gradients[2], want.gradients[2]), 5e-6);
}

TEST_P(Convolution, WhatIsComputedAgainGivesTheSameBits) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const Pass kept = ours(GetParam(), type, false), left_out = ours(GetParam(), type, true);
    for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(kept.gradients[i], left_out.gradients[i])) << i;
  }
}

TEST_P(Convolution, WithoutGradientsTheSameBits) {
  const Case& c = GetParam();
  const Pass want = ours(c, at::kFloat, false);
  const at::NoGradGuard no_grad;
  const at::Tensor x = randn(c.x, 1).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(at::equal(convolution(x, randn(c.weight, 2), randn({c.weight[0]}, 3), c.geometry), want.y));
}

TEST_P(Convolution, TakesWinogradsWayWhereItPays) {
  if (!has_avx512()) GTEST_SKIP() << "this processor has no AVX-512";
  const Case& c = GetParam();
  EXPECT_EQ(suits_winograd(randn(c.x, 1), randn(c.weight, 2), c.geometry), c.winograd);
  EXPECT_EQ(suits_winograd(randn(c.x, 1).to(at::kBFloat16), randn(c.weight, 2), c.geometry),
            c.winograd && !has_fast_bf16());
}

TEST(Convolutions, LeaveOtherTypesToLibtorch) {
  const at::Tensor x = randn({1, 16, 16, 16}, 1), weight = randn({16, 16, 3, 3}, 2);
  EXPECT_TRUE(suits_convolution(x, weight));
  EXPECT_FALSE(suits_convolution(x.to(at::kDouble), weight.to(at::kDouble)));
}

}  // namespace
}  // namespace langevin
