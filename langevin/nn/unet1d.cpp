#include "langevin/nn/unet1d.h"

#include <algorithm>

#include "langevin/nn/config_reader.h"

namespace langevin::nn {
namespace {

using nlohmann::json;

void check_range(const char* field, int64_t value, int64_t lo, int64_t hi) {
  check(value >= lo && value <= hi, "unet1d", "{} must be in [{}, {}], got {}", field, lo, hi, value);
}

}  // namespace

int64_t horizon_multiple(const UNet1DConfig& config) { return int64_t{1} << (config.down_dims.size() - 1); }

UNet1DConfig validated(UNet1DConfig c) {
  const auto stages = static_cast<int64_t>(c.down_dims.size());
  check(stages >= 1 && stages <= 16, "unet1d", "down_dims needs 1 to 16 stages, got {}", stages);
  check_range("input_dim", c.input_dim, 1, 65536);
  check_range("horizon", c.horizon, 1, 1 << 20);
  check_range("global_cond_dim", c.global_cond_dim, 0, 1 << 20);
  check_range("diffusion_step_embed_dim", c.diffusion_step_embed_dim, 4, 65536);
  check_range("kernel_size", c.kernel_size, 1, 255);
  check_range("n_groups", c.n_groups, 1, 65536);
  check(c.diffusion_step_embed_dim % 2 == 0, "unet1d",
        "diffusion_step_embed_dim must be even (sine and cosine halves), got {}", c.diffusion_step_embed_dim);
  check(c.kernel_size % 2 == 1, "unet1d", "kernel_size must be odd, or lengths would change; got {}",
        c.kernel_size);
  for (int64_t channels : c.down_dims) {
    check_range("down_dims", channels, 1, 65536);
    check(channels % c.n_groups == 0, "unet1d", "n_groups = {} does not divide the {} channels of down_dims",
          c.n_groups, channels);
  }
  check(c.down_dims[0] % unet1d_detail::final_groups == 0, "unet1d",
        "down_dims[0] = {} must be a multiple of {}: final_conv normalises in that many groups",
        c.down_dims[0], unet1d_detail::final_groups);
  check(c.horizon % horizon_multiple(c) == 0, "unet1d",
        "horizon = {} does not fit {} stages; give a multiple of {}", c.horizon, stages, horizon_multiple(c));
  return c;
}

json to_json(const UNet1DConfig& c) {
  return {{"input_dim", c.input_dim},
          {"horizon", c.horizon},
          {"local_cond_dim", nullptr},
          {"global_cond_dim", c.global_cond_dim == 0 ? json(nullptr) : json(c.global_cond_dim)},
          {"diffusion_step_embed_dim", c.diffusion_step_embed_dim},
          {"down_dims", c.down_dims},
          {"kernel_size", c.kernel_size},
          {"n_groups", c.n_groups},
          {"cond_predict_scale", c.cond_predict_scale}};
}

UNet1DConfig unet1d_config_from_json(const json& object, const std::string& source) {
  UNet1DConfig c;
  ConfigReader r(object, source);
  check(object.contains("input_dim"), source, "input_dim is missing: how many numbers an action has");
  r.expect("local_cond_dim", nullptr);
  r.get("input_dim", c.input_dim);
  const bool given = object.contains("horizon");
  r.get("horizon", c.horizon);
  r.get("global_cond_dim", c.global_cond_dim);
  r.get("diffusion_step_embed_dim", c.diffusion_step_embed_dim);
  r.get("down_dims", c.down_dims);
  r.get("kernel_size", c.kernel_size);
  r.get("n_groups", c.n_groups);
  r.get("cond_predict_scale", c.cond_predict_scale);
  r.finish();
  // The peer's own arguments say no horizon: then the shortest that is at least 16 and fits.
  if (!given && !c.down_dims.empty() && c.down_dims.size() <= 16)
    c.horizon = std::max(c.horizon, horizon_multiple(c));
  return validated(c);
}

}  // namespace langevin::nn
