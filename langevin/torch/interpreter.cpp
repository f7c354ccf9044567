#include "langevin/torch/interpreter.h"

#include <deque>

#include "langevin/torch/convolution.h"
#include "langevin/torch/cuda_device.h"
#include "langevin/torch/fused.h"
#include "langevin/torch/products.h"

namespace langevin {
namespace {

/// (N,C,L) -> (N,C,1,L), channels-last in memory.
at::Tensor as_image(const at::Tensor& x) { return x.unsqueeze(2).contiguous(at::MemoryFormat::ChannelsLast); }

/// (N,C) as a factor or summand of x (N,C,...).
at::Tensor per_channel(const at::Tensor& values, const at::Tensor& x) {
  return x.dim() == 3 ? values.unsqueeze(2) : values.unsqueeze(2).unsqueeze(3);
}

at::Tensor aten_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const ConvGeometry& g) {
  if (g.before == g.after)
    return at::conv2d(x, weight, bias, at::IntArrayRef(g.stride), at::IntArrayRef(g.before));
  const at::Tensor padded = at::constant_pad_nd(x, {g.before[1], g.after[1], g.before[0], g.after[0]});
  return at::conv2d(padded.contiguous(at::MemoryFormat::ChannelsLast), weight, bias,
                    at::IntArrayRef(g.stride));
}

}  // namespace

at::ScalarType TorchInterpreter::compute_type() const {
  // The first pass only makes parameters; it runs in fp32 whatever comes later.
  return store_.packed() && store_.precision() == Precision::bf16 ? at::kBFloat16 : at::kFloat;
}

at::Tensor TorchInterpreter::cast(const at::Tensor& x) const { return x.to(compute_type()); }

const at::Tensor& TorchInterpreter::parameter(std::string_view name, const char* part, const Shape& shape,
                                              nn::Init init, bool keep_fp32) {
  return store_.get(path_.join(name) + part, shape, init, keep_fp32);
}

TorchValue TorchInterpreter::conv2d(const Value& x, std::string_view name, const nn::Conv2d& c) {
  const int64_t in = x->size(1);
  // Each may create a parameter and so move the store's list: take handles, not references.
  const at::Tensor weight = parameter(name, ".weight", {c.out, in, c.kernel, c.kernel}, c.init);
  const at::Tensor bias = parameter(name, ".bias", {c.out}, nn::init_zeros);
  nn::conv_extent(x->size(2), c, path_.join(name));
  nn::conv_extent(x->size(3), c, path_.join(name));
  const at::Tensor input = cast(x).contiguous(at::MemoryFormat::ChannelsLast);
  if (c.kernel == 1 && c.stride == 1 && c.pad_before == 0 && c.pad_after == 0) {  // a product of matrices
    return linear_product(input.permute({0, 2, 3, 1}), weight.view({c.out, in}), bias).permute({0, 3, 1, 2});
  }
  const ConvGeometry geometry{{c.stride, c.stride}, {c.pad_before, c.pad_before}, {c.pad_after, c.pad_after}};
  // With our kernels on a GPU the bias waits for what follows.
  if (has_cuda_kernels(input.device()))
    return TorchValue::Sum{aten_convolution(input, weight, at::Tensor(), geometry), bias};
  if (suits_convolution(input, weight)) return convolution(input, weight, bias, geometry, again(x));
  return aten_convolution(input, weight, bias, geometry);
}

TorchValue TorchInterpreter::conv1d(const Value& x, std::string_view name, const nn::Conv1d& c) {
  const at::Tensor weight = parameter(name, ".weight", {c.out, x->size(1), c.kernel}, c.init);
  const at::Tensor bias = parameter(name, ".bias", {c.out}, nn::init_zeros);
  nn::conv_extent(x->size(2), c, path_.join(name));
  // An image of height 1, which stays channels-last from layer to layer.
  const at::Tensor input = as_image(cast(x)), kernel = weight.unsqueeze(2);
  const ConvGeometry geometry{{1, c.stride}, {0, c.pad_before}, {0, c.pad_after}};
  if (has_cuda_kernels(input.device()))
    return add_row(aten_convolution(input, kernel, at::Tensor(), geometry), bias).squeeze(2);
  if (suits_convolution(input, kernel)) return convolution(input, kernel, bias, geometry).squeeze(2);
  return aten_convolution(input, kernel, bias, geometry).squeeze(2);
}

