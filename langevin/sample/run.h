// What all samplers share: calling the denoiser under the observer's eye, and adding arrays up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "langevin/diffusion/path.h"
#include "langevin/sample/observer.h"

namespace langevin {

/// The calls of one run, counted. After each call: `if (run.stopped()) return prediction.x0;`.
template <Array A>
class DenoiserRun {
 public:
  /// `calls`: how often the sampler is going to call. References must outlive the run.
  DenoiserRun(const Denoiser<A>& denoiser, const SampleContext<A>& context, int64_t calls)
      : denoiser_(denoiser), context_(context), calls_(calls) {}

  Prediction<A> operator()(const A& x, double t) {
    Prediction<A> out = denoiser_(x, t, context_.cond);
    stopped_ = !observe(context_, {done_++, calls_, t, x, out.x0});
    return out;
  }
  bool stopped() const { return stopped_; }

 private:
  const Denoiser<A>& denoiser_;
  const SampleContext<A>& context_;
  int64_t calls_, done_ = 0;
  bool stopped_ = false;
};

/// Calls of a sampler that asks `each` times a step, but once in a step that ends on clean data.
inline int64_t calls_of(const PointGrid& grid, int64_t each) {
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  return each * steps - (grid.back().sigma > 0 ? 0 : each - 1);
}

/// a x + sum_j weights[j] arrays[j], j below the number of weights; terms of weight 0 are left out.
template <Array A>
A weighted_sum(double a, const A& x, const std::vector<double>& weights, const std::vector<A>& arrays) {
  std::vector<size_t> terms;
  for (size_t j = 0; j < weights.size(); ++j) {
    if (weights[j] != 0) terms.push_back(j);
  }
  if (terms.empty()) return lincomb(a, x);
  const auto w = [&](size_t i) { return Coef(weights[terms[i]]); };
  const auto y = [&](size_t i) -> const A& { return arrays[terms[i]]; };
  A sum = terms.size() == 1 ? lincomb(a, x, w(0), y(0)) : lincomb(a, x, w(0), y(0), w(1), y(1));
  for (size_t i = 2; i < terms.size(); i += 2) {
    sum = i + 1 < terms.size() ? lincomb(1.0, sum, w(i), y(i), w(i + 1), y(i + 1))
                               : lincomb(1.0, sum, w(i), y(i));
  }
  return sum;
}

/// The newest first, at most `keep`.
template <Array A>
void remember(std::vector<A>& history, A newest, size_t keep) {
  history.insert(history.begin(), std::move(newest));
  if (history.size() > keep) history.pop_back();
}

}  // namespace langevin
