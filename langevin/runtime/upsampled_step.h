// A 3x3 convolution after doubling by nearest neighbour, without making the doubled picture. Each output
// pixel sees only 2x2 input pixels, so for each of the four parities of its row and column a 2x2 convolution
// of the small picture does the same, with the taps that fall on one pixel added up: 4/9 of the
// multiplications.
#pragma once

#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

struct UpsampledSpec {
  std::string name;
  int64_t in = 0, h = 0, w = 0;  // before doubling
  int64_t out = 0;
};

/// The 2x2 weights of the parity (row, column) of `maps` 3x3 kernels.
std::vector<float> parity_weights(std::span<const float> w, int64_t maps, int64_t row, int64_t column);

class UpsampledStep final : public Step {
 public:
  UpsampledStep(UpsampledSpec spec, int src, int dst);
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  struct Parity {
    dnnl::convolution_forward::primitive_desc chosen;
    Prepared prepared;
    int buffer = -1;
    Place place;
  };
  void prepare_parity(Workshop& workshop, int64_t row, int64_t column);
  UpsampledSpec spec_;
  int src_, dst_, scratch_ = -1;
  Type type_ = Type::fp32;
  dnnl::engine engine_;
  dnnl::memory bias_;
  Parity parities_[4];  // 2 * row + column
  Place y_;
};

}  // namespace langevin::runtime
