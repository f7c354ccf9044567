// Walks between pictures and noise, for verbs that go both ways: invert and interpolate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "langevin/cli/condition_options.h"
#include "langevin/core/signals.h"
#include "langevin/model/engine.h"

namespace langevin::cli {

/// What every walk of a verb shares. `labels` belongs to one sample each; empty: unconditional.
struct Walk {
  SampleRequest request;
  std::vector<int64_t> labels;
  int64_t batch = 1;
  Shape shape;  // (C,H,W)
};

/// Samples at once where nobody asks: fewer of large ones.
int64_t usual_batch(const Shape& shape);

/// (C,H,W) of the model's pictures; Error for a model of sequences.
Shape picture_shape(const ModelSpec& spec, const std::string& model, const std::string& verb);

/// Labels for `count` samples: the classes given take turns. Empty where none are given: the null class, and
/// for a model that has none an Error.
std::vector<int64_t> walk_labels(const ConditionOptions& options, const ModelSpec& spec,
                                 const std::string& model, int64_t count);
/// Guidance where it can act: chosen_guidance() for samples with labels, none for those without, whose
/// options are then refused as wrong usage.
GuidanceConfig walk_guidance(const ConditionOptions& options, const ModelSpec& spec, const std::string& model,
                             bool labelled);

/// From noise x_T (N,C,H,W) to x_0, batch by batch. Error when `stop` came.
HostArrayF walk_down(const Walk& walk, const HostArrayF& x_T, Engine& engine, Console& console,
                     const StopSignal& stop);
/// From x_0 to the noise that ddim makes it of.
HostArrayF walk_up(const Walk& walk, const HostArrayF& x0, const InversionOptions& options, Engine& engine,
                   Console& console, const StopSignal& stop);

/// How far apart two pictures are, in 8-bit units of the model's normaliser.
struct Likeness {
  double rmse = 0;
  std::optional<double> psnr;  // 20 log10(255 / rmse) in dB; absent where they are the same
};
Likeness likeness(std::span<const float> a, std::span<const float> b, const ModelSpec& spec);
std::string to_string(const Likeness& likeness);

}  // namespace langevin::cli
