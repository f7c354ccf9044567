// The U-Net of text-to-image models and the autoencoder against diffusers 0.21: random weights, inputs and
// outputs stand in ../shared/parity. Also their gradients, and bf16.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "langevin/io/safetensors.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  return (got - want).norm().item<double>() / want.norm().item<double>();
}

class Peer {
 public:
  Peer(const char* name, const char* component, const char* type)
      : folder_(fs::path(LANGEVIN_SHARED) / "parity" / name), component_(component), type_(type) {}
  bool absent() const { return !fs::exists(folder_); }

  /// The network with the peer's weights, of which none is left over.
  TorchNetwork network() const {
    std::ifstream stream(folder_ / component_ / "config.json");
    nlohmann::json json = nlohmann::json::parse(stream);
    json["type"] = type_;
    TorchNetwork network(nn::network_from_json(json, "config.json"), Precision::fp32, at::kCPU, 0, false);
    const auto weights = SafetensorsFile::open(folder_ / component_ / "diffusion_pytorch_model.safetensors");
    EXPECT_EQ(weights.names().size(), network.store().parameters().size());
    network.store().load([&](const Parameter& p) { return weights.to_float(p.name); });
    return network;
  }
  at::Tensor io(const char* name) const {
    return to_torch(SafetensorsFile::open(folder_ / "io.safetensors").to_float(name)).value;
  }
  at::Tensor timestep() const {
    const auto file = SafetensorsFile::open(folder_ / "io.safetensors");
    std::vector<int64_t> values(file.at("timestep").bytes.size() / sizeof(int64_t));
    std::memcpy(values.data(), file.at("timestep").bytes.data(), values.size() * sizeof(int64_t));
    return timestep_tensor({values.begin(), values.end()}, at::kCPU);
  }

 private:
  fs::path folder_;
  const char *component_, *type_;
};

TEST(UNet2DConditionParity, OutputEqualsThePeersWithin1e5) {
  const Peer peer("unet2d-condition", "unet", "unet2d_condition");
  if (peer.absent()) GTEST_SKIP() << "needs ../shared/parity, which this checkout does not have";
  TorchNetwork network = peer.network();
  const at::NoGradGuard no_grad;
  const at::Tensor output =
      network(peer.io("sample"), peer.timestep(), {.context = peer.io("encoder_hidden_states")}, {});
  EXPECT_LT(relative_error(output, peer.io("output")), 1e-5);
}

TEST(AutoencoderKLParity, OutputsEqualThePeersWithin1e5) {
  const Peer peer("autoencoder-kl", "vae", "autoencoder_kl");
  if (peer.absent()) GTEST_SKIP() << "needs ../shared/parity, which this checkout does not have";
  TorchNetwork network = peer.network();
  const at::NoGradGuard no_grad;
  const auto latents = network.encode(peer.io("sample"), {});
  EXPECT_LT(relative_error(latents.mean, peer.io("mean")), 1e-5);
  EXPECT_LT(relative_error(latents.logvar, peer.io("logvar")), 1e-5);
  EXPECT_LT(relative_error(network.decode(peer.io("latent"), {}), peer.io("decoded")), 1e-5);
}

at::Tensor randn(const Shape& shape, uint64_t sample) {
  return noise_like(TorchArray{at::empty(sizes(shape))}, NoiseKey{2, sample, Purpose::test, 0}).value;
}

/// Weights with which nothing is zero, so that gradients reach everything.
TorchNetwork make(const nlohmann::json& json, Precision precision, bool training) {
  TorchNetwork network(nn::network_from_json(json, "test"), precision, at::kCPU, 1, training);
  const at::NoGradGuard no_grad;
  uint64_t index = 0;
  for (auto& p : network.store().parameters()) {
    const double fan_in = static_cast<double>(p.count) / static_cast<double>(p.shape[0]);
    p.master.add_(randn(p.shape, 1000 + index++), p.shape.size() > 1 ? 0.5 / std::sqrt(fan_in) : 0.2);
  }
  network.store().refresh_leaves();
  return network;
}

