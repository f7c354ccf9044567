// The hand-written gradients against libtorch's own autograd in float64, and dropout's mask against its key.
#include "langevin/torch/fused.h"

#include <gtest/gtest.h>

#include <cmath>

namespace langevin {
namespace {

struct NormCase {
  int64_t n, c, h, w, groups;
  bool silu, modulated;
};

at::Tensor randn(at::IntArrayRef shape, uint64_t sample) {
  at::Tensor t = at::empty(shape, at::kFloat);
  fill_normal(std::span<float>(t.data_ptr<float>(), static_cast<size_t>(t.numel())),
              NoiseKey{5, sample, Purpose::test, 0});
  return t;
}

/// The definition, from ATen in float64.
at::Tensor reference(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     const at::Tensor& modulation, const nn::GroupNorm& c) {
  at::Tensor h = at::group_norm(x, c.groups, gamma, beta, c.eps);
  if (modulation.defined()) {
    const auto parts = modulation.unsqueeze(2).unsqueeze(3).chunk(2, 1);
    h = h * (parts[0] + 1) + parts[1];
  }
  return c.silu ? h * at::sigmoid(h) : h;
}

double relative(const at::Tensor& got, const at::Tensor& want) {
  const double size = want.norm().item<double>();
  return (got.to(at::kDouble) - want).norm().item<double>() / std::max(size, 1e-12);
}

class FusedNorm : public testing::TestWithParam<NormCase> {};

TEST_P(FusedNorm, ValuesAndGradientsEqualAutogradInFloat64) {
  const NormCase p = GetParam();
  const nn::GroupNorm c{p.groups, 1e-5, p.silu};
  std::vector<at::Tensor> inputs{randn({p.n, p.c, p.h, p.w}, 1) * 2 + 0.5, randn({p.c}, 2), randn({p.c}, 3)};
  if (p.modulated) inputs.push_back(randn({p.n, 2 * p.c}, 4));
  const at::Tensor dy = randn({p.n, p.c, p.h, p.w}, 5);
  std::vector<at::Tensor> single, exact;
  for (const auto& t : inputs) {
    single.push_back(t.clone().requires_grad_());
    exact.push_back(t.to(at::kDouble).requires_grad_());
  }
  const at::Tensor y =
      fused_group_norm(single[0], single[1], single[2], p.modulated ? single[3] : at::Tensor(), c);
  const at::Tensor want = reference(exact[0], exact[1], exact[2], p.modulated ? exact[3] : at::Tensor(), c);
  EXPECT_LT(relative(y, want), 1e-6);
  y.backward(dy);
  want.backward(dy.to(at::kDouble));
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LT(relative(single[i].grad(), exact[i].grad()), 1e-5) << "input " << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, FusedNorm,
                         testing::Values(NormCase{2, 32, 8, 8, 8, true, false},
                                         NormCase{1, 12, 5, 7, 4, false, false},
                                         NormCase{3, 20, 1, 1, 5, true, true},
                                         NormCase{2, 6, 9, 3, 1, true, true},
                                         NormCase{4, 130, 4, 4, 13, false, true}));

TEST(FusedNorm, Bf16FollowsFp32) {
  const at::Tensor x = randn({2, 32, 8, 8}, 1), gamma = at::ones({32}), beta = at::zeros({32});
  const nn::GroupNorm c{8, 1e-5, true};
  const at::Tensor low = fused_group_norm(x.to(at::kBFloat16), gamma, beta, {}, c);
  EXPECT_EQ(low.scalar_type(), at::kBFloat16);
  EXPECT_LT(relative(low, fused_group_norm(x, gamma, beta, {}, c).to(at::kDouble)), 1e-2);
}

TEST(KeyedDropout, KeepsTheMeanAndGradientsUseTheSameMask) {
  const at::Tensor x = at::ones({4, 16, 16, 16}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const at::Tensor y = keyed_dropout(x, 0.25, {3, 1, 0, 9});
  EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.03);
  y.backward(at::ones_like(y));
  EXPECT_TRUE(at::equal(x.grad(), y.detach()));  // both are the mask / (1 - p)
}

TEST(KeyedDropout, TheMaskOfASampleDoesNotDependOnItsBatch) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::ones({4, 8, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor whole = keyed_dropout(x, 0.5, {3, 1, 10, 2});
  const at::Tensor last = keyed_dropout(x.narrow(0, 3, 1), 0.5, {3, 1, 13, 2});
  EXPECT_TRUE(at::equal(whole.narrow(0, 3, 1), last));
  EXPECT_FALSE(at::equal(whole, keyed_dropout(x, 0.5, {3, 1, 10, 3})));  // another step, another mask
  EXPECT_FALSE(at::equal(whole, keyed_dropout(x, 0.5, {3, 2, 10, 2})));  // another layer
}

}  // namespace
}  // namespace langevin
