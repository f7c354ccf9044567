#include "langevin/io/svg_axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace langevin {
namespace {

constexpr double kLargest = 1e300;

/// 1, 2 or 5 times a power of ten, so that about `wanted` steps fill the span.
double nice_step(double span, int wanted) {
  const double raw = span / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power * 1.0001) return factor * power;
  }
  return 10 * power;
}

std::string superscript(int number) {
  static constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out;
  for (const char c : std::to_string(number)) out += c == '-' ? "⁻" : kDigits[c - '0'];
  return out;
}

/// Digits after the point that tell multiples of `step` apart.
int decimals_for(double step) {
  return std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-6)), 0, 12);
}

std::string scientific(double value, double step) {
  if (value == 0) return "0";
  const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9));
  const double scale = std::pow(10.0, exponent);
  const std::string power = "10" + superscript(exponent);
  const std::string mantissa = fmt::format("{:.{}f}", value / scale, std::min(decimals_for(step / scale), 3));
  return mantissa == "1" ? power : mantissa + "×" + power;
}

/// A short label: plain numbers where they are short, k, M, G for large ones, powers of ten beyond.
std::string label_of(double value, double step, double largest) {
  if (std::abs(value) < step * 1e-6) return "0";
  std::string text;
  if (largest >= 1e13 || largest < 1e-3) {
    text = scientific(value, step);
  } else {
    double unit = 1;
    std::string suffix;
    for (const auto& [size, name] : {std::pair{1e9, "G"}, std::pair{1e6, "M"}, std::pair{1e3, "k"}}) {
      if (largest >= 10 * size && decimals_for(step / size) <= 2) {
        unit = size;
        suffix = name;
        break;
      }
    }
    text = fmt::format("{:.{}f}{}", value / unit, decimals_for(step / unit), suffix);
  }
  if (text.front() == '-') text.replace(0, 1, "−");
  return text;
}

std::string decade_label(int exponent) {
  if (exponent >= -3 && exponent <= 4) {
    return fmt::format("{:.{}f}", std::pow(10.0, exponent), std::max(0, -exponent));
  }
  return "10" + superscript(exponent);
}

std::vector<Tick> linear_ticks(double low, double high, double step) {
  const double largest = std::max(std::abs(low), std::abs(high));
  const double first = std::ceil(low / step - 1e-6);
  std::vector<Tick> ticks;
  for (int i = 0; i < 100; ++i) {
    const double value = (first + i) * step;
    if (value > high + 1e-6 * step) break;
    ticks.push_back({value, label_of(value, step, largest)});
  }
  return ticks;
}

/// Decades (every n-th when there are many), with the multiples between them as unlabelled or labelled ticks.
std::vector<Tick> log_ticks(double low, double high, int wanted) {
  const int first = static_cast<int>(std::ceil(low - 1e-9)), last = static_cast<int>(std::floor(high + 1e-9));
  const int stride = std::max(1, (last - first) / wanted + ((last - first) % wanted != 0 ? 1 : 0));
  std::vector<Tick> ticks;
  if (last - first >= 2) {
    for (int e = first; e <= last; e += stride) ticks.push_back({std::pow(10.0, e), decade_label(e)});
    return ticks;
  }
  for (int e = first - 1; e <= last; ++e) {
    for (const int factor : {1, 2, 5}) {
      const double value = factor * std::pow(10.0, e), place = std::log10(value);
      if (place < low - 1e-9 || place > high + 1e-9) continue;
      ticks.push_back({value, label_of(value, std::pow(10.0, e), value)});
    }
  }
  if (ticks.size() >= 3) return ticks;
  const double from = std::pow(10.0, low), to = std::pow(10.0, high);
  return linear_ticks(from, to, nice_step(to - from, wanted));
}

}  // namespace

bool is_drawable(double value, bool log) {
  if (!std::isfinite(value) || std::abs(value) > kLargest) return false;
  return !log || value >= 1 / kLargest;
}

double Axis::fraction(double value) const {
  if (!is_drawable(value, log)) return std::numeric_limits<double>::quiet_NaN();
  return ((log ? std::log10(value) : value) - low) / (high - low);
}

Axis make_axis(const std::vector<double>& values, bool log, int wanted, bool tight) {
  Axis axis;
  axis.log = log;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (!is_drawable(value, log)) continue;
    const double place = log ? std::log10(value) : value;
    low = std::min(low, place);
    high = std::max(high, place);
  }
  if (low > high) low = log ? -1 : 0, high = 1;
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-9 * (log ? 1 : size) ||
      high - low < 1e-290) {  // one value, or differences lost in rounding
    const double margin = log ? 0.5 : (size < 1e-280 ? 1 : 0.1 * size);
    low -= margin;
    high += margin;
  }
  if (log) {
    const double margin = tight ? 0 : 0.04 * (high - low);
    axis.low = low - margin;
    axis.high = high + margin;
    axis.ticks = log_ticks(axis.low, axis.high, wanted);
    std::erase_if(axis.ticks, [](const Tick& tick) { return !is_drawable(tick.value, true); });
    return axis;
  }
  const double step = nice_step(high - low, wanted);
  if (!tight) {
    low = std::floor(low / step + 1e-6) * step;
    high = std::ceil(high / step - 1e-6) * step;
  }
  axis.low = low;
  axis.high = high;
  axis.ticks = linear_ticks(low, high, step);
  return axis;
}

}  // namespace langevin
