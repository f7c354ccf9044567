// Which processor a thread runs on. Threads of a team that the system has put on one processor share its time
// although another may be idle, until the system happens to look; they part by themselves.
#pragma once

#include <span>

namespace langevin::runtime {

/// Of the calling thread; -1 where the system does not say.
int current_processor();

/// Moves the calling thread to a processor that is not among `taken` and that it may use, if there is one.
/// Afterwards the system may move it again.
void leave_processors(std::span<const int> taken);

}  // namespace langevin::runtime
