// From operators to steps: what can be carried along by a neighbour becomes part of it.
//
//   x + conv(y)                 the sum is a post-operation of the convolution, in x's memory if x ends there
//   norm(x + row)               GroupNorm adds the row itself
//   q, k, v of one input        one product with the three weights side by side
//   conv(upsample(x))           four small convolutions (upsampled_step.h)
//   products calibrated for int8   read bytes, which the GroupNorm before them stores (int8_step.h)
//   gelu(W x), a gelu(b)        GELU and the product of halves are post-operations of linear maps
//   to_tokens, from_tokens      nothing: in channels-last memory both are the same bytes
#pragma once

#include <memory>
#include <vector>

#include "langevin/model/calibration.h"
#include "langevin/runtime/conditioning.h"
#include "langevin/runtime/graph.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

struct LoweringOptions {
  Type type = Type::fp32;             // of values
  bool stream = false;                // chains of products become streamed steps (stream_chains.h)
  const Calibration* int8 = nullptr;  // says which products read bytes; null: none
};

/// Steps for `graph` in order, their buffers declared in `buffers`. Error: an operator that the runtime
/// cannot prepare where it stands.
std::vector<std::unique_ptr<Step>> lower(const Graph& graph, const Conditioning& conditioning,
                                         const LoweringOptions& options, Buffers& buffers);

}  // namespace langevin::runtime
