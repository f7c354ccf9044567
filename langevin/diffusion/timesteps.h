// Which t each training sample is noised to. Pure functions of the seed and of the place in the training
// stream, so a resumed run, another batch split or another number of workers draws the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace langevin {

std::vector<std::string> timestep_draws();  // "uniform", "stratified"

/// t uniform on 0..T-1 (2006.11239, algorithm 1, line 3) for the sample at place `sample` of the training
/// stream (counted over all epochs and workers).
int64_t uniform_timestep(int64_t T, uint64_t seed, uint64_t sample);

/// uniform_timestep for samples first .. first + n - 1.
std::vector<int64_t> uniform_timesteps(int64_t T, uint64_t seed, uint64_t first, int64_t n);

/// Low-variance draw (VDM, 2107.00630, appendix I.1): one u_0 uniform on (0,1) a training step, and the
/// sample at `position` of a batch of `batch` takes (u_0 + position / batch) mod 1. Each is uniform on (0,1)
/// on its own, together they cover it evenly. With several workers `position` and `batch` are those of the
/// whole batch.
double stratified_uniform(uint64_t seed, uint64_t step, int64_t position, int64_t batch);

/// t = floor(T u) of that u.
int64_t stratified_timestep(int64_t T, uint64_t seed, uint64_t step, int64_t position, int64_t batch);

/// stratified_timestep for positions 0 .. batch - 1.
std::vector<int64_t> stratified_timesteps(int64_t T, uint64_t seed, uint64_t step, int64_t batch);

}  // namespace langevin
