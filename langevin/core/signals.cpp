#include "langevin/core/signals.h"

#include <time.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "langevin/core/check.h"

namespace langevin {
namespace {

// A handler gets no argument of ours: the one place where state of the process is unavoidable.
std::atomic<int> first_signal{0};
std::atomic<int64_t> first_time{0};
std::atomic<bool> active{false};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free,
              "a signal handler must not take a lock");

constexpr int64_t kEcho = 300'000'000;  // nanoseconds

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void on_signal(int number) {
  const int saved_errno = errno;
  int none = 0;
  const int64_t time = now();
  if (first_signal.compare_exchange_strong(none, number)) {
    first_time = time;
  } else if (const int64_t first = first_time; first != 0 && time - first > kEcho) {
    ::signal(number, SIG_DFL);
    ::raise(number);
  }
  errno = saved_errno;
}

void install(int number, struct sigaction& old) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(number, nullptr, &old);
  if (old.sa_handler != SIG_IGN) ::sigaction(number, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() : old_interrupt_{}, old_terminate_{} {
  check(!active.exchange(true), "StopSignal",
        "another one is active; only one loop can be stopped at a time");
  first_signal = 0;
  first_time = 0;
  install(SIGINT, old_interrupt_);
  install(SIGTERM, old_terminate_);
}

StopSignal::~StopSignal() {
  ::sigaction(SIGINT, &old_interrupt_, nullptr);
  ::sigaction(SIGTERM, &old_terminate_, nullptr);
  active = false;
}

int StopSignal::signal() const { return first_signal; }

}  // namespace langevin
