// The arena: what is alive together never overlaps, also where a segment of steps runs chunk by chunk.
#include "langevin/runtime/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace langevin::runtime {
namespace {

struct Life {
  int buffer, first, last;
  int64_t bytes;
};

/// Plays the steps as a plan does: a step writes its own mark into each buffer that begins there, and finds
/// the marks of all that live on.
void play(const Buffers& buffers, const std::vector<Life>& lives, const std::vector<Segment>& segments,
          int64_t batch) {
  const auto mark = [](int buffer, int64_t sample) {
    return static_cast<std::byte>(7 * buffer + 13 * sample + 1);
  };
  for (const Segment& segment : segments) {
    for (int64_t first = 0; first < batch; first += segment.chunk) {
      for (int step = segment.begin; step < segment.end; ++step) {
        for (const Life& life : lives) {
          std::byte* base = buffers.place(life.buffer).at(first);
          for (int64_t i = 0; i < segment.chunk; ++i) {
            std::byte* at = base + i * life.bytes;
            if (life.first == step) std::fill_n(at, life.bytes, mark(life.buffer, first + i));
          }
        }
        for (const Life& life : lives) {
          if (life.first > step || life.last < step) continue;
          const std::byte* base = buffers.place(life.buffer).at(first);
          for (int64_t i = 0; i < segment.chunk * life.bytes; ++i)
            ASSERT_EQ(base[i], mark(life.buffer, first + i / life.bytes))
                << "buffer " << life.buffer << " in step " << step << ", samples from " << first;
        }
      }
    }
  }
}

TEST(Buffers, NothingAliveIsOverwritten) {
  std::mt19937 draw(5);
  for (int round = 0; round < 200; ++round) {
    const int steps = 12;
    const int64_t batch = 4;
    const std::vector<Segment> segments{{0, 3, 1}, {3, 5, 2}, {5, 8, 4}, {8, steps, 1}};
    Buffers buffers;
    std::vector<Life> lives;
    for (int i = 0; i < 15; ++i) {
      const int64_t bytes = 1 + static_cast<int64_t>(draw() % 100);
      const int first = static_cast<int>(draw() % steps);
      const int last = std::min(steps - 1, first + static_cast<int>(draw() % 5));
      lives.push_back({buffers.add(bytes), first, last, bytes});
    }
    for (int step = 0; step < steps; ++step) {
      for (const Life& life : lives)
        if (step == life.first || step == life.last) buffers.touch(life.buffer, step);
    }
    buffers.lay_out(segments, batch);
    play(buffers, lives, segments, batch);
    EXPECT_LE(buffers.arena_bytes(), buffers.unshared_bytes());
  }
}

TEST(Buffers, AMergedBufferTakesOverTheMemory) {
  Buffers buffers;
  const int a = buffers.add(256), b = buffers.add(256);
  buffers.merge(b, a);
  buffers.touch(a, 0);
  buffers.touch(b, 1);
  buffers.lay_out({{0, 2, 1}}, 1);
  EXPECT_EQ(buffers.place(a).base, buffers.place(b).base);
  EXPECT_EQ(buffers.arena_bytes(), 256);
}

TEST(Buffers, WhatStaysWithinAChunkNeedsRoomForAChunkOnly) {
  Buffers buffers;
  const int inside = buffers.add(1024), across = buffers.add(64);
  for (int step : {0, 1}) buffers.touch(inside, step);
  for (int step : {1, 2}) buffers.touch(across, step);
  buffers.lay_out({{0, 2, 1}, {2, 3, 8}}, 8);
  EXPECT_EQ(buffers.place(inside).stride, 0);
  EXPECT_EQ(buffers.place(across).stride, 64);
  EXPECT_EQ(buffers.unshared_bytes(), 1024 + 8 * 64);
}

}  // namespace
}  // namespace langevin::runtime
