#include "langevin/io/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "langevin/core/check.h"
#include "langevin/io/svg_axis.h"

namespace langevin {
namespace {

// Tones that keep a contrast of at least 3 on white and on near-black, in an order that neighbours differ
// most.
constexpr std::array<const char*, 8> kColours = {"#2f7fe6", "#e8710a", "#12a06e", "#d9467f",
                                                 "#8b5cf6", "#b0870a", "#0e9fbf", "#e0463a"};
constexpr std::array<const char*, 4> kDashes = {"", "7 4", "2 4", "9 4 2 4"};  // once the colours are used up
constexpr const char* kText = "#727c8a";
constexpr const char* kFont = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
constexpr double kSmall = 12, kTitle = 16;
constexpr double kSwatch = 18, kGap = 8;

/// Length of the UTF-8 sequence at `at`, or 0 if it is not one (RFC 3629) or no XML character.
size_t character_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) return 0;
  uint32_t code = lead & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < kLeast[length] || code > 0x10ffff || surrogate || code == 0xfffe || code == 0xffff ? 0
                                                                                                   : length;
}

/// The text as characters: blanks for control characters, U+FFFD for what is not UTF-8.
std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text, at);
    const auto lead = static_cast<unsigned char>(text[at]);
    if (length > 0) {
      out.emplace_back(text.substr(at, length));
    } else {
      out.emplace_back(lead < 0x80 ? " " : "\uFFFD");
    }
    at += std::max<size_t>(length, 1);
  }
  return out;
}

/// An estimate good enough to place a legend: fonts differ from reader to reader.
double text_width(std::string_view text, double size) {
  double width = 0;
  for (const std::string& c : characters(text)) {
    const bool narrow =
        c.size() == 1 && std::string_view("iljtfr.,:;'|!()[] ").find(c[0]) != std::string_view::npos;
    const bool wide = c.size() == 1 && std::string_view("mwMWQO@%").find(c[0]) != std::string_view::npos;
    width += narrow ? 0.33 : wide ? 0.86 : c.size() == 3 && c >= "\u2E80" ? 1.0 : 0.57;
  }
  return width * size;
}

/// Escaped for XML, cut with an ellipsis where it would be wider than `room`.
std::string escaped(std::string_view text, double size, double room) {
  const bool cut = text_width(text, size) > room;
  std::string out;
  double width = size;  // of the ellipsis
  for (const std::string& c : characters(text)) {
    width += text_width(c, size);
    if (cut && width > room) break;
    if (c == "&") {
      out += "&amp;";
    } else if (c == "<") {
      out += "&lt;";
    } else if (c == ">") {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return cut ? out + "…" : out;
}

struct Frame {
  double left = 0, top = 0, width = 0, height = 0;  // of the plot area
  Axis x, y;

  double place_x(double value) const { return left + width * x.fraction(value); }
  double place_y(double value) const { return top + height * (1 - y.fraction(value)); }
};

struct Point {
  double x = 0, y = 0;
};

struct LegendEntry {
  size_t series = 0;
  double x = 0;
  int row = 0;
};

class Canvas {
 public:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }
  void raw(std::string_view text) { out_ += text; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

const char* colour_of(size_t series) { return kColours[series % kColours.size()]; }
const char* dash_of(size_t series) { return kDashes[series / kColours.size() % kDashes.size()]; }

std::string dash_attribute(size_t series) {
  const std::string_view dash = dash_of(series);
  return dash.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash);
}

/// Named series from left to right, wrapped into rows.
std::vector<LegendEntry> place_legend(const Chart& chart, double left, double room) {
  std::vector<LegendEntry> entries;
  double x = left;
  int row = 0;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    if (chart.series[i].name.empty()) continue;
    const double width = std::min(kSwatch + kGap + text_width(chart.series[i].name, kSmall), room);
    if (x > left && x + width > left + room) {
      x = left;
      ++row;
    }
    entries.push_back({i, x, row});
    x += width + 2 * kGap + 4;
  }
  return entries;
}

std::vector<double> gather(const Chart& chart, bool want_x) {
  std::vector<double> values;
  for (const Series& series : chart.series) {
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!is_drawable(series.x[i], chart.log_x) || !is_drawable(series.y[i], chart.log_y)) continue;
      values.push_back(want_x ? series.x[i] : series.y[i]);
    }
  }
  return values;
}

