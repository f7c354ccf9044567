#include "langevin/torch/convolution.h"

#include "langevin/kernels/processor.h"
#include "langevin/torch/onednn.h"

namespace langevin {
namespace {

using dnnl::memory;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Dims = std::vector<int64_t>;

at::ScalarType arithmetic(at::ScalarType stored) {
  return stored == at::kBFloat16 && has_fast_bf16() ? at::kBFloat16 : at::kFloat;
}

bool goes_by_winograd(at::ScalarType stored, at::IntArrayRef x, at::IntArrayRef weight,
                      const ConvGeometry& g) {
  constexpr int64_t kLanes = 16, kExtent = 12;
  constexpr std::array<int64_t, 2> one{1, 1};
  return arithmetic(stored) == at::kFloat && g.stride == one && g.before == one && g.after == one &&
         weight[2] == 3 && weight[3] == 3 && weight[1] % kLanes == 0 && weight[0] % kLanes == 0 &&
         std::min(x[2], x[3]) >= kExtent && has_avx512();
}

/// Samples that one call of oneDNN takes. Winograd's transformed pictures are several times the pictures: a
/// few at a time bound that memory, and all at once are no faster.
int64_t samples_a_call(at::ScalarType stored, at::IntArrayRef x, at::IntArrayRef weight,
                       const ConvGeometry& g) {
  constexpr int64_t kBytes = int64_t{12} << 20;
  if (!goes_by_winograd(stored, x, weight, g)) return x[0];
  const int64_t tiles = ((x[2] + 3) / 4) * ((x[3] + 3) / 4), each = 36 * 4 * tiles * (weight[0] + weight[1]);
  int64_t n = std::clamp<int64_t>(kBytes / each, 1, x[0]);
  while (x[0] % n != 0) --n;
  return n;
}

/// One convolution as oneDNN knows it, in the layouts that it likes best.
struct Layouts {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  at::ScalarType type;
  dnnl::algorithm algorithm = dnnl::algorithm::convolution_direct;
  memory::dims stride, before, after;
  memory::desc x, weight, bias, y;

  Layouts(at::ScalarType stored, const Dims& sizes, const at::Tensor& kernel, const ConvGeometry& g)
      : type(arithmetic(stored)),
        stride(g.stride.begin(), g.stride.end()),
        before(g.before.begin(), g.before.end()),
        after(g.after.begin(), g.after.end()) {
    const bool winograd = goes_by_winograd(stored, sizes, kernel.sizes(), g);
    const auto element = type == at::kFloat ? memory::data_type::f32 : memory::data_type::bf16;
    const auto any = memory::format_tag::any;
    const auto image = winograd ? any : memory::format_tag::nhwc;
    if (winograd) algorithm = dnnl::algorithm::convolution_winograd;
    const Dims k = kernel.sizes().vec();
    Dims out{sizes[0], k[0]};
    for (size_t i = 0; i < 2; ++i)
      out.push_back((sizes[2 + i] + before[i] + after[i] - k[2 + i]) / stride[i] + 1);
    x = {sizes, element, image};
    weight = {k, element, any};
    bias = {{k[0]}, element, memory::format_tag::a};
    y = {out, element, image};
  }
  /// Scratch comes from us: oneDNN's own would leave holes in the heap.
  static dnnl::primitive_attr own_scratch() {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
  }
  dnnl::convolution_forward::primitive_desc forward() const {
    return {{dnnl::prop_kind::forward_training, algorithm, x, weight, bias, y, stride, before, after},
            engine};
  }
  dnnl::convolution_backward_data::primitive_desc backward_data() const {
    return {{algorithm, x, weight, y, stride, before, after}, own_scratch(), engine, forward()};
  }
  dnnl::convolution_backward_weights::primitive_desc backward_weights() const {
    return {{algorithm, x, weight, bias, y, stride, before, after}, own_scratch(), engine, forward()};
  }
};

/// Operands in oneDNN's memory, for one call.
class Bench {
 public:
  explicit Bench(const Layouts& l) : layouts(l) {}
  const Layouts& layouts;
  dnnl::stream stream{layouts.engine};

