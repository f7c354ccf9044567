#include "langevin/torch/products.h"

#include <cmath>

#include "langevin/kernels/processor.h"
#include "langevin/torch/onednn.h"

namespace langevin {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Whether oneDNN computes with this type here, and fast.
bool suits(const at::Tensor& x) {
  if (!x.device().is_cpu()) return false;
  return x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
}

/// What products read: bf16 only where it is fast.
at::Tensor widened(const at::Tensor& t) {
  return t.scalar_type() == at::kBFloat16 && !has_fast_bf16() ? t.to(at::kFloat) : t;
}

/// c = scale a b + bias. a (..., m, k), b (..., k, n), c (..., m, n), each row- or column-major; bias (n) or
/// undefined.
void multiply(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, const at::Tensor& bias = {},
              double scale = 1) {
  if (c.numel() == 0) return;
  const bool wide = c.scalar_type() == at::kFloat, fast = has_fast_bf16();
  if (!fast && !(wide && a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat)) {
    const at::Tensor result = wide ? c : at::empty(c.sizes(), at::kFloat);
    multiply(widened(a), widened(b), result, bias.defined() ? widened(bias) : bias, scale);
    if (!wide) c.copy_(result);
    return;
  }
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // its own would leave holes in the heap
  if (scale != 1) attributes.set_output_scales(0, {static_cast<float>(scale)});
  dnnl::memory::desc bias_desc;
  at::Tensor row;
  if (bias.defined()) {
    row = bias.dim() < c.dim() ? bias.view({1, bias.size(0)}) : bias;
    bias_desc = describe(row);
  }
  const dnnl::matmul::desc desc = bias.defined()
                                      ? dnnl::matmul::desc(describe(a), describe(b), bias_desc, describe(c))
                                      : dnnl::matmul::desc(describe(a), describe(b), describe(c));
  const dnnl::matmul::primitive_desc chosen(desc, attributes, engine);
  const auto memory = [&](const at::Tensor& t) { return dnnl::memory(describe(t), engine, t.data_ptr()); };
  std::unordered_map<int, dnnl::memory> arguments{
      {DNNL_ARG_SRC, memory(a)}, {DNNL_ARG_WEIGHTS, memory(b)}, {DNNL_ARG_DST, memory(c)}};
  if (row.defined()) arguments.emplace(DNNL_ARG_BIAS, memory(row));
  const auto scratch_desc = chosen.scratchpad_desc();
  const at::Tensor scratch = at::empty({static_cast<int64_t>(scratch_desc.get_size())}, at::kByte);
  arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(scratch_desc, engine, scratch.data_ptr()));
  dnnl::matmul(chosen).execute(stream, arguments);
  stream.wait();
}

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).contiguous(); }

struct LinearProduct : torch::autograd::Function<LinearProduct> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.numel() > 0;
    return apply_to(x, weight, bias);
  }
  static at::Tensor apply_to(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    const at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
    multiply(x, weight.t(), y, bias.numel() > 0 ? bias : at::Tensor());
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor dy = gradients[0].contiguous();
    const at::Tensor dx = at::empty_like(x), dweight = at::empty(weight.sizes(), weight.options());
    multiply(dy, weight, dx);
    multiply(dy.t(), x, dweight);
    return {dx, dweight, context->saved_data["bias"].toBool() ? dy.sum(0) : at::Tensor()};
  }
};

