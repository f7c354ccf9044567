#include "langevin/runtime/plan.h"

#include <algorithm>
#include <map>

#include "langevin/kernels/threads.h"
#include "langevin/runtime/lowering.h"

namespace langevin::runtime {
namespace {

constexpr int64_t kCachedBytes = 1 << 20;  // of one activation, a core: with its neighbours it stays in L2

}  // namespace

Plan::Plan(const Graph& graph, Type type, Conditioning& conditioning, Weights& weights)
    : type_(values_type(type)),
      conditioning_(conditioning),
      batch_(graph.nodes[static_cast<size_t>(graph.image)].shape.at(0)),
      threads_(max_threads()),
      output_shape_(graph.nodes[static_cast<size_t>(graph.output)].shape),
      engine_(dnnl::engine::kind::cpu, 0),
      stream_(engine_) {
  steps_ = lower(graph, conditioning, type_, buffers_);
  choose_chunks(graph);
  share_memory();
  Workshop workshop{engine_, weights, buffers_, type_, type};
  for (auto& step : steps_) step->prepare(workshop);
  for (size_t i = 0; i < steps_.size(); ++i) {
    for (int buffer : steps_[i]->reads) buffers_.touch(buffer, static_cast<int>(i));
    for (int buffer : steps_[i]->writes) buffers_.touch(buffer, static_cast<int>(i));
  }
  buffers_.lay_out(segments_, batch_);
  for (auto& step : steps_) step->bind(buffers_);
  rows_.resize(static_cast<size_t>(batch_ * conditioning_.width()));
}

// Stages of large pictures run a few samples at a time, so that what one step leaves is in the cache when the
// next one wants it. Small ones run the whole batch: there the weights are what is read, and they are shared.
void Plan::choose_chunks(const Graph& graph) {
  std::map<int64_t, int64_t> widest;  // channels by positions
  for (const Node& n : graph.nodes) {
    if (n.shape.size() != 4) continue;
    int64_t& c = widest[n.shape[2] * n.shape[3]];
    c = std::max(c, n.shape[1]);
  }
  for (size_t i = 0; i < steps_.size(); ++i) {
    const int64_t bytes = steps_[i]->positions * widest[steps_[i]->positions] * size_of(type_);
    int64_t chunk = std::clamp<int64_t>(kCachedBytes * threads_ / std::max<int64_t>(1, bytes), 1, batch_);
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

void Plan::run(const float* image, const std::vector<double>& t, const std::vector<int64_t>& labels,
               float* output) {
  check(max_threads() == threads_, "Plan", "was made for {} threads and is run with {}", threads_,
        max_threads());
  const int64_t width = conditioning_.width();
  const auto label = [&](size_t i) { return labels.empty() ? int64_t{-1} : labels[i]; };
  bool one_row = true;
  for (size_t i = 1; i < t.size(); ++i) one_row = one_row && t[i] == t[0] && label(i) == label(0);
  const size_t rows = one_row ? 1 : t.size();
  for (size_t i = 0; i < rows; ++i)
    std::copy_n(conditioning_.row(t[i], label(i)), width, rows_.begin() + static_cast<int64_t>(i) * width);

  Call call{image, output, rows_.data(), one_row ? 0 : width, 0};
  for (const Segment& segment : segments_) {
    for (call.first = 0; call.first < batch_; call.first += segment.chunk) {
      for (int i = segment.begin; i < segment.end; ++i) steps_[static_cast<size_t>(i)]->run(call, stream_);
    }
  }
  stream_.wait();
}

}  // namespace langevin::runtime
