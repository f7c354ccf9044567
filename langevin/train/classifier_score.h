// What a classifier is worth, on pictures that it was not trained on.
#pragma once

#include <array>
#include <cstdint>

namespace langevin {

/// Shares of examples whose class was found.
struct ClassifierScore {
  int64_t count = 0;                   // examples
  double clean = 0;                    // at the lowest level of noise
  bool noisy = false;                  // by_quarter counts
  std::array<double, 4> by_quarter{};  // of the times that training draws, least noise first
};

}  // namespace langevin
