// What the runtime's tests share: networks of the parity files and of any configuration made ready, and
// distances between arrays.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "langevin/io/safetensors.h"
#include "langevin/nn/cost.h"
#include "langevin/runtime/network.h"
#include "langevin/runtime/recorder.h"

namespace langevin::test {

inline double relative_error(const HostArrayF& got, const HostArrayF& want) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    difference += std::pow(got[i] - want[i], 2);
    size += std::pow(want[i], 2);
  }
  return std::sqrt(difference / size);
}

inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
  return worst;
}

inline std::vector<int64_t> integers(const TensorView& view) {
  std::vector<int64_t> values(view.bytes.size() / sizeof(int64_t));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

/// Every parameter normal, so that no branch of the network is silent; `stream` tells networks apart.
inline std::map<std::string, HostArrayF> random_parameters(const nn::NetworkConfig& config,
                                                           uint64_t stream = 0) {
  const nn::CostInterpreter cost = nn::cost_of(config);
  std::map<std::string, HostArrayF> values;
  for (const nn::ParameterSpec& p : cost.parameters()) {
    HostArrayF array(p.shape);
    fill_normal(array.data(), NoiseKey{stream, values.size(), Purpose::test, 0});
    const auto fan_in = static_cast<double>(array.size() / p.shape[0]);
    const bool norm_gain = p.init.kind == nn::Init::Kind::ones;
    const auto scale = static_cast<float>(p.shape.size() > 1 ? 1 / std::sqrt(fan_in) : 0.2);
    for (float& v : array.data()) v = v * scale + (norm_gain ? 1.0F : 0.0F);
    values.emplace(p.name, std::move(array));
  }
  return values;
}

inline HostArrayF noise(const Shape& shape, uint64_t stream = 1) {
  return noise_like(HostArrayF(shape), NoiseKey{stream, 0, Purpose::test, 7});
}

/// A U-Net of two stages with attention in the second and in the middle.
inline nn::UNet2DConfig small_unet(int64_t height, int64_t width, std::vector<int64_t> channels = {32, 64}) {
  nn::UNet2DConfig c;
  c.sample_height = height;
  c.sample_width = width;
  c.down_block_types.assign(channels.size(), "DownBlock2D");
  c.up_block_types.assign(channels.size(), "UpBlock2D");
  c.down_block_types.back() = "AttnDownBlock2D";
  c.up_block_types.front() = "AttnUpBlock2D";
  c.block_out_channels = std::move(channels);
  c.layers_per_block = 1;
  c.norm_num_groups = 8;
  return nn::validated(c);
}

inline runtime::RuntimeNetwork make_network(const nn::NetworkConfig& config,
                                            runtime::Type type = runtime::Type::fp32, int threads = 1) {
  return {config, runtime::Weights(random_parameters(config)), type, threads};
}

/// A network of ../shared/parity with its example.
struct Peer {
  explicit Peer(const std::filesystem::path& folder)
      : tensors(TensorSet::of_file(
            SafetensorsFile::open(folder / "unet" / "diffusion_pytorch_model.safetensors"))),
        io(SafetensorsFile::open(folder / "io.safetensors")) {
    std::ifstream stream(folder / "unet" / "config.json");
    config = nn::unet2d_config_from_json(nlohmann::json::parse(stream), "config.json");
    const auto steps = integers(io.at("timestep"));
    t.assign(steps.begin(), steps.end());
    if (io.contains("class_labels")) labels = integers(io.at("class_labels"));
  }
  static std::filesystem::path folder(const char* name) {
    return std::filesystem::path(LANGEVIN_SHARED) / "parity" / name;
  }
  HostArrayF run(runtime::Type type) {
    runtime::RuntimeNetwork network(config, runtime::Weights(tensors), type, 1);
    return network(io.to_float("sample"), t, {labels});
  }

  nn::UNet2DConfig config;
  TensorSet tensors;
  SafetensorsFile io;
  std::vector<double> t;
  std::vector<int64_t> labels;
};

}  // namespace langevin::test
