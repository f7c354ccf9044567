// The convolution of a doubled picture in int8: for each parity the small picture as bytes, framed where that
// parity looks beyond it, and a 2x2 convolution by int8 weights (upsampled_step.h has the method).
#pragma once

#include "langevin/runtime/byte_target.h"
#include "langevin/runtime/int8_convolution.h"
#include "langevin/runtime/upsampled_step.h"

namespace langevin::runtime {

class Int8UpsampledStep final : public Step {
 public:
  Int8UpsampledStep(UpsampledSpec spec, LayerCalibration input, int src, int dst);
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  struct Parity {
    ByteTarget target;
    Int8Convolution convolution;
    int bytes = -1, result = -1;  // buffers
    Place bytes_place, result_place;
  };
  void prepare_parity(Workshop& workshop, int64_t row, int64_t column);
  UpsampledSpec spec_;
  LayerCalibration input_;
  int src_, dst_, scratch_ = -1;
  Type type_ = Type::fp32;
  Parity parities_[4];  // 2 * row + column
  Place x_, y_;
};

}  // namespace langevin::runtime
