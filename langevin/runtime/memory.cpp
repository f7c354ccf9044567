#include "langevin/runtime/memory.h"

#include <algorithm>
#include <new>
#include <numeric>

#include "langevin/core/check.h"

namespace langevin::runtime {
namespace {

constexpr int64_t kAlign = 64;  // a cache line, and the widest vector

int64_t rounded_up(int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

int segment_of(const std::vector<Segment>& segments, int step) {
  for (size_t i = 0; i < segments.size(); ++i) {
    if (step >= segments[i].begin && step < segments[i].end) return static_cast<int>(i);
  }
  fail("Buffers: step {} belongs to no segment", step);
}

}  // namespace

int Buffers::add(int64_t bytes_per_sample) {
  buffers_.push_back({.sample_bytes = bytes_per_sample});
  return static_cast<int>(buffers_.size()) - 1;
}

int Buffers::add_scratch(int64_t bytes) {
  buffers_.push_back({.scratch_bytes = rounded_up(std::max<int64_t>(bytes, 1))});
  return static_cast<int>(buffers_.size()) - 1;
}

int Buffers::root(int buffer) const {
  while (buffers_[static_cast<size_t>(buffer)].parent >= 0)
    buffer = buffers_[static_cast<size_t>(buffer)].parent;
  return buffer;
}

void Buffers::merge(int later, int earlier) {
  const int into = root(earlier), from = root(later);
  if (into == from) return;
  buffers_[static_cast<size_t>(from)].parent = into;
}

void Buffers::touch(int buffer, int step) {
  Buffer& b = buffers_[static_cast<size_t>(root(buffer))];
  if (b.first < 0) b.first = step;
  b.last = step;
}

// A buffer that only one segment touches is needed for one chunk. One that crosses holds the whole batch, and
// is alive throughout the segments at its ends: their steps run again for the next chunk.
void Buffers::extend_to_segments(Buffer& b, const std::vector<Segment>& segments, int64_t batch) const {
  if (b.sample_bytes == 0) {
    b.bytes = b.scratch_bytes;
    return;
  }
  const auto& begin = segments[static_cast<size_t>(segment_of(segments, b.first))];
  const auto& end = segments[static_cast<size_t>(segment_of(segments, b.last))];
  if (begin.begin == end.begin) {
    b.bytes = rounded_up(b.sample_bytes * begin.chunk);
    return;
  }
  b.bytes = rounded_up(b.sample_bytes * batch);
  b.stride = b.sample_bytes;
  b.first = begin.begin;
  b.last = end.end - 1;
}

// Largest first, each at the lowest address that is free while it lives.
void Buffers::assign_offsets(std::vector<int> order) {
  const auto at = [&](int i) -> Buffer& { return buffers_[static_cast<size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return at(a).bytes > at(b).bytes; });
  std::vector<int> placed;  // by offset
  for (int index : order) {
    Buffer& b = at(index);
    int64_t offset = 0;
    for (int other : placed) {
      const Buffer& o = at(other);
      const bool together = o.first <= b.last && b.first <= o.last;
      if (!together) continue;
      if (offset + b.bytes <= o.offset) break;
      offset = std::max(offset, o.offset + o.bytes);
    }
    b.offset = offset;
    arena_bytes_ = std::max(arena_bytes_, offset + b.bytes);
    unshared_bytes_ += b.bytes;
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index,
                                   [&](int a, int c) { return at(a).offset < at(c).offset; }),
                  index);
  }
}

void Buffers::lay_out(const std::vector<Segment>& segments, int64_t batch) {
  std::vector<int> order;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    Buffer& b = buffers_[i];
    if (b.parent >= 0 || b.first < 0) continue;
    extend_to_segments(b, segments, batch);
    order.push_back(static_cast<int>(i));
  }
  assign_offsets(std::move(order));
  pages_.emplace();
  arena_ = pages_->take(static_cast<size_t>(arena_bytes_));
}

void Buffers::touch_pages() { std::fill_n(arena_, arena_bytes_, std::byte{0}); }

Place Buffers::place(int buffer) const {
  const Buffer& b = buffers_[static_cast<size_t>(root(buffer))];
  return {arena_ + b.offset, b.stride};
}

}  // namespace langevin::runtime