TorchValue TorchInterpreter::conv_transpose1d(const Value& x, std::string_view name,
                                              const nn::ConvTranspose1d& c) {
  const at::Tensor weight = parameter(name, ".weight", {x->size(1), c.out, c.kernel}, c.init);
  const at::Tensor bias = parameter(name, ".bias", {c.out}, nn::init_zeros);
  // In fp32, since libtorch 1.13 has no bf16 here on processors without AVX-512; it is a small share of the
  // work.
  return at::conv_transpose1d(x->to(at::kFloat).contiguous(), weight.to(at::kFloat), bias.to(at::kFloat),
                              c.stride, c.padding)
      .to(compute_type());
}

TorchValue TorchInterpreter::linear(const Value& x, std::string_view name, const nn::Linear& c) {
  const at::Tensor weight = parameter(name, ".weight", {c.out, x->size(-1)}, c.init);
  const at::Tensor bias = c.bias ? parameter(name, ".bias", {c.out}, nn::init_zeros) : at::Tensor();
  return linear_product(cast(x), weight, bias);
}

TorchValue TorchInterpreter::group_norm(const Value& x, std::string_view name, const nn::GroupNorm& c) {
  return group_norm_modulated(x, at::Tensor(), name, c);
}

TorchValue TorchInterpreter::group_norm_modulated(const Value& x, const Value& scale_shift,
                                                  std::string_view name, const nn::GroupNorm& c) {
  const int64_t channels = x.trunk().size(1);
  check(c.groups > 0 && channels % c.groups == 0, path_.join(name), "{} groups do not divide {} channels",
        c.groups, channels);
  const at::Tensor gamma = parameter(name, ".weight", {channels}, nn::init_ones, true);
  const at::Tensor beta = parameter(name, ".bias", {channels}, nn::init_zeros, true);
  if (x.trunk().dim() == 3) return fused_group_norm(as_image(x), gamma, beta, scale_shift, c).squeeze(2);
  if (has_cuda_kernels(x.trunk().device())) {
    // What a timestep was added to is read here alone; what is a bias away from a convolution often is also a
    // skip.
    if (const auto* sum = x.sum(); sum != nullptr && sum->row.defined())
      return TorchValue::Norm{sum->x, gamma, beta, scale_shift, c, {.bias = sum->bias, .row = sum->row}};
    return TorchValue::Norm{x, gamma, beta, scale_shift, c, {}};
  }
  const at::Tensor input = x->contiguous(at::MemoryFormat::ChannelsLast), modulation = scale_shift;
  return remember(fused_group_norm(input, gamma, beta, modulation, c),
                  [=] { return fused_group_norm(input, gamma, beta, modulation, c); });
}

at::Tensor TorchInterpreter::remember(const at::Tensor& value, const Again& again) {
  if (at::GradMode::is_enabled()) last_ = {value, again};
  return value;
}

Again TorchInterpreter::again(const at::Tensor& x) {
  const Remembered last = std::exchange(last_, {});
  return last.value.defined() && last.value.is_same(x) ? last.again : Again();
}

TorchValue TorchInterpreter::embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim) {
  const at::Tensor weight = parameter(name, ".weight", {count, dim}, {nn::Init::Kind::normal, 1.0}, true);
  return cast(at::embedding(weight, ids));
}

TorchValue TorchInterpreter::timestep_embedding(const Value& t, const nn::TimestepEmbedding& c) {
  const at::Tensor features = timestep_features(t->reshape({-1}), c, compute_type());
  return t->dim() > 1 ? features.reshape({t->size(0), t->size(1) * c.dim}) : features;
}

TorchValue TorchInterpreter::silu(const Value& x) { return at::silu(x); }

TorchValue TorchInterpreter::mish(const Value& x) {
  return at::mish(x->to(at::kFloat)).to(x->scalar_type());  // libtorch 1.13 has none in bf16 on the CPU
}

DropoutPlace TorchInterpreter::place_of(uint32_t layer) const {
  return {context_.seed, layer, static_cast<uint32_t>(context_.first_sample), context_.step, context_.moment};
}

