// Diffusion Policy's ConditionalUnet1D (Chi et al. 2303.04137, section III-A) as its authors configure and
// name it: a U-Net along time that a timestep and an observation steer by FiLM (Perez et al. 1709.07871).
//
//   x (N,C,L), t (N), global_cond (N,D) -> (N,C,L).  L is the horizon, C the numbers of an action.
//
// The peer's own interface is (N,L,C), which it turns around first and last; here data is (N,C,L) throughout
// (`langevin forward` takes and gives the peer's layout). Stages halve L; the way up doubles it, so L must be
// a multiple of 2^(stages - 1). (Other lengths the peer refuses at a concatenation, or returns longer than
// they came.)
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "langevin/nn/vocabulary.h"

namespace langevin::nn {

/// The arguments of the peer's constructor. Its local_cond_dim is refused by name.
struct UNet1DConfig {
  int64_t input_dim = 2;        // C
  int64_t horizon = 16;         // L; not the peer's: what input_shape says, any other that fits may be given
  int64_t global_cond_dim = 0;  // D; 0: unconditional (the peer's None)
  int64_t diffusion_step_embed_dim = 256;          // even, 4 or more
  std::vector<int64_t> down_dims{256, 512, 1024};  // channels of each stage
  int64_t kernel_size = 3;                         // odd
  int64_t n_groups = 8;                            // of GroupNorm, but for final_conv's
  bool cond_predict_scale = false;                 // FiLM with scale and bias; false: bias alone
};

/// Checks every field; Error names field and value.
UNet1DConfig validated(UNet1DConfig config);

/// The peer's arguments by name (and `horizon`), both ways; reading refuses every other key by name.
nlohmann::json to_json(const UNet1DConfig& config);
UNet1DConfig unet1d_config_from_json(const nlohmann::json& json, const std::string& source);

/// Every L must be a multiple of this.
int64_t horizon_multiple(const UNet1DConfig& config);

namespace unet1d_detail {

inline constexpr int64_t final_groups = 8;  // the peer's final_conv takes its block's default, not n_groups
inline constexpr Init init_torch{Init::Kind::fan_avg, 1.0 / 3};  // the variance of torch's own initialisers

template <class B>
struct Parts {
  using V = typename B::Value;
  B& b;
  const UNet1DConfig& c;
  V cond{};  // mish(time features, global_cond): every block projects the same activation

  /// Enters list.index and applies f there.
  template <class F>
  V at(const char* list, size_t index, F&& f) {
    const auto outer = b.scope(list);
    const auto inner = b.scope(std::to_string(index));
    return f();
  }

  V pointwise(V x, const char* name, int64_t out) {
    return b.conv1d(x, name, {.out = out, .kernel = 1, .pad_before = 0, .pad_after = 0, .init = init_torch});
  }

  /// x (N,C,L) -> (N,out,L): Conv1d, GroupNorm, Mish.
  V block(V x, int64_t out, int64_t groups) {
    const auto scope = b.scope("block");
    const int64_t pad = c.kernel_size / 2;
    const Conv1d conv{
        .out = out, .kernel = c.kernel_size, .pad_before = pad, .pad_after = pad, .init = init_torch};
    return b.mish(b.group_norm(b.conv1d(x, "0", conv), "1", {.groups = groups}));
  }

  /// x (N,C,L) -> (N,out,L): two blocks, FiLM between them, and a residual.
  V residual(V x, int64_t out) {
    V h = at("blocks", 0, [&] { return block(x, out, c.n_groups); });
    V e = b.linear(cond, "cond_encoder.1", {.out = c.cond_predict_scale ? 2 * out : out, .init = init_torch});
    h = c.cond_predict_scale ? b.film(h, e) : b.add_channels(h, e);
    h = at("blocks", 1, [&] { return block(h, out, c.n_groups); });
    return b.add(h, b.shape(x)[1] == out ? x : pointwise(x, "residual_conv", out));
  }

  /// Parts 0 and 1 of a stage, down or up.
  V stage(V x, int64_t out) {
    for (size_t j = 0; j < 2; ++j) {
      const auto scope = b.scope(std::to_string(j));
      x = residual(x, out);
    }
    return x;
  }
};

/// The time features and what they are joined with, (N, embed + D).
template <class B>
typename B::Value condition(B& b, const UNet1DConfig& c, const Inputs<typename B::Value>& in) {
  const int64_t embed = c.diffusion_step_embed_dim;
  typename B::Value h =
      b.timestep_embedding(in.t, {.dim = embed});  // sin, cos; exp(-ln(1e4) i / (embed/2 - 1))
  {
    const auto scope = b.scope("diffusion_step_encoder");
    h = b.mish(b.linear(h, "1", {.out = 4 * embed, .init = init_torch}));
    h = b.linear(h, "3", {.out = embed, .init = init_torch});
  }
  if (c.global_cond_dim == 0) {
    check(in.global_cond == nullptr, "unet1d", "the network is unconditional: it takes no global_cond");
    return h;
  }
  check(in.global_cond != nullptr, "unet1d", "global_cond is missing: the network needs (N, {})",
        c.global_cond_dim);
  const Shape want{b.shape(in.x)[0], c.global_cond_dim}, got = b.shape(*in.global_cond);
  check(got == want, "unet1d", "global_cond is {}, the network needs {}", to_string(got), to_string(want));
  return b.concat(h, *in.global_cond);
}

}  // namespace unet1d_detail

/// The network. `config` must be validated.
template <class B>
typename B::Value unet1d(B& b, const UNet1DConfig& c, const Inputs<typename B::Value>& in) {
  using V = typename B::Value;
  const Shape shape = b.shape(in.x);
  check(shape.size() == 3 && shape[1] == c.input_dim, "unet1d",
        "the input is {}, the network needs (N, {}, L)", to_string(shape), c.input_dim);
  check(shape[2] > 0 && shape[2] % horizon_multiple(c) == 0, "unet1d",
        "a horizon of {} does not fit {} stages; give a multiple of {}", shape[2], c.down_dims.size(),
        horizon_multiple(c));
  unet1d_detail::Parts<B> parts{b, c};
  parts.cond = b.mish(unet1d_detail::condition(b, c, in));

  V h = in.x;
  std::vector<V> skips;
  const size_t stages = c.down_dims.size();
  for (size_t i = 0; i < stages; ++i) {
    const auto outer = b.scope("down_modules");
    const auto scope = b.scope(std::to_string(i));
    skips.push_back(h = parts.stage(h, c.down_dims[i]));
    if (i + 1 < stages)
      h = b.conv1d(h, "2.conv", {.out = c.down_dims[i], .stride = 2, .init = unet1d_detail::init_torch});
  }
  for (size_t i = 0; i < 2; ++i)
    h = parts.at("mid_modules", i, [&] { return parts.residual(h, c.down_dims.back()); });
  for (size_t i = 0; i + 1 < stages; ++i) {  // the first stage's skip is not used
    const auto outer = b.scope("up_modules");
    const auto scope = b.scope(std::to_string(i));
    const int64_t out = c.down_dims[stages - 2 - i];
    h = parts.stage(b.concat(h, skips[stages - 1 - i]), out);
    h = b.conv_transpose1d(h, "2.conv", {.out = out, .init = unet1d_detail::init_torch});
  }
  h = parts.at("final_conv", 0, [&] { return parts.block(h, c.down_dims[0], unet1d_detail::final_groups); });
  const auto scope = b.scope("final_conv");
  return parts.pointwise(h, "1", c.input_dim);
}

}  // namespace langevin::nn
