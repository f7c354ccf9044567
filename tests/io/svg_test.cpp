#include "langevin/io/svg.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "langevin/core/check.h"
#include "langevin/io/svg_axis.h"

namespace langevin {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const Tick& tick : axis.ticks) out.push_back(tick.label);
  return out;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// The path data of the series lines, in order (series are the only unfilled paths).
std::vector<std::string> lines_of(const std::string& svg) {
  const std::string start = "<path d=\"", unfilled = "\" fill=\"none\"";
  std::vector<std::string> out;
  for (size_t at = svg.find(start); at != std::string::npos; at = svg.find(start, at + 1)) {
    const size_t begin = at + start.size(), end = svg.find('"', begin);
    if (svg.compare(end, unfilled.size(), unfilled) == 0) out.push_back(svg.substr(begin, end - begin));
  }
  return out;
}

std::vector<std::pair<double, double>> points_of(const std::string& path) {
  std::vector<std::pair<double, double>> out;
  for (size_t at = path.find_first_of("ML"); at != std::string::npos; at = path.find_first_of("ML", at + 1)) {
    std::istringstream text(path.substr(at + 1, 40));
    double x = 0, y = 0;
    EXPECT_TRUE(text >> x >> y);
    out.emplace_back(x, y);
  }
  return out;
}

