// Line charts as stand-alone SVG, readable on a light and on a dark page.
#pragma once

#include <string>
#include <vector>

namespace langevin {

/// x and y have the same length. A value that is NaN or infinite (or not positive on a logarithmic axis)
/// leaves a gap in the line.
struct Series {
  std::string name = {};
  std::vector<double> x = {}, y = {};
};

struct Chart {
  std::string title = {}, x_label = {}, y_label = {};  // UTF-8; empty ones take no room
  bool log_x = false;
  bool log_y = false;
  std::vector<Series> series = {};
  int width = 760;  // pixels, 200..10000
  int height = 440;
};

/// The same chart gives the same bytes. Points closer than a pixel are thinned to the extremes of their
/// column, so that a long run stays a small file. Error if x and y of a series differ in length or the size
/// is out of range.
std::string render_svg(const Chart& chart);

}  // namespace langevin
