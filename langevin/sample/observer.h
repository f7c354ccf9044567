// What a sampler is given beside the mathematics, and what it shows while it runs.
#pragma once

#include <cstdint>
#include <functional>

#include "langevin/core/array.h"
#include "langevin/diffusion/denoiser.h"

namespace langevin {

/// One moment of a sampling run. Valid during the call only.
template <class A>
struct StepInfo {
  int64_t step;   // 0 .. steps-1
  int64_t steps;  // calls of the denoiser in the whole run
  double t;       // where x_t is, from T-1 down to 0
  const A& x_t;   // (B, ...) the state the denoiser was called with
  const A& x0;    // (B, ...) its estimate of the result
};

/// Called after each call of the denoiser. Returning false stops the run: the sampler then returns the x0 it
/// has.
template <class A>
using Observer = std::function<bool(const StepInfo<A>&)>;

/// Who is sampled: row i of the batch is sample first_sample + i of `seed`, and gets the same noise in any
/// batch.
template <class A>
struct SampleContext {
  uint64_t seed = 0;
  uint64_t first_sample = 0;
  Cond<A> cond;
  Observer<A> observer = {};  // may be empty
  int64_t first_step = 0;     // number of the run's first step_noise, where it is part of a longer one
};

/// x_T ~ N(0, I), shaped like `like` (only its shape and kind matter).
template <Array A>
A initial_noise(const A& like, uint64_t seed, uint64_t first_sample) {
  return noise_like(like, NoiseKey{seed, first_sample, Purpose::initial_noise, 0});
}

/// Fresh noise of step `step` of a run.
template <Array A>
A step_noise(const A& like, const SampleContext<A>& context, int64_t step) {
  return noise_like(like, NoiseKey{context.seed, context.first_sample, Purpose::sampler_noise,
                                   static_cast<uint32_t>(context.first_step + step)});
}

/// False when the observer asks to stop.
template <class A>
bool observe(const SampleContext<A>& context, const StepInfo<A>& info) {
  return !context.observer || context.observer(info);
}

}  // namespace langevin
