#include "langevin/model/ode_likelihood.h"

#include <cmath>
#include <utility>

#include "langevin/diffusion/discretised.h"
#include "langevin/diffusion/reading.h"

namespace langevin {
namespace {

// NoiseKey::step within Purpose::likelihood; bound_estimate.cpp has others.
constexpr uint32_t kDequantisation = 200000;
constexpr uint32_t kProbe = 200001;

/// The first `channels` of each row: what a learned variance follows.
HostArrayF widened(const HostArrayF& direction, const Shape& output) {
  if (direction.shape() == output) return direction;
  return join_channels(direction, HostArrayF(direction.shape()));
}

}  // namespace

AngleRange angle_range(const Target& target) {
  const NoisePath& path = target.path();
  PathPoint clean = path.at(path.t_min);
  // A path that begins on clean data (flow): as clean as the bound's integral begins (bound_estimate.cpp).
  if (!(clean.sigma > 0)) clean = path.at_lambda(0.5 * 13.3);
  return {angle_of(clean), angle_of(path.at(path.t_max))};
}

AngleFlow model_flow(Engine& engine, const Target& target, std::vector<int64_t> labels) {
  const bool learned = nn::learned_variance(engine.spec().network);
  return [&engine, &target, labels = std::move(labels), learned](
             const HostArrayF& z, const std::vector<double>& angle, const std::vector<int64_t>& rows,
             const HostArrayF& probe) {
    HostArrayF input = z;
    std::vector<double> told;
    std::vector<Reading> readings;
    Cond<HostArrayF> cond;
    for (int64_t i = 0; i < z.batch(); ++i) {
      const auto at = static_cast<size_t>(i);
      readings.push_back(reading(target, time_at_angle(target.path(), angle[at])));
      const Reading& r = readings.back();
      told.push_back(r.told);
      const auto scale = static_cast<float>(r.scale * std::hypot(r.alpha, r.sigma));
      for (float& value : input.sample(i)) value *= scale;
      if (!labels.empty()) cond.class_labels.push_back(labels[static_cast<size_t>(rows[at])]);
    }
    Shape output = z.shape();
    if (learned) output[1] *= 2;
    const NetworkGradient call = engine.gradient(input, told, cond, widened(probe, output));
    FlowStep flow{HostArrayF(z.shape()), {}};
    for (int64_t i = 0; i < z.batch(); ++i) {
      const auto at = static_cast<size_t>(i);
      const Reading& r = readings[at];
      const double c = std::cos(angle[at]), s = std::sin(angle[at]), radius = std::hypot(r.alpha, r.sigma);
      // v = cos a eps - sin a x_0, both of x_t = radius z and the network's answer to scale x_t.
      const double of_z = radius * (c * r.eps_x - s * r.x0_x), of_y = c * r.eps_y - s * r.x0_y;
      const auto from = z.sample(i), said = call.output.sample(i), product = call.product.sample(i),
                 u = probe.sample(i);
      auto to = flow.velocity.sample(i);
      double trace = 0;
      for (size_t j = 0; j < to.size(); ++j) {
        to[j] = static_cast<float>(of_z * from[j] + of_y * said[j]);
        trace += of_z + of_y * r.scale * radius * product[j] * u[j];
      }
      flow.divergence.push_back(trace);
    }
    return flow;
  };
}

OdeNats ode_nats(Engine& engine, const Target& target, const OdeBatch& batch, uint64_t seed,
                 const OdeOptions& options) {
  const int64_t n = batch.x0.batch(), dimensions = batch.x0.sample_size();
  check(static_cast<int64_t>(batch.indices.size()) == n, "ode_nats", "{} pictures have {} numbers", n,
        batch.indices.size());
  const AngleRange range = angle_range(target);
  const PathPoint clean = target.path().at(time_at_angle(target.path(), range.lo));
  const double radius = std::hypot(clean.alpha, clean.sigma), step = Bins{}.step();
  HostArrayF z = batch.x0, probe = batch.x0;
  for (int64_t i = 0; i < n; ++i) {
    const auto index = static_cast<uint64_t>(batch.indices[static_cast<size_t>(i)]);
    std::vector<float> uniform(static_cast<size_t>(dimensions));
    fill_uniform(uniform, {seed, index, Purpose::likelihood, kDequantisation});
    auto row = z.sample(i);
    for (size_t j = 0; j < row.size(); ++j)
      row[j] = static_cast<float>((row[j] + step * (uniform[j] - 0.5)) / radius);
    Shape one = z.shape();
    one[0] = 1;
    const HostArrayF signs = sign_probe(one, {seed, index, Purpose::likelihood, kProbe});
    std::copy(signs.data().begin(), signs.data().end(), probe.sample(i).begin());
  }
  const OdeLikelihood found =
      ode_log_likelihood(model_flow(engine, target, batch.labels), z, probe, range.lo, range.hi, options);
  OdeNats out{{}, found.calls, found.stopped};
  // p(bytes) >= exp E log (p(x) step^D), and p(x) = p(z) radius^-D.
  for (const double log_density : found.log_density)
    out.nats.push_back(-log_density - static_cast<double>(dimensions) * std::log(step / radius));
  return out;
}

}  // namespace langevin
