// GroupNorm with what surrounds it: a row added before, scale and shift after, SiLU.
#pragma once

#include <optional>

#include "langevin/nn/vocabulary.h"
#include "langevin/runtime/byte_target.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

struct NormSpec {
  std::string name;
  nn::GroupNorm norm;
  int64_t hw = 0, channels = 0;
  int64_t added_row = -1;       // where in a row of the conditioning stands what is added before; -1: nothing
  int64_t modulation_row = -1;  // likewise (scale, shift), 2 * channels values
  std::optional<ByteTarget> bytes = {};  // the result is stored so, for the int8 product that reads it
};

class NormStep final : public Step {
 public:
  NormStep(NormSpec spec, int src, int dst);
  int may_overwrite() const override { return spec_.bytes ? -1 : src_; }
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  NormSpec spec_;
  int src_, dst_, scratch_ = -1;
  Type type_ = Type::fp32;
  const float* gamma_ = nullptr;
  const float* beta_ = nullptr;
  Place x_, y_, workspace_;
};

}  // namespace langevin::runtime
