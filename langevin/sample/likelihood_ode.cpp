#include "langevin/sample/likelihood_ode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace langevin {
namespace {

constexpr size_t kStages = 7;

// Dormand & Prince 1980, table 2; the seventh stage is the first of the next step.
constexpr std::array<std::array<double, 6>, kStages> kA{{
    {},
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
    {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84},
}};
constexpr std::array<double, kStages> kC{0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1};
/// Fifth order minus fourth.
constexpr std::array<double, kStages> kE{71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
                                         -17253.0 / 339200, 22.0 / 525, -1.0 / 40};

/// z and the integral of the divergence, in double: an entry more than z has.
using State = std::vector<double>;

struct Walker {
  State at;
  std::array<State, kStages> k;
  double angle = 0, step = 0;
  int64_t tried = 0;
  bool has_first = false;
};

class Walk {
 public:
  Walk(const AngleFlow& flow, const HostArrayF& z, const HostArrayF& probe, double lo, double hi,
       const OdeOptions& options)
      : flow_(flow), probe_(probe), hi_(hi), options_(options), shape_(z.shape()) {
    for (int64_t i = 0; i < z.batch(); ++i) {
      Walker w;
      w.at.assign(z.sample(i).begin(), z.sample(i).end());
      w.at.push_back(0);
      w.angle = lo;
      w.step = std::min(hi - lo, lo);  // levels change by their own size at low noise
      walkers_.push_back(std::move(w));
      active_.push_back(i);
    }
  }

  OdeLikelihood run() {
    OdeLikelihood out;
    while (!active_.empty()) {
      if (options_.stopped && options_.stopped()) {
        out.stopped = true;
        return out;
      }
      first_stages();
      for (size_t stage = 1; stage < kStages; ++stage) evaluate(active_, stage);
      for (const int64_t i : active_) finish_step(walker(i));
      std::erase_if(active_, [&](int64_t i) { return walker(i).angle >= hi_; });
    }
    for (const Walker& w : walkers_) {
      double square = 0;
      for (size_t j = 0; j + 1 < w.at.size(); ++j) square += w.at[j] * w.at[j];
      const auto dimensions = static_cast<double>(w.at.size() - 1);
      out.log_density.push_back(-0.5 * (square + dimensions * std::log(2 * std::numbers::pi)) + w.at.back());
      out.most_steps = std::max(out.most_steps, w.tried);
    }
    out.calls = calls_;
    return out;
  }

 private:
  Walker& walker(int64_t i) { return walkers_[static_cast<size_t>(i)]; }

  void first_stages() {
    std::vector<int64_t> fresh;
    for (const int64_t i : active_) {
      if (!walker(i).has_first) fresh.push_back(i);
    }
    if (!fresh.empty()) evaluate(fresh, 0);
    for (const int64_t i : fresh) walker(i).has_first = true;
  }

  /// k[stage] of those walkers, in one call.
  void evaluate(const std::vector<int64_t>& rows, size_t stage) {
    Shape shape = shape_;
    shape[0] = static_cast<int64_t>(rows.size());
    HostArrayF z(shape), u(shape);
    std::vector<double> angles;
    for (size_t r = 0; r < rows.size(); ++r) {
      const Walker& w = walker(rows[r]);
      auto to = z.sample(static_cast<int64_t>(r));
      for (size_t j = 0; j < to.size(); ++j) {
        double sum = 0;
        for (size_t s = 0; s < stage; ++s) sum += kA[stage][s] * w.k[s][j];
        to[j] = static_cast<float>(w.at[j] + w.step * sum);
      }
      const auto signs = probe_.sample(rows[r]);
      std::copy(signs.begin(), signs.end(), u.sample(static_cast<int64_t>(r)).begin());
      angles.push_back(std::min(hi_, w.angle + kC[stage] * w.step));
    }
    const FlowStep flow = flow_(z, angles, rows, u);
    calls_ += static_cast<int64_t>(rows.size());
    for (size_t r = 0; r < rows.size(); ++r) {
      const auto velocity = flow.velocity.sample(static_cast<int64_t>(r));
      State& k = walker(rows[r]).k[stage];
      k.assign(velocity.begin(), velocity.end());
      k.push_back(flow.divergence[r]);
    }
  }

