#include "langevin/runtime/processors.h"

#if defined(__linux__)

#include <sched.h>

namespace langevin::runtime {

int current_processor() { return ::sched_getcpu(); }

void leave_processors(std::span<const int> taken) {
  cpu_set_t allowed, others;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  others = allowed;
  for (int cpu : taken) {
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_CLR(static_cast<size_t>(cpu), &others);
  }
  if (CPU_COUNT(&others) == 0 || ::sched_setaffinity(0, sizeof(others), &others) != 0) return;
  ::sched_setaffinity(0, sizeof(allowed), &allowed);
}

}  // namespace langevin::runtime

#else

namespace langevin::runtime {

int current_processor() { return -1; }
void leave_processors(std::span<const int>) {}

}  // namespace langevin::runtime

#endif
