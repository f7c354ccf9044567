// The machine's ceilings, measured: what oneDNN's convolutions and products reach when nothing stands around
// them, and how fast memory is read. Every bench is a share of these, taken in the same run, so that a slow
// hour decides nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

namespace langevin {

struct Roofline {
  double conv_fp32 = 0, conv_bf16 = 0;      // GFLOP/s, best 3x3 convolution forward, channels-last
  double conv_int8 = 0;                     // likewise, u8 pictures and s8 weights; GOP/s, strictly
  double matmul_fp32 = 0, matmul_bf16 = 0;  // GFLOP/s
  double memory = 0;                        // GB/s, reading
  int threads = 0;
};
nlohmann::json to_json(const Roofline& roofline);

/// About `seconds` of measuring over shapes that U-Nets have; the best of several runs of each.
Roofline measure_roofline(int threads, double seconds = 3);

/// GB/s of reading `bytes` again and again, the best of several runs: what lies in caches counts as it would
/// for a network of that size. Throws std::bad_alloc.
double memory_gbytes(int64_t bytes, double seconds);

}  // namespace langevin