/// (N,L,C) -> (N,heads,L,C/heads), a view.
at::Tensor by_heads(const at::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

/// (L,M), true where the query at t must not see the key at s: s > t + ahead.
at::Tensor hidden(const at::Tensor& scores, int64_t ahead) {
  return at::ones({scores.size(-2), scores.size(-1)}, scores.options().dtype(at::kBool)).triu(ahead + 1);
}

/// No key hidden.
constexpr int64_t kAll = -1;

struct AttentionProduct : torch::autograd::Function<AttentionProduct> {
  static double scale(const at::Tensor& q, int64_t heads) {
    return 1.0 / std::sqrt(static_cast<double>(q.size(2)) / static_cast<double>(heads));
  }
  /// The weights (N,heads,L,M) in q's type.
  static at::Tensor weights(const at::Tensor& q, const at::Tensor& k, int64_t heads, int64_t ahead) {
    at::Tensor scores = at::empty({q.size(0), heads, q.size(1), k.size(1)}, q.options().dtype(at::kFloat));
    multiply(by_heads(q, heads), by_heads(k, heads).transpose(2, 3), scores, {}, scale(q, heads));
    if (ahead != kAll) scores.masked_fill_(hidden(scores, ahead), -INFINITY);
    return at::softmax(scores, -1).to(q.scalar_type());
  }
  static at::Tensor mix(const at::Tensor& weights, const at::Tensor& v, int64_t heads) {
    const at::Tensor y = at::empty({v.size(0), weights.size(2), v.size(2)}, v.options());
    multiply(weights, by_heads(v, heads), by_heads(y, heads));
    return y;
  }
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, int64_t heads, int64_t ahead) {
    const at::Tensor p = weights(q, k, heads, ahead);
    context->save_for_backward({q, k, v, p});
    context->saved_data["heads"] = heads;
    return mix(p, v, heads);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &p = saved[3];
    const int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor dy = gradients[0].contiguous(), dy_heads = by_heads(dy, heads);
    const at::Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    const at::Tensor dp = at::empty(p.sizes(), p.options().dtype(at::kFloat));
    multiply(p.transpose(2, 3), dy_heads, by_heads(dv, heads));
    multiply(dy_heads, by_heads(v, heads).transpose(2, 3), dp);
    const at::Tensor ds =
        at::_softmax_backward_data(dp, p.to(at::kFloat), -1, at::kFloat).to(q.scalar_type());
    multiply(ds, by_heads(k, heads), by_heads(dq, heads), {}, scale(q, heads));
    multiply(ds.transpose(2, 3), by_heads(q, heads), by_heads(dk, heads), {}, scale(q, heads));
    return {dq, dk, dv, at::Tensor(), at::Tensor()};
  }
};

/// From ATen; `drop` may be empty.
at::Tensor aten_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                          int64_t ahead, const std::function<at::Tensor(const at::Tensor&)>& drop) {
  const auto split = [&](const at::Tensor& x) {
    return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
  };
  const auto joined = [&](const at::Tensor& y) {
    return y.transpose(1, 2).reshape({q.size(0), q.size(1), v.size(2)});
  };
  // Its gradient would add in an order left to chance.
  if (q.is_cuda() && !at::GradMode::is_enabled() && ahead == kAll && !drop)
    return joined(attention_on_gpu(split(q), split(k), split(v)));
  at::Tensor scores = at::matmul(split(q) * AttentionProduct::scale(q, heads), split(k).transpose(2, 3));
  if (ahead != kAll) scores = scores.masked_fill(hidden(scores, ahead), -INFINITY);
  const auto type = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor weights = at::softmax(scores, -1, type).to(q.scalar_type());
  if (drop) weights = drop(weights);
  return joined(at::matmul(weights, split(v)));
}

}  // namespace

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!suits(x) || !suits(weight) || (has_fast_bf16() && x.scalar_type() != weight.scalar_type()))
    return at::linear(x, weight, bias);
  const at::Tensor rows = rows_of(x);
  // A differentiable function takes no undefined tensor: none is an empty one.
  const at::Tensor row = bias.defined() ? bias : at::empty({0}, x.options());
  const at::Tensor y = at::GradMode::is_enabled() ? LinearProduct::apply(rows, weight, row)
                                                  : LinearProduct::apply_to(rows, weight, row);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return y.view(shape);
}

at::Tensor attention_product(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                             std::optional<int64_t> ahead) {
  const int64_t limit = ahead.value_or(kAll);
  if (!suits(q)) return aten_attention(q, k, v, heads, limit, {});
  const at::Tensor a = q.contiguous(), b = k.contiguous(), c = v.contiguous();
  if (at::GradMode::is_enabled()) return AttentionProduct::apply(a, b, c, heads, limit);
  return AttentionProduct::mix(AttentionProduct::weights(a, b, heads, limit), c, heads);
}

at::Tensor attention_product_with_dropout(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                          int64_t heads, std::optional<int64_t> ahead,
                                          const std::function<at::Tensor(const at::Tensor&)>& drop) {
  return aten_attention(q, k, v, heads, ahead.value_or(kAll), drop);
}

}  // namespace langevin
