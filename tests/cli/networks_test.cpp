// The networks of other projects on the command line: import, inspect and forward of the U-Net of
// text-to-image models, the autoencoder and the transformer of policies.
#include <cmath>

#include "langevin/model/model_file.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

using nlohmann::json;

class Networks : public CommandLine {
 protected:
  /// A folder as the peer writes it: config.json and random weights under `file`.
  std::string folder(const json& config, const nn::NetworkConfig& network, const std::string& file) const {
    write(path("peer/config.json"), config.dump());
    const nn::CostInterpreter cost = nn::cost_of(network);
    std::vector<HostArrayF> memory;
    for (const auto& p : cost.parameters())
      memory.push_back(noise_like(HostArrayF(p.shape), {1, memory.size(), Purpose::test, 0}));
    std::vector<TensorOut> tensors;
    for (size_t i = 0; i < memory.size(); ++i) {
      tensors.push_back(
          {cost.parameters()[i].name, DType::f32, memory[i].shape(), std::as_bytes(memory[i].data())});
    }
    write_safetensors(path("peer/" + file), tensors, {});
    return path("peer");
  }

  std::string condition_folder() const {
    const json config{{"_class_name", "UNet2DConditionModel"},
                      {"sample_size", 8},
                      {"block_out_channels", {8, 16}},
                      {"down_block_types", {"CrossAttnDownBlock2D", "DownBlock2D"}},
                      {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"}},
                      {"layers_per_block", 1},
                      {"norm_num_groups", 4},
                      {"attention_head_dim", 2},
                      {"cross_attention_dim", 6}};
    return folder(config, nn::unet2d_condition_config_from_json(config, "test"),
                  "diffusion_pytorch_model.safetensors");
  }

  std::string autoencoder_folder() const {
    const json config{{"_class_name", "AutoencoderKL"},
                      {"sample_size", 16},
                      {"block_out_channels", {8, 16}},
                      {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                      {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                      {"norm_num_groups", 4}};
    return folder(config, nn::autoencoder_kl_config_from_json(config, "test"),
                  "diffusion_pytorch_model.safetensors");
  }

  /// As a file of ours, which comes without a note on the scheduler that the folder lacks.
  std::string imported(const std::string& from) const {
    const Result r = langevin({"import", from, "--out", path("ours.safetensors"), "--quiet"});
    EXPECT_EQ(r.status, 0) << r.err;
    return path("ours.safetensors");
  }

  /// Tensors of noise.
  std::string inputs(const std::vector<std::pair<std::string, Shape>>& shapes) const {
    std::vector<HostArrayF> memory;
    for (const auto& [name, shape] : shapes)
      memory.push_back(noise_like(HostArrayF(shape), {2, memory.size(), Purpose::test, 0}));
    std::vector<TensorOut> tensors;
    for (size_t i = 0; i < shapes.size(); ++i)
      tensors.push_back({shapes[i].first, DType::f32, memory[i].shape(), std::as_bytes(memory[i].data())});
    write_safetensors(path("in.safetensors"), tensors, {});
    return path("in.safetensors");
  }

  void expect_parity(const fs::path& model, const fs::path& io,
                     const std::vector<std::string>& outputs) const {
    const std::string out = path("out.safetensors");
    const Result r = langevin({"forward", model.string(), "--in", io.string(), "--out", out});
    ASSERT_EQ(r.status, 0) << r.err;
    for (const std::string& name : outputs) {
      const HostArrayF got = SafetensorsFile::open(out).to_float(name);
      const HostArrayF want = SafetensorsFile::open(io).to_float(name);
      ASSERT_EQ(got.shape(), want.shape()) << name;
      EXPECT_LT(norm(lincomb(1.0, got, -1.0, want))[0], 1e-5 * norm(want)[0]) << name;
    }
  }
};

struct ParityCase {
  const char *folder, *component;
  std::vector<std::string> outputs;
};

TEST_F(Networks, FoldersAndWhatIsImportedFromThemGiveThePeersOutputs) {
  for (const ParityCase& peer : {ParityCase{"unet2d-condition", "unet", {"output"}},
                                 ParityCase{"autoencoder-kl", "vae", {"mean", "logvar", "decoded"}},
                                 ParityCase{"transformer-policy", "", {"output"}}}) {
    const fs::path nested = fs::path(LANGEVIN_SHARED) / "parity" / peer.folder;
    if (!fs::exists(nested)) GTEST_SKIP() << "needs " << nested << ", which this checkout does not have";
    const std::string ours = path(std::string(peer.folder) + ".safetensors");
    const Result imported = langevin({"import", nested.string(), "--out", ours});
    EXPECT_EQ(imported.status, 0) << imported.err;
    if (!has_torch()) continue;
    expect_parity(nested, nested / "io.safetensors", peer.outputs);
    expect_parity(nested / peer.component, nested / "io.safetensors", peer.outputs);
    expect_parity(ours, nested / "io.safetensors", peer.outputs);
  }
}

TEST_F(Networks, InspectSaysWhatTheyTake) {
  Result r = langevin({"inspect", condition_folder(), "--json"});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_GT(r.json()["flops"].get<double>(), 1e5);
  r = langevin({"inspect", path("peer")});
  EXPECT_NE(r.out.find("unet2d_condition, 4 x 8 x 8 (channels x height x width); conditioned on "
                       "encoder_hidden_states (1, S, 6)"),
            std::string::npos)
      << r.out;
  r = langevin({"inspect", autoencoder_folder()});
  EXPECT_NE(r.out.find("autoencoder_kl, 3 x 16 x 16 (channels x height x width), latents 4 x 8 x 8"),
            std::string::npos)
      << r.out;
  EXPECT_EQ(r.out.find("schedule"), std::string::npos) << r.out;
}

TEST_F(Networks, InputsThatAreMissingOrDoNotBelongAreNamed) {
  const std::string model = imported(condition_folder()), out = path("out.safetensors");
  const std::pair<std::string, Shape> x{"sample", {2, 4, 8, 8}}, t{"timestep", {1}},
      text{"encoder_hidden_states", {2, 3, 6}};
  const auto error = [&](const std::vector<std::pair<std::string, Shape>>& given,
                         const std::vector<std::string>& words) {
    expect_error({"forward", model, "--in", inputs(given), "--out", out}, 1, words);
  };
  error({x, t}, {"encoder_hidden_states"});
  error({x, t, {"encoder_hidden_states", {2, 3, 7}}}, {"encoder_hidden_states", "(2, 3, 7)", "(2, S, 6)"});
  error({x, t, text, {"cond", {2, 3, 6}}}, {"has cond", "takes none"});
  error({x, t, text, {"class_labels", {2}}}, {"has class_labels", "takes none"});
  error({x, text}, {"timestep"});
  error({t, text}, {"sample"});
  error({{"latent", {2, 4, 8, 8}}, x, t, text}, {"latent", "no autoencoder"});
  expect_error({"sample", model, "--out", path("pictures")}, 1, {"encoder_hidden_states"});

  const std::string vae = imported(autoencoder_folder());
  const auto vae_error = [&](const std::vector<std::pair<std::string, Shape>>& given,
                             const std::vector<std::string>& words) {
    expect_error({"forward", vae, "--in", inputs(given), "--out", out}, 1, words);
  };
  vae_error({t}, {"timestep"});
  vae_error({{"timestep", {2}}}, {"sample", "latent"});
  vae_error({x}, {"(2, 4, 8, 8)", "(N, 3, H, W)"});
  vae_error({{"latent", {2, 3, 8, 8}}}, {"(2, 3, 8, 8)", "(N, 4, H, W)"});
  expect_error({"sample", vae, "--out", path("pictures")}, 1, {"autoencoder"});
}

TEST_F(Networks, AnAutoencoderDoesWhatItIsAskedTo) {
  if (!has_torch()) GTEST_SKIP() << "needs the libtorch wing";
  const std::string vae = autoencoder_folder(), out = path("out.safetensors");
  EXPECT_EQ(langevin({"forward", vae, "--in", inputs({{"sample", {2, 3, 20, 12}}}), "--out", out}).status, 0);
  EXPECT_EQ(SafetensorsFile::open(out).names(), (std::vector<std::string>{"logvar", "mean"}));
  EXPECT_EQ(SafetensorsFile::open(out).at("mean").shape, (Shape{2, 4, 10, 6}));
  EXPECT_EQ(langevin({"forward", vae, "--in", inputs({{"latent", {1, 4, 5, 6}}}), "--out", out}).status, 0);
  EXPECT_EQ(SafetensorsFile::open(out).names(), (std::vector<std::string>{"decoded"}));
  EXPECT_EQ(SafetensorsFile::open(out).at("decoded").shape, (Shape{1, 3, 10, 12}));
}

}  // namespace
}  // namespace langevin::testing
