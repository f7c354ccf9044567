// Networks with tokens and autoencoders: the runtime against the libtorch interpreter, over the options that
// change what is computed.
#include <gtest/gtest.h>

#include <cmath>

#include "langevin/runtime/network.h"
#include "langevin/torch/network_call.h"
#include "tests/nn/golden_network.h"

namespace langevin {
namespace {

using nlohmann::json;

double relative_error(const HostArrayF& got, const HostArrayF& want) {
  EXPECT_EQ(got.shape(), want.shape());
  double difference = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    difference += std::pow(got[i] - want[i], 2);
    size += std::pow(want[i], 2);
  }
  return std::sqrt(difference / size);
}

HostArrayF noise(const Shape& shape, uint64_t number) {
  return noise_like(HostArrayF(shape), NoiseKey{3, number, Purpose::test, 0});
}

struct Case {
  std::string name;
  json config;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

json policy(const json& changes = json::object()) {
  json c{{"type", "transformer_policy"},
         {"input_dim", 3},
         {"output_dim", 3},
         {"horizon", 6},
         {"n_obs_steps", 2},
         {"cond_dim", 5},
         {"n_layer", 2},
         {"n_head", 2},
         {"n_emb", 16}};
  c.update(changes);
  return c;
}

json condition(const json& changes = json::object()) {
  json c{{"type", "unet2d_condition"},
         {"sample_size", 8},
         {"block_out_channels", {8, 16}},
         {"down_block_types", {"CrossAttnDownBlock2D", "DownBlock2D"}},
         {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"}},
         {"layers_per_block", 1},
         {"norm_num_groups", 4},
         {"attention_head_dim", 2},
         {"cross_attention_dim", 6}};
  c.update(changes);
  return c;
}

class TokenEngines : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    config_ = nn::network_from_json(GetParam().config, GetParam().name);
    const auto cost = nn::cost_of(config_);
    for (const auto& p : cost.parameters()) weights_.emplace(p.name, HostArrayF(p.shape));
    uint64_t index = 0;
    for (auto& [name, values] : weights_) GoldenNetwork::fill(name, values, index++);
  }
  TorchNetwork torch() const {
    TorchNetwork network(config_, Precision::fp32, at::kCPU, 0, false);
    network.store().load([&](const Parameter& p) { return weights_.at(p.name); });
    return network;
  }
  runtime::RuntimeNetwork runtime(runtime::Part part = runtime::Part::whole) const {
    return {config_, runtime::Weights(weights_), runtime::Type::fp32, 1, part};
  }
  /// All that the network takes, optional conditions only if `all`.
  Cond<HostArrayF> cond(int64_t n, bool all) const {
    Cond<HostArrayF> given;
    uint64_t number = 10;
    each_condition(
        [&](std::optional<HostArrayF>& array, const std::optional<nn::Condition>& taken) {
          if (taken && (all || taken->required)) array = noise(taken->shape, number++);
        },
        given, nn::conditions(config_, n));
    const int64_t classes = nn::class_count(config_);
    for (int64_t i = 0; classes > 0 && i < n; ++i) given.class_labels.push_back(i % classes);
    return given;
  }

  nn::NetworkConfig config_;
  std::map<std::string, HostArrayF> weights_;
};

using Denoisers = TokenEngines;
TEST_P(Denoisers, OneCallAgreesAtAnyBatch) {
  const at::NoGradGuard no_grad;
  TorchNetwork torch = this->torch();
  const auto call = network_call(torch);
  auto runtime = this->runtime();
  for (const bool all : {false, true}) {
    for (const int64_t n : {1, 3}) {
      const HostArrayF x = noise(nn::input_shape(config_, n), 0);
      std::vector<double> t;
      for (int64_t i = 0; i < n; ++i) t.push_back(static_cast<double>(i * 371 % 1000));
      const Cond<HostArrayF> given = cond(n, all);
      Cond<TorchArray> theirs{given.class_labels};
      each_condition(
          [](std::optional<TorchArray>& to, const std::optional<HostArrayF>& from) {
            if (from) to = to_torch(*from);
          },
          theirs, given);
      EXPECT_LT(relative_error(runtime(x, t, given), to_host(call(to_torch(x), t, theirs))), 1e-5) << n;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(
    Networks, Denoisers,
    testing::Values(
        Case{"policy", policy()}, Case{"causal", policy({{"causal_attn", true}})},
        Case{"encoder_of_memory", policy({{"n_cond_layers", 1}})},
        Case{"without_observations", policy({{"cond_dim", 0}})},
        Case{"encoder_alone", policy({{"time_as_cond", false}, {"cond_dim", 0}, {"causal_attn", true}})},
        Case{"condition", condition()}, Case{"classes", condition({{"num_class_embeds", 3}})},
        Case{"linear_projection", condition({{"use_linear_projection", true}, {"act_fn", "gelu"}})},
        Case{"scale_shift", condition({{"resnet_time_scale_shift", "scale_shift"}, {"act_fn", "relu"}})},
        Case{"guidance_as_condition", condition({{"time_cond_proj_dim", 7}})},
        Case{"class_vectors",
             condition({{"class_embed_type", "projection"}, {"projection_class_embeddings_input_dim", 9}})},
        Case{"text_and_sizes", condition({{"addition_embed_type", "text_time"},
                                          {"addition_time_embed_dim", 4},
                                          {"projection_class_embeddings_input_dim", 30}})}),
    [](const auto& info) { return info.param.name; });

using Autoencoders = TokenEngines;
TEST_P(Autoencoders, EncodeAndDecodeAgree) {
  const at::NoGradGuard no_grad;
  TorchNetwork torch = this->torch();
  auto encoder = runtime(runtime::Part::encoder), decoder = runtime(runtime::Part::decoder);
  for (const int64_t n : {1, 3}) {
    const HostArrayF x = noise(nn::input_shape(config_, n), 0);
    const auto z = torch.encode(to_torch(x).value, {});
    const HostArrayF both = to_host({at::cat({z.mean, z.logvar}, 1)});
    EXPECT_LT(relative_error(encoder(x), both), 1e-5);
    const HostArrayF latent = noise(nn::latent_shape(*nn::autoencoder(config_), x.shape()), 5);
    EXPECT_LT(relative_error(decoder(latent), to_host({torch.decode(to_torch(latent).value, {})})), 1e-5);
  }
}
const json kAutoencoder{{"type", "autoencoder_kl"},
                        {"sample_size", 16},
                        {"block_out_channels", {8, 16}},
                        {"down_block_types", {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}},
                        {"up_block_types", {"AttnUpDecoderBlock2D", "UpDecoderBlock2D"}},
                        {"norm_num_groups", 4}};
INSTANTIATE_TEST_SUITE_P(Networks, Autoencoders, testing::Values(Case{"autoencoder", kAutoencoder}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace langevin
