#include "langevin/torch/fused.h"

#include "langevin/kernels/dropout.h"
#include "langevin/kernels/group_norm_silu.h"

namespace langevin {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
T* data(const at::Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

/// Calls f with a value of the kernels' element type: float or BF16.
template <class F>
void with_element_type(const at::Tensor& x, F&& f) {
  if (x.scalar_type() == at::kBFloat16) {
    f(BF16{});
  } else {
    check(x.scalar_type() == at::kFloat, "group_norm", "needs float32 or bfloat16, got {}",
          toString(x.scalar_type()));
    f(float{});
  }
}

at::Tensor channels_last(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

GroupNormShape shape_of_norm(const at::Tensor& x, const nn::GroupNorm& c) {
  return {.n = x.size(0),
          .hw = x.size(2) * x.size(3),
          .c = x.size(1),
          .groups = c.groups,
          .eps = static_cast<float>(c.eps),
          .activation = c.silu ? Activation::silu : Activation::none};
}

struct Normalised {
  at::Tensor y, mean, rstd;
};

/// x channels-last, modulation (N,2C) fp32 contiguous or empty.
Normalised forward(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                   const at::Tensor& modulation, const nn::GroupNorm& c) {
  const auto floats = x.options().dtype(at::kFloat).memory_format(c10::nullopt);
  Normalised out{at::empty_like(x), at::empty({x.size(0), c.groups}, floats),
                 at::empty({x.size(0), c.groups}, floats)};
  with_element_type(x, [&](auto element) {
    using T = decltype(element);
    GroupNormForward<T> a;
    a.x = data<T>(x);
    a.gamma = data<float>(gamma);
    a.beta = data<float>(beta);
    if (modulation.numel() > 0) {
      a.scale = data<float>(modulation);
      a.shift = a.scale + x.size(1);
      a.modulation_stride = 2 * x.size(1);
    }
    a.y = data<T>(out.y);
    a.mean = data<float>(out.mean);
    a.rstd = data<float>(out.rstd);
    group_norm_silu(shape_of_norm(x, c), a);
  });
  return out;
}

struct FusedGroupNorm : torch::autograd::Function<FusedGroupNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                            const at::Tensor& beta, const at::Tensor& modulation, int64_t groups, double eps,
                            bool silu) {
    const nn::GroupNorm c{groups, eps, silu};
    const Normalised out = langevin::forward(x, gamma, beta, modulation, c);
    context->save_for_backward({x, gamma, beta, modulation, out.mean, out.rstd});
    context->saved_data["groups"] = groups;
    context->saved_data["eps"] = eps;
    context->saved_data["silu"] = silu;
    return out.y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &beta = saved[2], &modulation = saved[3];
    const nn::GroupNorm c{context->saved_data["groups"].toInt(), context->saved_data["eps"].toDouble(),
                          context->saved_data["silu"].toBool()};
    const at::Tensor dy = channels_last(gradients[0]);
    const at::Tensor dx = at::empty_like(x), dgamma = at::empty_like(gamma), dbeta = at::empty_like(beta);
    const at::Tensor dmodulation = modulation.numel() > 0 ? at::empty_like(modulation) : at::Tensor();
    with_element_type(x, [&](auto element) {
      using T = decltype(element);
      GroupNormBackward<T> a;
      a.x = data<T>(x);
      a.gamma = data<float>(gamma);
      a.beta = data<float>(beta);
      a.mean = data<float>(saved[4]);
      a.rstd = data<float>(saved[5]);
      a.dy = data<T>(dy);
      a.dx = data<T>(dx);
      a.dgamma = data<float>(dgamma);
      a.dbeta = data<float>(dbeta);
      if (modulation.numel() > 0) {
        a.scale = data<float>(modulation);
        a.shift = a.scale + x.size(1);
        a.modulation_stride = a.gradient_stride = 2 * x.size(1);
        a.dscale = data<float>(dmodulation);
        a.dshift = a.dscale + x.size(1);
      }
      group_norm_silu_backward(shape_of_norm(x, c), a);
    });
    return {dx, dgamma, dbeta, dmodulation, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor aten_group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                           const at::Tensor& scale_shift, const nn::GroupNorm& c) {
  at::Tensor h = at::group_norm(x.to(at::kFloat), c.groups, gamma, beta, c.eps);
  if (scale_shift.defined()) {
    const auto parts = scale_shift.to(at::kFloat).unsqueeze(2).unsqueeze(3).chunk(2, 1);
    h = h * (parts[0] + 1) + parts[1];
  }
  return (c.silu ? at::silu(h) : h).to(x.scalar_type());
}

at::Tensor dropped(const at::Tensor& x, double p, const NoiseKey& key) {
  const at::Tensor input = x.dim() == 4 ? channels_last(x) : x.contiguous();  // tokens end with channels
  const at::Tensor out = at::empty_like(input);
  with_element_type(input, [&](auto element) {
    using T = decltype(element);
    apply_dropout(data<T>(input), data<T>(out), input.size(0), input.numel() / input.size(0), p, key);
  });
  return out;
}

struct KeyedDropout : torch::autograd::Function<KeyedDropout> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, double p, int64_t seed,
                            int64_t sample, int64_t step) {
    context->saved_data["p"] = p;
    context->saved_data["seed"] = seed;
    context->saved_data["sample"] = sample;
    context->saved_data["step"] = step;
    return dropped(x, p, key(seed, sample, step));
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const NoiseKey mask = key(context->saved_data["seed"].toInt(), context->saved_data["sample"].toInt(),
                              context->saved_data["step"].toInt());
    return {dropped(gradients[0], context->saved_data["p"].toDouble(), mask), at::Tensor(), at::Tensor(),
            at::Tensor(), at::Tensor()};
  }
  static NoiseKey key(int64_t seed, int64_t sample, int64_t step) {
    return {static_cast<uint64_t>(seed), static_cast<uint64_t>(sample), Purpose::dropout,
            static_cast<uint32_t>(step)};
  }
};

}  // namespace

at::Tensor fused_group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                            const at::Tensor& scale_shift, const nn::GroupNorm& c) {
  if (!x.device().is_cpu() || x.scalar_type() == at::kDouble)
    return aten_group_norm(x, gamma, beta, scale_shift, c);
  const at::Tensor input = channels_last(x);
  // A differentiable function takes no undefined tensor: none is an empty one.
  const at::Tensor modulation =
      scale_shift.defined() ? scale_shift.to(at::kFloat).contiguous() : at::empty({0}, at::kFloat);
  if (!at::GradMode::is_enabled()) return forward(input, gamma, beta, modulation, c).y;
  return FusedGroupNorm::apply(input, gamma, beta, modulation, c.groups, c.eps, c.silu);
}

at::Tensor keyed_dropout(const at::Tensor& x, double p, uint64_t seed, uint32_t layer, uint32_t first_sample,
                         uint32_t step) {
  const NoiseKey key = dropout_key(seed, layer, first_sample, step);
  if (x.device().is_cpu() && x.scalar_type() != at::kDouble) {
    return KeyedDropout::apply(x, p, static_cast<int64_t>(key.seed), static_cast<int64_t>(key.sample),
                               static_cast<int64_t>(key.step));
  }
  // The mask is made on the host by the same rule and moved.
  at::Tensor ones = at::ones(x.sizes(), at::kFloat);
  return x * dropped(ones, p, key).to(x.options());
}

}  // namespace langevin
