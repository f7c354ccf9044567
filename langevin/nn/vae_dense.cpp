#include "langevin/nn/vae_dense.h"

#include "langevin/nn/config_reader.h"

namespace langevin::nn {
namespace {

void check_range(const char* field, double value, double lo, double hi) {
  check(value >= lo && value <= hi, "vae_dense", "{} must be in [{}, {}], got {}", field, lo, hi, value);
}

}  // namespace

VaeDenseConfig validated(VaeDenseConfig c) {
  check_range("sample height", static_cast<double>(c.sample_height), 1, 65536);
  check_range("sample width", static_cast<double>(c.sample_width), 1, 65536);
  check_range("in_channels", static_cast<double>(c.in_channels), 1, 4096);
  check_range("values of a picture", static_cast<double>(c.values()), 1, 1 << 20);
  check_range("latent_channels", static_cast<double>(c.latent_channels), 1, 65536);
  check_range("scaling_factor", c.scaling_factor, 1e-9, 1e9);
  check_range("shift_factor", c.shift_factor, -1e9, 1e9);
  check(c.hidden.size() <= 16, "vae_dense", "hidden may have up to 16 layers, got {}", c.hidden.size());
  for (const int64_t width : c.hidden) check_range("hidden", static_cast<double>(width), 1, 65536);
  return c;
}

nlohmann::json to_json(const VaeDenseConfig& c) {
  return {{"sample_size", picture_size_to_json(c.sample_height, c.sample_width)},
          {"in_channels", c.in_channels},
          {"latent_channels", c.latent_channels},
          {"hidden", c.hidden},
          {"scaling_factor", c.scaling_factor},
          {"shift_factor", c.shift_factor}};
}

VaeDenseConfig vae_dense_config_from_json(const nlohmann::json& json, const std::string& source) {
  VaeDenseConfig c;
  ConfigReader r(json, source);
  r.get_picture_size("sample_size", c.sample_height, c.sample_width);
  r.get("in_channels", c.in_channels);
  r.get("latent_channels", c.latent_channels);
  r.get("hidden", c.hidden);
  r.get("scaling_factor", c.scaling_factor);
  r.get("shift_factor", c.shift_factor);
  r.finish();
  return validated(c);
}

}  // namespace langevin::nn
