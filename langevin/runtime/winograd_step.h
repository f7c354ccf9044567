// 3x3 convolutions by Winograd's F(4x4, 3x3): Lavin & Gray 2015, arXiv:1509.09308. A quarter of the products,
// about twice the rate, a relative error of 1e-6. oneDNN computes them in blocks of 16 channels, so pictures
// are brought into that layout and back; both stay in the cache where a chunk does.
#pragma once

#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// (chunk,in,h,w) -> (chunk,out,h,w), channels-last, stride 1, padding 1.
struct WinogradSpec {
  std::string name;
  int64_t in = 0, out = 0, h = 0, w = 0;
};

/// Whether it takes this convolution, and `samples` of them are enough to be worth it.
bool suits_winograd(const WinogradSpec& spec, int64_t samples, Type type);

class WinogradStep final : public Step {
 public:
  /// dst = convolution(src) + residual; residual -1: nothing is added.
  WinogradStep(WinogradSpec spec, int src, int dst, int residual);
  int may_overwrite() const override { return residual_ == src_ ? -1 : residual_; }
  void overwrite() override { in_place_ = true; }
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  WinogradSpec spec_;
  int src_, dst_, residual_;
  int blocked_src_ = -1, blocked_dst_ = -1, scratch_ = -1;
  bool in_place_ = false;
  dnnl::convolution_forward::primitive_desc chosen_;
  dnnl::memory::desc plain_src_, plain_dst_;
  dnnl::engine engine_;
  Prepared into_, convolve_, out_of_;
  Place dst_place_, residual_place_;
};

}  // namespace langevin::runtime
