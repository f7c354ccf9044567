// Filling in a part of a picture: Lugmayr et al. 2022, "RePaint: Inpainting using Denoising Diffusion
// Probabilistic Models", arXiv:2201.09865, algorithm 1 with the jumps of its section 4.2.
//
// After each step of a sampler the known part is put back as the forward process has it at that level. The
// step itself has not seen that, so parts may not match; going back up some steps with fresh noise and down
// again lets the sampler bring them together.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

struct RepaintOptions {
  int64_t resample = 10;  // r: how often each stretch of the grid is walked down, >= 1
  int64_t jump = 10;      // j: steps of a stretch, >= 1
};

/// Throws Error unless the options are in range.
void check_repaint(const RepaintOptions& options);

/// The points of a grid of `steps` + 1 in the order they are visited, from 0 to `steps`: one more is a step
/// down, `jump` less a leap back up (r - 1 times from every jump-th point, counted from the last but one).
std::vector<int64_t> repaint_walk(int64_t steps, const RepaintOptions& options);

/// What is given: both (B, ...) like x. Where mask is 0 the result is `known`, elsewhere it is filled in.
template <class A>
struct Known {
  A x0;
  A mask;
};

/// One step of a sampler that remembers nothing: x at `from` to x at the less noisy `to`, with the noise of
/// `context` (whose observer is empty).
template <class A>
using SingleStep = std::function<A(const Denoiser<A>& denoiser, A x, const PathPoint& from,
                                   const PathPoint& to, const SampleContext<A>& context)>;

/// q(x_t | x_s) for s less noisy than t, on any path: alpha_t / alpha_s x_s + sqrt(sigma_t^2 - (alpha_t
/// sigma_s / alpha_s)^2) z.
template <Array A>
A noised_between(const PathPoint& from, const PathPoint& to, const A& x, const A& z) {
  const double ratio = to.alpha / from.alpha, kept = ratio * from.sigma;
  return lincomb(ratio, x, std::sqrt(std::max(0.0, to.sigma * to.sigma - kept * kept)), z);
}

/// Fresh noise number `step` for editing, apart from the sampler's own.
template <Array A>
A edit_noise(const A& like, const SampleContext<A>& context, int64_t step) {
  return noise_like(
      like, NoiseKey{context.seed, context.first_sample, Purpose::edit_noise, static_cast<uint32_t>(step)});
}

/// x at grid[0] to x_0, which is `known.x0` where the mask is 0. `calls`: of the denoiser in the whole run,
/// for the observer. Throws Error when shapes differ.
template <Array A>
A repaint(const Denoiser<A>& denoiser, const SingleStep<A>& step, A x, const PointGrid& grid,
          const Known<A>& known, const RepaintOptions& options, int64_t calls,
          const SampleContext<A>& context = {}) {
  check_points(grid, "repaint");
  check_cond(x, context.cond);
  check(Shape(shape_of(known.x0)) == Shape(shape_of(x)) && Shape(shape_of(known.mask)) == Shape(shape_of(x)),
        "repaint", "the known picture and the mask must be {}, got {} and {}", to_string(Shape(shape_of(x))),
        to_string(Shape(shape_of(known.x0))), to_string(Shape(shape_of(known.mask))));
  DenoiserRun<A> run(denoiser, context, calls);
  A last_x0 = x;
  const Denoiser<A> counted = [&](const A& x_t, double t, const Cond<A>&) {
    Prediction<A> p = run(x_t, t);
    last_x0 = p.x0;
    return p;
  };
  const std::vector<int64_t> walk = repaint_walk(static_cast<int64_t>(grid.size()) - 1, options);
  for (size_t move = 0; move + 1 < walk.size(); ++move) {
    const PathPoint &from = grid[static_cast<size_t>(walk[move])],
                    &to = grid[static_cast<size_t>(walk[move + 1])];
    const auto number = static_cast<int64_t>(move);
    if (walk[move + 1] < walk[move]) {
      x = noised_between(from, to, x, edit_noise(x, context, number));
      continue;
    }
    SampleContext<A> alone{context.seed, context.first_sample, context.cond, {}, number};
    x = step(counted, std::move(x), from, to, alone);
    if (run.stopped()) return last_x0;
    const A there =
        to.sigma > 0 ? lincomb(to.alpha, known.x0, to.sigma, edit_noise(x, context, number)) : known.x0;
    x = select(known.mask, x, there);
  }
  return select(known.mask, x, known.x0);
}

}  // namespace langevin
