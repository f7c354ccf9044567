// Ctrl-C and termination as a question that a loop asks, so that a run saves and ends instead of dying
// mid-step.
#pragma once

#include <signal.h>

namespace langevin {

/// While it lives, SIGINT and SIGTERM only set a flag. A second one, later than 0.3 s after the first
/// (launchers often echo the terminal's signal), takes the default action and ends the process. A signal that
/// the process was started to ignore stays ignored. The old handlers come back at destruction. At most one at
/// a time (else Error).
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const { return signal() != 0; }
  int signal() const;  // SIGINT, SIGTERM, or 0 when none came

 private:
  struct sigaction old_interrupt_, old_terminate_;
};

}  // namespace langevin
