#include "langevin/runtime/plan.h"

#include <algorithm>
#include <map>
#include <optional>

#include "langevin/kernels/threads.h"
#include "langevin/runtime/lowering.h"
#include "langevin/runtime/stream_weights.h"

namespace langevin::runtime {
namespace {

constexpr int64_t kCachedBytes = 1 << 20;  // of one activation, a core: with its neighbours it stays in L2
constexpr int64_t kColumns = 1024;  // positions of all samples that streamed weights are used for at once

}  // namespace

Plan::Plan(const Graph& graph, Type type, const PlanShares& shared)
    : type_(shared.streams != nullptr ? Type::fp32 : values_type(type)),
      conditioning_(shared.conditioning),
      batch_(graph.nodes[static_cast<size_t>(graph.image)].shape.at(0)),
      threads_(max_threads()),
      streams_(shared.streams),
      output_shape_(graph.nodes[static_cast<size_t>(graph.output)].shape),
      engine_(dnnl::engine::kind::cpu, 0),
      stream_(engine_) {
  steps_ = lower(graph, shared.conditioning, {type_, streams_ != nullptr, shared.int8}, buffers_);
  choose_chunks(graph);
  share_memory();
  Workshop workshop{engine_, shared.weights, buffers_, type_, type, streams_};
  for (auto& step : steps_) step->prepare(workshop);
  if (streams_ != nullptr) streams_->weights.pack(streams_->team);
  for (size_t i = 0; i < steps_.size(); ++i) {
    for (int buffer : steps_[i]->reads) buffers_.touch(buffer, static_cast<int>(i));
    for (int buffer : steps_[i]->writes) buffers_.touch(buffer, static_cast<int>(i));
  }
  buffers_.lay_out(segments_, batch_);
  for (auto& step : steps_) step->bind(buffers_);
  rows_.resize(static_cast<size_t>(batch_ * conditioning_.width()));
  conditioning_.keep(batch_);
  if (streams_ != nullptr) {
    find_regions();
    buffers_.touch_pages();
  }
}

// Stages of large pictures run a few samples at a time, so that what one step leaves is in the cache when the
// next one wants it. Small ones run the whole batch: there the weights are what is read, and they are shared.
// So are streamed ones, by as many samples as leave a thread's results in its cache.
void Plan::choose_chunks(const Graph& graph) {
  std::map<int64_t, int64_t> widest;  // channels by positions
  for (const Node& n : graph.nodes) {
    if (n.shape.size() < 3 || n.tokens) continue;
    int64_t& c = widest[element_count(n.shape) / n.shape[0] / n.shape[1]];
    c = std::max(c, n.shape[1]);
  }
  const int64_t longest = widest.empty() ? 1 : std::max<int64_t>(1, widest.rbegin()->first);
  for (size_t i = 0; i < steps_.size(); ++i) {
    const int64_t bytes = steps_[i]->positions * widest[steps_[i]->positions] * size_of(type_);
    int64_t chunk = std::clamp<int64_t>(kCachedBytes * threads_ / std::max<int64_t>(1, bytes), 1, batch_);
    if (streams_ != nullptr) chunk = std::clamp<int64_t>(kColumns / longest, 1, batch_);
    while (batch_ % chunk != 0) --chunk;
    steps_[i]->chunk = chunk;
    const int step = static_cast<int>(i);
    if (segments_.empty() || segments_.back().chunk != chunk) segments_.push_back({step, step, chunk});
    segments_.back().end = step + 1;
  }
}

// A step may write over a value that nobody reads after it.
void Plan::share_memory() {
  std::map<int, size_t> last_read;
  for (size_t i = 0; i < steps_.size(); ++i)
    for (int buffer : steps_[i]->reads) last_read[buffer] = i;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const int candidate = steps_[i]->may_overwrite();
    if (candidate < 0 || last_read[candidate] != i) continue;
    buffers_.merge(steps_[i]->writes.front(), candidate);
    steps_[i]->overwrite();
  }
}

// One row for all samples that do not differ.
int64_t Plan::write_rows(const Inputs& in) {
  const int64_t width = conditioning_.width(), wide = conditioning_.given_width();
  const auto label = [&](size_t i) { return in.labels.empty() ? int64_t{-1} : in.labels[i]; };
  const auto given = [&](size_t i) {
    return in.given == nullptr ? nullptr : in.given + static_cast<int64_t>(i) * wide;
  };
  // A team's processors are not for OpenMP's threads too, which would spin there for a while.
  std::optional<ThreadLimit> alone;
  if (streams_ != nullptr) alone.emplace(1);
  bool one_row = true;
  for (size_t i = 1; i < in.t.size() && one_row; ++i) {
    one_row = in.t[i] == in.t[0] && label(i) == label(0) &&
              (wide == 0 || std::equal(given(i), given(i) + wide, given(0)));
  }
  const size_t rows = one_row ? 1 : in.t.size();
  for (size_t i = 0; i < rows; ++i)
    conditioning_.row(in.t[i], label(i), given(i), rows_.data() + static_cast<int64_t>(i) * width);
  return one_row ? 0 : width;
}

// Runs of steps that have units, each for the team in one go.
void Plan::find_regions() {
  for (size_t i = 0; i < steps_.size(); ++i) {
    const int step = static_cast<int>(i), units = steps_[i]->units();
    const bool goes_on = !regions_.empty() && !regions_.back().units.empty() && units > 0 &&
                         regions_.back().units.size() < Team::kStages;
    if (!goes_on) regions_.push_back({step, step, {}});
    regions_.back().end = step + 1;
    if (units > 0) regions_.back().units.push_back(units);
  }
}

void Plan::run_streamed(Call call) {
  for (call.first = 0; call.first < batch_; call.first += segments_.front().chunk) {
    for (const Region& region : regions_) {
      const auto first = steps_.begin() + region.begin;
      if (region.units.empty()) {
        (*first)->run(call, stream_);
        continue;
      }
      const auto work = [&](const Team::Task& task) { first[task.stage]->run_unit(call, task); };
      streams_->team.run(region.units, work);
    }
  }
}

void Plan::run(const Inputs& inputs, float* output) {
  check(max_threads() == threads_, "Plan", "was made for {} threads and is run with {}", threads_,
        max_threads());
  Call call{inputs.image, inputs.context, output, rows_.data(), write_rows(inputs), 0};
  if (streams_ != nullptr) return run_streamed(call);
  for (const Segment& segment : segments_) {
    for (call.first = 0; call.first < batch_; call.first += segment.chunk) {
      for (int i = segment.begin; i < segment.end; ++i) {
        Step& step = *steps_[static_cast<size_t>(i)];
        if (watch_ && !step.input.products.empty()) watch_(step, call);
        step.run(call, stream_);
      }
    }
  }
  stream_.wait();
}

}  // namespace langevin::runtime
