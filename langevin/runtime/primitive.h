// A oneDNN primitive with its arguments in place: running it moves pointers and allocates nothing of ours.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "langevin/runtime/memory.h"

namespace langevin::runtime {

/// A buffer that is handled a few samples at a time within a chunk.
struct PartedPlace {
  Place place;
  int64_t sample_bytes = 0;
};

class Prepared {
 public:
  void set(const dnnl::primitive& primitive) { primitive_ = primitive; }
  /// An argument that stays where it is.
  void constant(int argument, const dnnl::memory& memory);
  /// An argument in a buffer: it moves with the chunk.
  void buffer(int argument, const dnnl::memory::desc& desc, const dnnl::engine& engine, Place place);
  /// An argument that also moves with the part of the chunk; `offset` bytes into each sample.
  void parts(int argument, const dnnl::memory::desc& desc, const dnnl::engine& engine, PartedPlace where,
             int64_t offset);
  /// Runs on the chunk that starts at sample `first`, from the `part`-th sample in it. Throws dnnl::error.
  void run(const dnnl::stream& stream, int64_t first, int64_t part = 0);

 private:
  struct Moving {
    dnnl::memory memory;
    Place place;
    int64_t part_bytes = 0;
  };
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> constants_;
  std::vector<Moving> moving_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

}  // namespace langevin::runtime
