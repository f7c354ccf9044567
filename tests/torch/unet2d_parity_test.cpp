// The U-Net against diffusers 0.21: random weights, inputs and outputs stand in ../shared/parity.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "langevin/io/safetensors.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

double relative_error(const HostArrayF& got, const HostArrayF& want) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    difference += std::pow(got[i] - want[i], 2);
    size += std::pow(want[i], 2);
  }
  return std::sqrt(difference / size);
}

std::vector<int64_t> integers(const TensorView& view) {
  std::vector<int64_t> values(view.bytes.size() / sizeof(int64_t));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

class UNet2DParity : public testing::TestWithParam<const char*> {};

TEST_P(UNet2DParity, OutputEqualsThePeersWithin1e5) {
  const std::filesystem::path folder = std::filesystem::path(LANGEVIN_SHARED) / "parity" / GetParam();
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "needs " << folder << ", which this checkout does not have";
  std::ifstream stream(folder / "unet" / "config.json");
  const auto config = nn::unet2d_config_from_json(nlohmann::json::parse(stream), "config.json");
  TorchNetwork network(config, Precision::fp32, at::kCPU, 0, false);
  const auto weights = SafetensorsFile::open(folder / "unet" / "diffusion_pytorch_model.safetensors");
  EXPECT_EQ(weights.names().size(), network.store().parameters().size());
  network.store().load([&](const Parameter& p) { return weights.to_float(p.name); });
  const auto io = SafetensorsFile::open(folder / "io.safetensors");
  const auto timesteps = integers(io.at("timestep"));
  const auto labels = io.contains("class_labels") ? integers(io.at("class_labels")) : std::vector<int64_t>{};
  const at::NoGradGuard no_grad;
  const HostArrayF output = to_host({network(to_torch(io.to_float("sample")).value,
                                             timestep_tensor({timesteps.begin(), timesteps.end()}, at::kCPU),
                                             {label_tensor(labels, at::kCPU)}, {})});
  EXPECT_LT(relative_error(output, io.to_float("output")), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Peers, UNet2DParity, testing::Values("unet2d-ddpm", "unet2d-class"));

}  // namespace
}  // namespace langevin
