#include "langevin/torch/fused.h"

#include <cmath>

#include "langevin/kernels/cuda/dropout.h"
#include "langevin/kernels/cuda/group_norm_silu.h"
#include "langevin/kernels/cuda/rows.h"
#include "langevin/torch/cuda_device.h"
#include "langevin/torch/kept.h"

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
    check(x.scalar_type() == at::kFloat, "kernels", "take float32 or bfloat16, got {}",
          toString(x.scalar_type()));
    f(float{});
  }
}

/// Whether the kernels, ours for this device, take the tensor; otherwise it is ATen's.
bool suits_kernels(const at::Tensor& x) {
  return x.scalar_type() != at::kDouble && (x.device().is_cpu() || has_cuda_kernels(x.device()));
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

// The kernels, on the device where the tensors are.

/// A norm's constants, and the mask of what it drops (a GPU's alone).
struct NormCall {
  nn::GroupNorm c;
  double dropout = 0;
  NoiseKey key = {};
};

/// moment: as DropoutPlace has it, or empty.
cuda::DropoutMask mask_of(double p, const NoiseKey& key, const at::Tensor& moment) {
  return {p, key, moment.numel() > 0 ? static_cast<const uint32_t*>(moment.data_ptr()) : nullptr};
}

template <class T>
void normalise(at::Device device, const GroupNormShape& shape, GroupNormForward<T> a,
               const cuda::DropoutMask& mask) {
  if (!has_cuda_kernels(device)) return group_norm_silu(shape, a);
  const OnDevice on(device);
  const at::Tensor workspace = bytes_on(device, cuda::group_norm_workspace(shape));
  a.workspace = workspace.data_ptr();
  cuda::group_norm_silu(shape, a, mask, on.stream);
}

template <class T>
void normalise_backward(at::Device device, const GroupNormShape& shape, const cuda::GroupNormGradients<T>& a,
                        const cuda::DropoutMask& mask) {
  if (!has_cuda_kernels(device)) return group_norm_silu_backward(shape, a);
  const OnDevice on(device);
  const at::Tensor workspace = bytes_on(device, cuda::group_norm_workspace(shape));
  cuda::group_norm_silu_backward(shape, a, mask, workspace.data_ptr(), on.stream);
}

struct Normalised {
  at::Tensor y, mean, rstd;
};

/// x channels-last; modulation (N,2C) and added (N,C) fp32 contiguous or empty.
Normalised forward(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                   const at::Tensor& modulation, const at::Tensor& added, const at::Tensor& moment,
                   const NormCall& call) {
  const nn::GroupNorm& c = call.c;
  const auto floats = x.options().dtype(at::kFloat).memory_format({});
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
    if (added.numel() > 0) {
      a.added = data<float>(added);
      a.added_stride = x.size(1);
    }
    a.y = data<T>(out.y);
    a.mean = data<float>(out.mean);
    a.rstd = data<float>(out.rstd);
    normalise(x.device(), shape_of_norm(x, c), a, mask_of(call.dropout, call.key, moment));
  });
  return out;
}

/// bias (C) and row (N,C) as one fp32 (N,C), empty where there is neither.
at::Tensor rows_added(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& row) {
  const auto floats = x.options().dtype(at::kFloat).memory_format({});
  if (bias.numel() == 0 && row.numel() == 0) return at::empty({0}, floats);
  if (row.numel() == 0) return bias.to(at::kFloat).expand({x.size(0), x.size(1)}).contiguous();
  return bias.numel() == 0 ? row.to(at::kFloat).contiguous() : bias.to(at::kFloat) + row;
}

