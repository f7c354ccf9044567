// A network's parameters as the runtime reads them: fp32 values straight from the mapped file where they lie
// ready, and the layouts oneDNN asked for, packed once and shared by all plans of an engine.
#pragma once

#include <functional>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>
#include <string>
#include <vector>

#include "langevin/io/tensor_set.h"
#include "langevin/runtime/pages.h"

namespace langevin::runtime {

class Weights {
 public:
  /// `tensors` must live as long as this.
  explicit Weights(const TensorSet& tensors) : tensors_(&tensors) {}
  /// Weights that come from no file.
  explicit Weights(std::map<std::string, HostArrayF> values) : converted_(std::move(values)) {}

  /// fp32, row-major; valid as long as this lives. Error unless there are exactly `count` values.
  std::span<const float> floats(const std::string& name, int64_t count);

  /// What `key` names in the layout `wanted`, made by `fill` from fp32 values in the layout `plain` the first
  /// time that it is asked for.
  dnnl::memory packed(const std::string& key, const dnnl::memory::desc& plain,
                      const dnnl::memory::desc& wanted, const dnnl::engine& engine,
                      const std::function<const float*(std::vector<float>& scratch)>& fill);

  /// Small values that `key` names, made by `make` the first time that they are asked for.
  const std::vector<float>& derived(const std::string& key, const std::function<std::vector<float>()>& make);

  int64_t packed_bytes() const { return packed_bytes_; }

 private:
  const TensorSet* tensors_ = nullptr;
  std::map<std::string, HostArrayF> converted_;  // what the file holds in another type, or not aligned
  std::map<std::string, std::vector<std::pair<dnnl::memory::desc, dnnl::memory>>> packed_;
  std::map<std::string, std::vector<float>> derived_;
  Pages pages_;  // of what is packed
  int64_t packed_bytes_ = 0;
};

}  // namespace langevin::runtime