  memory as_memory(const at::Tensor& t, const memory::desc& desc) const {
    return {desc, layouts.engine, t.data_ptr()};
  }
  /// Memory of a layout, in a tensor that keeps it.
  at::Tensor buffer(const memory::desc& desc) const {
    const auto bytes = static_cast<int64_t>(desc.get_size());
    return at::empty({bytes / static_cast<int64_t>(c10::elementSize(layouts.type))}, layouts.type);
  }
  memory scratch(const dnnl::primitive_desc_base& chosen) {
    const auto desc = chosen.scratchpad_desc();
    scratch_ = at::empty({std::max<int64_t>(1, static_cast<int64_t>(desc.get_size()))}, at::kByte);
    return as_memory(scratch_, desc);
  }
  void reorder(const at::Tensor& from, const memory::desc& from_desc, const at::Tensor& to,
               const memory::desc& to_desc) {
    memory a = as_memory(from, from_desc), b = as_memory(to, to_desc);
    dnnl::reorder(a, b).execute(stream, a, b);
  }
  /// The tensor's values in a layout: the tensor itself where it has that.
  at::Tensor into_layout(const at::Tensor& t, const memory::desc& desc) {
    if (describe(t) == desc) return t;
    const at::Tensor out = buffer(desc);
    reorder(t, describe(t), out, desc);
    return out;
  }
  /// Where a primitive writes what `out` is to hold: `out` itself where it has that layout.
  at::Tensor place_for(const at::Tensor& out, const memory::desc& desc) const {
    return describe(out) == desc ? out : buffer(desc);
  }
  void out_of_layout(const at::Tensor& t, const memory::desc& desc, const at::Tensor& out) {
    if (!t.is_same(out)) reorder(t, desc, out, describe(out));
  }

