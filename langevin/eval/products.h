// Products and distances of many vectors with many: the work of the metrics that look at single features.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "langevin/core/array.h"

namespace langevin {

/// x y^T (n,m) of x (n,D) and y (m,D), by oneDNN.
void product_of_rows(std::span<const float> x, std::span<const float> y, int64_t dim, std::span<float> out);

/// Squared distances of rows first .. first + count - 1 of x to all m of y: (count,m).
using UseDistances = std::function<void(int64_t first, int64_t count, std::span<const float> squared)>;

/// Calls `use` for blocks of rows of x (n,D), in order; y (m,D). |x|^2 + |y|^2 - 2 xy around the mean of x,
/// so accurate to about 1e-6 of the features' spread, and never negative.
void each_distances(const HostArrayF& x, const HostArrayF& y, const UseDistances& use);

/// The distance, squared, of each row of x (n,D) to its `k`-th nearest other row, 1 the nearest; k < n.
std::vector<float> neighbour_distances(const HostArrayF& x, int64_t k);

}  // namespace langevin
