// Arithmetic on coefficients: apply a formula to one number for the batch, or to one number per sample.
#pragma once

#include <utility>
#include <vector>

#include "langevin/core/array.h"

namespace langevin {

/// f of each value.
template <class F>
Coef map_coef(F&& f, const Coef& a) {
  if (!a.per_sample()) return Coef(f(a[0]));
  std::vector<double> out;
  out.reserve(a.values().size());
  for (double value : a.values()) out.push_back(f(value));
  return Coef(std::move(out));
}

/// f of each pair; a scalar goes with every sample of the other. Throws when both are per sample and differ
/// in length.
template <class F>
Coef map_coef(F&& f, const Coef& a, const Coef& b) {
  if (!a.per_sample() && !b.per_sample()) return Coef(f(a[0], b[0]));
  const size_t n = a.per_sample() ? a.values().size() : b.values().size();
  a.check_batch(static_cast<int64_t>(n));
  b.check_batch(static_cast<int64_t>(n));
  std::vector<double> out(n);
  for (size_t i = 0; i < n; ++i) out[i] = f(a[static_cast<int64_t>(i)], b[static_cast<int64_t>(i)]);
  return Coef(std::move(out));
}

}  // namespace langevin
