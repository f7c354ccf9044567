#include "langevin/torch/memory_pool.h"

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

#include "langevin/torch/compat.h"

namespace langevin {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

/// Takes and gives back at random; every live block holds its own number, so that an overlap shows.
void stir(MemoryPool& pool, unsigned seed, int rounds) {
  std::mt19937 random(seed);
  struct Held {
    MemoryPool::Block block;
    unsigned char number;
  };
  std::vector<Held> held;
  for (int i = 0; i < rounds; ++i) {
    if (held.empty() || random() % 5 < 3) {
      const size_t size = 1 + random() % (4 * kMiB);
      const MemoryPool::Block block = pool.take(size);
      ASSERT_GE(block.size, size);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(block.data) % 4096, 0U);
      held.push_back({block, static_cast<unsigned char>(random())});
      std::memset(block.data, held.back().number, block.size);
    } else {
      std::swap(held[random() % held.size()], held.back());
      const auto [block, number] = held.back();
      ASSERT_EQ(std::to_integer<unsigned char>(block.data[0]), number);
      ASSERT_EQ(std::to_integer<unsigned char>(block.data[block.size - 1]), number);
      pool.give_back(block);
      held.pop_back();
    }
  }
  for (const Held& h : held) pool.give_back(h.block);
}

TEST(MemoryPool, BlocksNeverOverlapAndHolesBecomeOne) {
  MemoryPool pool;
  stir(pool, 1, 400);
  EXPECT_EQ(pool.use().live, 0U);
  const size_t mapped = pool.use().mapped;
  ASSERT_EQ(mapped % (512 * kMiB), 0U);
  const auto whole = pool.take(512 * kMiB);  // fits again only if every hole has found its neighbours
  EXPECT_EQ(pool.use().mapped, mapped);
  pool.give_back(whole);
}

TEST(MemoryPool, ARepeatedStepFindsItsMemory) {
  MemoryPool pool;
  const auto weights = pool.take(5 * kMiB);
  std::vector<const std::byte*> places;
  for (int step = 0; step < 3; ++step) {
    const auto a = pool.take(3 * kMiB), b = pool.take(kMiB);
    if (step == 0) places = {a.data, b.data};
    EXPECT_EQ(a.data, places[0]);
    EXPECT_EQ(b.data, places[1]);
    pool.give_back(a);
    pool.give_back(b);
  }
  pool.give_back(weights);
}

TEST(MemoryPool, LargerThanARegion) {
  MemoryPool pool;
  const auto block = pool.take(700 * kMiB);
  EXPECT_GE(block.size, 700 * kMiB);
  block.data[block.size - 1] = std::byte{1};
  pool.give_back(block);
  EXPECT_THROW(pool.take(size_t{1} << 60), std::bad_alloc);
  EXPECT_EQ(pool.use().live, 0U);
}

TEST(MemoryPool, TrimKeepsWhatIsInUse) {
  MemoryPool pool;
  const auto kept = pool.take(kMiB), freed = pool.take(kMiB);
  kept.data[7] = std::byte{42};
  pool.give_back(freed);
  pool.trim();
  EXPECT_EQ(kept.data[7], std::byte{42});
  pool.give_back(kept);
}

TEST(MemoryPool, ManyThreads) {
  MemoryPool pool;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back([&pool, i] { stir(pool, i, 60); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(pool.use().live, 0U);
}

TEST(MemoryPool, HoldsLibtorchsTensors) {
  use_memory_pool();
  at::Tensor t = at::ones({1 << 20}, at::kFloat);
  const at::Tensor same = t;
  t = at::Tensor();
  EXPECT_EQ(same.sum().item<float>(), 1 << 20);
  for (const size_t size : {size_t{10}, size_t{1} << 20}) {  // by the address alone, as some operators do
    void* data = c10::GetCPUAllocator()->raw_allocate(size);
    std::memset(data, 1, size);
    c10::GetCPUAllocator()->raw_deallocate(data);
  }
}

}  // namespace
}  // namespace langevin
