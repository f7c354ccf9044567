// Convolutions and linear maps: one oneDNN primitive with its weights packed once, and whatever is added to
// its result carried along as a post-operation.
#pragma once

#include "langevin/nn/vocabulary.h"
#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// (chunk,in,h,w) -> (chunk,out,oh,ow), both channels-last. A linear map over L tokens has kernel 1 and h =
/// L; a convolution of a sequence has h = L and a kernel along h alone.
struct ProductSpec {
  int64_t in = 0, h = 1, w = 1;
  int64_t out = 0, oh = 1, ow = 1;
  int64_t kernel = 1, stride = 1, pad_before = 0, pad_after = 0;
  std::vector<std::string> names;  // several: linears of one input, their outputs side by side
  bool bias = true;
  bool sequence = false;
  int64_t first = 0, total = 0;  // of `total` rows of the parameters only `out` from `first` on; 0: all are
  bool packed = false;           // the parameters are called name_weight and name_bias
  bool gelu = false;             // of the result

  int64_t kernel_w() const { return sequence ? 1 : kernel; }
};

/// "conv2d down_blocks.0.resnets.0.conv1"
std::string product_name(const ProductSpec& spec);

class ProductStep final : public Step {
 public:
  /// What happens with another value of the result's shape; buffer -1: nothing.
  struct Other {
    int buffer = -1;
    bool multiplied = false;  // else added
  };
  /// dst = product(src) + other, or times it.
  ProductStep(ProductSpec spec, int src, int dst, Other other);
  int may_overwrite() const override { return residual_ == src_ || multiplied_ ? -1 : residual_; }
  void overwrite() override { in_place_ = true; }
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override { prepared_.run(stream, call.first); }

 private:
  dnnl::convolution_forward::primitive_desc choose(const Workshop& workshop) const;
  void pack(Workshop& workshop, const dnnl::convolution_forward::primitive_desc& chosen);
  ProductSpec spec_;
  int src_, dst_, residual_, scratch_ = -1;  // residual: the other value
  bool multiplied_;
  bool in_place_ = false;
  dnnl::convolution_forward::primitive_desc chosen_;
  std::vector<float> joined_bias_;
  dnnl::engine engine_;
  Prepared prepared_;
};

}  // namespace langevin::runtime
