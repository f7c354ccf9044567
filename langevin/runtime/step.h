// A prepared operator of a plan. A step is made in three moves: its constructor says which buffers it
// touches, prepare() makes its primitives (and asks for scratch), bind() learns where the buffers lie. run()
// then allocates nothing.
#pragma once

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "langevin/kernels/bf16.h"
#include "langevin/runtime/memory.h"
#include "langevin/runtime/team.h"
#include "langevin/runtime/weights.h"

namespace langevin::runtime {

/// What is asked of an engine: how its weights are held. Values between steps are of values_type().
enum class Type { fp32, bf16, int8 };
/// The type of the values between steps, fp32 or bf16. int8 weights meet fp32 values: a step that multiplies
/// in int8 quantises what it reads itself.
inline Type values_type(Type asked) { return asked == Type::int8 ? Type::fp32 : asked; }
inline int64_t size_of(Type type) { return type == Type::fp32 ? 4 : type == Type::bf16 ? 2 : 1; }
inline dnnl::memory::data_type dnnl_type(Type type) {
  using type_of = dnnl::memory::data_type;
  return type == Type::fp32 ? type_of::f32 : type == Type::bf16 ? type_of::bf16 : type_of::s8;
}

class StreamWeights;

/// What streamed steps of all plans of a network share.
struct StreamContext {
  Team& team;
  StreamWeights& weights;
};

/// What steps are made with.
struct Workshop {
  const dnnl::engine& engine;
  Weights& weights;
  Buffers& buffers;
  Type type = Type::fp32;            // of values: fp32 or bf16
  Type asked = Type::fp32;           // of weights, where a step has them of that type
  StreamContext* streams = nullptr;  // null: no step streams
};

/// One pass over a chunk: samples first .. first + chunk - 1 of the call's batch.
struct Call {
  const float* image = nullptr;    // (batch, C, H, W)
  const float* context = nullptr;  // (batch, S, D)
  float* output = nullptr;         // (batch, C, H, W)
  const float* rows = nullptr;     // of the conditioning
  int64_t row_stride = 0;          // floats from one sample's row to the next; 0: one row for all
  int64_t first = 0;
  const float* row(int64_t offset) const { return rows + first * row_stride + offset; }
};

/// What a product reads, for those who look on: (chunk, positions, channels) values in a buffer.
struct ProductInput {
  std::vector<std::string> products;  // the operators, q, k and v being one product; empty: it is none
  int buffer = -1;
  int64_t positions = 0, channels = 0;
};

class Step {
 public:
  Step() = default;
  virtual ~Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  /// "conv2d down_blocks.0.resnets.0.conv1", for people.
  std::string name;
  /// oneDNN's implementation, "" for our own kernels.
  std::string implementation;
  ProductInput input;
  std::vector<int> reads, writes;  // buffers; writes includes scratch once prepared
  int64_t positions = 1;           // the larger of its input's and output's H*W
  int64_t chunk = 1;               // samples a run

  /// Of the buffers read, the one whose memory the result may take if nobody reads it later; -1: none.
  virtual int may_overwrite() const { return -1; }
  virtual void overwrite() {}  // it does
  virtual void prepare(Workshop&) {}
  virtual void bind(const Buffers& buffers) = 0;
  virtual void run(const Call& call, const dnnl::stream& stream) = 0;
  /// Parts of run() that a team's threads may do at once, in any order; 0: run() does all by itself. They do
  /// not throw.
  virtual int units() const { return 0; }
  virtual void run_unit(const Call&, const Team::Task&) {}
};

/// Calls f with a value of the C++ type that stands for `type`.
template <class F>
void with_type(Type type, F&& f) {
  type == Type::fp32 ? f(float{}) : f(BF16{});
}

}  // namespace langevin::runtime
