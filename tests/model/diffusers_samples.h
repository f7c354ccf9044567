// Small folders as diffusers writes them, for tests: a network's configuration with random weights.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "langevin/io/safetensors.h"
#include "langevin/nn/network.h"

namespace langevin::samples {

namespace fs = std::filesystem;
using nlohmann::json;

inline json small_unet() {
  return {{"_class_name", "UNet2DModel"},
          {"_diffusers_version", "0.21.0"},
          {"sample_size", 8},
          {"in_channels", 1},
          {"out_channels", 1},
          {"block_out_channels", {8, 16}},
          {"down_block_types", {"DownBlock2D", "AttnDownBlock2D"}},
          {"up_block_types", {"AttnUpBlock2D", "UpBlock2D"}},
          {"layers_per_block", 1},
          {"norm_num_groups", 4},
          {"attention_head_dim", 8}};
}

inline json small_vae() {
  return {{"_class_name", "AutoencoderKL"},
          {"sample_size", 8},
          {"block_out_channels", {8, 16}},
          {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
          {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
          {"norm_num_groups", 4}};
}

inline json small_ddpm() {
  return {{"_class_name", "DDPMScheduler"},
          {"num_train_timesteps", 20},
          {"beta_start", 0.001},
          {"beta_end", 0.2},
          {"variance_type", "fixed_large"}};
}

/// Tensors by name, as they will be written.
struct Weights {
  explicit Weights(const json& config) : Weights(nn::unet2d_config_from_json(config, "sample")) {}
  explicit Weights(const nn::NetworkConfig& network) {
    const nn::CostInterpreter cost = nn::cost_of(network);
    for (const auto& p : cost.parameters()) {
      HostArrayF values(p.shape);
      fill_normal(values.data(), {3, tensors.size(), Purpose::test, 0});
      for (float& value : values.data()) value *= 0.2F;
      tensors.emplace_back(p.name, std::move(values));
    }
  }
  void write(const fs::path& path) const { write(path, 0, tensors.size()); }
  void write(const fs::path& path, size_t first, size_t end) const {
    std::vector<TensorOut> out;
    for (size_t i = first; i < end; ++i) {
      const auto& [name, values] = tensors[i];
      out.push_back({name, DType::f32, values.shape(), std::as_bytes(values.data())});
    }
    write_safetensors(path, out, {{"format", "pt"}});
  }
  HostArrayF& at(const std::string& name) {
    for (auto& [own, values] : tensors)
      if (own == name) return values;
    fail("no tensor {}", name);
  }
  std::vector<std::pair<std::string, HostArrayF>> tensors;
};

inline void put(const fs::path& path, const json& object) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << object.dump(2);
}

/// A DDPMPipeline.
inline void write_pipeline(const fs::path& folder, const json& unet = small_unet(),
                           const json& scheduler = small_ddpm()) {
  put(folder / "model_index.json", {{"_class_name", "DDPMPipeline"},
                                    {"_diffusers_version", "0.21.0"},
                                    {"unet", {"diffusers", "UNet2DModel"}},
                                    {"scheduler", {"diffusers", scheduler.at("_class_name")}}});
  put(folder / "unet" / "config.json", unet);
  put(folder / "scheduler" / "scheduler_config.json", scheduler);
  Weights(unet).write(folder / "unet" / "diffusion_pytorch_model.safetensors");
}

}  // namespace langevin::samples
