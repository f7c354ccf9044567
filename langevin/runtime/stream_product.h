// One product of a streamed step: where its weights stand in the file, and which row of its input meets which
// column of its output under each tap.
#pragma once

#include <string>
#include <vector>

#include "langevin/kernels/stream_product.h"
#include "langevin/runtime/step.h"
#include "langevin/runtime/stream_weights.h"

namespace langevin::runtime {

struct StreamSource {
  int buffer = -1;
  int64_t channels = 0;
};

struct StreamProductSpec {
  enum class Kind { convolution, transposed, linear } kind = Kind::linear;
  std::string name;
  std::vector<StreamSource> sources;  // beside each other
  int64_t out = 0;
  int64_t length = 1, out_length = 1;  // positions of a sample
  int64_t kernel = 1, stride = 1, padding = 0;
  bool bias = true;

  int64_t in() const;
};

/// Outputs that one thread computes at a time: whole groups where the result is normalised.
struct StreamOutputs {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
  int64_t blocks() const { return (count() + kStreamBlock - 1) / kStreamBlock; }
};
/// Cuts `out` outputs into units for `threads` threads; `groups` of them stay whole (0: none).
std::vector<StreamOutputs> cut_outputs(int64_t out, int64_t groups, int threads);

/// Values of the model's file in memory of one's own: the file's pages may be dropped while a robot waits.
std::vector<float> copied(std::span<const float> values);

class StreamProduct {
 public:
  StreamProduct(StreamProductSpec spec, Type asked, int64_t samples);
  /// Declares the weights, in units as `outputs`.
  void declare(StreamWeights& stream, Weights& weights, const std::vector<StreamOutputs>& outputs);
  void bind(const Buffers& buffers, const StreamWeights& stream, size_t units);

  const StreamProductSpec& spec() const { return spec_; }
  /// Bytes that a thread needs for its own copy of the input, on 64 bytes; 0: it reads the input itself.
  int64_t input_bytes() const;
  /// Makes a thread's copy at `own`.
  void take_input(std::byte* own) const;
  /// y (samples * out_length, stride floats) = bias + product, for outputs `o` of unit `unit`.
  void run(int unit, const StreamOutputs& o, std::byte* own, float* y, int64_t stride) const;

 private:
  struct Pairs {
    int64_t source = 0;
    std::vector<int32_t> rows, columns;
  };
  void make_pairs();
  int64_t source_bytes(size_t source) const;
  StreamRows rows_of(size_t source, std::byte* own) const;
  int64_t quantised_stride(size_t source) const { return (spec_.sources[source].channels + 31) / 32 * 32; }
  StreamProductSpec spec_;
  StreamType type_;
  int64_t samples_;
  std::vector<Pairs> pairs_;          // in the order of the slices
  std::vector<StreamTap> taps_;       // likewise, as the kernel takes them
  std::vector<const float*> inputs_;  // by source
  std::vector<const std::byte*> units_;
  std::vector<float> bias_;
};

}  // namespace langevin::runtime
