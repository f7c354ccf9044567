// The emulation finds what it is there to find: kernels with one mistake each.
#include "langevin/kernels/cuda/emulation.h"

#include <algorithm>
#include <vector>

#include "../device_array.h"
#include "langevin/core/check.h"
#include "langevin/kernels/cuda/vectors.h"

namespace langevin::cuda {
namespace {

constexpr int kThreads = 64;

/// Each thread hands its number to the next; without the barrier it reads what may not be there yet.
void pass_on(float* out, bool barrier) {
  float* shared = shared_memory<float>();
  shared[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (barrier) __syncthreads();
  out[threadIdx.x] = shared[(threadIdx.x + 1) % kThreads];
}

std::vector<float> passed_on(bool barrier, emulation::Order order) {
  std::vector<float> out(kThreads);
  emulation::set_order(order);
  launch("pass_on", pass_on, 1, kThreads, sizeof(float) * kThreads, nullptr, out.data(), barrier);
  emulation::set_order(emulation::Order::forward);
  return out;
}

TEST(Emulation, BarriersOrderSharedMemory) {
  std::vector<float> expected(kThreads);
  for (int i = 0; i < kThreads; ++i)
    expected[static_cast<size_t>(i)] = static_cast<float>((i + 1) % kThreads);
  for (const auto order : {emulation::Order::forward, emulation::Order::backward, emulation::Order::shuffled})
    EXPECT_EQ(passed_on(true, order), expected);
}

TEST(Emulation, AMissingBarrierShows) {
  const auto forward = passed_on(false, emulation::Order::forward),
             backward = passed_on(false, emulation::Order::backward);
  const auto is_nan = [](float x) { return std::isnan(x); };
  EXPECT_TRUE(std::any_of(forward.begin(), forward.end(), is_nan)) << "unwritten shared memory is NaN";
  EXPECT_FALSE(test::same_bits(forward, backward));
}

void half_a_barrier() {
  if (threadIdx.x < 3) __syncthreads();
}
TEST(Emulation, ABarrierThatNotAllReachIsAnError) {
  EXPECT_THROW(launch("half", half_a_barrier, 1, kThreads, 0, nullptr), Error);
}

void write_beside(size_t at) { shared_memory<float>()[at] = 1; }
TEST(Emulation, WritesBesideSharedMemoryAreErrors) {
  EXPECT_NO_THROW(launch("inside", write_beside, 1, 1, 4 * sizeof(float), nullptr, size_t{3}));
  EXPECT_THROW(launch("beside", write_beside, 1, 1, 4 * sizeof(float), nullptr, size_t{4}), Error);
}

void load_eight(const float* from) {
  float values[kVector];
  load<kVector>(from, values);
}
TEST(Emulation, UnalignedVectorsAreErrors) {
  alignas(16) const float values[12] = {};
  EXPECT_NO_THROW(launch("aligned", load_eight, 1, 1, 0, nullptr, values + 4));
  EXPECT_THROW(launch("unaligned", load_eight, 1, 1, 0, nullptr, values + 1), Error);
}

TEST(Emulation, LaunchesThatNoGpuTakesAreErrors) {
  EXPECT_THROW(launch("threads", load_eight, 1, 2048, 0, nullptr, nullptr), Error);
  EXPECT_THROW(launch("shared", load_eight, 1, 1, 64 * 1024, nullptr, nullptr), Error);
}

}  // namespace
}  // namespace langevin::cuda