struct FusedGroupNorm : torch::autograd::Function<FusedGroupNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                            const at::Tensor& beta, const at::Tensor& modulation, const at::Tensor& bias,
                            const at::Tensor& row, const at::Tensor& moment, const NormCall& call) {
    const at::Tensor added = rows_added(x, bias, row);
    const Normalised out = langevin::forward(x, gamma, beta, modulation, added, moment, call);
    context->save_for_backward({x, gamma, beta, modulation, out.mean, out.rstd, added, moment});
    keep(*context, "call", call);
    context->saved_data["bias"] = bias.numel() > 0;
    context->saved_data["row"] = row.numel() > 0;
    return out.y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &beta = saved[2], &modulation = saved[3];
    const at::Tensor& added = saved[6];
    const auto call = take_kept<NormCall>(*context, "call");
    const at::Tensor dy = channels_last(gradients[0]);
    const at::Tensor dx = at::empty_like(x), dgamma = at::empty_like(gamma), dbeta = at::empty_like(beta);
    const at::Tensor dmodulation = modulation.numel() > 0 ? at::empty_like(modulation) : at::Tensor();
    const at::Tensor dadded = at::empty_like(added);
    with_element_type(x, [&](auto element) {
      using T = decltype(element);
      cuda::GroupNormGradients<T> a;
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
      if (added.numel() > 0) {
        a.added = data<float>(added);
        a.added_stride = x.size(1);
        a.dadded = data<float>(dadded);
      }
      normalise_backward(x.device(), shape_of_norm(x, call.c), a, mask_of(call.dropout, call.key, saved[7]));
    });
    at::Tensor dbias, drow;
    if (context->saved_data["bias"].toBool()) dbias = dadded.sum(0).to(x.scalar_type());
    if (context->saved_data["row"].toBool()) drow = dadded.to(x.scalar_type());
    return {dx, dgamma, dbeta, dmodulation, dbias, drow, at::Tensor(), at::Tensor()};
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

/// moment: as DropoutPlace has it, or empty.
at::Tensor dropped(const at::Tensor& x, double p, const NoiseKey& key, const at::Tensor& moment) {
  const at::Tensor input = x.dim() == 4 ? channels_last(x) : x.contiguous();  // tokens end with channels
  const at::Tensor out = at::empty_like(input);
  const int64_t n = input.size(0), elements = input.numel() / n;
  with_element_type(input, [&](auto element) {
    using T = decltype(element);
    if (!has_cuda_kernels(x.device()))
      return apply_dropout(data<T>(input), data<T>(out), n, elements, p, key);
    const OnDevice on(x.device());
    cuda::apply_dropout(data<T>(input), data<T>(out), n, elements, mask_of(p, key, moment), on.stream);
  });
  return out;
}

struct KeyedDropout : torch::autograd::Function<KeyedDropout> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& moment, double p,
                            int64_t seed, int64_t sample, int64_t step) {
    context->saved_data["p"] = p;
    context->saved_data["seed"] = seed;
    context->saved_data["sample"] = sample;
    context->saved_data["step"] = step;
    context->saved_data["moment"] = moment;
    return dropped(x, p, key(seed, sample, step), moment);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const NoiseKey mask = key(context->saved_data["seed"].toInt(), context->saved_data["sample"].toInt(),
                              context->saved_data["step"].toInt());
    const at::Tensor dx = dropped(gradients[0], context->saved_data["p"].toDouble(), mask,
                                  context->saved_data["moment"].toTensor());
    return {dx, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
  static NoiseKey key(int64_t seed, int64_t sample, int64_t step) {
    return {static_cast<uint64_t>(seed), static_cast<uint64_t>(sample), Purpose::dropout,
            static_cast<uint32_t>(step)};
  }
};

/// x + row + z; x and z channels-last, row (C) or (N,C) contiguous, all of one type on a GPU with our
/// kernels; z may be empty.
struct AddRow : torch::autograd::Function<AddRow> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& row,
                            const at::Tensor& z) {
    context->saved_data["shared"] = row.dim() == 1;
    context->saved_data["residual"] = z.numel() > 0;
    return apply_to(x, row, z);
  }
  static at::Tensor apply_to(const at::Tensor& x, const at::Tensor& row, const at::Tensor& z) {
    const at::Tensor y = at::empty_like(x);
    with_element_type(x, [&](auto element) {
      using T = decltype(element);
      const OnDevice on(x.device());
      cuda::Add<T> call;
      call.x = data<T>(x);
      call.row = data<T>(row);
      call.z = z.numel() > 0 ? data<T>(z) : nullptr;
      call.y = data<T>(y);
      call.n = x.size(0);
      call.hw = x.size(2) * x.size(3);
      call.c = x.size(1);
      call.stride = row.dim() == 1 ? 0 : x.size(1);
      cuda::add(call, on.stream);
    });
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor dy = channels_last(gradients[0]);
    const bool shared = context->saved_data["shared"].toBool();
    const int64_t n = shared ? 1 : dy.size(0), c = dy.size(1), hw = dy.numel() / (n * c);
    const auto options = dy.options().memory_format({});
    const at::Tensor drow = shared ? at::empty({c}, options) : at::empty({n, c}, options);
    with_element_type(dy, [&](auto element) {
      using T = decltype(element);
      const OnDevice on(dy.device());
      const at::Tensor workspace = bytes_on(dy.device(), 4 * cuda::channel_sums_workspace(n, hw, c));
      cuda::ChannelSums<T> call{data<T>(dy), data<T>(drow), data<float>(workspace), n, hw, c};
      cuda::channel_sums(call, on.stream);
    });
    return {dy, drow, context->saved_data["residual"].toBool() ? dy : at::Tensor()};
  }
};

