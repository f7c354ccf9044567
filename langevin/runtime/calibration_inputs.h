// What a network is shown when it is calibrated: x_t over all timesteps, from data or from its own samples.
#pragma once

#include <vector>

#include "langevin/model/spec.h"
#include "langevin/runtime/calibrate.h"

namespace langevin::runtime {

constexpr int64_t kCalibrationBatch = 8;  // samples a call

/// What the network sees of x_t = alpha x_0 + sigma eps of the pictures x0 (n,C,H,W), the times spread evenly
/// over the schedule (of EDM over log sigma) and over the batches. labels (n) where the network has classes,
/// -1 or none: drawn. A part of the samples gets the null class, where there is one.
std::vector<CalibrationBatch> inputs_from_data(const ModelSpec& spec, const HostArrayF& x0,
                                               const std::vector<int64_t>& labels, uint64_t seed);

/// At least `count` states of the usual sampler's trajectories, which the network itself walks, from noise to
/// x_0. `progress` (may be empty) hears the states made.
std::vector<CalibrationBatch> inputs_from_trajectory(RuntimeNetwork& network, const ModelSpec& spec,
                                                     int64_t count, uint64_t seed,
                                                     const std::function<void(int64_t)>& progress);

}  // namespace langevin::runtime
