#include "langevin/diffusion/mixture.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace langevin {
namespace {

/// What does not depend on x: of each component at one level.
struct Component {
  const std::vector<double>* mean;
  double log_scale;  // log weight - D / 2 log variance
  double variance;   // alpha^2 s^2 + sigma^2
  double gain;       // of x_0: alpha s^2 / variance
};

std::vector<Component> components_at(const Mixture& mixture, const PathPoint& point) {
  std::vector<Component> out;
  for (size_t k = 0; k < mixture.weights.size(); ++k) {
    const double s2 = mixture.stddevs[k] * mixture.stddevs[k];
    const double variance = point.alpha * point.alpha * s2 + point.sigma * point.sigma;
    const double elements = static_cast<double>(mixture.means[k].size());
    out.push_back({&mixture.means[k], std::log(mixture.weights[k]) - 0.5 * elements * std::log(variance),
                   variance, point.alpha * s2 / variance});
  }
  return out;
}

/// One sample; `responsibility` has room for a number a component.
void denoise(const std::vector<Component>& components, const PathPoint& point, std::span<const double> x,
             std::span<double> responsibility, std::span<double> x0, std::span<double> eps) {
  double top = -std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < components.size(); ++k) {
    double square = 0;
    for (size_t d = 0; d < x.size(); ++d) {
      const double off = x[d] - point.alpha * (*components[k].mean)[d];
      square += off * off;
    }
    responsibility[k] = components[k].log_scale - 0.5 * square / components[k].variance;
    top = std::max(top, responsibility[k]);
  }
  double sum = 0;
  for (double& r : responsibility) sum += r = std::exp(r - top);
  std::fill(x0.begin(), x0.end(), 0.0);
  std::fill(eps.begin(), eps.end(), 0.0);
  for (size_t k = 0; k < components.size(); ++k) {
    const double p = responsibility[k] / sum, of_eps = point.sigma / components[k].variance;
    for (size_t d = 0; d < x.size(); ++d) {
      const double mean = (*components[k].mean)[d], off = x[d] - point.alpha * mean;
      x0[d] += p * (mean + components[k].gain * off);
      eps[d] += p * of_eps * off;  // not through x_0: exact where sigma is small
    }
  }
}

}  // namespace

void check_mixture(const Mixture& mixture) {
  const size_t k = mixture.weights.size();
  check(k >= 1 && mixture.means.size() == k && mixture.stddevs.size() == k, "Mixture",
        "needs as many weights, means and standard deviations, got {}, {} and {}", k, mixture.means.size(),
        mixture.stddevs.size());
  for (size_t i = 0; i < k; ++i) {
    check(mixture.means[i].size() == mixture.means[0].size() && !mixture.means[i].empty(), "Mixture",
          "mean {} has {} values, mean 0 has {}", i, mixture.means[i].size(), mixture.means[0].size());
    check(mixture.weights[i] > 0 && mixture.stddevs[i] >= 0, "Mixture",
          "weights must be above 0 and standard deviations at least 0, got {} and {}", mixture.weights[i],
          mixture.stddevs[i]);
  }
}

template <class T>
Denoiser<HostArray<T>> mixture_denoiser(NoisePath path, Mixture mixture) {
  check_mixture(mixture);
  return [path = std::move(path), mixture = std::move(mixture)](const HostArray<T>& x_t, double t,
                                                                const Cond<HostArray<T>>&) {
    const size_t elements = mixture.means[0].size();
    check(x_t.sample_size() == static_cast<int64_t>(elements), "mixture_denoiser",
          "a sample has {} elements, the data {}", x_t.sample_size(), elements);
    const PathPoint point = path.at(t);
    Prediction<HostArray<T>> out{x_t, x_t};
    const std::vector<Component> components = components_at(mixture, point);
    std::vector<double> x(elements), x0(elements), eps(elements), responsibility(components.size());
    for (int64_t i = 0; i < x_t.batch(); ++i) {
      std::copy(x_t.sample(i).begin(), x_t.sample(i).end(), x.begin());
      denoise(components, point, x, responsibility, x0, eps);
      for (size_t d = 0; d < elements; ++d) {
        out.x0.sample(i)[d] = static_cast<T>(x0[d]);
        out.eps.sample(i)[d] = static_cast<T>(eps[d]);
      }
    }
    return out;
  };
}

template Denoiser<HostArray<float>> mixture_denoiser<float>(NoisePath, Mixture);
template Denoiser<HostArray<double>> mixture_denoiser<double>(NoisePath, Mixture);

}  // namespace langevin
