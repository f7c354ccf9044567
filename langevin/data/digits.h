// `langevin data digits`: the ten digits from the system's scalable fonts with random weight, shear,
// rotation, scale and place; gray on black. A labelled set that needs no download.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "langevin/core/console.h"

namespace langevin {

struct DigitsOptions {
  std::filesystem::path out;  // folder to make
  int64_t count = 10000;      // pictures, 1..10^7; picture i shows digit i mod 10
  int size = 28;              // side in pixels, 8..256
  uint64_t seed = 0;
  std::string format = "folder";  // "folder": 0..9/*.png; "idx": train-{images-idx3,labels-idx1}-ubyte
  std::vector<std::filesystem::path> fonts;  // font files or folders; empty: the system's font folders
  bool force = false;                        // replace a set that this function made earlier
  int threads = 0;                           // 0: one a core
  std::function<bool()> stopped;             // asked between pictures; true: Error, and nothing is left
};

struct DigitsSummary {
  int64_t written = 0;
  std::array<int64_t, 10> per_digit{};
  std::vector<std::string> fonts;  // "family style" of the faces used, sorted
};

/// Picture i is a pure function of (seed, i, size, faces), whatever count, format and threads are. The output
/// appears whole or not at all. UsageError: option out of range. Error: no usable font, `out` exists with
/// other content.
DigitsSummary make_digits(const DigitsOptions& options, Console& console);

}  // namespace langevin
