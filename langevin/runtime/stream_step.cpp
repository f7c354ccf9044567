#include "langevin/runtime/stream_step.h"

#include <algorithm>

namespace langevin::runtime {
namespace {

int64_t rounded_up(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

StreamStep::StreamStep(StreamSpec spec) : spec_(std::move(spec)) {
  name = "stream " + spec_.product.name;
  positions = std::max(spec_.product.length, spec_.product.out_length);
  for (const StreamSource& s : spec_.product.sources) reads.push_back(s.buffer);
  if (spec_.side) {
    for (const StreamSource& s : spec_.side->sources) reads.push_back(s.buffer);
  }
  if (spec_.residual >= 0) reads.push_back(spec_.residual);
  writes = {spec_.dst};
}

// A unit reads of the residual only what it writes; of a source it reads all.
int StreamStep::may_overwrite() const {
  return std::count(reads.begin(), reads.end(), spec_.residual) == 1 ? spec_.residual : -1;
}

void StreamStep::prepare(Workshop& workshop) {
  const StreamProductSpec& p = spec_.product;
  StreamContext& streams = *workshop.streams;
  outputs_ = cut_outputs(p.out, spec_.norm.empty() ? 0 : spec_.group_norm.groups, streams.team.threads());
  for (const StreamOutputs& o : outputs_) width_ = std::max(width_, o.blocks() * kStreamBlock);
  product_.emplace(p, workshop.asked, chunk);
  product_->declare(streams.weights, workshop.weights, outputs_);
  int64_t copies = product_->input_bytes(), results = 1;
  if (spec_.side) {
    side_.emplace(*spec_.side, workshop.asked, chunk);
    side_->declare(streams.weights, workshop.weights, outputs_);
    copies += side_->input_bytes();
    results = 2;
  }
  if (!spec_.norm.empty()) {
    gamma_ = copied(workshop.weights.floats(spec_.norm + ".weight", p.out));
    beta_ = copied(workshop.weights.floats(spec_.norm + ".bias", p.out));
  }
  const int64_t floats = results * chunk * p.out_length * width_ + 3 * width_;
  for (int t = 0; t < streams.team.threads(); ++t) {
    scratch_.push_back(workshop.buffers.add_scratch(copies + rounded_up(floats * 4)));
    writes.push_back(scratch_.back());
  }
  stream_ = &streams.weights;
}

void StreamStep::bind(const Buffers& buffers) {
  product_->bind(buffers, *stream_, outputs_.size());
  if (side_) side_->bind(buffers, *stream_, outputs_.size());
  own_.clear();
  for (int scratch : scratch_) own_.push_back(buffers.place(scratch).base);
  dst_ = reinterpret_cast<float*>(buffers.place(spec_.dst).base);
  if (spec_.residual >= 0) residual_ = reinterpret_cast<const float*>(buffers.place(spec_.residual).base);
}

void StreamStep::run(const Call& call, const dnnl::stream&) {
  for (int u = 0; u < units(); ++u) run_unit(call, {0, u, 0, u == 0});
}

void StreamStep::run_unit(const Call& call, const Team::Task& task) {
  const StreamOutputs& o = outputs_[static_cast<size_t>(task.unit)];
  const int64_t length = spec_.product.out_length, out = spec_.product.out;
  std::byte* main_input = own_[static_cast<size_t>(task.thread)];
  std::byte* side_input = main_input + product_->input_bytes();
  auto* y = reinterpret_cast<float*>(side_input + (side_ ? side_->input_bytes() : 0));
  if (task.first) {
    product_->take_input(main_input);
    if (side_) side_->take_input(side_input);
  }
  StreamFinish f;
  f.y = y;
  f.samples = chunk;
  f.length = length;
  f.channels = o.count();
  f.stride = width_;
  f.scratch = y + chunk * length * width_;
  product_->run(task.unit, o, main_input, y, width_);
  if (side_) {
    f.residual = f.scratch + 3 * width_;
    f.residual_stride = width_;
    side_->run(task.unit, o, side_input, const_cast<float*>(f.residual), width_);
  } else if (residual_ != nullptr) {
    f.residual = residual_ + o.begin;
    f.residual_stride = out;
  }
  if (!spec_.norm.empty()) {
    f.groups = o.count() / (out / spec_.group_norm.groups);
    f.eps = static_cast<float>(spec_.group_norm.eps);
    f.gamma = gamma_.data() + o.begin;
    f.beta = beta_.data() + o.begin;
  }
  f.activation = spec_.activation;
  if (spec_.scale_row >= 0) f.scale = call.row(spec_.scale_row) + o.begin;
  if (spec_.shift_row >= 0) f.shift = call.row(spec_.shift_row) + o.begin;
  f.film_stride = call.row_stride;
  f.out = dst_ + o.begin;
  f.out_stride = out;
  stream_finish(f);
}

}  // namespace langevin::runtime
