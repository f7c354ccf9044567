#include "langevin/runtime/token_steps.h"

#include <algorithm>
#include <cstring>

#include "langevin/kernels/cast.h"
#include "langevin/kernels/rows.h"

namespace langevin::runtime {
namespace {

using dnnl::memory;
using tag = dnnl::memory::format_tag;

template <class T>
T* values(const Place& place, const Call& call) {
  return reinterpret_cast<T*>(place.at(call.first));
}

void store(const float* from, float* to, int64_t n) { std::copy_n(from, n, to); }
void store(const float* from, BF16* to, int64_t n) { cast(from, to, n); }

}  // namespace

ContextStep::ContextStep(int buffer, TokenShape shape) : buffer_(buffer), shape_(shape) {
  name = "context";
  positions = shape.positions;
  writes = {buffer};
}

void ContextStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    store(call.context + call.first * shape_.size(), values<decltype(value)>(place_, call),
          chunk * shape_.size());
  });
}

RowStep::RowStep(int buffer, int64_t row, int64_t width) : buffer_(buffer), row_(row), width_(width) {
  name = "row";
  writes = {buffer};
}

void RowStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    auto* to = values<decltype(value)>(place_, call);
    for (int64_t i = 0; i < chunk; ++i) store(call.row(row_) + i * call.row_stride, to + i * width_, width_);
  });
}

LayerNormStep::LayerNormStep(std::string path, double eps, TokenShape shape, int src, int dst)
    : path_(std::move(path)), eps_(eps), shape_(shape), src_(src), dst_(dst) {
  name = "layer_norm " + path_;
  positions = shape.positions;
  reads = {src};
  writes = {dst};
}

void LayerNormStep::prepare(Workshop& workshop) {
  engine_ = workshop.engine;
  const memory::desc x({chunk * shape_.positions, shape_.channels}, dnnl_type(workshop.type), tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  using flags = dnnl::normalization_flags;
  chosen_ = {
      dnnl::layer_normalization_forward::desc(dnnl::prop_kind::forward_inference, x, static_cast<float>(eps_),
                                              flags::use_scale | flags::use_shift),
      attributes, engine_};
  implementation = chosen_.impl_info_str();
  prepared_.set(dnnl::layer_normalization_forward(chosen_));
  const memory::desc row({shape_.channels}, memory::data_type::f32, tag::x);
  const auto constant = [&](int argument, const char* which) {
    const auto floats = workshop.weights.floats(path_ + which, shape_.channels);
    prepared_.constant(argument, memory(row, engine_, const_cast<float*>(floats.data())));  // only read
  };
  constant(DNNL_ARG_SCALE, ".weight");
  constant(DNNL_ARG_SHIFT, ".bias");
  const auto scratch = static_cast<int64_t>(chosen_.scratchpad_desc().get_size());
  if (scratch > 0) writes.push_back(scratch_ = workshop.buffers.add_scratch(scratch));
}

void LayerNormStep::bind(const Buffers& buffers) {
  prepared_.buffer(DNNL_ARG_SRC, chosen_.src_desc(), engine_, buffers.place(src_));
  prepared_.buffer(DNNL_ARG_DST, chosen_.dst_desc(), engine_, buffers.place(dst_));
  if (scratch_ >= 0)
    prepared_.buffer(DNNL_ARG_SCRATCHPAD, chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
}

ActivationStep::ActivationStep(Spec spec, TokenShape shape, int src, int dst)
    : spec_(spec), shape_(shape), src_(src), dst_(dst) {
  constexpr const char* names[] = {"gelu", "relu", "clamp"};
  name = names[static_cast<size_t>(spec.kind)];
  positions = shape.positions;
  reads = {src};
  writes = {dst};
}

void ActivationStep::prepare(Workshop& workshop) {
  engine_ = workshop.engine;
  values_ = {{chunk * shape_.size()}, dnnl_type(workshop.type), tag::x};
  using Kind = Spec::Kind;
  const dnnl::algorithm kind = spec_.kind == Kind::gelu   ? dnnl::algorithm::eltwise_gelu_erf
                               : spec_.kind == Kind::relu ? dnnl::algorithm::eltwise_relu
                                                          : dnnl::algorithm::eltwise_clip;
  const dnnl::eltwise_forward::primitive_desc chosen(
      {dnnl::prop_kind::forward_inference, kind, values_, static_cast<float>(spec_.low),
       static_cast<float>(spec_.high)},
      engine_);
  implementation = chosen.impl_info_str();
  prepared_.set(dnnl::eltwise_forward(chosen));
}

void ActivationStep::bind(const Buffers& buffers) {
  prepared_.buffer(DNNL_ARG_SRC, values_, engine_, buffers.place(src_));
  prepared_.buffer(DNNL_ARG_DST, values_, engine_, buffers.place(dst_));
}

PositionsStep::PositionsStep(std::string path, int64_t count, TokenShape shape, int src, int dst)
    : path_(std::move(path)), count_(count), shape_(shape), src_(src), dst_(dst) {
  name = "positions " + path_;
  positions = shape.positions;
  reads = {src};
  writes = {dst};
}

void PositionsStep::prepare(Workshop& workshop) {
  type_ = workshop.type;
  const auto all = workshop.weights.floats(path_, count_ * shape_.channels);
  table_.assign(all.begin(), all.begin() + shape_.size());
  if (type_ == Type::fp32) return;
  narrow_.resize(table_.size());
  cast(table_.data(), narrow_.data(), shape_.size());
}

void PositionsStep::bind(const Buffers& buffers) {
  x_ = buffers.place(src_);
  y_ = buffers.place(dst_);
}

void PositionsStep::run(const Call& call, const dnnl::stream&) {
  const int64_t size = shape_.size();
  const auto add = [&](const auto& table, auto* x, auto* y) {
    for (int64_t i = 0; i < chunk; ++i) blend({x + i * size, table.data(), y + i * size, size});
  };
  if (type_ == Type::fp32) return add(table_, values<float>(x_, call), values<float>(y_, call));
  add(narrow_, values<BF16>(x_, call), values<BF16>(y_, call));
}

SliceStep::SliceStep(Spec spec, int64_t at, int src, int dst) : spec_(spec), src_(src), dst_(dst) {
  name = "slice";
  positions = at;
  reads = {src};
  writes = {dst};
}

void SliceStep::bind(const Buffers& buffers) {
  x_ = buffers.place(src_);
  y_ = buffers.place(dst_);
}

void SliceStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    const T* x = values<T>(x_, call) + spec_.from;
    T* y = values<T>(y_, call);
    for (int64_t i = 0; i < chunk * spec_.rows; ++i)
      std::copy_n(x + i * spec_.row, spec_.count, y + i * spec_.count);
  });
}

}  // namespace langevin::runtime
