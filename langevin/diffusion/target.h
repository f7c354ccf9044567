// What a network is trained on: which process its noise follows, what it is shown of x_t and told of the
// noise, and what it should answer.
//
//   ddpm  the timesteps of a schedule; it sees x_t, is told t, answers eps, x_0 or v (prediction.h)
//   edm   x = x_0 + sigma eps; it sees c_in x, is told c_noise, its answer is scaled and added (edm.h)
//   flow  x_t = (1 - t) x_0 + t eps; it sees x_t, is told t time_scale, answers eps - x_0 (flow.h)
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "langevin/diffusion/edm.h"
#include "langevin/diffusion/flow.h"
#include "langevin/diffusion/path.h"

namespace langevin {

class Schema;  // core/config.h

/// What a model file stores of it, beside schedule and prediction, which only ddpm has.
struct TargetConfig {
  std::string kind = "ddpm";  // one of target_kinds()
  double sigma_data = 0.5;    // edm: standard deviation of the data, above 0
  double sigma_min = 0.002;   // edm: samplers visit levels from here
  double sigma_max = 80;      //   to here
  double time_scale = 1000;   // flow: the network is told t times this, above 0

  bool operator==(const TargetConfig&) const = default;
};

std::vector<std::string> target_kinds();

/// JSON object with `kind` and the fields of that kind, both ways; Error naming `source` and the key.
nlohmann::json to_json(const TargetConfig& config);
TargetConfig target_from_json(const nlohmann::json& json, const std::string& source);

/// Made once of its configuration; immutable.
class Target {
 public:
  /// Error: an unknown kind (naming the nearest), numbers out of range, and what Schedule refuses (ddpm).
  explicit Target(TargetConfig config, const ScheduleConfig& schedule = {},
                  PredictionType prediction = PredictionType::epsilon);

  const TargetConfig& config() const { return config_; }
  /// Where samplers go: times are timesteps, sigma or the t of the flow.
  const NoisePath& path() const { return path_; }
  /// Of ddpm alone.
  const std::optional<Schedule>& schedule() const { return schedule_; }
  PredictionType prediction() const { return prediction_; }
  /// How the network is called at t: with scale x_t, and told `told`.
  struct Input {
    double scale = 1, told = 0;
  };
  Input input(double t) const;
  /// The amplitudes at t, for the whole batch; Error outside the path.
  Level level(double t) const;
  /// The same where the network is told `told`.
  Level level_of_told(double told) const;

 private:
  TargetConfig config_;
  std::optional<Schedule> schedule_;
  PredictionType prediction_;
  NoisePath path_;
};

/// The network of that target as a denoiser on its path.
template <Array A>
Denoiser<A> make_denoiser(Network<A> network, const Target& target) {
  if (target.schedule()) return make_denoiser(std::move(network), *target.schedule(), target.prediction());
  if (target.config().kind == "edm") return edm_denoiser(std::move(network), target.config().sigma_data);
  return flow_denoiser(std::move(network), target.config().time_scale);
}

}  // namespace langevin
