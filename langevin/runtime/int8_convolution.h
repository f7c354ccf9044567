// A oneDNN convolution of bytes by int8 weights, prepared like any other primitive: the input comes framed,
// the result is in the plan's own type, and what is added to it rides along.
#pragma once

#include <functional>
#include <string>

#include "langevin/runtime/int8_weights.h"
#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

struct Int8Spec {
  std::string key;               // of the packed weights
  int64_t chunk = 1;             // samples
  int64_t in = 0, h = 1, w = 1;  // of the framed input
  int64_t out = 0, oh = 1, ow = 1;
  int64_t kernel = 1, stride = 1;
  bool residual = false;  // what lies where the result goes is added to it
};

class Int8Convolution {
 public:
  /// The network's own weights (out, in, kernel, kernel) and bias (out), or an empty one.
  struct Parameters {
    std::vector<float> weights, bias;
  };
  void prepare(Workshop& workshop, const Int8Spec& spec, const LayerCalibration& input,
               const std::function<Parameters()>& parameters);
  void bind(Place src, Place dst, Place scratch);
  void run(const dnnl::stream& stream, int64_t first) { prepared_.run(stream, first); }
  int64_t scratch_bytes() const { return static_cast<int64_t>(chosen_.scratchpad_desc().get_size()); }
  const char* implementation() const { return chosen_.impl_info_str(); }

 private:
  dnnl::engine engine_;
  dnnl::convolution_forward::primitive_desc chosen_;
  std::vector<float> bias_;
  Prepared prepared_;
};

}  // namespace langevin::runtime
