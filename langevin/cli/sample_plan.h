// langevin sample: its options, and all that is decided before the network runs.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/cli/classifier_options.h"
#include "langevin/cli/condition_options.h"
#include "langevin/cli/edit_options.h"
#include "langevin/cli/engine_options.h"
#include "langevin/cli/sampler_options.h"

namespace langevin::cli {

struct SampleOptions {
  std::string model, out, grid, animate, init, shard;
  std::optional<int64_t> count, batch;
  uint64_t seed = 0;
  SamplerOptions sampler;
  ConditionOptions condition;
  EditOptions edit;
  ClassifierOptions classifier;
  bool forward = false, force = false;
  bool list_samplers = false;  // answered before parsing: it needs no MODEL
  BackendOptions backend;
  CommonOptions common;
};

void add_sample_options(CLI::App& app, SampleOptions& options);

struct SamplePlan {
  SampleRequest
      request;  // of all; each batch sets first_sample, count, labels, x_T, and repeats what is edited
  std::vector<int64_t> classes;       // take turns by the number of the sample; empty: unconditional
  bool told = false, guided = false;  // the classes: to the network; by a classifier
  std::optional<HostArrayF> x_T;
  Shape shape;  // (C,H,W)
  int64_t first = 0, count = 0, batch = 1;
  int64_t calls = 0;          // of the network in each batch
  nlohmann::json parameters;  // what made the samples; kept with them
};

/// Error or UsageError, in one line, on whatever cannot be meant for this model. `classifier`: what guides
/// it, null: nothing.
SamplePlan make_plan(const SampleOptions& options, const ModelFile& model, Console& console,
                     const ModelSpec* classifier = nullptr);

/// The request for samples first .. first + count - 1 of the run.
SampleRequest batch_request(const SamplePlan& plan, int64_t first, int64_t count);

}  // namespace langevin::cli
