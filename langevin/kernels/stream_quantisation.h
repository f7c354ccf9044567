// The numbers that the streaming kernels' integers are bound by. Internal to this folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace langevin {

inline constexpr int64_t kWeightLevels = 127;  // int8 weights lie in [-127, 127]
inline constexpr int64_t kIntegerRun =
    1024;  // products that are summed as integers before they become floats

/// The largest |q| of 16 bits for which a run of products with int8 weights cannot leave 32 bits.
constexpr int64_t largest_level(int64_t in) {
  const int64_t run = std::clamp<int64_t>(in, 1, kIntegerRun);
  return std::min<int64_t>(std::numeric_limits<int16_t>::max(),
                           std::numeric_limits<int32_t>::max() / (kWeightLevels * run));
}

}  // namespace langevin