TorchValue TorchInterpreter::dropout(const Value& x, double p) {
  const uint32_t layer = dropout_layer_++;
  if (!context_.training || p <= 0) return x;
  if (const auto* norm = x.norm(); norm != nullptr && norm->with.dropout == 0) {
    TorchValue::Norm with = *norm;
    with.with.dropout = p;
    with.with.place = place_of(layer);
    return with;
  }
  const auto drop = [p, place = place_of(layer)](const at::Tensor& v) { return keyed_dropout(v, p, place); };
  const at::Tensor y = drop(x);
  const Again before = again(x);
  return before ? remember(y, [drop, before] { return drop(before()); }) : y;
}

TorchValue TorchInterpreter::affine(const Value& x, double a, double b) {
  const at::Tensor y = *x * a;
  return b == 0 ? y : y + b;
}

TorchValue TorchInterpreter::add(const Value& x, const Value& y) {
  if (const auto* sum = y.sum(); sum != nullptr && !sum->row.defined()) return add_row(sum->x, sum->bias, x);
  if (const auto* sum = x.sum(); sum != nullptr && !sum->row.defined()) return add_row(sum->x, sum->bias, y);
  return *x + *y;
}

TorchValue TorchInterpreter::add_channels(const Value& x, const Value& row) {
  if (const auto* sum = x.sum();
      sum != nullptr && !sum->row.defined() && row->dim() == 2 && row->scalar_type() == sum->x.scalar_type())
    return TorchValue::Sum{sum->x, sum->bias, row};
  return add_row(x, row);
}

TorchValue TorchInterpreter::film(const Value& x, const Value& scale_bias) {
  const auto parts = scale_bias->chunk(2, 1);
  return *x * per_channel(parts[0], x) + per_channel(parts[1], x);
}

TorchValue TorchInterpreter::concat(const Value& x, const Value& y) { return at::cat({*x, *y}, 1); }

TorchValue TorchInterpreter::upsample_nearest(const Value& x, int64_t height, int64_t width) {
  return at::upsample_nearest2d(x, {height, width});
}

TorchValue TorchInterpreter::mean_positions(const Value& x) {
  // The sum in fp32 whatever x is.
  return x->dim() == 2 ? x.tensor() : cast(x->flatten(2).mean(2, false, at::kFloat));
}

TorchValue TorchInterpreter::to_tokens(const Value& x) {
  return x->dim() == 2 ? x->unsqueeze(1) : x->flatten(2).transpose(1, 2);
}

TorchValue TorchInterpreter::from_tokens(const Value& x, int64_t height, int64_t width) {
  return x->transpose(1, 2).unflatten(2, {height, width});
}

TorchValue TorchInterpreter::attention(const Value& q, const Value& k, const Value& v, int64_t heads) {
  return attention_product(q, k, v, heads);
}

TorchValue TorchInterpreter::layer_norm(const Value& x, std::string_view name, const nn::LayerNorm& c) {
  const int64_t width = x->size(-1);
  const at::Tensor gamma = parameter(name, ".weight", {width}, nn::init_ones, true);
  const at::Tensor beta = parameter(name, ".bias", {width}, nn::init_zeros, true);
  return cast(at::layer_norm(x->to(at::kFloat), {width}, gamma, beta, c.eps));
}

TorchValue TorchInterpreter::packed_linear(const Value& x, std::string_view name, const nn::PackedLinear& c) {
  const std::string path = path_.join(name);
  const at::Tensor weight = store_.get_shared(path + "_weight", {c.total, x->size(-1)}, c.init);
  const at::Tensor bias = store_.get_shared(path + "_bias", {c.total}, nn::init_zeros);
  return linear_product(cast(x), weight.narrow(0, c.first, c.out), bias.narrow(0, c.first, c.out));
}

TorchValue TorchInterpreter::add_positions(const Value& x, std::string_view name, const nn::Positions& c) {
  check(x->size(1) <= c.count, path_.join(name), "knows {} positions, got {}", c.count, x->size(1));
  const at::Tensor table = parameter(name, "", {1, c.count, x->size(2)}, c.init);
  return cast(x) + table.narrow(1, 0, x->size(1));
}

