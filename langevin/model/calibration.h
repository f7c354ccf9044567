// How the inputs of a network's products become bytes: what `langevin quantize` found and a model file keeps
// beside its weights, which stay as they are. Read by whoever computes in int8.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "langevin/nn/network.h"

namespace langevin {

/// The input of one convolution or linear map, channel c of it: x ~ step[c] (byte - zero[c]).
struct LayerCalibration {
  std::string name;           // of the operator: its weights are name.weight (out, C, ...)
  bool int8 = true;           // false: left in higher precision, because int8 hurts there
  std::vector<float> step;    // (C), above 0
  std::vector<uint8_t> zero;  // (C)
  /// Relative error (root of mean squares) of the network's output when this operator alone is int8.
  double error = 0;
};

/// How far the int8 network is from the fp32 one over some of the timesteps.
struct CalibrationError {
  double first_t = 0, last_t = 0;
  double relative = 0;  // root of mean squares of the difference over that of the fp32 output
};

struct Calibration {
  std::vector<LayerCalibration> layers;
  std::vector<CalibrationError> errors;  // of the whole network, by t
  std::string source;                    // "data" or "trajectory": where the x_t came from
  int64_t samples = 0;                   // x_t seen
  uint64_t seed = 0;
  /// The operator called `name` if it is int8, else null.
  const LayerCalibration* find(const std::string& name) const;
};

nlohmann::json to_json(const Calibration& calibration);
/// Error naming `source` and what is wrong: another version, an operator that `network` has not or whose
/// channels differ, a step that is not a positive number, ...
Calibration calibration_from_json(const nlohmann::json& json, const nn::NetworkConfig& network,
                                  const std::string& source);

}  // namespace langevin
