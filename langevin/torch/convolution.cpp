#include "langevin/torch/convolution.h"

#include "langevin/torch/onednn.h"

namespace langevin {
namespace {

using dnnl::memory;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const memory::dims kOne{1, 1};
constexpr auto kWinograd = dnnl::algorithm::convolution_winograd;

/// Layouts that oneDNN chooses for one convolution.
struct Layouts {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  memory::desc x, weight, bias, y;

  Layouts(int64_t n, int64_t in, int64_t out, int64_t height, int64_t width) {
    const auto type = memory::data_type::f32;
    const auto any = memory::format_tag::any;
    x = {{n, in, height, width}, type, any};
    weight = {{out, in, 3, 3}, type, any};
    bias = {{out}, type, memory::format_tag::a};
    y = {{n, out, height, width}, type, any};
  }
  dnnl::convolution_forward::primitive_desc forward() const {
    return {{dnnl::prop_kind::forward_training, kWinograd, x, weight, bias, y, kOne, kOne, kOne}, engine};
  }
  dnnl::convolution_backward_data::primitive_desc backward_data() const {
    return {{kWinograd, x, weight, y, kOne, kOne, kOne}, engine, forward()};
  }
  dnnl::convolution_backward_weights::primitive_desc backward_weights() const {
    return {{kWinograd, x, weight, bias, y, kOne, kOne, kOne}, engine, forward()};
  }
};

/// Memory of a layout of oneDNN's, in a tensor that keeps it.
at::Tensor buffer(const memory::desc& desc) {
  return at::empty({static_cast<int64_t>(desc.get_size() / sizeof(float))}, at::kFloat);
}

memory as_memory(const at::Tensor& t, const memory::desc& desc, const dnnl::engine& engine) {
  return {desc, engine, t.data_ptr()};
}

/// The tensor, whose sizes and strides it has, in another layout.
at::Tensor into_layout(const at::Tensor& t, const memory::desc& desc, const dnnl::engine& engine,
                       dnnl::stream& stream) {
  const at::Tensor out = buffer(desc);
  memory from = as_memory(t, describe(t), engine), to = as_memory(out, desc, engine);
  dnnl::reorder(from, to).execute(stream, from, to);
  return out;
}

void out_of_layout(const at::Tensor& t, const memory::desc& desc, const at::Tensor& out,
                   const dnnl::engine& engine, dnnl::stream& stream) {
  memory from = as_memory(t, desc, engine), to = as_memory(out, describe(out), engine);
  dnnl::reorder(from, to).execute(stream, from, to);
}

at::Tensor empty_channels_last(at::IntArrayRef sizes) {
  return at::empty(sizes, at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
}

struct Forward {
  at::Tensor y;  // channels-last
  at::Tensor x;  // in the layout of the convolution
};

Forward convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const Layouts layouts(x.size(0), x.size(1), weight.size(0), x.size(2), x.size(3));
  const auto chosen = layouts.forward();
  dnnl::stream stream(layouts.engine);
  const at::Tensor source = into_layout(x, chosen.src_desc(), layouts.engine, stream);
  const at::Tensor kernel = into_layout(weight, chosen.weights_desc(), layouts.engine, stream);
  const at::Tensor result = buffer(chosen.dst_desc());
  const at::Tensor y = empty_channels_last({x.size(0), weight.size(0), x.size(2), x.size(3)});
  dnnl::convolution_forward(chosen).execute(
      stream, {{DNNL_ARG_SRC, as_memory(source, chosen.src_desc(), layouts.engine)},
               {DNNL_ARG_WEIGHTS, as_memory(kernel, chosen.weights_desc(), layouts.engine)},
               {DNNL_ARG_BIAS, as_memory(bias, layouts.bias, layouts.engine)},
               {DNNL_ARG_DST, as_memory(result, chosen.dst_desc(), layouts.engine)}});
  out_of_layout(result, chosen.dst_desc(), y, layouts.engine, stream);
  stream.wait();
  return {y, source};
}

struct WinogradConvolution : torch::autograd::Function<WinogradConvolution> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    const Forward done = convolve(x, weight, bias);
    // x itself need not be kept: its copy in the convolution's own layout takes its place.
    context->save_for_backward({done.x, weight});
    context->saved_data["sizes"] = x.sizes().vec();
    context->saved_data["input"] = x.requires_grad();
    return done.y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const std::vector<int64_t> s = context->saved_data["sizes"].toIntVector();
    const Layouts layouts(s[0], s[1], weight.size(0), s[2], s[3]);
    const dnnl::engine& engine = layouts.engine;
    dnnl::stream stream(engine);

    const auto for_weight = layouts.backward_weights();
    const at::Tensor dy = into_layout(gradients[0], for_weight.diff_dst_desc(), engine, stream);
    at::Tensor source = x;
    if (for_weight.src_desc() != layouts.forward().src_desc()) {
      source = buffer(for_weight.src_desc());
      memory from = as_memory(x, layouts.forward().src_desc(), engine),
             to = as_memory(source, for_weight.src_desc(), engine);
      dnnl::reorder(from, to).execute(stream, from, to);
    }
    const at::Tensor dkernel = buffer(for_weight.diff_weights_desc());
    const at::Tensor dbias = at::empty({weight.size(0)}, at::kFloat);
    dnnl::convolution_backward_weights(for_weight)
        .execute(stream, {{DNNL_ARG_SRC, as_memory(source, for_weight.src_desc(), engine)},
                          {DNNL_ARG_DIFF_DST, as_memory(dy, for_weight.diff_dst_desc(), engine)},
                          {DNNL_ARG_DIFF_WEIGHTS, as_memory(dkernel, for_weight.diff_weights_desc(), engine)},
                          {DNNL_ARG_DIFF_BIAS, as_memory(dbias, layouts.bias, engine)}});
    const at::Tensor dweight = empty_channels_last(weight.sizes());
    out_of_layout(dkernel, for_weight.diff_weights_desc(), dweight, engine, stream);
    at::Tensor dx;
    if (context->saved_data["input"].toBool()) {
      const auto for_x = layouts.backward_data();
      const at::Tensor kernel = into_layout(weight, for_x.weights_desc(), engine, stream);
      const at::Tensor from = for_x.diff_dst_desc() == for_weight.diff_dst_desc()
                                  ? dy
                                  : into_layout(gradients[0], for_x.diff_dst_desc(), engine, stream);
      const at::Tensor result = buffer(for_x.diff_src_desc());
      dnnl::convolution_backward_data(for_x).execute(
          stream, {{DNNL_ARG_DIFF_DST, as_memory(from, for_x.diff_dst_desc(), engine)},
                   {DNNL_ARG_WEIGHTS, as_memory(kernel, for_x.weights_desc(), engine)},
                   {DNNL_ARG_DIFF_SRC, as_memory(result, for_x.diff_src_desc(), engine)}});
      dx = empty_channels_last(s);
      out_of_layout(result, for_x.diff_src_desc(), dx, engine, stream);
    }
    stream.wait();
    return {dx, dweight, dbias};
  }
};

}  // namespace

bool suits_winograd(const at::Tensor& x, const at::Tensor& weight) {
  constexpr int64_t kLanes = 16, kExtent = 12;
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat &&
         weight.size(2) == 3 && weight.size(3) == 3 && x.size(1) % kLanes == 0 &&
         weight.size(0) % kLanes == 0 && std::min(x.size(2), x.size(3)) >= kExtent && has_avx512();
}

at::Tensor winograd_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!at::GradMode::is_enabled()) return convolve(x, weight, bias).y;
  return WinogradConvolution::apply(x, weight, bias);
}

}  // namespace langevin
