#include "langevin/nn/network.h"

#include <algorithm>

#include "langevin/core/config.h"

namespace langevin::nn {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

/// A network as files name it.
struct Entry {
  std::string type;
  NetworkConfig (*read)(const nlohmann::json& json, const std::string& source);
};

template <auto read>
NetworkConfig as_network(const nlohmann::json& json, const std::string& source) {
  return read(json, source);
}

/// In the order of the variant's alternatives.
const std::vector<Entry>& entries() {
  static const std::vector<Entry> table{
      {"unet2d", as_network<unet2d_config_from_json>},
      {"unet1d", as_network<unet1d_config_from_json>},
      {"transformer_policy", as_network<transformer_policy_config_from_json>},
      {"unet2d_condition", as_network<unet2d_condition_config_from_json>},
      {"autoencoder_kl", as_network<autoencoder_kl_config_from_json>},
      {"classifier", as_network<classifier_config_from_json>},
      {"vae_dense", as_network<vae_dense_config_from_json>},
  };
  return table;
}

}  // namespace

nlohmann::json to_json(const NetworkConfig& config) {
  nlohmann::json json = std::visit([](const auto& c) { return to_json(c); }, config);
  json["type"] = type_name(config);
  return json;
}

std::string type_name(const NetworkConfig& config) { return entries().at(config.index()).type; }

NetworkConfig network_from_json(const nlohmann::json& json, const std::string& source) {
  check(json.is_object() && json.contains("type") && json["type"].is_string(), source,
        "the network has no 'type'; this is not a model of this project");
  const auto type = json["type"].get<std::string>();
  nlohmann::json rest = json;
  rest.erase("type");
  std::vector<std::string> known;
  for (const Entry& entry : entries()) {
    if (entry.type == type) return entry.read(rest, source);
    known.push_back(entry.type);
  }
  fail("{}: {}", source, unknown_name("network type", type, known));
}

bool is_autoencoder(const NetworkConfig& config) {
  return std::holds_alternative<AutoencoderKLConfig>(config) ||
         std::holds_alternative<VaeDenseConfig>(config);
}

Shape latent_shape(const NetworkConfig& config, const Shape& x) {
  if (const auto* c = std::get_if<AutoencoderKLConfig>(&config)) return latent_shape(*c, x);
  const auto* c = std::get_if<VaeDenseConfig>(&config);
  check(c != nullptr, "latent_shape", "the network is no autoencoder: it has no latents");
  return {x.at(0), c->latent_channels};
}

LatentScale latent_scale(const NetworkConfig& config) {
  if (const auto* c = std::get_if<AutoencoderKLConfig>(&config))
    return {c->scaling_factor, c->shift_factor.value_or(0)};
  const auto* c = std::get_if<VaeDenseConfig>(&config);
  check(c != nullptr, "latent_scale", "the network is no autoencoder: it has no latents");
  return {c->scaling_factor, c->shift_factor};
}

void set_latent_scale(NetworkConfig& config, const LatentScale& scale) {
  if (auto* c = std::get_if<AutoencoderKLConfig>(&config)) {
    c->scaling_factor = scale.scale;
    c->shift_factor = scale.shift;
    return;
  }
  auto* c = std::get_if<VaeDenseConfig>(&config);
  check(c != nullptr, "latent_scale", "the network is no autoencoder: it has no latents");
  c->scaling_factor = scale.scale;
  c->shift_factor = scale.shift;
}

const AutoencoderKLConfig* autoencoder(const NetworkConfig& config) {
  return std::get_if<AutoencoderKLConfig>(&config);
}

const ClassifierConfig* classifier(const NetworkConfig& config) {
  return std::get_if<ClassifierConfig>(&config);
}

Shape input_shape(const NetworkConfig& config, int64_t n) {
  const auto of_sequences = [n](const auto& c) { return Shape{n, c.input_dim, c.horizon}; };
  return std::visit(Overloaded{[&](const UNet1DConfig& c) { return of_sequences(c); },
                               [&](const TransformerPolicyConfig& c) { return of_sequences(c); },
                               [n](const ClassifierConfig& c) { return input_shape(c.encoder, n); },
                               [n](const auto& c) {
                                 return Shape{n, c.in_channels, c.sample_height, c.sample_width};
                               }},
                    config);
}

