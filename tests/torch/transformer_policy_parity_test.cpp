// TransformerForDiffusion against Diffusion Policy: random weights, inputs and outputs stand in
// ../shared/parity. Also what its masks hide, its gradients, and bf16.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "langevin/io/safetensors.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  return (got - want).norm().item<double>() / want.norm().item<double>();
}

TEST(TransformerPolicyParity, OutputEqualsThePeersWithin1e5) {
  const std::filesystem::path folder =
      std::filesystem::path(LANGEVIN_SHARED) / "parity" / "transformer-policy";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "needs " << folder << ", which this checkout does not have";
  std::ifstream stream(folder / "config.json");
  const auto config = nn::transformer_policy_config_from_json(nlohmann::json::parse(stream), "config.json");
  TorchNetwork network(config, Precision::fp32, at::kCPU, 0, false);
  const auto weights = SafetensorsFile::open(folder / "model.safetensors");
  network.store().load([&](const Parameter& p) { return weights.to_float(p.name); });
  const auto io = SafetensorsFile::open(folder / "io.safetensors");
  std::vector<int64_t> timesteps(3);
  ASSERT_EQ(io.at("timestep").bytes.size(), 3 * sizeof(int64_t));
  std::memcpy(timesteps.data(), io.at("timestep").bytes.data(), 3 * sizeof(int64_t));
  const at::NoGradGuard no_grad;
  const auto read = [&](const char* name) { return to_torch(io.to_float(name)).value; };
  const at::Tensor output =
      network(read("sample").transpose(1, 2).contiguous(),
              timestep_tensor({timesteps.begin(), timesteps.end()}, at::kCPU), {.context = read("cond")}, {});
  EXPECT_LT(relative_error(output.transpose(1, 2), read("output")), 1e-5);
}

at::Tensor randn(const Shape& shape, uint64_t sample) {
  return noise_like(TorchArray{at::empty(sizes(shape))}, NoiseKey{2, sample, Purpose::test, 0}).value;
}

nn::TransformerPolicyConfig small() {
  nn::TransformerPolicyConfig c;
  c.input_dim = 3;
  c.output_dim = 3;
  c.horizon = 6;
  c.n_obs_steps = 3;
  c.cond_dim = 5;
  c.n_layer = 2;
  c.n_head = 2;
  c.n_emb = 16;
  c.p_drop_emb = c.p_drop_attn = 0;
  c.causal_attn = true;
  return nn::validated(c);
}

/// Weights far from their small initial values, so that attention is far from uniform.
TorchNetwork make(const nn::TransformerPolicyConfig& c, Precision precision, bool training) {
  TorchNetwork network(c, precision, at::kCPU, 1, training);
  const at::NoGradGuard no_grad;
  uint64_t index = 0;
  for (auto& p : network.store().parameters()) {
    const double scale = p.shape.size() > 1 ? 1 / std::sqrt(static_cast<double>(p.shape.back())) : 0.3;
    p.master.add_(randn(p.shape, 1000 + index++), scale);
  }
  network.store().refresh_leaves();
  return network;
}

TEST(TransformerPolicy, AnActionDependsOnThoseBeforeItAndOnTheObservationsUpToItsTime) {
  TorchNetwork network = make(small(), Precision::fp32, false);
  const at::NoGradGuard no_grad;
  const at::Tensor x = randn({1, 3, 6}, 0), t = timestep_tensor({17}, at::kCPU), cond = randn({1, 3, 5}, 9);
  const at::Tensor y = network(x, t, {.context = cond}, {});
  for (int64_t at = 0; at < 6; ++at) {
    at::Tensor other = x.clone();
    other.select(2, at).add_(1);
    const at::Tensor moved = (network(other, t, {.context = cond}, {}) - y).abs().amax(1).squeeze(0);
    for (int64_t l = 0; l < 6; ++l) EXPECT_EQ(moved[l].item<double>() > 1e-4, l >= at) << at << " " << l;
  }
  for (int64_t s = 0; s < 3; ++s) {
    at::Tensor other = cond.clone();
    other.select(1, s).add_(1);
    const at::Tensor moved = (network(x, t, {.context = other}, {}) - y).abs().amax(1).squeeze(0);
    for (int64_t l = 0; l < 6; ++l) EXPECT_EQ(moved[l].item<double>() > 1e-4, l >= s) << s << " " << l;
  }
}

/// The kinds of this network: masked and not, an encoder of the memory, no observations, the encoder alone.
std::vector<nn::TransformerPolicyConfig> kinds() {
  std::vector<nn::TransformerPolicyConfig> all(5, small());
  all[1].causal_attn = false;
  all[2].n_cond_layers = 2;
  all[3].cond_dim = 0;
  all[4].cond_dim = 0;
  all[4].time_as_cond = false;
  return all;
}

