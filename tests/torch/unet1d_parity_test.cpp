// ConditionalUnet1D against Diffusion Policy: random weights, inputs and outputs stand in ../shared/parity.
// Also its gradients, and bf16.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "langevin/model/model_file.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  return (got - want).norm().item<double>() / want.norm().item<double>();
}

TEST(UNet1DParity, OutputEqualsThePeersWithin1e5) {
  const std::filesystem::path folder = std::filesystem::path(LANGEVIN_SHARED) / "parity" / "unet1d-policy";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "needs " << folder << ", which this checkout does not have";
  const ModelFile model = open_model(folder);
  TorchNetwork network(model.spec.network, Precision::fp32, at::kCPU, 0, false);
  EXPECT_EQ(model.weights.names().size(), network.store().parameters().size());
  network.store().load([&](const Parameter& p) { return model.tensor(p.name); });
  const auto io = SafetensorsFile::open(folder / "io.safetensors");
  std::vector<int64_t> timesteps(3);
  ASSERT_EQ(io.at("timestep").bytes.size(), 3 * sizeof(int64_t));
  std::memcpy(timesteps.data(), io.at("timestep").bytes.data(), 3 * sizeof(int64_t));
  const at::NoGradGuard no_grad;
  const auto read = [&](const char* name) { return to_torch(io.to_float(name)).value; };
  const at::Tensor x = read("sample").transpose(1, 2).contiguous();  // the peer's (N,L,C)
  const at::Tensor output = network(x, timestep_tensor({timesteps.begin(), timesteps.end()}, at::kCPU),
                                    {{}, read("global_cond")}, {});
  EXPECT_LT(relative_error(output.transpose(1, 2), read("output")), 1e-5);
}

at::Tensor randn(const Shape& shape, uint64_t sample) {
  return noise_like(TorchArray{at::empty(sizes(shape))}, NoiseKey{2, sample, Purpose::test, 0}).value;
}

TorchNetwork small(Precision precision, bool training, bool scale = true) {
  nn::UNet1DConfig c;
  c.horizon = 8;
  c.global_cond_dim = 5;
  c.diffusion_step_embed_dim = 16;
  c.down_dims = {16, 32};
  c.kernel_size = 5;
  c.cond_predict_scale = scale;
  return {nn::validated(c), precision, at::kCPU, 1, training};
}

TEST(UNet1D, GradientsAreThoseOfFiniteDifferences) {
  for (const bool scale : {true, false}) {
    TorchNetwork network = small(Precision::fp32, true, scale);
    const at::Tensor x = randn({3, 2, 8}, 0), t = timestep_tensor({0, 40, 99}, at::kCPU),
                     y = randn({3, 2, 8}, 10);
    const TorchConditions cond{{}, randn({3, 5}, 20)};
    const auto loss = [&] { return (network(x, t, cond, {}) * y).sum(); };
    loss().backward();
    const at::NoGradGuard no_grad;
    double square = 0;
    for (const auto& p : network.store().parameters()) {
      ASSERT_TRUE(p.leaf.grad().defined()) << p.name;
      EXPECT_GT(p.leaf.grad().abs().max().item<double>(), 0) << p.name;
      square += p.leaf.grad().pow(2).sum().item<double>();
    }
    // Along the gradient itself the loss rises by the gradient's length; along a wrong one by less.
    const double length = std::sqrt(square), step = 3e-3;
    const auto shifted = [&](double by) {
      for (auto& p : network.store().parameters()) p.master.add_(p.leaf.grad(), by / length);
      return loss().item<double>();
    };
    const double above = shifted(step), below = shifted(-2 * step);
    EXPECT_NEAR((above - below) / (2 * step), length, 0.01 * length);
  }
}

TEST(UNet1D, Bf16FollowsFp32AndASampleDoesNotDependOnItsBatch) {
  TorchNetwork high = small(Precision::fp32, false), low = small(Precision::bf16, false);
  const at::NoGradGuard no_grad;
  const at::Tensor x = randn({3, 2, 8}, 0), t = timestep_tensor({0, 40, 99}, at::kCPU),
                   cond = randn({3, 5}, 20);
  const at::Tensor a = high(x, t, {{}, cond}, {}), b = low(x, t, {{}, cond}, {});
  EXPECT_EQ(b.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(b, a), 0.05);
  const at::Tensor last = high(x.narrow(0, 2, 1), t.narrow(0, 2, 1), {{}, cond.narrow(0, 2, 1)}, {});
  EXPECT_LT(relative_error(last, a.narrow(0, 2, 1)), 1e-5);
}

TEST(UNet1D, AnyFittingHorizonMayBeGiven) {
  TorchNetwork network = small(Precision::fp32, false);
  const at::NoGradGuard no_grad;
  const at::Tensor t = timestep_tensor({5}, at::kCPU), cond = randn({1, 5}, 0);
  for (const int64_t horizon : {2, 12, 64})
    EXPECT_EQ(shape_of_tensor(network(randn({1, 2, horizon}, 1), t, {{}, cond}, {})), (Shape{1, 2, horizon}));
  EXPECT_THROW(network(randn({1, 2, 9}, 1), t, {{}, cond}, {}), Error);
  EXPECT_THROW(network(randn({1, 2, 8}, 1), t, {}, {}), Error);
}

}  // namespace
}  // namespace langevin
