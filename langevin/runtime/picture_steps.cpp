#include "langevin/runtime/picture_steps.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace langevin::runtime {
namespace {

using tag = dnnl::memory::format_tag;
using dnnl::memory;

/// Padding behind that accounts for exactly the rows that are read: oneDNN wants no others.
int64_t behind(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t before) {
  return (out - 1) * stride + kernel - in - before;
}

}  // namespace

ConvNormStep::ConvNormStep(std::string path, const PictureExtents& extents, const nn::ConvNorm& conv, int src,
                           int dst)
    : path_(std::move(path)), extents_(extents), conv_(conv), src_(src), dst_(dst) {
  name = "conv2d_norm_relu " + path_;
  positions = std::max(extents.h * extents.w, extents.oh * extents.ow);
  reads = {src};
  writes = {dst};
}

void ConvNormStep::prepare(Workshop& workshop) {
  const PictureExtents& e = extents_;
  const nn::ConvNorm& c = conv_;
  const memory::data_type type = dnnl_type(workshop.type);
  const memory::dims shape{c.out, e.channels, c.kernel_h, c.kernel_w};
  const memory::desc src({chunk, e.channels, e.h, e.w}, type, tag::nhwc),
      dst({chunk, c.out, e.oh, e.ow}, type, tag::nhwc), weights(shape, type, tag::any),
      bias({c.out}, memory::data_type::f32, tag::x);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops after;
  after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
  attributes.set_post_ops(after);
  const memory::dims strides{c.stride, c.stride}, before{c.pad_h, c.pad_w},
      after_it{behind(e.h, e.oh, c.kernel_h, c.stride, c.pad_h),
               behind(e.w, e.ow, c.kernel_w, c.stride, c.pad_w)};
  chosen_ = {
      dnnl::convolution_forward::desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                      src, weights, bias, dst, strides, before, after_it),
      attributes, workshop.engine};
  engine_ = workshop.engine;
  implementation = chosen_.impl_info_str();
  prepared_.set(dnnl::convolution_forward(chosen_));

  const auto of_channels = [&](const char* part) { return workshop.weights.floats(path_ + part, c.out); };
  const auto gamma = of_channels(".bn.weight"), beta = of_channels(".bn.bias"),
             mean = of_channels(".bn.running_mean"), variance = of_channels(".bn.running_var");
  std::vector<double> scales;
  for (size_t o = 0; o < gamma.size(); ++o) {
    scales.push_back(gamma[o] / std::sqrt(static_cast<double>(variance[o]) + c.eps));
    bias_.push_back(static_cast<float>(beta[o] - mean[o] * scales[o]));
  }
  const int64_t each = e.channels * c.kernel_h * c.kernel_w;
  const auto fill = [&](std::vector<float>& scratch) {
    const auto values = workshop.weights.floats(path_ + ".conv.weight", c.out * each);
    for (size_t i = 0; i < values.size(); ++i)
      scratch.push_back(static_cast<float>(values[i] * scales[i / static_cast<size_t>(each)]));
    return static_cast<const float*>(scratch.data());
  };
  const memory::desc plain(shape, memory::data_type::f32, tag::oihw);
  prepared_.constant(DNNL_ARG_WEIGHTS, workshop.weights.packed(path_ + "|folded", plain,
                                                               chosen_.weights_desc(), engine_, fill));
  prepared_.constant(DNNL_ARG_BIAS, memory(chosen_.bias_desc(), engine_, bias_.data()));
  const auto scratch = static_cast<int64_t>(chosen_.scratchpad_desc().get_size());
  if (scratch > 0) writes.push_back(scratch_ = workshop.buffers.add_scratch(scratch));
}

void ConvNormStep::bind(const Buffers& buffers) {
  prepared_.buffer(DNNL_ARG_SRC, chosen_.src_desc(), engine_, buffers.place(src_));
  prepared_.buffer(DNNL_ARG_DST, chosen_.dst_desc(), engine_, buffers.place(dst_));
  if (scratch_ >= 0)
    prepared_.buffer(DNNL_ARG_SCRATCHPAD, chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
}

PoolStep::PoolStep(Kind kind, const PictureExtents& extents, const nn::Pool& pool, int src, int dst)
    : kind_(kind), extents_(extents), pool_(pool), src_(src), dst_(dst) {
  name = kind == Kind::max ? "max_pool2d" : "mean_pool2d";
  positions = std::max(extents.h * extents.w, extents.oh * extents.ow);
  reads = {src};
  writes = {dst};
}

void PoolStep::prepare(Workshop& workshop) {
  const PictureExtents& e = extents_;
  const memory::data_type type = dnnl_type(workshop.type);
  const memory::desc src({chunk, e.channels, e.h, e.w}, type, tag::nhwc),
      dst({chunk, e.channels, e.oh, e.ow}, type, tag::nhwc);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto algorithm =
      kind_ == Kind::max ? dnnl::algorithm::pooling_max : dnnl::algorithm::pooling_avg_exclude_padding;
  const int64_t k = pool_.kernel, s = pool_.stride, p = pool_.padding;
  chosen_ = {
      dnnl::pooling_forward::desc(dnnl::prop_kind::forward_inference, algorithm, src, dst, {s, s}, {k, k},
                                  {p, p}, {behind(e.h, e.oh, k, s, p), behind(e.w, e.ow, k, s, p)}),
      attributes, workshop.engine};
  engine_ = workshop.engine;
  implementation = chosen_.impl_info_str();
  prepared_.set(dnnl::pooling_forward(chosen_));
  const auto scratch = static_cast<int64_t>(chosen_.scratchpad_desc().get_size());
  if (scratch > 0) writes.push_back(scratch_ = workshop.buffers.add_scratch(scratch));
}

void PoolStep::bind(const Buffers& buffers) {
  prepared_.buffer(DNNL_ARG_SRC, chosen_.src_desc(), engine_, buffers.place(src_));
  prepared_.buffer(DNNL_ARG_DST, chosen_.dst_desc(), engine_, buffers.place(dst_));
  if (scratch_ >= 0)
    prepared_.buffer(DNNL_ARG_SCRATCHPAD, chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
}

}  // namespace langevin::runtime
