// What there is to know about each sampler before it runs: for tables, and for saying which option belongs to
// which.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace langevin {

struct SamplerInfo {
  std::string_view name;
  std::string_view calls;   // of the denoiser, a step
  std::string_view order;   // of the error in the number of steps; "-" where the result is a draw
  bool stochastic;          // draws noise on its way, with the options as they come
  bool alone;               // its steps remember nothing, so a walk may go back and forth (repaint.h)
  bool any_level;           // goes to levels between the timesteps, so any spacing will do
  std::string_view fields;  // of SamplerConfig that it reads beside steps and the grid, each after a space
  std::string_view source;
};

/// In the order of sampler_names().
std::span<const SamplerInfo> sampler_infos();
/// Error, naming the nearest, where there is no such sampler.
const SamplerInfo& sampler_info(const std::string& name);

/// Whether the sampler reads that field of SamplerConfig, and the names of all that do.
bool sampler_takes(const SamplerInfo& info, std::string_view field);
std::vector<std::string> samplers_taking(std::string_view field);

/// Error that names those whose steps remember nothing, unless this one's do not.
void check_alone(const std::string& name);

}  // namespace langevin
