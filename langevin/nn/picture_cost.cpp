#include "langevin/nn/picture_cost.h"

namespace langevin::nn {

PictureCost::Value PictureCost::conv2d_norm_relu(const Value& x, std::string_view name, const ConvNorm& c) {
  const std::string path = path_.join(name);
  Shape out = conv_norm_shape(x, c, path);
  parameters_.push_back({path + ".conv.weight", {c.out, x[1], c.kernel_h, c.kernel_w}, init_default});
  for (const char* part : {".bn.weight", ".bn.bias", ".bn.running_mean", ".bn.running_var"})
    parameters_.push_back({path + part, {c.out}, init_ones});
  flops_ += 2.0 * static_cast<double>(element_count(out) * x[1] * c.kernel_h * c.kernel_w);
  return out;
}

PictureCost::Value PictureCost::linear(const Value& x, std::string_view name, const Linear& c) {
  const std::string path = path_.join(name);
  Shape out = x;
  out.back() = c.out;
  parameters_.push_back({path + ".weight", {c.out, x.back()}, c.init});
  if (c.bias) parameters_.push_back({path + ".bias", {c.out}, init_zeros});
  flops_ += 2.0 * static_cast<double>(element_count(out) * x.back());
  return out;
}

int64_t PictureCost::parameter_count() const {
  int64_t count = 0;
  for (const ParameterSpec& p : parameters_) count += element_count(p.shape);
  return count;
}

}  // namespace langevin::nn
