#include "langevin/runtime/int8_convolution.h"

namespace langevin::runtime {
namespace {

using tag = dnnl::memory::format_tag;
using dnnl::memory;

dnnl::primitive_attr attributes(const Int8Spec& s, const std::vector<float>& scale) {
  constexpr int kPerOutputChannel = 1 << 1;
  dnnl::primitive_attr result;
  result.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  result.set_output_scales(kPerOutputChannel, scale);
  dnnl::post_ops after;
  if (s.residual) after.append_sum(1.0F);
  result.set_post_ops(after);
  return result;
}

}  // namespace

void Int8Convolution::prepare(Workshop& workshop, const Int8Spec& spec, const LayerCalibration& input,
                              const std::function<Parameters()>& parameters) {
  const Int8Spec& s = spec;
  engine_ = workshop.engine;
  std::vector<float> values;  // of the weights, where they had to be made
  const auto made = [&] {
    const Parameters p = parameters();
    return int8_weights(p.weights, p.bias, s.out, input, largest_int8_weight());
  };
  // Scales and bias are kept as one row: 2 * out floats.
  const std::vector<float>& rows = workshop.weights.derived(s.key, [&] {
    Int8Weights w = made();
    values = std::move(w.values);
    w.scale.insert(w.scale.end(), w.bias.begin(), w.bias.end());
    return w.scale;
  });
  const auto middle = rows.begin() + s.out;
  bias_.assign(middle, rows.end());

  const memory::desc src({s.chunk, s.in, s.h, s.w}, memory::data_type::u8, tag::nhwc),
      dst({s.chunk, s.out, s.oh, s.ow}, dnnl_type(workshop.type), tag::nhwc),
      weights({s.out, s.in, s.kernel, s.kernel}, memory::data_type::s8, tag::any),
      bias({s.out}, memory::data_type::f32, tag::x);
  const memory::dims strides{s.stride, s.stride}, none{0, 0};
  // A stride may leave rows at the end unread: oneDNN wants (negative) padding that accounts for them.
  const memory::dims behind{(s.oh - 1) * s.stride + s.kernel - s.h, (s.ow - 1) * s.stride + s.kernel - s.w};
  chosen_ = {{dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, src, weights, bias,
              dst, strides, none, behind},
             attributes(s, {rows.begin(), middle}),
             engine_};
  prepared_.set(dnnl::convolution_forward(chosen_));
  const memory::desc plain({s.out, s.in, s.kernel, s.kernel}, memory::data_type::f32, tag::oihw);
  const auto fill = [&](std::vector<float>& scratch) {
    scratch = values.empty() ? made().values : std::move(values);
    return static_cast<const float*>(scratch.data());
  };
  prepared_.constant(DNNL_ARG_WEIGHTS,
                     workshop.weights.packed(s.key, plain, chosen_.weights_desc(), engine_, fill));
  prepared_.constant(DNNL_ARG_BIAS, memory(bias, engine_, bias_.data()));
}

void Int8Convolution::bind(Place src, Place dst, Place scratch) {
  prepared_.buffer(DNNL_ARG_SRC, chosen_.src_desc(), engine_, src);
  prepared_.buffer(DNNL_ARG_DST, chosen_.dst_desc(), engine_, dst);
  prepared_.buffer(DNNL_ARG_SCRATCHPAD, chosen_.scratchpad_desc(), engine_, scratch);
}

}  // namespace langevin::runtime
