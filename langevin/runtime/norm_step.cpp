#include "langevin/runtime/norm_step.h"

#include "langevin/kernels/group_norm_silu.h"

namespace langevin::runtime {
namespace {

GroupNormShape shape_of(const NormSpec& s, int64_t chunk) {
  return {chunk,
          s.hw,
          s.channels,
          s.norm.groups,
          static_cast<float>(s.norm.eps),
          s.norm.silu ? Activation::silu : Activation::none};
}

}  // namespace

NormStep::NormStep(NormSpec spec, int src, int dst) : spec_(std::move(spec)), src_(src), dst_(dst) {
  name = "group_norm " + spec_.name;
  positions = spec_.hw;
  reads = {src};
  writes = {dst};
}

void NormStep::prepare(Workshop& workshop) {
  type_ = workshop.type;
  gamma_ = workshop.weights.floats(spec_.name + ".weight", spec_.channels).data();
  beta_ = workshop.weights.floats(spec_.name + ".bias", spec_.channels).data();
  scratch_ = workshop.buffers.add_scratch(group_norm_workspace(shape_of(spec_, chunk)));
  writes.push_back(scratch_);
}

void NormStep::bind(const Buffers& buffers) {
  x_ = buffers.place(src_);
  y_ = buffers.place(dst_);
  workspace_ = buffers.place(scratch_);
}

void NormStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    GroupNormForward<T> arrays;
    arrays.x = reinterpret_cast<const T*>(x_.at(call.first));
    BytePicture bytes;
    if (spec_.bytes) {
      bytes = spec_.bytes->picture(y_.at(call.first));
      arrays.bytes = &bytes;
    } else {
      arrays.y = reinterpret_cast<T*>(y_.at(call.first));
    }
    arrays.gamma = gamma_;
    arrays.beta = beta_;
    arrays.workspace = workspace_.base;
    if (spec_.added_row >= 0) {
      arrays.added = call.row(spec_.added_row);
      arrays.added_stride = call.row_stride;
    }
    if (spec_.modulation_row >= 0) {
      arrays.scale = call.row(spec_.modulation_row);
      arrays.shift = arrays.scale + spec_.channels;
      arrays.modulation_stride = call.row_stride;
    }
    group_norm_silu(shape_of(spec_, chunk), arrays);
  });
}

}  // namespace langevin::runtime
