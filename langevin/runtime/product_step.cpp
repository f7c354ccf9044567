#include "langevin/runtime/product_step.h"

#include <algorithm>

namespace langevin::runtime {
namespace {

using tag = dnnl::memory::format_tag;
using dnnl::memory;

int64_t part_out(const ProductSpec& s) { return s.out / static_cast<int64_t>(s.names.size()); }

}  // namespace

std::string product_name(const ProductSpec& s) {
  const std::string op = s.sequence ? "conv1d " : s.kernel == 1 && s.w == 1 ? "linear " : "conv2d ";
  return op + s.names.front() + (s.names.size() > 1 ? " and beside it" : "");
}

ProductStep::ProductStep(ProductSpec spec, int src, int dst, Other other)
    : spec_(std::move(spec)), src_(src), dst_(dst), residual_(other.buffer), multiplied_(other.multiplied) {
  name = product_name(spec_);
  input = {spec_.names, src, spec_.h * spec_.w, spec_.in};
  positions = std::max(spec_.h * spec_.w, spec_.oh * spec_.ow);
  reads = {src};
  if (residual_ >= 0) reads.push_back(residual_);
  writes = {dst};
}

dnnl::convolution_forward::primitive_desc ProductStep::choose(const Workshop& workshop) const {
  const ProductSpec& s = spec_;
  const memory::data_type type = dnnl_type(workshop.type);
  const memory::desc src({chunk, s.in, s.h, s.w}, type, tag::nhwc),
      dst({chunk, s.out, s.oh, s.ow}, type, tag::nhwc),
      weights({s.out, s.in, s.kernel, s.kernel_w()}, type, tag::any),
      bias({s.out}, memory::data_type::f32, tag::x);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops after;
  const auto how = multiplied_ ? dnnl::algorithm::binary_mul : dnnl::algorithm::binary_add;
  if (residual_ >= 0 && in_place_) after.append_sum(1.0F);
  if (residual_ >= 0 && !in_place_) after.append_binary(how, dst);
  if (s.gelu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0, 0);
  attributes.set_post_ops(after);
  const int64_t stride_w = s.sequence ? 1 : s.stride, before_w = s.sequence ? 0 : s.pad_before;
  const memory::dims strides{s.stride, stride_w}, before{s.pad_before, before_w};
  // A stride may leave rows at the end unread: oneDNN wants padding that accounts for exactly what is.
  const memory::dims behind{(s.oh - 1) * s.stride + s.kernel - s.h - s.pad_before,
                            (s.ow - 1) * stride_w + s.kernel_w() - s.w - before_w};
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_forward::desc description =
      s.bias
          ? dnnl::convolution_forward::desc(kind, algorithm, src, weights, bias, dst, strides, before, behind)
          : dnnl::convolution_forward::desc(kind, algorithm, src, weights, dst, strides, before, behind);
  return {description, attributes, workshop.engine};
}

void ProductStep::pack(Workshop& workshop, const dnnl::convolution_forward::primitive_desc& chosen) {
  const ProductSpec& s = spec_;
  const int64_t each = part_out(s), count = each * s.in * s.kernel * s.kernel_w();
  const int64_t rows = s.total > 0 ? s.total : each;
  const std::string dot = s.packed ? "_" : ".";
  std::string key;
  for (const std::string& part : s.names) key += part + "|";
  if (s.total > 0) key += fmt::format("{}", s.first);
  const memory::desc plain({s.out, s.in, s.kernel, s.kernel_w()}, memory::data_type::f32, tag::oihw);
  const auto fill = [&](std::vector<float>& scratch) {
    if (s.names.size() == 1)
      return workshop.weights.floats(s.names[0] + dot + "weight", count / each * rows).data() +
             s.first * (count / each);
    for (const std::string& part : s.names) {
      const auto values = workshop.weights.floats(part + ".weight", count);
      scratch.insert(scratch.end(), values.begin(), values.end());
    }
    return static_cast<const float*>(scratch.data());
  };
  prepared_.constant(DNNL_ARG_WEIGHTS,
                     workshop.weights.packed(key, plain, chosen.weights_desc(), workshop.engine, fill));
  if (!s.bias) return;
  for (const std::string& part : s.names) {
    const float* values = workshop.weights.floats(part + dot + "bias", rows).data() + s.first;
    joined_bias_.insert(joined_bias_.end(), values, values + each);
  }
  prepared_.constant(DNNL_ARG_BIAS, memory(chosen.bias_desc(), workshop.engine, joined_bias_.data()));
}

void ProductStep::prepare(Workshop& workshop) {
  chosen_ = choose(workshop);
  engine_ = workshop.engine;
  implementation = chosen_.impl_info_str();
  prepared_.set(dnnl::convolution_forward(chosen_));
  pack(workshop, chosen_);
  const auto scratch = static_cast<int64_t>(chosen_.scratchpad_desc().get_size());
  if (scratch > 0) writes.push_back(scratch_ = workshop.buffers.add_scratch(scratch));
}

void ProductStep::bind(const Buffers& buffers) {
  prepared_.buffer(DNNL_ARG_SRC, chosen_.src_desc(), engine_, buffers.place(src_));
  prepared_.buffer(DNNL_ARG_DST, chosen_.dst_desc(), engine_, buffers.place(dst_));
  if (residual_ >= 0 && !in_place_) {
    prepared_.buffer(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, chosen_.dst_desc(), engine_,
                     buffers.place(residual_));
  }
  if (scratch_ >= 0) {
    prepared_.buffer(DNNL_ARG_SCRATCHPAD, chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
  }
}

}  // namespace langevin::runtime
