// Products and their hand-written gradients against libtorch's own autograd in float64.
#include "langevin/torch/products.h"

#include <gtest/gtest.h>

#include <functional>

#include "langevin/core/rng.h"

namespace langevin {
namespace {

at::Tensor randn(at::IntArrayRef shape, uint64_t sample) {
  at::Tensor t = at::empty(shape, at::kFloat);
  fill_normal(std::span<float>(t.data_ptr<float>(), static_cast<size_t>(t.numel())),
              NoiseKey{6, sample, Purpose::test, 0});
  return t;
}

double relative(const at::Tensor& got, const at::Tensor& want) {
  return (got.to(at::kDouble) - want).norm().item<double>() / want.norm().item<double>();
}

using Function = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// Value and gradients of `f` in `type` against `definition` in float64, within `bound`.
void compare(const std::vector<at::Tensor>& inputs, at::ScalarType type, double bound, const Function& f,
             const Function& definition) {
  std::vector<at::Tensor> ours, exact;
  for (const auto& t : inputs) {
    ours.push_back(t.to(type).detach().requires_grad_());
    exact.push_back(t.to(type).to(at::kDouble).detach().requires_grad_());
  }
  const at::Tensor y = f(ours), want = definition(exact);
  ASSERT_EQ(y.sizes(), want.sizes());
  EXPECT_EQ(y.scalar_type(), type);
  EXPECT_LT(relative(y, want), bound);
  const at::Tensor dy = randn(y.sizes(), 99).to(type);
  y.backward(dy);
  want.backward(dy.to(at::kDouble));
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LT(relative(ours[i].grad(), exact[i].grad()), bound) << "input " << i;
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(f(ours), y));  // the path without gradients
}

const std::vector<std::pair<at::ScalarType, double>> kTypes{
    {at::kFloat, 2e-6}, {at::kDouble, 1e-12}, {at::kBFloat16, 2e-2}};

TEST(LinearProduct, ValuesAndGradientsEqualAutogradInFloat64) {
  const std::vector<std::vector<int64_t>> shapes{{1, 3}, {7, 16}, {2, 5, 33}, {3, 4, 4, 64}};
  for (const auto& [type, bound] : kTypes) {
    for (const auto& shape : shapes) {
      const int64_t in = shape.back();
      for (int64_t out : {1, 20}) {
        compare(
            {randn(shape, 1), randn({out, in}, 2), randn({out}, 3)}, type, bound,
            [](const auto& t) { return linear_product(t[0], t[1], t[2]); },
            [](const auto& t) { return at::matmul(t[0], t[1].t()) + t[2]; });
        compare(
            {randn(shape, 1), randn({out, in}, 2)}, type, bound,
            [](const auto& t) { return linear_product(t[0], t[1], {}); },
            [](const auto& t) { return at::matmul(t[0], t[1].t()); });
      }
    }
  }
}

TEST(AttentionProduct, ValuesAndGradientsEqualAutogradInFloat64) {
  struct Case {
    int64_t n, l, m, c, d, heads;
  };
  const auto definition = [](const std::vector<at::Tensor>& t, int64_t heads) {
    const auto split = [&](const at::Tensor& x) {
      return x.reshape({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
    };
    const double size = static_cast<double>(t[0].size(2)) / static_cast<double>(heads);
    const at::Tensor weights =
        at::softmax(at::matmul(split(t[0]), split(t[1]).transpose(2, 3)) / std::sqrt(size), -1);
    return at::matmul(weights, split(t[2]))
        .transpose(1, 2)
        .reshape({t[0].size(0), t[0].size(1), t[2].size(2)});
  };
  for (const auto& [type, bound] : kTypes) {
    for (const Case& c : {Case{1, 2, 3, 1, 1, 1}, Case{2, 16, 16, 32, 32, 1}, Case{3, 9, 9, 24, 24, 3},
                          Case{2, 64, 64, 64, 64, 8}, Case{2, 6, 11, 16, 8, 2}}) {
      compare(
          {randn({c.n, c.l, c.c}, 1), randn({c.n, c.m, c.c}, 2), randn({c.n, c.m, c.d}, 3)}, type, bound,
          [&](const auto& t) { return attention_product(t[0], t[1], t[2], c.heads); },
          [&](const auto& t) { return definition(t, c.heads); });
    }
  }
}

}  // namespace
}  // namespace langevin