  /// Takes the step or shortens it.
  void finish_step(Walker& w) {
    check(++w.tried <= options_.max_steps, "ode_log_likelihood",
          "a sample needs more than {} steps; give a larger --tolerance", options_.max_steps);
    State next = w.at;
    double square = 0;
    for (size_t j = 0; j < next.size(); ++j) {
      double sum = 0, error = 0;
      for (size_t s = 0; s + 1 < kStages; ++s) sum += kA[kStages - 1][s] * w.k[s][j];
      for (size_t s = 0; s < kStages; ++s) error += kE[s] * w.k[s][j];
      next[j] += w.step * sum;
      // The integral counts as a sum over dimensions: its error is allowed to be as large.
      const double size = j + 1 < next.size() ? 1 + std::max(std::abs(w.at[j]), std::abs(next[j]))
                                              : static_cast<double>(next.size());
      square += std::pow(w.step * error / (options_.tolerance * size), 2);
    }
    const double error = std::sqrt(square / static_cast<double>(next.size()));
    check(std::isfinite(error), "ode_log_likelihood", "the flow is not finite at angle {}", w.angle);
    const double change = std::clamp(0.9 * std::pow(std::max(error, 1e-10), -0.2), 0.2, 5.0);
    if (error <= 1) {
      const bool last = w.angle + w.step >= hi_ * (1 - 1e-12);
      w.angle = last ? hi_ : w.angle + w.step;
      w.at = std::move(next);
      std::swap(w.k[0], w.k[kStages - 1]);
    }
    w.step = std::min(w.step * change, hi_ - w.angle);
  }

  const AngleFlow& flow_;
  const HostArrayF& probe_;
  double hi_;
  const OdeOptions& options_;
  Shape shape_;
  std::vector<Walker> walkers_;
  std::vector<int64_t> active_;
  int64_t calls_ = 0;
};

}  // namespace

OdeLikelihood ode_log_likelihood(const AngleFlow& flow, const HostArrayF& z, const HostArrayF& probe,
                                 double lo, double hi, const OdeOptions& options) {
  check(lo > 0 && hi > lo && hi <= std::numbers::pi / 2 + 1e-12, "ode_log_likelihood",
        "needs 0 < lo < hi <= pi/2, got {} and {}", lo, hi);
  check(options.tolerance > 0 && options.tolerance <= 0.1, "ode_log_likelihood",
        "the tolerance must be in (0, 0.1], got {}", options.tolerance);
  check(probe.shape() == z.shape(), "ode_log_likelihood", "z is {}, the probe {}", to_string(z.shape()),
        to_string(probe.shape()));
  return Walk(flow, z, probe, lo, hi, options).run();
}

HostArrayF sign_probe(const Shape& shape, const NoiseKey& key) {
  HostArrayF probe(shape);
  for (int64_t i = 0; i < probe.batch(); ++i) {
    NoiseKey mine = key;
    mine.sample += static_cast<uint64_t>(i);
    RandomStream stream(mine);
    uint32_t bits = 0;
    size_t used = 32;
    for (float& value : probe.sample(i)) {
      if (used == 32) bits = stream.next_u32(), used = 0;
      value = (bits >> used++) & 1U ? 1.0F : -1.0F;
    }
  }
  return probe;
}

double angle_of(const PathPoint& point) { return std::atan2(point.sigma, point.alpha); }

double time_at_angle(const NoisePath& path, double angle) {
  const double tangent = std::tan(std::min(angle, std::numbers::pi / 2 - 1e-15));
  return path.at_lambda(-std::log(tangent)).t;
}

}  // namespace langevin
