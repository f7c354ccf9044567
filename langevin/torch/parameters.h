// A network's parameters: fp32 master weights in one flat buffer (so the optimizer is one pass over memory),
// and the leaves that the network computes with: views of the master, or bf16 copies that are cast once a
// step, not once a use.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "langevin/nn/vocabulary.h"
#include "langevin/torch/compat.h"

namespace langevin {

enum class Precision { fp32, bf16 };
std::string to_string(Precision precision);
Precision precision_from_name(const std::string& name);  // "fp32" | "bf16"

struct Parameter {
  std::string name;  // the peer's
  Shape shape;       // logical: (O,I,k,k), (O,I,k), (O,I), (C)
  nn::Init init;
  int64_t offset = 0;  // floats into the flat buffers
  int64_t count = 0;
  bool keep_fp32 = false;  // normalisation weights stay fp32 under bf16
  at::Tensor master;       // fp32 view of the flat buffer; 4-D weights lie channels-last (O,k,k,I) in memory
  at::Tensor leaf;         // what the network uses; requires grad when training
};

class ParameterStore {
 public:
  explicit ParameterStore(at::Device device = at::kCPU, uint64_t seed = 0) : device_(device), seed_(seed) {}

  /// First pass: called by the interpreter for every parameter; creates it from its initialiser, whose draws
  /// are Philox(seed, index of the parameter, weight_init). Applying: returns the leaf; Error if the shape
  /// differs.
  const at::Tensor& get(const std::string& name, const Shape& shape, nn::Init init, bool keep_fp32);
  /// The same for a parameter that several operators use: the first of them creates it.
  const at::Tensor& get_shared(const std::string& name, const Shape& shape, nn::Init init);

  /// Ends the first pass: packs all into flat storage. `training` leaves require gradients.
  void pack(Precision precision, bool training);
  bool packed() const { return packed_; }

  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  int64_t parameter_count() const;      // without padding
  at::Tensor& flat() { return flat_; }  // fp32 master, padded so that every parameter starts on 64 bytes
  at::Tensor& flat_bf16() { return flat_bf16_; }  // undefined under fp32
  Precision precision() const { return precision_; }
  at::Device device() const { return device_; }

  /// Refreshes the bf16 leaves from the master (the optimizer does it itself in its pass).
  void refresh_leaves();
  /// A view of another flat buffer (moments, EMA) as this parameter's tensor.
  static at::Tensor view_in(const at::Tensor& flat, const Parameter& parameter);

  /// Copies logical, contiguous fp32 values in; Error names a missing parameter or a differing shape.
  void load(const std::function<HostArrayF(const Parameter&)>& read);

 private:
  at::Device device_;
  uint64_t seed_;
  bool packed_ = false;
  Precision precision_ = Precision::fp32;
  std::vector<Parameter> parameters_;
  std::map<std::string, size_t, std::less<>> index_;
  at::Tensor flat_, flat_bf16_;
};

}  // namespace langevin
