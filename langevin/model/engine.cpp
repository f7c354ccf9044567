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

namespace {

void check_global_cond(const ModelSpec& spec, const std::optional<HostArrayF>& given, int64_t batch) {
  const int64_t width = nn::global_cond_dim(spec.network);
  check(width > 0 || !given, "global_cond", "the model's network takes none");
  check(width == 0 || given.has_value(), "global_cond", "is missing: the model's network needs {}",
        to_string({batch, width}));
  check(!given || given->shape() == Shape{batch, width}, "global_cond", "is {}, the network needs {}",
        given ? to_string(given->shape()) : "", to_string({batch, width}));
}

}  // namespace

void check_forward(const ModelSpec& spec, const HostArrayF& x, const std::vector<double>& t,
                   const Cond<HostArrayF>& cond) {
  const Shape want = nn::input_shape(spec.network, x.batch());
  check(x.shape().size() == want.size() && x.shape()[1] == want[1] && x.batch() > 0, "forward",
        "sample is {}, the network needs {}", to_string(x.shape()), to_string(want));
  check(static_cast<int64_t>(t.size()) == x.batch(), "forward", "needs one timestep per sample ({}), got {}",
        x.batch(), t.size());
  check_labels(spec, cond.class_labels, x.batch());
  check_global_cond(spec, cond.global_cond, x.batch());
}

void check_request(const ModelSpec& spec, const SampleRequest& request) {
  const Shape shape = nn::input_shape(spec.network, request.count);
  if (!request.labels.empty()) check_labels(spec, request.labels, request.count);
  check_global_cond(spec, request.global_cond, request.count);
  check(!request.x_T || request.x_T->shape() == shape, "sample",
        "the starting noise is {}, the model needs {}", request.x_T ? to_string(request.x_T->shape()) : "",
        to_string(shape));
}

}  // namespace langevin
