// Where activations lie: every buffer is alive from the first step that touches it to the last, and buffers
// that are never alive together share memory. All of it is one allocation, made before the first call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "langevin/runtime/pages.h"

namespace langevin::runtime {

/// A run of steps that handles `chunk` samples at a time, from the first to the last, before the next segment
/// starts.
struct Segment {
  int begin = 0, end = 0;  // steps [begin, end)
  int64_t chunk = 1;       // divides the batch
};

/// Where a buffer lies: sample i of it at base + i * stride. stride is 0 for what does not outlive a chunk.
struct Place {
  std::byte* base = nullptr;
  int64_t stride = 0;
  std::byte* at(int64_t first_sample) const { return base + first_sample * stride; }
};

class Buffers {
 public:
  int add(int64_t bytes_per_sample);
  int add_scratch(int64_t bytes);  // of one step, whatever the batch
  /// `later` takes over the memory of `earlier`, whose last reader writes it.
  void merge(int later, int earlier);
  void touch(int buffer, int step);  // in the order of the steps
  /// Lays everything out and allocates. Throws std::bad_alloc.
  void lay_out(const std::vector<Segment>& segments, int64_t batch);
  Place place(int buffer) const;

  int64_t arena_bytes() const { return arena_bytes_; }
  int64_t unshared_bytes() const { return unshared_bytes_; }  // what it would be without sharing
  /// Writes to all of it, so that no first call has to wait for its pages.
  void touch_pages();
  const void* arena() const { return arena_; }

 private:
  struct Buffer {
    int64_t sample_bytes = 0, scratch_bytes = 0;
    int parent = -1;  // merged into
    int first = -1, last = -1;
    int64_t offset = 0, bytes = 0, stride = 0;
  };
  int root(int buffer) const;
  void extend_to_segments(Buffer& b, const std::vector<Segment>& segments, int64_t batch) const;
  void assign_offsets(std::vector<int> order);
  std::vector<Buffer> buffers_;
  std::optional<Pages> pages_;
  std::byte* arena_ = nullptr;
  int64_t arena_bytes_ = 0, unshared_bytes_ = 0;
};

}  // namespace langevin::runtime
