#include "langevin/runtime/deconvolution_step.h"

#include <algorithm>

namespace langevin::runtime {

using tag = dnnl::memory::format_tag;
using dnnl::memory;

DeconvolutionStep::DeconvolutionStep(DeconvolutionSpec spec, int src, int dst)
    : spec_(std::move(spec)), src_(src), dst_(dst) {
  name = "conv_transpose1d " + spec_.name;
  positions = std::max(spec_.length, nn::conv_transpose_extent(spec_.length, spec_.conv));
  reads = {src};
  writes = {dst};
}

void DeconvolutionStep::prepare(Workshop& workshop) {
  const nn::ConvTranspose1d& c = spec_.conv;
  const int64_t in = spec_.in, length = spec_.length, to = nn::conv_transpose_extent(length, c);
  const memory::data_type type = dnnl_type(workshop.type), floats = memory::data_type::f32;
  const memory::desc src({chunk, in, length, 1}, type, tag::nhwc),
      dst({chunk, c.out, to, 1}, type, tag::nhwc), weights({c.out, in, c.kernel, 1}, type, tag::any),
      bias({c.out}, floats, tag::x);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const memory::dims strides{c.stride, 1}, padding{c.padding, 0};
  chosen_ = {dnnl::deconvolution_forward::desc(dnnl::prop_kind::forward_inference,
                                               dnnl::algorithm::deconvolution_direct, src, weights, bias, dst,
                                               strides, padding, padding),
             attributes, workshop.engine};
  engine_ = workshop.engine;
  implementation = chosen_.impl_info_str();
  prepared_.set(dnnl::deconvolution_forward(chosen_));
  // The file has (in, out, kernel), oneDNN wants to hear of (out, in, kernel).
  const memory::desc plain({c.out, in, c.kernel, 1}, floats, memory::dims{c.kernel, c.out * c.kernel, 1, 1});
  prepared_.constant(
      DNNL_ARG_WEIGHTS,
      workshop.weights.packed(
          spec_.name, plain, chosen_.weights_desc(), workshop.engine, [&](std::vector<float>&) {
            return workshop.weights.floats(spec_.name + ".weight", in * c.out * c.kernel).data();
          }));
  // oneDNN takes a pointer to what it may write; it only reads a bias.
  auto* values = const_cast<float*>(workshop.weights.floats(spec_.name + ".bias", c.out).data());
  prepared_.constant(DNNL_ARG_BIAS, memory(chosen_.bias_desc(), workshop.engine, values));
  const auto scratch = static_cast<int64_t>(chosen_.scratchpad_desc().get_size());
  if (scratch > 0) writes.push_back(scratch_ = workshop.buffers.add_scratch(scratch));
}

void DeconvolutionStep::bind(const Buffers& buffers) {
  prepared_.buffer(DNNL_ARG_SRC, chosen_.src_desc(), engine_, buffers.place(src_));
  prepared_.buffer(DNNL_ARG_DST, chosen_.dst_desc(), engine_, buffers.place(dst_));
  if (scratch_ >= 0)
    prepared_.buffer(DNNL_ARG_SCRATCHPAD, chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
}

}  // namespace langevin::runtime
