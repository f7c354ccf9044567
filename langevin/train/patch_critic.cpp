#include "langevin/train/patch_critic.h"

#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace langevin {
namespace {

at::Tensor apply(ParameterStore& store, const std::vector<int64_t>& widths, const at::Tensor& pictures) {
  TorchInterpreter b(store, {});
  TorchValue h(pictures);
  for (size_t i = 0; i < widths.size(); ++i) {
    const std::string name = std::to_string(i);
    h = b.conv2d(h, "conv" + name,
                 {.out = widths[i], .kernel = 4, .stride = 2, .pad_before = 1, .pad_after = 1});
    h = i == 0 ? b.silu(h) : b.group_norm(h, "norm" + name, {.groups = 8, .eps = 1e-5, .silu = true});
  }
  return b.conv2d(h, "head", {.out = 1, .kernel = 3})->to(at::kFloat);
}

OptimizerRecipe recipe_of(double lr) {
  OptimizerRecipe recipe;
  recipe.lr = lr;
  recipe.betas = {0.5, 0.9};
  recipe.weight_decay = 0;
  return recipe;
}

}  // namespace

ParameterStore PatchCritic::make_store(int64_t channels, const std::vector<int64_t>& widths,
                                       at::Device device, uint64_t seed) {
  const at::NoGradGuard no_grad;
  // Its weights must not be those of the autoencoder, whose parameters are drawn from the same seed.
  ParameterStore store(device, seed ^ 0x9e3779b97f4a7c15ULL);
  const int64_t side = int64_t{1} << widths.size();
  apply(store, widths, at::zeros({1, channels, side, side}, at::TensorOptions(at::kFloat).device(device)));
  store.pack(Precision::fp32, true);
  return store;
}

PatchCritic::PatchCritic(int64_t channels, std::vector<int64_t> widths, double lr, at::Device device,
                         uint64_t seed)
    : channels_(channels),
      widths_(std::move(widths)),
      lr_(lr),
      store_(make_store(channels, widths_, device, seed)),
      optimizer_(recipe_of(lr), store_) {}

at::Tensor PatchCritic::logits(const at::Tensor& pictures) {
  check(pictures.dim() == 4 && pictures.size(1) == channels_, "PatchCritic", "needs (N, {}, H, W)",
        channels_);
  return apply(store_, widths_, pictures);
}

at::Tensor PatchCritic::direction(const at::Tensor& decoded) {
  const at::Tensor x = decoded.clone().set_requires_grad(true);
  return torch::autograd::grad({-logits(x).mean()}, {x}).front();
}

void PatchCritic::learn(const at::Tensor& real, const at::Tensor& decoded) {
  const at::Tensor loss = at::relu(1 - logits(real)).mean() + at::relu(1 + logits(decoded)).mean();
  loss.backward();
  loss_ = loss.item<double>();
  optimizer_.collect(false);
}

void PatchCritic::step(int64_t parts) {
  const double share = 1.0 / static_cast<double>(parts), norm = optimizer_.gradient_norm(share);
  if (!std::isfinite(norm)) return optimizer_.discard();
  optimizer_.step(lr_, share, 0);
}

std::map<std::string, at::Tensor> PatchCritic::state() {
  return {{"critic.weight", store_.flat()}, {"critic.m", optimizer_.m()}, {"critic.v", optimizer_.v()}};
}

void PatchCritic::restored(int64_t updates) {
  store_.refresh_leaves();
  optimizer_.set_updates(updates);
}

}  // namespace langevin