 private:
  at::Tensor scratch_;
};

at::Tensor empty_channels_last(at::IntArrayRef sizes, at::ScalarType type) {
  return at::empty(sizes, at::TensorOptions(type).memory_format(at::MemoryFormat::ChannelsLast));
}

Dims with_samples(at::IntArrayRef sizes, int64_t samples) {
  Dims out = sizes.vec();
  out[0] = samples;
  return out;
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const ConvGeometry& geometry) {
  const int64_t each = samples_a_call(x.scalar_type(), x.sizes(), weight.sizes(), geometry);
  const Layouts layouts(x.scalar_type(), with_samples(x.sizes(), each), weight, geometry);
  const auto chosen = layouts.forward();
  Bench bench(layouts);
  const at::Tensor kernel = bench.into_layout(weight, chosen.weights_desc());
  const at::Tensor shift = bias.to(layouts.type);
  const at::Tensor y = empty_channels_last(with_samples(layouts.y.dims(), x.size(0)), x.scalar_type());
  for (int64_t first = 0; first < x.size(0); first += each) {
    const at::Tensor out = y.narrow(0, first, each);
    const at::Tensor source = bench.into_layout(x.narrow(0, first, each), chosen.src_desc());
    const at::Tensor result = bench.place_for(out, chosen.dst_desc());
    dnnl::convolution_forward(chosen).execute(
        bench.stream, {{DNNL_ARG_SRC, bench.as_memory(source, chosen.src_desc())},
                       {DNNL_ARG_WEIGHTS, bench.as_memory(kernel, chosen.weights_desc())},
                       {DNNL_ARG_BIAS, bench.as_memory(shift, layouts.bias)},
                       {DNNL_ARG_DST, bench.as_memory(result, chosen.dst_desc())},
                       {DNNL_ARG_SCRATCHPAD, bench.scratch(chosen)}});
    bench.out_of_layout(result, chosen.dst_desc(), out);
  }
  bench.stream.wait();
  return y;
}

struct WeightGradients {
  at::Tensor weight, bias;
};

WeightGradients weight_gradients(const Layouts& layouts, const at::Tensor& x, const at::Tensor& dy,
                                 const at::Tensor& weight, at::ScalarType bias_type) {
  const auto chosen = layouts.backward_weights();
  const int64_t each = layouts.x.dims()[0];
  Bench bench(layouts);
  const at::Tensor dweight = empty_channels_last(weight.sizes(), weight.scalar_type());
  at::Tensor dkernel, dbias;  // sums so far
  for (int64_t first = 0; first < x.size(0); first += each) {
    const at::Tensor from = bench.into_layout(dy.narrow(0, first, each), chosen.diff_dst_desc());
    const at::Tensor source = bench.into_layout(x.narrow(0, first, each), chosen.src_desc());
    const bool alone = each == x.size(0);
    const at::Tensor kernel = alone ? bench.place_for(dweight, chosen.diff_weights_desc())
                                    : bench.buffer(chosen.diff_weights_desc());
    const at::Tensor shift = at::empty({weight.size(0)}, layouts.type);
    dnnl::convolution_backward_weights(chosen).execute(
        bench.stream, {{DNNL_ARG_SRC, bench.as_memory(source, chosen.src_desc())},
                       {DNNL_ARG_DIFF_DST, bench.as_memory(from, chosen.diff_dst_desc())},
                       {DNNL_ARG_DIFF_WEIGHTS, bench.as_memory(kernel, chosen.diff_weights_desc())},
                       {DNNL_ARG_DIFF_BIAS, bench.as_memory(shift, layouts.bias)},
                       {DNNL_ARG_SCRATCHPAD, bench.scratch(chosen)}});
    bench.stream.wait();
    dkernel = dkernel.defined() ? dkernel.add_(kernel) : kernel;
    dbias = dbias.defined() ? dbias.add_(shift) : shift;
  }
  bench.out_of_layout(dkernel, chosen.diff_weights_desc(), dweight);
  bench.stream.wait();
  return {dweight, dbias.to(bias_type)};
}

at::Tensor input_gradient(const Layouts& layouts, const at::Tensor& dy, const at::Tensor& weight,
                          at::IntArrayRef sizes, at::ScalarType type) {
  const auto chosen = layouts.backward_data();
  const int64_t each = layouts.x.dims()[0];
  Bench bench(layouts);
  const at::Tensor kernel = bench.into_layout(weight, chosen.weights_desc());
  const at::Tensor dx = empty_channels_last(sizes, type);
  for (int64_t first = 0; first < sizes[0]; first += each) {
    const at::Tensor out = dx.narrow(0, first, each);
    const at::Tensor from = bench.into_layout(dy.narrow(0, first, each), chosen.diff_dst_desc());
    const at::Tensor result = bench.place_for(out, chosen.diff_src_desc());
    dnnl::convolution_backward_data(chosen).execute(
        bench.stream, {{DNNL_ARG_DIFF_DST, bench.as_memory(from, chosen.diff_dst_desc())},
                       {DNNL_ARG_WEIGHTS, bench.as_memory(kernel, chosen.weights_desc())},
                       {DNNL_ARG_DIFF_SRC, bench.as_memory(result, chosen.diff_src_desc())},
                       {DNNL_ARG_SCRATCHPAD, bench.scratch(chosen)}});
    bench.out_of_layout(result, chosen.diff_src_desc(), out);
  }
  bench.stream.wait();
  return dx;
}

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const ConvGeometry& geometry, const Again& again) {
    context->save_for_backward({again ? at::empty({0}, x.options()) : x, weight});
    keep(*context, "again", again);
    keep(*context, "geometry", geometry);
    context->saved_data["sizes"] = x.sizes().vec();
    context->saved_data["input"] = x.requires_grad();
    context->saved_data["bias"] = static_cast<int64_t>(bias.scalar_type());
    return convolve(x, weight, bias, geometry);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto again = take_kept<Again>(*context, "again");
    const auto geometry = take_kept<ConvGeometry>(*context, "geometry");
    const Dims sizes = context->saved_data["sizes"].toIntVector();
    const at::Tensor& weight = saved[1];
    const int64_t each = samples_a_call(saved[0].scalar_type(), sizes, weight.sizes(), geometry);
    const Layouts layouts(saved[0].scalar_type(), with_samples(sizes, each), weight, geometry);
    const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const WeightGradients d =
        weight_gradients(layouts, again ? again() : saved[0], dy, weight,
                         static_cast<at::ScalarType>(context->saved_data["bias"].toInt()));
    at::Tensor dx;
    if (context->saved_data["input"].toBool())
      dx = input_gradient(layouts, dy, weight, sizes, saved[0].scalar_type());
    return {dx, d.weight, d.bias, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool suits_convolution(const at::Tensor& x, const at::Tensor& weight) {
  const auto suits = [](const at::Tensor& t) {
    return t.device().is_cpu() && (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
  };
  return suits(x) && suits(weight);
}

bool suits_winograd(const at::Tensor& x, const at::Tensor& weight, const ConvGeometry& g) {
  return suits_convolution(x, weight) && goes_by_winograd(x.scalar_type(), x.sizes(), weight.sizes(), g);
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       const ConvGeometry& geometry, const Again& again) {
  if (!at::GradMode::is_enabled()) return convolve(x, weight, bias, geometry);
  return Convolution::apply(x, weight, bias, geometry, again);
}

}  // namespace langevin
