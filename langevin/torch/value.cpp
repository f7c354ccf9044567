#include "langevin/torch/value.h"

namespace langevin {
namespace {

at::Tensor computed(const TorchValue::Sum& s) {
  return add_row(s.x, s.row.defined() ? s.row + s.bias : s.bias);
}

at::Tensor computed(const TorchValue::Norm& n) {
  return fused_group_norm(n.x, n.gamma, n.beta, n.scale_shift, n.c, n.with);
}

}  // namespace

const at::Tensor& TorchValue::tensor() const {
  static const at::Tensor none;
  if (state_ == nullptr) return none;
  if (const Sum* s = sum()) {
    state_->value = computed(*s);
  } else if (const Norm* n = norm()) {
    state_->value = computed(*n);
  }
  state_->waiting = std::monostate();
  return state_->value;
}

const at::Tensor& TorchValue::trunk() const {
  if (const Sum* s = sum()) return s->x;
  if (const Norm* n = norm()) return n->x;
  return tensor();
}

}  // namespace langevin
