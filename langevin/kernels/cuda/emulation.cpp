#include "langevin/kernels/cuda/emulation.h"

#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"
#include "langevin/kernels/cuda/memory.h"

namespace langevin::cuda {
namespace emulation {
namespace {

constexpr size_t kStack = 128 * 1024;
constexpr size_t kGuard = 256;           // bytes before and after shared memory that must stay as they are
constexpr unsigned char kPoison = 0xff;  // floats of these bytes are NaN

enum class State { ready, waiting, done };

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<char[]> stack = std::make_unique_for_overwrite<char[]>(kStack);
  State state = State::ready;
};

/// One launch.
struct Machine {
  std::vector<Fiber> fibers;
  ucontext_t scheduler{};
  size_t turn = 0;
  std::vector<unsigned char> shared;
  const std::function<void()>* body = nullptr;
  const char* mistake = nullptr;  // of a thread
};

thread_local Machine* machine = nullptr;
thread_local Order order = Order::forward;

std::vector<uint32_t> turns(size_t count, uint64_t salt) {
  std::vector<uint32_t> out(count);
  std::iota(out.begin(), out.end(), 0u);
  if (order == Order::backward) std::reverse(out.begin(), out.end());
  if (order == Order::shuffled) out = permutation(static_cast<uint32_t>(count), NoiseKey{1, salt});
  return out;
}

void run_fiber() {
  Machine& m = *machine;
  (*m.body)();
  m.fibers[m.turn].state = State::done;
  ::swapcontext(&m.fibers[m.turn].context, &m.scheduler);
}

void start(Fiber& fiber) {
  ::getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = nullptr;
  ::makecontext(&fiber.context, run_fiber, 0);
  fiber.state = State::ready;
}

/// Every thread runs until its next barrier or its end; all must come to the same.
void run_to_barrier(Machine& m, uint64_t salt) {
  size_t waiting = 0;
  for (const uint32_t thread : turns(m.fibers.size(), salt)) {
    m.turn = thread;
    threadIdx.x = thread;
    ::swapcontext(&m.scheduler, &m.fibers[thread].context);
    if (m.mistake != nullptr) fail("emulation: thread {} of block {}: {}", thread, blockIdx.x, m.mistake);
    waiting += m.fibers[thread].state == State::waiting;
  }
  check(waiting == 0 || waiting == m.fibers.size(), "emulation", "{} of {} threads reached a barrier",
        waiting, m.fibers.size());
}

void check_guards(const Machine& m) {
  for (size_t i = 0; i < kGuard; ++i) {
    check(m.shared[i] == kPoison && m.shared[m.shared.size() - 1 - i] == kPoison, "emulation",
          "a block wrote beside its shared memory");
  }
}

void run_block(Machine& m, unsigned block) {
  blockIdx.x = block;
  std::fill(m.shared.begin(), m.shared.end(), kPoison);
  for (Fiber& fiber : m.fibers) start(fiber);
  for (uint64_t round = 0; m.fibers[0].state != State::done; ++round) {
    run_to_barrier(m, round * 1000003 + block);
  }
  check_guards(m);
}

}  // namespace

void set_order(Order value) { order = value; }

void run(int64_t blocks, int threads, size_t shared, const std::function<void()>& body) {
  check(blocks < int64_t{1} << 31 && threads >= 1 && threads <= 1024 && shared <= 48 * 1024, "emulation",
        "no GPU starts {} blocks of {} threads with {} bytes of shared memory", blocks, threads, shared);
  Machine m;
  m.fibers.resize(static_cast<size_t>(threads));
  m.shared.resize(2 * kGuard + shared);
  m.body = &body;
  machine = &m;
  blockDim.x = static_cast<unsigned>(threads);
  gridDim.x = static_cast<unsigned>(blocks);
  const struct Leave {
    ~Leave() { machine = nullptr; }
  } leave;
  for (const uint32_t block : turns(static_cast<size_t>(blocks), 0)) run_block(m, block);
}

void* shared_bytes() { return machine->shared.data() + kGuard; }

// Nothing is thrown on a fiber's stack: the launch does it.
void stop_at(const char* mistake) {
  machine->mistake = mistake;
  barrier();
}

void barrier() {
  Machine& m = *machine;
  Fiber& fiber = m.fibers[m.turn];
  fiber.state = State::waiting;
  ::swapcontext(&fiber.context, &m.scheduler);
}

}  // namespace emulation

// memory.h of the emulated device.
int device_count() { return 1; }
std::string device_name() { return "emulated on the CPU"; }
void* allocate(size_t bytes) { return ::operator new(bytes, std::align_val_t(256)); }
void release(void* memory) { ::operator delete(memory, std::align_val_t(256)); }
void copy(void* to, const void* from, size_t bytes, Stream) { std::memmove(to, from, bytes); }
void wait(Stream) {}

}  // namespace langevin::cuda
