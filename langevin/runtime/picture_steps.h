// Steps of networks that classify pictures: convolutions with their normalisation folded in, and pooling.
#pragma once

#include "langevin/nn/picture_words.h"
#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// (N,c,h,w) -> (N,out,oh,ow).
struct PictureExtents {
  int64_t channels = 0, h = 0, w = 0, out = 0, oh = 0, ow = 0;
};

/// relu(batch_norm(conv(x))): the stored statistics become part of weights and bias, the relu rides along.
class ConvNormStep final : public Step {
 public:
  ConvNormStep(std::string path, const PictureExtents& extents, const nn::ConvNorm& conv, int src, int dst);
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override { prepared_.run(stream, call.first); }

 private:
  std::string path_;
  PictureExtents extents_;
  nn::ConvNorm conv_;
  int src_, dst_, scratch_ = -1;
  dnnl::convolution_forward::primitive_desc chosen_;
  std::vector<float> bias_;
  dnnl::engine engine_;
  Prepared prepared_;
};

/// The maximum or the mean under a window; padding counts in neither.
class PoolStep final : public Step {
 public:
  enum class Kind { max, mean };
  PoolStep(Kind kind, const PictureExtents& extents, const nn::Pool& pool, int src, int dst);
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override { prepared_.run(stream, call.first); }

 private:
  Kind kind_;
  PictureExtents extents_;
  nn::Pool pool_;
  int src_, dst_, scratch_ = -1;
  dnnl::pooling_forward::primitive_desc chosen_;
  dnnl::engine engine_;
  Prepared prepared_;
};

}  // namespace langevin::runtime
