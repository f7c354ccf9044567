// What a model is beside its weights: network, process, labels, provenance. One JSON object in the file's
// metadata (key `langevin`), so that nothing has to be remembered on a command line (contract 6).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/diffusion/target.h"
#include "langevin/model/calibration.h"
#include "langevin/nn/network.h"
#include "langevin/sample/sampler.h"
#include "langevin/sample/threshold.h"

namespace langevin {

/// How a model is sampled where nobody says otherwise: what the scheduler that an imported model came with
/// says. The number of steps is the caller's.
struct SamplingDefaults {
  SamplerConfig sampler;
  ThresholdConfig threshold;
};

/// p(x|z) of a variational autoencoder (diffusion/likelihood.h).
struct VaeSpec {
  std::string likelihood = "gaussian";
  double log_scale = 0;  // measured with the weights of this file
};

struct ModelSpec {
  nn::NetworkConfig network;
  TargetConfig target;                                  // what the network was trained on
  ScheduleConfig schedule;                              // of target ddpm alone,
  PredictionType prediction = PredictionType::epsilon;  // and this
  /// x_0 = (value - offset) / scale; images: 8-bit values with offset 127.5, scale 127.5.
  double normaliser_offset = 127.5, normaliser_scale = 127.5;
  bool clip = true;                 // data fills [-1, 1]: samplers may clip x_0
  std::vector<std::string> labels;  // class names; a further class, the last, is the null class of guidance
  bool null_class = false;          // the network was trained without condition too: guidance is possible
  std::optional<SamplingDefaults> sampling;  // absent: the samplers' own defaults
  std::string units = "8-bit sRGB";
  std::string licence;                                   // of the training data, if the user says so
  nlohmann::json provenance = nlohmann::json::object();  // data set, steps, seed, version
  std::optional<VaeSpec> vae;                            // of an autoencoder that was trained here
  std::optional<Calibration> int8;                       // what langevin quantize found
};

nlohmann::json to_json(const ModelSpec& spec);
/// Error naming `source` and the key that is missing, unknown or of the wrong type.
ModelSpec spec_from_json(const nlohmann::json& json, const std::string& source);

/// The process of the model with its tables, made anew; Error where its numbers do not do.
Target target_of(const ModelSpec& spec);
/// Error "`what`: ..." unless the model was trained on the timesteps of a schedule.
void check_ddpm(const ModelSpec& spec, const std::string& what);

/// Index of the class called `name`, or of the class with that number; Error names what the model knows.
int64_t class_index(const ModelSpec& spec, const std::string& name);
/// The null class, -1 if the model has none.
int64_t null_label(const ModelSpec& spec);

}  // namespace langevin
