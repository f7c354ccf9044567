// A GIF of the reverse process, x_T to x_0, as a sheet of the first samples; on request with the forward
// process, x_0 to x_T, before it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/diffusion/path.h"
#include "langevin/io/image.h"
#include "langevin/model/spec.h"
#include "langevin/sample/observer.h"

namespace langevin::cli {

class Animation {
 public:
  /// Samples of `shape` (C,H,W), at most 64 of the `count` that come and as many as bound memory; `steps`
  /// calls of the denoiser each. Samples must be pictures (C of 1, 3 or 4).
  Animation(const ModelSpec& spec, const Shape& shape, int64_t count, int64_t steps, bool forward);

  /// What an observer of the sampler sees; row 0 is sample `first` (counted from the run's first sample).
  void observe(int64_t first, const StepInfo<HostArrayF>& info);
  /// The finished samples of that batch.
  void finish_batch(int64_t first, const HostArrayF& x0);
  void write(const std::filesystem::path& path) const;

 private:
  using Sheet = std::vector<Image>;  // one frame: a picture of each sample shown
  std::vector<Sheet> forward_frames() const;
  std::vector<PathPoint> forward_points() const;
  void keep(Sheet& sheet, int64_t first, const HostArrayF& x) const;
  ModelSpec spec_;
  NoisePath path_;
  Shape shape_;
  int64_t shown_, steps_, frames_;
  bool forward_;
  std::vector<Sheet> reverse_;        // by frame; the last is x_0
  std::vector<HostArrayF> x0_, x_T_;  // of the batches, for the forward process
};

}  // namespace langevin::cli
