// Numbers about the values of a set, as a network sees them.
#pragma once

#include "langevin/data/open.h"

namespace langevin {

/// Standard deviation of all values, in [-1, 1], of up to 4,096 examples spread over the set. Error if they
/// are all alike.
double standard_deviation(const PreparedSet& data);

}  // namespace langevin
