// A product with all that follows it in a network of sequences, for calls of few columns: weights are
// streamed, and GroupNorm, activation, FiLM and residual are done on what a thread has just computed.
//
//   dst = film(act(norm(product(x)))) + residual        the residual may be a product of its own (of a 1x1
//   convolution)
#pragma once

#include <optional>

#include "langevin/kernels/stream_finish.h"
#include "langevin/nn/vocabulary.h"
#include "langevin/runtime/stream_product.h"

namespace langevin::runtime {

struct StreamSpec {
  StreamProductSpec product;
  std::string norm;  // name of its parameters; empty: none
  nn::GroupNorm group_norm;
  StreamActivation activation = StreamActivation::none;
  int64_t scale_row = -1, shift_row = -1;  // where in a row of the conditioning; -1: none
  int residual = -1;                       // a buffer; -1: none
  std::optional<StreamProductSpec> side;   // or this
  int dst = -1;
};

class StreamStep final : public Step {
 public:
  explicit StreamStep(StreamSpec spec);
  int may_overwrite() const override;
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;
  int units() const override { return static_cast<int>(outputs_.size()); }
  void run_unit(const Call& call, const Team::Task& task) override;

 private:
  StreamSpec spec_;
  int64_t width_ = 0;  // width: floats of a column of results
  Type asked_ = Type::fp32;
  std::vector<StreamOutputs> outputs_;
  std::optional<StreamProduct> product_, side_;
  const StreamWeights* stream_ = nullptr;
  std::vector<float> gamma_, beta_;
  std::vector<int> scratch_;     // by thread
  std::vector<std::byte*> own_;  // likewise
  const float* residual_ = nullptr;
  float* dst_ = nullptr;
};

}  // namespace langevin::runtime
