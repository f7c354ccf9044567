// Batches for training, decoded ahead of it. The stream is a pure function of (seed, position):
//   global position k  ->  epoch e = k / N,  example permutation(N, {seed, e, data_order})[k mod N],
//   crop and flip of position k from {seed, k, augment}.
// So it resumes exactly at any position and does not depend on threads, prefetch or batch size. Batches run
// across the end of an epoch: none is short, and N may be smaller than a batch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/data/dataset.h"
#include "langevin/data/open.h"

namespace langevin {

struct LoaderOptions {
  int64_t batch = 64;
  uint64_t seed = 0;
  bool shuffle = true;       // false: position k is example k mod N
  bool flip = false;         // mirror left-right with probability 1/2
  bool random_crop = false;  // else pictures larger than the spec are cut in the centre
  bool captions = false;     // fill Batch::captions
  int64_t threads = 0;       // 0: one if the pictures lie in memory, else one a core (at most 8)
  int64_t prefetch = 0;      // batches ready or in the making; 0: threads + 2
};

struct Batch {
  HostArrayF images;                  // (B, C, H, W), in [-1, 1]: pixel / 127.5 - 1
  std::vector<int64_t> labels;        // B; -1: none
  std::vector<std::string> captions;  // B if asked for, else empty
  std::vector<int64_t> indices;       // B; which examples these are
  uint64_t first = 0;                 // global position of sample 0
};

class Loader {
 public:
  /// Starts decoding at `start_position`. UsageError: batch below 1, empty set.
  Loader(std::shared_ptr<const Dataset> dataset, const ImageSpec& spec, const LoaderOptions& options,
         uint64_t start_position = 0);
  /// The same, with spec, flip and random_crop taken from the set's own options.
  Loader(std::shared_ptr<const PreparedSet> dataset, LoaderOptions options, uint64_t start_position = 0);
  ~Loader();  // stops the workers; what they had ready is dropped
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The batch at position(), which then moves on by `batch`. An exception of a worker surfaces here, at the
  /// batch it belongs to, and again on further calls. Call from one thread.
  Batch next();
  /// Position of the first sample next() will return: what a checkpoint keeps.
  uint64_t position() const;
  /// Examples an epoch has.
  int64_t epoch_size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Which example stands at `position`, by the rule above (tests, tools).
int64_t example_at(uint64_t position, int64_t dataset_size, uint64_t seed);

/// The batch at `position`, made in this thread; what Loader::next() returns, bit for bit.
Batch make_batch(const Dataset& dataset, const ImageSpec& spec, const LoaderOptions& options,
                 uint64_t position);

/// HWC bytes -> CHW floats in [-1, 1], cut at (top, left), mirrored if `flip`. `out` has spec.size()
/// elements. Error if the cut leaves the picture or the channels differ.
void to_float_chw(const PixelView& picture, const ImageSpec& spec, int64_t top, int64_t left, bool flip,
                  std::span<float> out);

}  // namespace langevin
