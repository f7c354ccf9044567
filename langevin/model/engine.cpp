#include "langevin/model/engine.h"

namespace langevin {

void check_labels(const ModelSpec& spec, const std::vector<int64_t>& labels, int64_t batch) {
  const int64_t classes = nn::class_count(spec.network);
  check(classes > 0 || labels.empty(), "class_labels", "the model was trained without classes");
  check(static_cast<int64_t>(labels.size()) == (classes > 0 ? batch : 0), "class_labels",
        "needs one per sample ({}), got {}", batch, labels.size());
  for (int64_t label : labels) {
    check(label >= 0 && label < classes, "class_labels", "there is no class {}; the model has {}", label,
          classes);
  }
}

void check_forward(const ModelSpec& spec, const HostArrayF& x, const std::vector<double>& t,
                   const std::vector<int64_t>& labels) {
  const Shape want = nn::input_shape(spec.network, x.batch());
  check(x.shape().size() == want.size() && x.shape()[1] == want[1] && x.batch() > 0, "forward",
        "sample is {}, the network needs {}", to_string(x.shape()), to_string(want));
  check(static_cast<int64_t>(t.size()) == x.batch(), "forward", "needs one timestep per sample ({}), got {}",
        x.batch(), t.size());
  check_labels(spec, labels, x.batch());
}

void check_request(const ModelSpec& spec, const SampleRequest& request) {
  const Shape shape = nn::input_shape(spec.network, request.count);
  if (!request.labels.empty()) check_labels(spec, request.labels, request.count);
  check(!request.x_T || request.x_T->shape() == shape, "sample",
        "the starting noise is {}, the model needs {}", request.x_T ? to_string(request.x_T->shape()) : "",
        to_string(shape));
}

}  // namespace langevin