/// Of each run of points in one pixel column: the first, the lowest, the highest and the last, in their
/// order.
std::vector<Point> thinned(const std::vector<Point>& points) {
  std::vector<Point> out;
  for (size_t begin = 0; begin < points.size();) {
    size_t end = begin + 1, low = begin, high = begin;
    while (end < points.size() && std::floor(points[end].x) == std::floor(points[begin].x)) {
      if (points[end].y < points[low].y) low = end;
      if (points[end].y > points[high].y) high = end;
      ++end;
    }
    std::array<size_t, 4> kept = {begin, std::min(low, high), std::max(low, high), end - 1};
    for (size_t i = 0; i < kept.size(); ++i) {
      if (i == 0 || kept[i] != kept[i - 1]) out.push_back(points[kept[i]]);
    }
    begin = end;
  }
  return out;
}

/// The drawable stretches of a series, in pixels.
std::vector<std::vector<Point>> stretches(const Series& series, const Frame& frame) {
  std::vector<std::vector<Point>> out;
  bool open = false;
  for (size_t i = 0; i < series.x.size(); ++i) {
    const Point point{frame.place_x(series.x[i]), frame.place_y(series.y[i])};
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) {
      open = false;
      continue;
    }
    if (!open) out.emplace_back();
    out.back().push_back(point);
    open = true;
  }
  return out;
}

void draw_series(Canvas& canvas, const Chart& chart, size_t index, const Frame& frame) {
  std::string path;
  std::vector<Point> dots;
  double travel = 0;  // up and down, in pixels
  for (const std::vector<Point>& stretch : stretches(chart.series[index], frame)) {
    if (stretch.size() == 1) {
      dots.push_back(stretch[0]);
      continue;
    }
    char command = 'M';
    double last = stretch[0].y;
    for (const Point& p : thinned(stretch)) {
      travel += std::abs(p.y - last);
      last = p.y;
      fmt::format_to(std::back_inserter(path), "{}{:.2f} {:.2f}", command, p.x, p.y);
      command = 'L';
    }
  }
  if (!path.empty()) {
    // A noisy run is drawn lighter, so that smooth curves stand out from it.
    const bool noisy = travel > 3 * (frame.width + frame.height);
    canvas.add(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" {} stroke-linejoin=\"round\" "
        "stroke-linecap=\"round\"{}/>",
        path, colour_of(index), noisy ? "stroke-width=\"1.2\" stroke-opacity=\"0.6\"" : "stroke-width=\"2\"",
        dash_attribute(index));
  }
  for (const Point& p : thinned(dots)) {
    canvas.add("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"3\" fill=\"{}\"/>", p.x, p.y, colour_of(index));
  }
}

void draw_axes(Canvas& canvas, const Frame& frame) {
  const double bottom = frame.top + frame.height, right = frame.left + frame.width;
  canvas.add("<g stroke=\"{}\" stroke-width=\"1\">", kText);
  for (const Tick& tick : frame.y.ticks) {
    const double y = std::floor(frame.place_y(tick.value)) + 0.5;
    canvas.add("<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke-opacity=\"0.22\"/>", frame.left, y, right);
  }
  const double base = std::floor(bottom) + 0.5;
  canvas.add("<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke-opacity=\"0.8\"/>", frame.left, base, right);
  for (const Tick& tick : frame.x.ticks) {
    canvas.add("<path d=\"M{:.1f} {:.1f}v5\" stroke-opacity=\"0.8\"/>",
               std::floor(frame.place_x(tick.value)) + 0.5, base);
  }
  canvas.raw("</g>\n");
  for (const Tick& tick : frame.y.ticks) {
    canvas.add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", frame.left - 8,
               frame.place_y(tick.value) + 4, tick.label);
  }
  double free_from = -1e9;  // labels that would touch the one before are left out
  for (const Tick& tick : frame.x.ticks) {
    const double x = frame.place_x(tick.value), half = text_width(tick.label, kSmall) / 2;
    if (x - half < free_from) continue;
    canvas.add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", x, bottom + 19,
               tick.label);
    free_from = x + half + 6;
  }
}