bool learned_variance(const NetworkConfig& config) {
  return std::visit(
      Overloaded{[](const UNet2DConfig& c) { return c.out_channels == 2 * c.in_channels; },
                 [](const UNet2DConditionConfig& c) { return c.out_channels == 2 * c.in_channels; },
                 [](const auto&) { return false; }},
      config);
}

int64_t class_count(const NetworkConfig& config) {
  return std::visit(Overloaded{[](const UNet2DConfig& c) { return c.num_class_embeds; },
                               [](const UNet2DConditionConfig& c) { return c.num_class_embeds; },
                               [](const auto&) { return int64_t{0}; }},
                    config);
}

int64_t global_cond_dim(const NetworkConfig& config) {
  const auto taken = conditions(config, 1).global_cond;
  return taken ? taken->shape[1] : 0;
}

namespace {

using Freedom = Condition::Freedom;

constexpr int64_t kUsualTokens = 77;  // of CLIP's texts
constexpr int64_t kUsualTimeIds = 6;  // of SDXL: original size, crop, target size

Conditions conditions_of(const UNet2DConditionConfig& c, int64_t n) {
  Conditions taken;
  if (const int64_t width = context_dim(c); width > 0)
    taken.context = {"encoder_hidden_states", {n, kUsualTokens, width}, Freedom::any_tokens};
  if (const int64_t width = class_vector_dim(c); width > 0)
    taken.class_vectors = {"class_labels", {n, width}};
  if (c.time_cond_proj_dim > 0)
    taken.timestep_cond = {"timestep_cond", {n, c.time_cond_proj_dim}, Freedom::none, false};
  if (c.addition_embed_type == "text_time") {
    const int64_t all = c.projection_class_embeddings_input_dim, each = c.addition_time_embed_dim;
    const int64_t ids = std::min(kUsualTimeIds, (all - 1) / each);
    taken.text_embeds = {"text_embeds", {n, all - ids * each}, Freedom::any_width};
    taken.time_ids = {"time_ids", {n, ids}, Freedom::any_width};
  }
  return taken;
}

}  // namespace

Conditions conditions(const NetworkConfig& config, int64_t n) {
  Conditions taken;
  if (const auto* c = std::get_if<UNet2DConditionConfig>(&config)) return conditions_of(*c, n);
  if (const auto* c = std::get_if<UNet1DConfig>(&config); c != nullptr && c->global_cond_dim > 0)
    taken.global_cond = {"global_cond", {n, c->global_cond_dim}};
  if (const auto* c = std::get_if<TransformerPolicyConfig>(&config); c != nullptr && c->cond_dim > 0)
    taken.context = {"cond", {n, c->n_obs_steps, c->cond_dim}, Freedom::fewer_tokens};
  return taken;
}

std::string wanted_shape(const Condition& condition) {
  const Shape& s = condition.shape;
  if (condition.freedom == Freedom::any_tokens) return fmt::format("({}, S, {})", s.at(0), s.at(2));
  if (condition.freedom == Freedom::any_width) return fmt::format("({}, D)", s.at(0));
  if (condition.freedom == Freedom::fewer_tokens)
    return fmt::format("({}, up to {}, {})", s.at(0), s.at(1), s.at(2));
  return to_string(s);
}

bool fits(const Condition& condition, const Shape& given) {
  const Shape& s = condition.shape;
  if (given.size() != s.size() || given[0] != s[0] || given[1] < 1) return false;
  if (condition.freedom == Freedom::any_width) return true;
  const bool tokens = given[1] == s[1] || condition.freedom == Freedom::any_tokens ||
                      (condition.freedom == Freedom::fewer_tokens && given[1] < s[1]);
  return tokens && given.back() == s.back();
}

CostInterpreter cost_of(const NetworkConfig& config, int64_t n) {
  CostInterpreter cost;
  const Shape x = input_shape(config, n), t{n}, labels{n};
  const Conditions taken = conditions(config, n);
  Inputs<Shape> in{.x = x, .t = t, .class_labels = class_count(config) > 0 ? &labels : nullptr};
  each_condition([](const Shape*& input, const auto& of) { input = of ? &of->shape : nullptr; }, in, taken);
  apply(cost, config, in);
  return cost;
}

}  // namespace langevin::nn
