// Where samples go: a folder of PNG files, an .npz or a .safetensors, filled batch by batch.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "langevin/core/array.h"
#include "langevin/io/image.h"
#include "langevin/model/spec.h"

namespace langevin::cli {

struct OutputPlan {
  std::filesystem::path path;  // FILE.npz, FILE.safetensors, else a folder
  ModelSpec spec;
  Shape shape;                // (C,H,W) of a sample
  int64_t first = 0;          // number of the first sample
  int64_t count = 0;          // samples that will come
  bool labelled = false;      // class labels come with them
  bool part = false;          // one shard of several that share the folder
  bool force = false;         // earlier samples there may go
  nlohmann::json parameters;  // what made them; kept with them
};

class SampleOutput {
 public:
  virtual ~SampleOutput() = default;
  /// The next samples x_0 (B,C,H,W), in order, with their labels (B, or empty).
  virtual void add(const HostArrayF& x0, std::span<const int64_t> labels) = 0;
  /// All have come.
  virtual void finish() = 0;
  /// What is there now, after `done` samples: for the message of a run that was stopped.
  virtual std::string left_behind(int64_t done) const = 0;
};

/// Error, before any work is done: samples are there already (and no force), or the sample is no picture but
/// the output is.
std::unique_ptr<SampleOutput> open_output(const OutputPlan& plan);

}  // namespace langevin::cli