TorchValue TorchInterpreter::masked_attention(const Value& q, const Value& k, const Value& v,
                                              const nn::MaskedAttention& c) {
  const uint32_t layer = dropout_layer_++;
  if (!context_.training || c.dropout <= 0) return attention_product(q, k, v, c.heads, c.ahead);
  return attention_product_with_dropout(q, k, v, c.heads, c.ahead, [&](const at::Tensor& weights) {
    return keyed_dropout(weights, c.dropout, place_of(layer));
  });
}

TorchValue TorchInterpreter::gelu(const Value& x) { return at::gelu(x); }

TorchValue TorchInterpreter::geglu(const Value& x) {
  const auto parts = x->chunk(2, -1);
  return parts[0] * at::gelu(parts[1]);
}

TorchValue TorchInterpreter::relu(const Value& x) { return at::relu(x); }

TorchValue TorchInterpreter::clamp(const Value& x, double lo, double hi) { return at::clamp(x, lo, hi); }

TorchValue TorchInterpreter::slice(const Value& x, int64_t first, int64_t count) {
  return x->narrow(1, first, count);
}

TorchValue TorchInterpreter::channels_first(const Value& x) { return x->transpose(1, 2); }

TorchValue TorchInterpreter::flatten(const Value& x) { return x->contiguous().flatten(1); }

TorchValue TorchInterpreter::unflatten(const Value& x, const Shape& shape) {
  return x->unflatten(1, sizes(shape));
}

TorchNetwork::TorchNetwork(nn::NetworkConfig config, Precision precision, at::Device device, uint64_t seed,
                           bool training)
    : config_(std::move(config)), store_(device, seed) {
  const at::NoGradGuard no_grad;
  const auto floats = at::TensorOptions(at::kFloat).device(device);
  const Shape input = nn::input_shape(config_, 1);
  TorchConditions cond;
  if (nn::class_count(config_) > 0) cond.class_labels = at::zeros({1}, floats.dtype(at::kLong));
  each_condition(
      [&](at::Tensor& value, const std::optional<nn::Condition>& taken) {
        if (taken) value = at::zeros(sizes(taken->shape), floats);
      },
      cond, nn::conditions(config_, 1));
  run(at::zeros(sizes(input), floats), at::zeros({1}, floats), cond, {});
  store_.pack(precision, training);
}

at::Tensor TorchNetwork::run(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond,
                             const CallContext& context) {
  using Value = TorchInterpreter::Value;
  std::deque<Value> kept;
  const auto given = [&](const at::Tensor& value) -> const Value* {
    return value.defined() ? &kept.emplace_back(value) : nullptr;
  };
  nn::Inputs<Value> in{.x = *given(x), .t = *given(t), .class_labels = given(cond.class_labels)};
  each_condition([&](const Value*& input, const at::Tensor& value) { input = given(value); }, in, cond);
  TorchInterpreter interpreter(store_, context);
  return nn::apply(interpreter, config_, in);
}

at::Tensor TorchNetwork::features(const at::Tensor& x, const at::Tensor& t, const CallContext& context) {
  const auto* c = nn::classifier(config_);
  check(c != nullptr, "TorchNetwork", "the network is no classifier: it has no features");
  TorchInterpreter interpreter(store_, context);
  const TorchValue seen(x), told(t);
  return nn::classifier_features(interpreter, *c, {.x = seen, .t = told})->to(at::kFloat).contiguous();
}

nn::LatentGaussian<at::Tensor> TorchNetwork::encode(const at::Tensor& x, const CallContext& context) {
  TorchInterpreter interpreter(store_, context);
  const auto z = nn::encode(interpreter, config_, TorchValue(x));
  return {z.mean->to(at::kFloat).contiguous(), z.logvar->to(at::kFloat).contiguous()};
}

at::Tensor TorchNetwork::decode(const at::Tensor& z, const CallContext& context) {
  TorchInterpreter interpreter(store_, context);
  return nn::decode(interpreter, config_, TorchValue(z))->to(at::kFloat).contiguous();
}

at::Tensor TorchNetwork::operator()(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond,
                                    const CallContext& context) {
  return run(x, t, cond, context).to(at::kFloat).contiguous();
}

}  // namespace langevin