at::Tensor apply_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                      const at::Tensor& scale_shift, const NormCall& call, const NormCompanions& with) {
  const at::Tensor input = channels_last(x);
  // A differentiable function takes no undefined tensor: none is an empty one.
  const at::Tensor none = at::empty({0}, gamma.options());
  const auto given = [&](const at::Tensor& t) { return t.defined() ? t : none; };
  const at::Tensor modulation = scale_shift.defined() ? scale_shift.to(at::kFloat).contiguous() : none;
  const at::Tensor bias = given(with.bias), row = given(with.row), moment = given(with.place.moment);
  if (!at::GradMode::is_enabled())
    return forward(input, gamma, beta, modulation, rows_added(input, bias, row), moment, call).y;
  return FusedGroupNorm::apply(input, gamma, beta, modulation, bias, row, moment, call);
}

/// Whether AddRow takes them.
bool suits_rows(const at::Tensor& x, const at::Tensor& row) {
  return has_cuda_kernels(x.device()) && x.scalar_type() == row.scalar_type() && x.dim() == 4 &&
         x.scalar_type() != at::kDouble;
}

at::Tensor add_on_gpu(const at::Tensor& x, const at::Tensor& row, const at::Tensor& z) {
  const at::Tensor input = channels_last(x), values = row.contiguous();
  return at::GradMode::is_enabled() ? AddRow::apply(input, values, z) : AddRow::apply_to(input, values, z);
}

}  // namespace

at::Tensor fused_group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                            const at::Tensor& scale_shift, const nn::GroupNorm& c,
                            const NormCompanions& with) {
  if (!has_cuda_kernels(x.device()) || x.scalar_type() == at::kDouble) {
    at::Tensor h = with.bias.defined() ? add_row(x, with.bias) : x;
    if (with.row.defined()) h = add_row(h, with.row);
    const NormCompanions alone;
    h = suits_kernels(h) ? apply_norm(h, gamma, beta, scale_shift, {c}, alone)
                         : aten_group_norm(h, gamma, beta, scale_shift, c);
    return with.dropout > 0 ? keyed_dropout(h, with.dropout, with.place) : h;
  }
  const DropoutPlace& p = with.place;
  return apply_norm(x, gamma, beta, scale_shift,
                    {c, with.dropout, dropout_key(p.seed, p.layer, p.first_sample, p.step)}, with);
}

at::Tensor keyed_dropout(const at::Tensor& x, double p, const DropoutPlace& place) {
  const NoiseKey key = dropout_key(place.seed, place.layer, place.first_sample, place.step);
  const at::Tensor moment = place.moment.defined() ? place.moment : at::empty({0}, at::kInt);
  if (suits_kernels(x)) {
    return KeyedDropout::apply(x, moment, p, static_cast<int64_t>(key.seed), static_cast<int64_t>(key.sample),
                               static_cast<int64_t>(key.step));
  }
  // The mask is made on the host by the same rule and moved.
  const at::Tensor ones = at::ones(x.sizes(), at::kFloat);
  return x * dropped(ones, p, key, at::empty({0}, at::kInt)).to(x.options());
}

at::Tensor add_row(const at::Tensor& x, const at::Tensor& row) {
  if (suits_rows(x, row)) return add_on_gpu(x, row, at::empty({0}, row.options()));
  const at::Tensor rows = row.dim() == 1 ? row.unsqueeze(0) : row;
  return x + (x.dim() == 3 ? rows.unsqueeze(2) : rows.unsqueeze(2).unsqueeze(3));
}

at::Tensor add_row(const at::Tensor& x, const at::Tensor& row, const at::Tensor& z) {
  if (suits_rows(x, row) && z.scalar_type() == x.scalar_type() && z.sizes() == x.sizes())
    return add_on_gpu(x, row, channels_last(z));
  return add_row(x, row) + z;
}

at::Tensor timestep_features(const at::Tensor& t, const nn::TimestepEmbedding& c, at::ScalarType type) {
  const at::Tensor times = t.to(at::kFloat).contiguous();
  const auto options = at::TensorOptions(at::kFloat).device(t.device());
  if (has_cuda_kernels(t.device())) {
    const at::Tensor y = at::empty({t.size(0), c.dim}, options.dtype(type));
    with_element_type(y, [&](auto element) {
      using T = decltype(element);
      const OnDevice on(t.device());
      cuda::timestep_features(cuda::TimestepFeatures<T>{data<float>(times), data<T>(y), t.size(0), c.dim,
                                                        c.flip_sin_to_cos, c.freq_shift, c.max_period},
                              on.stream);
    });
    return y;
  }
  const int64_t half = c.dim / 2;
  const at::Tensor exponent =
      at::arange(half, options) * (-std::log(c.max_period)) / (static_cast<double>(half) - c.freq_shift);
  const at::Tensor angle = times.unsqueeze(1) * exponent.exp().unsqueeze(0);
  const at::Tensor sine = angle.sin(), cosine = angle.cos();
  at::Tensor features = c.flip_sin_to_cos ? at::cat({cosine, sine}, 1) : at::cat({sine, cosine}, 1);
  if (c.dim % 2 == 1) features = at::constant_pad_nd(features, {0, 1});
  return features.to(type);
}

}  // namespace langevin
