#include "langevin/runtime/weights.h"

#include <cstdint>

namespace langevin::runtime {

std::span<const float> Weights::floats(const std::string& name, int64_t count) {
  auto it = converted_.find(name);
  if (it == converted_.end()) {
    check(tensors_ != nullptr, "Weights", "there is no parameter '{}'", name);
    const TensorView& view = tensors_->at(name);
    const bool ready =
        view.dtype == DType::f32 && reinterpret_cast<std::uintptr_t>(view.bytes.data()) % alignof(float) == 0;
    const size_t held = view.bytes.size() / sizeof(float);
    if (ready && held == static_cast<size_t>(count))
      return {reinterpret_cast<const float*>(view.bytes.data()), held};
    it = converted_.emplace(name, tensors_->to_float(name)).first;
  }
  const HostArrayF& values = it->second;
  check(values.size() == count, name, "the file has {}, the network needs {} values",
        to_string(values.shape()), count);
  return values.data();
}

dnnl::memory Weights::packed(const std::string& key, const dnnl::memory::desc& plain,
                             const dnnl::memory::desc& wanted, const dnnl::engine& engine,
                             const std::function<const float*(std::vector<float>& scratch)>& fill) {
  auto& versions = packed_[key];
  for (const auto& [desc, memory] : versions) {
    if (desc == wanted) return memory;
  }
  std::vector<float> scratch;
  // oneDNN takes a pointer to what it may write; a reorder only reads its source.
  dnnl::memory from(plain, engine, const_cast<float*>(fill(scratch)));
  dnnl::memory to(wanted, engine, pages_.take(wanted.get_size()));
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  packed_bytes_ += static_cast<int64_t>(wanted.get_size());
  versions.emplace_back(wanted, to);
  return to;
}

const std::vector<float>& Weights::derived(const std::string& key,
                                           const std::function<std::vector<float>()>& make) {
  const auto found = derived_.find(key);
  return found != derived_.end() ? found->second : derived_.emplace(key, make()).first->second;
}

}  // namespace langevin::runtime
