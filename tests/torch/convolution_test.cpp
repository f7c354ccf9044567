// Winograd's convolution and its gradients against libtorch's own direct ones in float64.
#include "langevin/torch/convolution.h"

#include <gtest/gtest.h>

#include "langevin/core/rng.h"

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
  int64_t n, in, out, height, width;
};

class Winograd : public testing::TestWithParam<Case> {};

TEST_P(Winograd, ValuesAndGradientsEqualDirectOnesInFloat64) {
  const Case c = GetParam();
  const at::Tensor x = randn({c.n, c.in, c.height, c.width}, 1).contiguous(at::MemoryFormat::ChannelsLast),
                   weight = randn({c.out, c.in, 3, 3}, 2).contiguous(at::MemoryFormat::ChannelsLast),
                   bias = randn({c.out}, 3), dy = randn({c.n, c.out, c.height, c.width}, 4);
  if (!suits_winograd(x, weight)) GTEST_SKIP() << "this processor has no AVX-512";
  std::vector<at::Tensor> ours, exact;
  for (const auto& t : {x, weight, bias}) {
    ours.push_back(t.detach().clone().requires_grad_());
    exact.push_back(t.to(at::kDouble).detach().requires_grad_());
  }
  const at::Tensor y = winograd_convolution(ours[0], ours[1], ours[2]);
  const at::Tensor want = at::conv2d(exact[0], exact[1], exact[2], 1, 1);
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_LT(relative(y, want), 5e-6);
  y.backward(dy);
  want.backward(dy.to(at::kDouble));
  for (size_t i = 0; i < 3; ++i) EXPECT_LT(relative(ours[i].grad(), exact[i].grad()), 5e-6) << "input " << i;
  EXPECT_EQ(ours[1].grad().strides(), ours[1].strides());  // as the optimizer wants it
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(winograd_convolution(x, weight, bias), y));
}

INSTANTIATE_TEST_SUITE_P(Shapes, Winograd,
                         testing::Values(Case{1, 16, 16, 12, 12}, Case{2, 32, 48, 16, 16},
                                         Case{3, 64, 32, 13, 29}, Case{1, 128, 64, 32, 20},
                                         Case{5, 16, 112, 28, 28}));

TEST(Winograd, TakesWhatItCanAndNoMore) {
  const at::Tensor weight = randn({32, 16, 3, 3}, 1);
  EXPECT_FALSE(suits_winograd(randn({1, 16, 8, 32}, 2), weight));
  EXPECT_FALSE(suits_winograd(randn({1, 16, 16, 16}, 2), randn({32, 16, 1, 1}, 1)));
  EXPECT_FALSE(suits_winograd(randn({1, 3, 16, 16}, 2), randn({32, 3, 3, 3}, 1)));
  EXPECT_FALSE(suits_winograd(randn({1, 16, 16, 16}, 2).to(at::kBFloat16), weight.to(at::kBFloat16)));
}

}  // namespace
}  // namespace langevin
