// The cost interpreter with the words of picture_words.h.
#pragma once

#include <utility>

#include "langevin/nn/cost.h"
#include "langevin/nn/picture_words.h"

namespace langevin::nn {

class PictureCost {
 public:
  using Value = Shape;
  ScopePath::Guard scope(std::string_view name) { return path_.enter(name); }
  Value conv2d_norm_relu(const Value& x, std::string_view name, const ConvNorm& c);
  Value max_pool2d(const Value& x, const Pool& c) { return pool_shape(x, c, path_.join("max_pool2d")); }
  Value mean_pool2d(const Value& x, const Pool& c) { return pool_shape(x, c, path_.join("mean_pool2d")); }
  Value concat(const Value& x, const Value& y) { return cost_.concat(x, y); }
  Value mean_positions(const Value& x) { return cost_.mean_positions(x); }
  Value linear(const Value& x, std::string_view name, const Linear& c);

  const std::vector<ParameterSpec>& parameters() const { return parameters_; }
  int64_t parameter_count() const;
  double flops() const { return flops_; }

 private:
  ScopePath path_;
  CostInterpreter cost_;
  std::vector<ParameterSpec> parameters_;
  double flops_ = 0;
};

static_assert(ClassifyingInterpreter<PictureCost>);

}  // namespace langevin::nn
