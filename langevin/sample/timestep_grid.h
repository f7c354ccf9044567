// Which of the T timesteps a sampler visits: table 2 of Lin et al. 2023 (arXiv:2305.08891) names the three
// ways.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace langevin {

/// For T = 1000 and 10 steps: leading 900, 800, .., 0 (never sees the noisiest level); trailing 999, 899, ..,
/// 99 (goes to clean data from there); linspace 999, 888, .., 0 (both ends).
enum class Spacing { leading, trailing, linspace };

std::string to_string(Spacing spacing);
Spacing spacing(const std::string& name);  // Error names the nearest
std::vector<std::string> spacings();

/// `steps` timesteps (1 to T) in the order they are visited, strictly falling within [0, T-1], the same
/// numbers as diffusers' DDIM and DDPM schedulers. steps_offset is added for leading spacing only, as there
/// (Stable Diffusion has 1). One exception: a single linspace step is T-1, where diffusers has 0 and would
/// return its noise unchanged. Throws when steps or offset do not fit.
std::vector<int64_t> timestep_grid(int64_t T, int64_t steps, Spacing spacing, int64_t steps_offset = 0);

/// Throws Error naming `function` unless the grid is not empty and strictly falling within [0, T-1].
void check_grid(const std::vector<int64_t>& timesteps, int64_t T, const std::string& function);

}  // namespace langevin
