// Products in int8: values become bytes (where no normalisation has stored them so already), and bytes are
// convolved by int8 weights.
#pragma once

#include "langevin/runtime/byte_target.h"
#include "langevin/runtime/int8_convolution.h"
#include "langevin/runtime/product_step.h"

namespace langevin::runtime {

/// The zeros around the input of a product, and the width of a row of it as bytes are stored.
Frame frame_of(const ProductSpec& spec);
int64_t row_of(const ProductSpec& spec);
/// Bytes that the input of one sample takes.
int64_t framed_bytes(const ProductSpec& spec);

/// Values (chunk,h,w,C) into the bytes of `target`.
class QuantiseStep final : public Step {
 public:
  QuantiseStep(ByteTarget target, int64_t h, int64_t channels, int src, int dst);
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  ByteTarget target_;
  int64_t h_, channels_;
  int src_, dst_;
  Type type_ = Type::fp32;
  Place x_, y_;
};

/// dst = product(src) + residual, src being framed bytes; residual -1: nothing is added.
class Int8ProductStep final : public Step {
 public:
  Int8ProductStep(ProductSpec spec, LayerCalibration input, int src, int dst, int residual);
  int may_overwrite() const override { return residual_; }
  void overwrite() override { in_place_ = true; }
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  ProductSpec spec_;
  LayerCalibration input_;
  int src_, dst_, residual_, scratch_ = -1;
  bool in_place_ = false;
  int64_t sample_bytes_ = 0;  // of the result
  Place dst_place_, residual_place_;
  Int8Convolution convolution_;
};

}  // namespace langevin::runtime
