// The transposed convolution of a sequence: one oneDNN primitive with its weights packed once.
#pragma once

#include "langevin/nn/vocabulary.h"
#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// (chunk,in,length) -> (chunk,out,conv_transpose_extent(length)), both channels-last.
struct DeconvolutionSpec {
  std::string name;
  int64_t in = 0, length = 0;
  nn::ConvTranspose1d conv;
};

class DeconvolutionStep final : public Step {
 public:
  DeconvolutionStep(DeconvolutionSpec spec, int src, int dst);
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override { prepared_.run(stream, call.first); }

 private:
  DeconvolutionSpec spec_;
  int src_, dst_, scratch_ = -1;
  dnnl::deconvolution_forward::primitive_desc chosen_;
  dnnl::engine engine_;
  Prepared prepared_;
};

}  // namespace langevin::runtime
