#include "langevin/torch/parameters.h"

#include <cmath>
#include <cstring>

#include "langevin/core/config.h"
#include "langevin/core/rng.h"
#include "langevin/kernels/processor.h"

namespace langevin {
namespace {

constexpr int64_t alignment = 16;  // floats: one cache line

/// Contiguous fp32 values of an initialiser.
at::Tensor initial_values(const Shape& shape, const nn::Init& init, const NoiseKey& key) {
  at::Tensor values = at::empty(sizes(shape), at::kFloat);
  const std::span<float> data(values.data_ptr<float>(), static_cast<size_t>(values.numel()));
  switch (init.kind) {
    case nn::Init::Kind::zeros:
      values.zero_();
      break;
    case nn::Init::Kind::ones:
      values.fill_(1);
      break;
    case nn::Init::Kind::normal:
      fill_normal(data, key);
      values.mul_(init.scale);
      break;
    case nn::Init::Kind::fan_avg: {
      const int64_t taps = element_count(Shape(shape.begin() + 2, shape.end()));
      const double fan_in = static_cast<double>(shape.at(1) * taps),
                   fan_out = static_cast<double>(shape[0] * taps);
      const double bound = std::sqrt(3.0 * init.scale / ((fan_in + fan_out) / 2));
      fill_uniform(data, key);
      values.mul_(2 * bound).sub_(bound);
      break;
    }
  }
  return values;
}

at::Tensor channels_last_if_4d(const at::Tensor& t) {
  return t.dim() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast) : t.contiguous();
}

}  // namespace

std::string to_string(Precision precision) { return precision == Precision::bf16 ? "bf16" : "fp32"; }

Precision precision_from_name(const std::string& name) {
  if (name == "fp32") return Precision::fp32;
  if (name == "bf16") return Precision::bf16;
  fail_usage("{}", unknown_name("precision", name, {"auto", "fp32", "bf16"}));
}

const at::Tensor& ParameterStore::get(const std::string& name, const Shape& shape, nn::Init init,
                                      bool keep_fp32) {
  const auto it = index_.find(name);
  if (packed_) {
    check(it != index_.end(), "ParameterStore", "no parameter '{}' was created in the first pass", name);
    const Parameter& p = parameters_[it->second];
    check(p.shape == shape, name, "the network asks for {}, the parameter is {}", to_string(shape),
          to_string(p.shape));
    return p.leaf;
  }
  check(it == index_.end(), "ParameterStore", "parameter '{}' is created twice", name);
  Parameter p;
  p.name = name;
  p.shape = shape;
  p.init = init;
  p.count = element_count(shape);
  p.keep_fp32 = keep_fp32;
  p.leaf = initial_values(shape, init, {seed_, parameters_.size(), Purpose::weight_init, 0}).to(device_);
  index_.emplace(name, parameters_.size());
  parameters_.push_back(std::move(p));
  return parameters_.back().leaf;
}

const at::Tensor& ParameterStore::get_shared(const std::string& name, const Shape& shape, nn::Init init) {
  const auto it = index_.find(name);
  if (packed_ || it == index_.end()) return get(name, shape, init, false);
  const Parameter& p = parameters_[it->second];
  check(p.shape == shape, name, "is used as {} and as {}", to_string(p.shape), to_string(shape));
  return p.leaf;
}

at::Tensor ParameterStore::view_in(const at::Tensor& flat, const Parameter& p) {
  const at::Tensor part = flat.narrow(0, p.offset, p.count);
  if (p.shape.size() != 4) return part.view(sizes(p.shape));
  return part.view({p.shape[0], p.shape[2], p.shape[3], p.shape[1]}).permute({0, 3, 1, 2});
}

void ParameterStore::pack(Precision precision, bool training) {
  check(!packed_, "ParameterStore", "packed twice");
  int64_t total = 0;
  for (auto& p : parameters_) {
    p.offset = total;
    total += (p.count + alignment - 1) / alignment * alignment;
  }
  precision_ = precision;
  flat_ = at::zeros({total}, at::TensorOptions(at::kFloat).device(device_));
  const bool low_leaves = precision == Precision::bf16 && (!device_.is_cpu() || has_fast_bf16());
  if (low_leaves) flat_bf16_ = at::zeros({total}, at::TensorOptions(at::kBFloat16).device(device_));
  for (auto& p : parameters_) {
    p.master = view_in(flat_, p);
    p.master.copy_(p.leaf);
    const bool low = low_leaves && !p.keep_fp32;
    p.leaf = (low ? view_in(flat_bf16_, p) : view_in(flat_, p)).detach();
    p.leaf.set_requires_grad(training);
  }
  packed_ = true;
  refresh_leaves();
}

int64_t ParameterStore::parameter_count() const {
  int64_t total = 0;
  for (const auto& p : parameters_) total += p.count;
  return total;
}

void ParameterStore::refresh_leaves() {
  if (flat_bf16_.defined()) flat_bf16_.copy_(flat_);
}

void ParameterStore::load(const std::function<HostArrayF(const Parameter&)>& read) {
  for (auto& p : parameters_) {
    const HostArrayF values = read(p);
    check(values.shape() == p.shape, p.name, "the file has {}, the network needs {}",
          to_string(values.shape()), to_string(p.shape));
    at::Tensor staged = at::empty(sizes(p.shape), at::kFloat);
    std::memcpy(staged.data_ptr<float>(), values.data().data(), values.data().size_bytes());
    p.master.copy_(channels_last_if_4d(staged));
  }
  refresh_leaves();
}

}  // namespace langevin
