// What the kernel tests share: random arrays, and running a check under every instruction set and thread
// count.
#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "langevin/core/rng.h"
#include "langevin/kernels/bf16.h"
#include "langevin/kernels/threads.h"

namespace langevin::test {

inline void put(float& to, float value) { to = value; }
inline void put(BF16& to, float value) { to = to_bf16(value); }

/// mean + spread * normal deviates; `stream` tells arrays apart.
template <class T>
std::vector<T> normals(int64_t n, uint64_t stream, float mean = 0, float spread = 1) {
  std::vector<float> noise(static_cast<size_t>(n));
  fill_normal(noise, NoiseKey{7, stream, Purpose::test, 0});
  std::vector<T> out(noise.size());
  for (size_t i = 0; i < noise.size(); ++i) put(out[i], mean + spread * noise[i]);
  return out;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Fails at the first element with |a - b| > absolute + relative |b|, or NaN in one of them only.
template <class T>
void expect_near(const std::vector<T>& a, const std::vector<T>& b, float absolute, float relative,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i) {
    const float x = to_float(a[i]);
    const float y = to_float(b[i]);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x == y) continue;
    ASSERT_LE(std::abs(x - y), absolute + relative * std::abs(y))
        << what << " at " << i << ": " << x << " " << y;
  }
}

/// Calls body(name) under every instruction set that this machine and this build have.
template <class Body>
void each_target(const Body& body) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    body(std::string(hwy::TargetName(target)));
    hwy::SetSupportedTargetsForTest(0);
  }
}

/// Calls body() with a thread count and puts the old one back.
template <class Body>
void with_threads(int threads, const Body& body) {
  const int before = max_threads();
  set_threads(threads);
  body();
  set_threads(before);
}

}  // namespace langevin::test
