// The axis of a chart: its range, its ticks and the way from a value to a pixel. Used by svg.cpp.
#pragma once

#include <string>
#include <vector>

namespace langevin {

struct Tick {
  double value = 0;
  std::string label;  // may be empty (a minor tick)
};

struct Axis {
  double low = 0, high = 1;  // of value, or of log10(value) on a logarithmic axis
  bool log = false;
  std::vector<Tick> ticks;  // ascending, inside the range

  /// 0 at the low end, 1 at the high end. NaN for a value that cannot be drawn.
  double fraction(double value) const;
};

/// True for what an axis can show: finite, at most 1e300, and positive when `log`.
bool is_drawable(double value, bool log);

/// Range and ticks for the drawable ones of `values`; about `wanted` ticks at 1, 2, 5 x 10^k, or at decades.
/// `tight` ends the range at the data (good for x); otherwise at ticks, or with a margin on a logarithmic
/// axis.
Axis make_axis(const std::vector<double>& values, bool log, int wanted, bool tight);

}  // namespace langevin
