// Seeds for the fuzz targets, made by code: fuzz_corpus FOLDER writes FOLDER/safetensors and
// FOLDER/peer_config.
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "langevin/core/atomic_file.h"
#include "langevin/io/npy.h"
#include "langevin/io/safetensors.h"

namespace {

using namespace langevin;
namespace fs = std::filesystem;

void write_safetensors_seeds(const fs::path& folder) {
  const std::vector<float> f{1, -2, 0.5F, 3};
  const std::vector<uint16_t> h{0x3c00, 0xc000};
  const auto floats = std::as_bytes(std::span(f)), halves = std::as_bytes(std::span(h));
  write_safetensors(folder / "empty", {}, {});
  write_safetensors(folder / "one", {{"a", DType::f32, {2, 2}, floats}}, {{"format", "pt"}});
  write_safetensors(folder / "types",
                    {{"f16", DType::f16, {2}, halves},
                     {"bf16", DType::bf16, {1, 2, 1}, halves},
                     {"f64", DType::f64, {2}, floats},
                     {"i64", DType::i64, {}, floats.first(8)},
                     {"u8", DType::u8, {0, 7}, {}},
                     {"bool", DType::boolean, {4}, floats.first(4)}},
                    {{"langevin", "{\"network\": {}}"}, {"k", "v\"\\"}});
  // As other programs write it: spaces, another order, no checksum.
  const std::string header =
      R"({ "w" : {"shape": [2], "data_offsets": [0, 8], "dtype": "F32"}, "__metadata__": {}}  )";
  std::string text(8, '\0');
  text[0] = static_cast<char>(header.size());
  write_file(folder / "foreign", text + header + std::string(8, 'x'));
  write_npy(folder / "array.npy", DType::f32, {2, 2}, floats);
}

void write_config_seeds(const fs::path& folder) {
  const std::vector<std::string> seeds{
      R"({"_class_name": "UNet2DModel", "sample_size": [8, 16], "block_out_channels": [8, 16],
          "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
          "up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "norm_num_groups": 4, "act_fn": "silu",
          "attention_head_dim": null, "num_class_embeds": 3, "resnet_time_scale_shift": "scale_shift"})",
      R"({"_class_name": "DDPMScheduler", "beta_schedule": "linear", "num_train_timesteps": 10,
          "trained_betas": null, "variance_type": "fixed_large", "clip_sample": true})",
      R"({"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": true, "thresholding": true,
          "prediction_type": "v_prediction", "timestep_spacing": "trailing", "num_train_timesteps": 9})",
      R"({"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity,
          "use_karras_sigmas": true, "final_sigmas_type": "zero", "num_train_timesteps": 9})",
      R"({"_class_name": "EulerDiscreteScheduler", "rescale_betas_zero_snr": true,
          "trained_betas": [0.1, 0.2], "num_train_timesteps": 2})",
      R"({"_class_name": "UniPCMultistepScheduler", "disable_corrector": [], "num_train_timesteps": 9})",
      R"({"_class_name": "LCMScheduler", "timestep_scaling": 10.0, "num_train_timesteps": 60})",
      R"({"_class_name": "AutoencoderKL"})",
      R"({"_class_name": "UNet2DConditionModel"})",
  };
  for (size_t i = 0; i < seeds.size(); ++i) write_file(folder / std::to_string(i), seeds[i]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz_corpus FOLDER\n", stderr);
    return 2;
  }
  try {
    const fs::path folder = argv[1];
    for (const char* kind : {"safetensors", "peer_config"}) make_folders(folder / kind);
    write_safetensors_seeds(folder / "safetensors");
    write_config_seeds(folder / "peer_config");
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fuzz_corpus: %s\n", e.what());
    return 1;
  }
}