TEST(TransformerPolicy, GradientsAreThoseOfFiniteDifferences) {
  for (const auto& c : kinds()) {
    TorchNetwork network = make(c, Precision::fp32, true);
    const at::Tensor x = randn({2, 3, 6}, 0), t = timestep_tensor({3, 40}, at::kCPU),
                     y = randn({2, 3, 6}, 10);
    TorchConditions cond;
    if (c.cond_dim > 0) cond.context = randn({2, 3, 5}, 20);
    const auto loss = [&] { return (network(x, t, cond, {}) * y).sum(); };
    loss().backward();
    const at::NoGradGuard no_grad;
    double square = 0;
    for (const auto& p : network.store().parameters()) {
      ASSERT_TRUE(p.leaf.grad().defined()) << p.name;
      // The softmax over a single token of memory is 1 whatever is asked of it.
      const bool one_key = c.cond_dim == 0 && c.time_as_cond && p.name.find(".norm2.") != std::string::npos;
      if (!one_key) {
        EXPECT_GT(p.leaf.grad().abs().max().item<double>(), 0) << p.name;
      }
      square += p.leaf.grad().pow(2).sum().item<double>();
    }
    // Along the gradient itself the loss rises by the gradient's length; along a wrong one by less.
    const double length = std::sqrt(square), step = 1e-3;
    const auto shifted = [&](double by) {
      for (auto& p : network.store().parameters()) p.master.add_(p.leaf.grad(), by / length);
      return loss().item<double>();
    };
    const double above = shifted(step), below = shifted(-2 * step);
    EXPECT_NEAR((above - below) / (2 * step), length, 0.01 * length);
  }
}

TEST(TransformerPolicy, Bf16FollowsFp32AndASampleDoesNotDependOnItsBatch) {
  for (const auto& c : kinds()) {
    TorchNetwork high = make(c, Precision::fp32, false), low = make(c, Precision::bf16, false);
    const at::NoGradGuard no_grad;
    const at::Tensor x = randn({3, 3, 6}, 0), t = timestep_tensor({0, 40, 99}, at::kCPU),
                     observed = randn({3, 3, 5}, 20);
    const auto cond = [&](int64_t first, int64_t count) {
      return TorchConditions{.context = c.cond_dim > 0 ? observed.narrow(0, first, count) : at::Tensor()};
    };
    const at::Tensor a = high(x, t, cond(0, 3), {}), b = low(x, t, cond(0, 3), {});
    EXPECT_EQ(b.scalar_type(), at::kFloat);
    EXPECT_LT(relative_error(b, a), 0.05);
    const at::Tensor last = high(x.narrow(0, 2, 1), t.narrow(0, 2, 1), cond(2, 1), {});
    EXPECT_LT(relative_error(last, a.narrow(0, 2, 1)), 1e-5);
  }
}

TEST(TransformerPolicy, DropoutIsOfTrainingAloneAndDependsOnItsKey) {
  nn::TransformerPolicyConfig c = small();
  c.p_drop_emb = c.p_drop_attn = 0.5;
  TorchNetwork network = make(c, Precision::fp32, false), without = make(small(), Precision::fp32, false);
  const at::NoGradGuard no_grad;
  const at::Tensor x = randn({2, 3, 6}, 0), t = timestep_tensor({3, 40}, at::kCPU);
  const TorchConditions cond{.context = randn({2, 3, 5}, 20)};
  EXPECT_TRUE(at::equal(network(x, t, cond, {}), without(x, t, cond, {})));
  const CallContext first{.training = true, .seed = 5, .step = 1},
      second{.training = true, .seed = 5, .step = 2};
  const at::Tensor a = network(x, t, cond, first);
  EXPECT_TRUE(at::equal(a, network(x, t, cond, first)));
  EXPECT_GT(relative_error(network(x, t, cond, second), a), 0.01);
}

TEST(TransformerPolicy, ShorterTrajectoriesAndFewerObservationsMayBeGiven) {
  TorchNetwork network = make(small(), Precision::fp32, false);
  const at::NoGradGuard no_grad;
  const at::Tensor t = timestep_tensor({5}, at::kCPU), cond = randn({1, 3, 5}, 0), x = randn({1, 3, 6}, 1);
  // What causal attention hides need not be there.
  const at::Tensor whole = network(x, t, {.context = cond}, {}),
                   part = network(x.narrow(2, 0, 2), t, {.context = cond}, {});
  EXPECT_LT(relative_error(part, whole.narrow(2, 0, 2)), 1e-5);
  EXPECT_EQ(shape_of_tensor(network(x, t, {.context = cond.narrow(1, 0, 1)}, {})), (Shape{1, 3, 6}));
  EXPECT_THROW(network(randn({1, 3, 7}, 1), t, {.context = cond}, {}), Error);
  EXPECT_THROW(network(randn({1, 2, 6}, 1), t, {.context = cond}, {}), Error);
  EXPECT_THROW(network(x, t, {.context = randn({1, 4, 5}, 0)}, {}), Error);
  EXPECT_THROW(network(x, t, {}, {}), Error);
}

}  // namespace
}  // namespace langevin