void draw_legend(Canvas& canvas, const Chart& chart, const std::vector<LegendEntry>& entries, double top,
                 double room) {
  for (const LegendEntry& entry : entries) {
    const double y = top + 18 * entry.row;
    canvas.add("<path d=\"M{:.1f} {:.1f}h{}\" stroke=\"{}\" stroke-width=\"3\" stroke-linecap=\"round\"{}/>",
               entry.x, y, kSwatch, colour_of(entry.series), dash_attribute(entry.series));
    canvas.add("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", entry.x + kSwatch + kGap, y + 4,
               escaped(chart.series[entry.series].name, kSmall, room - kSwatch - kGap));
  }
}

double widest_label(const Axis& axis) {
  double width = 0;
  for (const Tick& tick : axis.ticks) width = std::max(width, text_width(tick.label, kSmall));
  return width;
}

void check_chart(const Chart& chart) {
  check(chart.width >= 200 && chart.width <= 10000 && chart.height >= 200 && chart.height <= 10000,
        "render_svg", "the size must be within 200..10000, got {} x {}", chart.width, chart.height);
  for (const Series& series : chart.series) {
    check(series.x.size() == series.y.size(), "render_svg", "series '{}' has {} values of x and {} of y",
          series.name, series.x.size(), series.y.size());
  }
}

}  // namespace

std::string render_svg(const Chart& chart) {
  check_chart(chart);
  const double margin = 20, room = chart.width - 2 * margin;
  const std::vector<double> xs = gather(chart, true);
  const std::vector<LegendEntry> legend = place_legend(chart, margin, room);

  double top = margin;
  const double title_base = top + 12;
  if (!chart.title.empty()) top += 28;
  const double legend_middle = top + 6;
  if (!legend.empty()) top += 18 * (legend.back().row + 1) + 8;
  const double y_label_base = top + 9;
  if (!chart.y_label.empty()) top += 20;

  Frame frame;
  frame.top = top + 4;
  frame.height = std::max(40.0, chart.height - frame.top - 34 - (chart.x_label.empty() ? 0 : 22));
  frame.y = make_axis(gather(chart, false), chart.log_y,
                      std::clamp(static_cast<int>(frame.height / 55), 2, 10), false);
  frame.left = margin + widest_label(frame.y) + 8;
  frame.width = std::max(40.0, chart.width - frame.left - margin - 6);
  frame.x = make_axis(xs, chart.log_x, std::clamp(static_cast<int>(frame.width / 90), 2, 12), true);

  Canvas canvas;
  canvas.add(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"{2}\" font-size=\"{3}\" fill=\"{4}\">",
      chart.width, chart.height, kFont, kSmall, kText);
  if (!chart.title.empty()) {
    canvas.add("<text x=\"{}\" y=\"{}\" font-size=\"{}\" font-weight=\"600\">{}</text>", margin, title_base,
               kTitle, escaped(chart.title, kTitle * 1.15, room));
  }
  draw_legend(canvas, chart, legend, legend_middle, room);
  if (!chart.y_label.empty()) {
    canvas.add("<text x=\"{}\" y=\"{}\">{}</text>", margin, y_label_base,
               escaped(chart.y_label, kSmall, room));
  }
  draw_axes(canvas, frame);
  for (size_t i = 0; i < chart.series.size(); ++i) draw_series(canvas, chart, i, frame);
  if (xs.empty()) {
    canvas.add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">no data</text>",
               frame.left + frame.width / 2, frame.top + frame.height / 2);
  }
  if (!chart.x_label.empty()) {
    canvas.add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", frame.left + frame.width,
               frame.top + frame.height + 42, escaped(chart.x_label, kSmall, frame.width));
  }
  canvas.raw("</svg>\n");
  return canvas.take();
}

}  // namespace langevin
