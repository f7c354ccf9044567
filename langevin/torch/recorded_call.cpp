#include "langevin/torch/recorded_call.h"

#include "langevin/diffusion/conditions.h"
#include "langevin/torch/cuda_device.h"

namespace langevin {
namespace {

constexpr size_t kMostShapes = 8;  // recorded ones keep their memory

/// f(each condition of every struct).
template <class F, class... Structs>
void each(const F& f, Structs&... of) {
  f(of.class_labels...);
  each_condition(f, of...);
}

/// x's sizes, then each condition's.
std::vector<int64_t> key_of(const at::Tensor& x, const TorchConditions& cond) {
  std::vector<int64_t> key = x.sizes().vec();
  const auto add = [&](const at::Tensor& t) {
    const std::vector<int64_t> sizes = t.defined() ? t.sizes().vec() : std::vector<int64_t>();
    key.push_back(t.defined() ? t.dim() : -1);
    key.insert(key.end(), sizes.begin(), sizes.end());
  };
  each(add, cond);
  return key;
}

}  // namespace

at::Tensor RecordedCalls::run(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond) {
  return network_(x, t, cond, {});
}

void RecordedCalls::record(Call& call, const at::Tensor& x, const at::Tensor& t,
                           const TorchConditions& cond) {
  call.x = x.clone();
  call.t = t.clone();
  call.cond = cond;
  const auto copy = [](at::Tensor& value) {
    if (value.defined()) value = value.clone();
  };
  each(copy, call.cond);
  call.graph = std::make_unique<CudaGraph>(x.device(),
                                           [this, &call] { call.output = run(call.x, call.t, call.cond); });
}

at::Tensor RecordedCalls::operator()(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond) {
  const at::NoGradGuard no_grad;
  if (!has_cuda_graphs(x.device()) || !has_cuda_kernels(x.device())) return run(x, t, cond);
  const std::vector<int64_t> key = key_of(x, cond);
  const auto known = calls_.find(key);
  if (known == calls_.end()) {
    if (calls_.size() < kMostShapes) calls_.emplace(key, Call{});
    return run(x, t, cond);
  }
  Call& call = known->second;
  if (call.graph == nullptr) {
    record(call, x, t, cond);
  } else {
    call.x.copy_(x);
    call.t.copy_(t);
    const auto put = [](at::Tensor& to, const at::Tensor& from) {
      if (to.defined()) to.copy_(from);
    };
    each(put, call.cond, cond);
  }
  call.graph->replay();
  return call.output.clone();  // the next replay writes there
}

}  // namespace langevin