nlohmann::json condition_config() {
  return {{"type", "unet2d_condition"},
          {"sample_size", 8},
          {"block_out_channels", {8, 16}},
          {"down_block_types", {"CrossAttnDownBlock2D", "DownBlock2D"}},
          {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"}},
          {"layers_per_block", 1},
          {"norm_num_groups", 4},
          {"attention_head_dim", 2},
          {"cross_attention_dim", 6},
          {"encoder_hid_dim", 5},
          {"num_class_embeds", 3},
          {"addition_embed_type", "text_time"},
          {"addition_time_embed_dim", 4},
          {"projection_class_embeddings_input_dim", 15},
          {"time_cond_proj_dim", 7}};
}

TorchConditions conditions(int64_t first, int64_t count) {
  const auto part = [&](const Shape& shape, uint64_t sample) {
    return randn(shape, sample).narrow(0, first, count);
  };
  return {.class_labels = label_tensor({0, 1, 2}, at::kCPU).narrow(0, first, count),
          .context = part({3, 4, 5}, 20),
          .text_embeds = part({3, 7}, 30),
          .time_ids = part({3, 2}, 40),
          .timestep_cond = part({3, 7}, 50)};
}

/// Along the gradient itself the loss rises by the gradient's length; along a wrong one by less.
void expect_gradients(TorchNetwork& network, const std::function<at::Tensor()>& loss) {
  loss().backward();
  const at::NoGradGuard no_grad;
  double square = 0;
  for (const auto& p : network.store().parameters()) {
    ASSERT_TRUE(p.leaf.grad().defined()) << p.name;
    // A bias of all keys shifts every score alike: the softmax does not see it.
    if (!p.name.ends_with("to_k.bias")) {
      EXPECT_GT(p.leaf.grad().abs().max().item<double>(), 0) << p.name;
    }
    square += p.leaf.grad().pow(2).sum().item<double>();
  }
  const double length = std::sqrt(square), step = 1e-3;
  const auto shifted = [&](double by) {
    for (auto& p : network.store().parameters()) p.master.add_(p.leaf.grad(), by / length);
    return loss().item<double>();
  };
  const double above = shifted(step), below = shifted(-2 * step);
  EXPECT_NEAR((above - below) / (2 * step), length, 0.01 * length);
}

TEST(UNet2DCondition, GradientsAreThoseOfFiniteDifferencesAlsoWhenRecomputed) {
  for (const bool recompute : {false, true}) {
    TorchNetwork network = make(condition_config(), Precision::fp32, true);
    const at::Tensor x = randn({3, 4, 8, 8}, 0), t = timestep_tensor({0, 40, 999}, at::kCPU),
                     y = randn({3, 4, 8, 8}, 10);
    expect_gradients(network, [&] {
      return (network(x, t, conditions(0, 3), {.training = true, .recompute = recompute}) * y).mean();
    });
  }
}

TEST(UNet2DCondition, Bf16FollowsFp32AndASampleDoesNotDependOnItsBatch) {
  TorchNetwork high = make(condition_config(), Precision::fp32, false),
               low = make(condition_config(), Precision::bf16, false);
  const at::NoGradGuard no_grad;
  const at::Tensor x = randn({3, 4, 8, 8}, 0), t = timestep_tensor({0, 40, 999}, at::kCPU);
  const at::Tensor a = high(x, t, conditions(0, 3), {}), b = low(x, t, conditions(0, 3), {});
  EXPECT_LT(relative_error(b, a), 0.05);
  const at::Tensor last = high(x.narrow(0, 2, 1), t.narrow(0, 2, 1), conditions(2, 1), {});
  EXPECT_LT(relative_error(last, a.narrow(0, 2, 1)), 1e-5);
  // Any other number of tokens, and without the condition that may be absent.
  TorchConditions other = conditions(0, 3);
  other.context = randn({3, 9, 5}, 20);
  other.timestep_cond = at::Tensor();
  EXPECT_GT(relative_error(high(x, t, other, {}), a), 0.01);
}

nlohmann::json autoencoder_config() {
  return {{"type", "autoencoder_kl"},
          {"sample_size", 8},
          {"block_out_channels", {8, 16}},
          {"down_block_types", {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}},
          {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
          {"norm_num_groups", 4}};
}

TEST(AutoencoderKL, GradientsAreThoseOfFiniteDifferences) {
  TorchNetwork network = make(autoencoder_config(), Precision::fp32, true);
  const at::Tensor x = randn({2, 3, 8, 8}, 0), y = randn({2, 3, 8, 8}, 10);
  expect_gradients(network, [&] {
    const auto z = network.encode(x, {.training = true});
    const at::Tensor sample = z.mean + (0.5 * z.logvar).exp() * randn({2, 4, 4, 4}, 20);
    return (network.decode(sample, {.training = true}) * y).mean() + 0.1 * z.logvar.mean();
  });
}

TEST(AutoencoderKL, ACallReconstructsThroughTheMeanAndLogvarIsClamped) {
  TorchNetwork network = make(autoencoder_config(), Precision::fp32, false);
  const at::NoGradGuard no_grad;
  const at::Tensor x = randn({2, 3, 8, 8}, 0), t = timestep_tensor({0, 0}, at::kCPU);
  const auto z = network.encode(x, {});
  EXPECT_LT(relative_error(network(x, t, {}, {}), network.decode(z.mean, {})), 1e-6);
  for (auto& p : network.store().parameters())
    if (p.name == "quant_conv.weight") p.master.mul_(1000);
  const at::Tensor logvar = network.encode(x, {}).logvar;
  EXPECT_EQ(logvar.min().item<float>(), -30.0F);
  EXPECT_EQ(logvar.max().item<float>(), 20.0F);
  EXPECT_THROW(make(condition_config(), Precision::fp32, false).encode(x, {}), Error);
}

}  // namespace
}  // namespace langevin