/// Tags nest and close, attributes are quoted, and no stray & or < is left: enough of XML for what is written
/// here.
void expect_well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t at = 0; at < svg.size(); ++at) {
    if (svg[at] == '&') {
      const std::string rest = svg.substr(at, 5);
      EXPECT_TRUE(rest == "&amp;" || rest.starts_with("&lt;") || rest.starts_with("&gt;")) << rest;
    }
    EXPECT_TRUE(static_cast<unsigned char>(svg[at]) >= 0x20 || svg[at] == '\n');
    if (svg[at] != '<') continue;
    const size_t end = svg.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = svg.substr(at + 1, end - at - 1);
    ASSERT_EQ(count(tag, "\"") % 2, 0U) << tag;
    ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (name[0] == '/') {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ("/" + open.back(), name);
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end;
  }
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(SvgAxis, TicksAreRoundNumbers) {
  EXPECT_EQ(labels(make_axis({0, 10}, false, 5, false)),
            (std::vector<std::string>{"0", "2", "4", "6", "8", "10"}));
  EXPECT_EQ(labels(make_axis({0.13, 0.97}, false, 5, false)),
            (std::vector<std::string>{"0", "0.2", "0.4", "0.6", "0.8", "1.0"}));
  EXPECT_EQ(labels(make_axis({-40'000, 250'000}, false, 3, false)),
            (std::vector<std::string>{"−100k", "0", "100k", "200k", "300k"}));
  EXPECT_EQ(labels(make_axis({0, 3e-6}, false, 3, false)),
            (std::vector<std::string>{"0", "10⁻⁶", "2×10⁻⁶", "3×10⁻⁶"}));
  EXPECT_EQ(labels(make_axis({1.4, 4.6}, false, 4, true)), (std::vector<std::string>{"2", "3", "4"}));
}

TEST(SvgAxis, DecadesOnLogarithmicAxes) {
  EXPECT_EQ(labels(make_axis({1e-5, 1e5}, true, 5, true)),
            (std::vector<std::string>{"10⁻⁵", "0.001", "0.1", "10", "1000", "10⁵"}));
  EXPECT_EQ(labels(make_axis({5, 60}, true, 5, true)), (std::vector<std::string>{"5", "10", "20", "50"}));
  EXPECT_EQ(labels(make_axis({3.1, 3.9}, true, 4, true)),
            (std::vector<std::string>{"3.2", "3.4", "3.6", "3.8"}));
  const Axis axis = make_axis({1, 100}, true, 5, true);
  EXPECT_NEAR(axis.fraction(10), 0.5, 1e-12);
  EXPECT_TRUE(std::isnan(axis.fraction(0)));
  EXPECT_TRUE(std::isnan(axis.fraction(-1)));
}

TEST(SvgAxis, EveryRangeHasTicksInside) {
  const std::vector<std::vector<double>> cases = {{},
                                                  {0},
                                                  {5},
                                                  {-3e-9},
                                                  {1e-320},
                                                  {1e300, -1e300},
                                                  {1e16, 1e16 + 2},
                                                  {1, 1 + 1e-15},
                                                  {kNan, kInfinity},
                                                  {0, 1e-300},
                                                  {-1e-5, 1e9},
                                                  {123456.7, 123456.8}};
  for (const bool log : {false, true}) {
    for (const bool tight : {false, true}) {
      for (const std::vector<double>& values : cases) {
        const Axis axis = make_axis(values, log, 5, tight);
        ASSERT_LT(axis.low, axis.high);
        EXPECT_GE(axis.ticks.size(), 2U) << (values.empty() ? 0 : values[0]) << " log " << log;
        EXPECT_LE(axis.ticks.size(), 20U);
        double before = -kInfinity;
        std::string label_before;
        for (const Tick& tick : axis.ticks) {
          EXPECT_GE(axis.fraction(tick.value), -1e-6);
          EXPECT_LE(axis.fraction(tick.value), 1 + 1e-6);
          EXPECT_GT(tick.value, before);
          EXPECT_NE(tick.label, label_before) << "value " << tick.value;
          before = tick.value;
          label_before = tick.label;
        }
      }
    }
  }
}

TEST(Svg, PointsLieWhereTheAxesSay) {
  Chart chart{.title = "t", .series = {{"line", {0, 1, 2}, {0, 10, 5}}}};
  const std::vector<std::pair<double, double>> points = points_of(lines_of(render_svg(chart)).at(0));
  ASSERT_EQ(points.size(), 3U);
  EXPECT_NEAR(points[1].first, (points[0].first + points[2].first) / 2, 0.02);
  EXPECT_NEAR(points[2].second, (points[0].second + points[1].second) / 2, 0.02);
  EXPECT_LT(points[1].second, points[0].second);  // y grows upwards
  chart.log_y = true;
  chart.series[0].y = {1, 100, 10};
  const auto logarithmic = points_of(lines_of(render_svg(chart)).at(0));
  EXPECT_NEAR(logarithmic[2].second, (logarithmic[0].second + logarithmic[1].second) / 2, 0.02);
}

TEST(Svg, GapsBreakTheLineAndLonePointsAreDots) {
  Chart chart;
  chart.series = {{"a", {0, 1, 2, 3, 4, 5, 6, 7}, {1, 2, kNan, 3, kInfinity, 4, 5, 6}}};
  const std::string svg = render_svg(chart);
  expect_well_formed(svg);
  const std::string path = lines_of(svg).at(0);
  EXPECT_EQ(count(path, "M"), 2U);
  EXPECT_EQ(points_of(path).size(), 5U);
  EXPECT_EQ(count(svg, "<circle"), 1U);
  chart.log_y = true;
  chart.series = {{"b", {0, 1, 2, 3, 4}, {1, 2, 0, 3, 4}}};
  EXPECT_EQ(count(lines_of(render_svg(chart)).at(0), "M"), 2U);
}

TEST(Svg, TextIsEscaped) {
  Chart chart{
      .title = "a<b & \"c\">", .x_label = "tab\there", .y_label = "bad \xff utf8 \xc3\xa4 \xed\xa0\x80"};
  chart.series = {{"<script>alert(1)</script>", {1, 2}, {1, 2}}};
  const std::string svg = render_svg(chart);
  expect_well_formed(svg);
  EXPECT_NE(svg.find("a&lt;b &amp; \"c\"&gt;"), std::string::npos);
  EXPECT_NE(svg.find("tab here"), std::string::npos);
  EXPECT_NE(svg.find("bad \uFFFD utf8 ä \uFFFD\uFFFD\uFFFD"), std::string::npos);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
}

TEST(Svg, OddChartsAreStillCharts) {
  Chart empty;
  expect_well_formed(render_svg(empty));
  EXPECT_NE(render_svg(empty).find("no data"), std::string::npos);
  Chart chart{.title = std::string(500, 'W'), .x_label = std::string(500, 'x'), .log_x = true, .log_y = true};
  chart.series = {
      {"none", {}, {}}, {"bad", {-1, 0, kNan}, {1, 1, 1}}, {"one", {3}, {4}}, {"huge", {1e301}, {-1e308}}};
  chart.width = chart.height = 200;
  expect_well_formed(render_svg(chart));
  EXPECT_NE(render_svg(chart).find("…"), std::string::npos);
  for (int i = 0; i < 40; ++i) chart.series.push_back({"series " + std::to_string(i), {1, 2}, {1, 2}});
  expect_well_formed(render_svg(chart));
  chart.width = chart.height = 800;
  EXPECT_EQ(lines_of(render_svg(chart)).size(), 40U);
  EXPECT_EQ(render_svg(chart), render_svg(chart));
}

TEST(Svg, LongSeriesAreThinnedToTheirExtremes) {
  Series series{"loss", {}, {}};
  for (int i = 0; i < 300'000; ++i) {
    series.x.push_back(i);
    series.y.push_back(std::sin(i * 0.7));
  }
  series.y[123'456] = 10;
  series.y[200'001] = -10;
  const std::string svg = render_svg({.series = {series}});
  EXPECT_LT(svg.size(), 100'000U);
  double top = 1e9, bottom = -1e9;
  for (const auto& [x, y] : points_of(lines_of(svg).at(0))) {
    top = std::min(top, y);
    bottom = std::max(bottom, y);
  }
  const std::string spikes = render_svg({.series = {{"", {0, 1}, {-10, 10}}}});
  const auto ends = points_of(lines_of(spikes).at(0));
  EXPECT_NEAR(bottom - top, ends[0].second - ends[1].second, 30);  // the legend takes a little height
}

TEST(Svg, RefusesBadCharts) {
  EXPECT_THROW(render_svg({.series = {{"a", {1, 2}, {1}}}}), Error);
  EXPECT_THROW(render_svg({.width = 100}), Error);
  EXPECT_THROW(render_svg({.height = 100'000}), Error);
}

}  // namespace
}  // namespace langevin
