#include "langevin/sample/timestep_grid.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"
#include "langevin/core/config.h"

namespace langevin {
namespace {

// diffusers rounds halves to even, as numpy does; so does nearbyint in the default rounding mode.
int64_t round_half_even(double x) { return static_cast<int64_t>(std::nearbyint(x)); }

}  // namespace

std::vector<std::string> spacings() { return {"leading", "trailing", "linspace"}; }

std::string to_string(Spacing spacing) { return spacings().at(static_cast<size_t>(spacing)); }

Spacing spacing(const std::string& name) {
  const auto names = spacings();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Spacing>(i);
  }
  throw Error(unknown_name("timestep spacing", name, names));
}

std::vector<int64_t> timestep_grid(int64_t T, int64_t steps, Spacing spacing, int64_t steps_offset) {
  check(T >= 1, "timestep_grid", "T must be at least 1, got {}", T);
  check(steps >= 1 && steps <= T, "timestep_grid", "steps must be 1 to T = {}, got {}", T, steps);
  const double all = static_cast<double>(T);
  std::vector<int64_t> out(static_cast<size_t>(steps));
  for (int64_t i = 0; i < steps; ++i) {  // i counts visited steps, from the noisiest
    const int64_t up = steps - 1 - i;    // place in rising order
    int64_t& t = out[static_cast<size_t>(i)];
    switch (spacing) {
      case Spacing::leading:
        t = up * (T / steps) + steps_offset;
        break;
      case Spacing::trailing:
        t = round_half_even(all - static_cast<double>(i) * (all / static_cast<double>(steps))) - 1;
        break;
      case Spacing::linspace:
        t = steps == 1
                ? T - 1
                : round_half_even(static_cast<double>(up) * ((all - 1) / static_cast<double>(steps - 1)));
        break;
    }
  }
  check(out.front() < T && out.back() >= 0, "timestep_grid",
        "steps_offset = {} with {} steps leaves the timesteps 0 to {}; use a smaller offset or fewer steps",
        steps_offset, steps, T - 1);
  check_grid(out, T, "timestep_grid");
  return out;
}

void check_grid(const std::vector<int64_t>& timesteps, int64_t T, const std::string& function) {
  check(!timesteps.empty(), function, "the list of timesteps is empty");
  check(timesteps.front() < T && timesteps.back() >= 0, function,
        "timesteps must be in [0, {}], got {} to {}", T - 1, timesteps.front(), timesteps.back());
  const auto not_falling = std::adjacent_find(timesteps.begin(), timesteps.end(), std::less_equal<>());
  check(not_falling == timesteps.end(), function, "timesteps must fall strictly, found {} where they do not",
        not_falling == timesteps.end() ? 0 : *not_falling);
}

}  // namespace langevin
