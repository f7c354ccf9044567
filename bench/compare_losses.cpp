// compare_losses OUT.svg NAME=RUN NAME=RUN ...: the losses of several runs in one picture, and how far each
// is from the first: the mean over the log's lines of (loss - first's) / first's, signed and absolute. `ninja
// -C build compare_losses`
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/io/svg.h"

namespace {

using langevin::check;

langevin::Series read_run(const std::string& argument) {
  const size_t equals = argument.find('=');
  check(equals != std::string::npos, argument, "give NAME=RUN");
  langevin::Series series{argument.substr(0, equals), {}, {}};
  const auto path = std::filesystem::path(argument.substr(equals + 1)) / "log.jsonl";
  std::ifstream file(path);
  check(file.good(), path.string(), "cannot be read");
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    if (!json.at("loss").is_number()) continue;
    series.x.push_back(json.at("step").get<double>());
    series.y.push_back(json.at("loss").get<double>());
  }
  return series;
}

void compare(const langevin::Series& first, const langevin::Series& other) {
  double sum = 0, absolute = 0;
  size_t n = 0;
  for (size_t i = 0; i < std::min(first.y.size(), other.y.size()); ++i, ++n) {
    check(first.x[i] == other.x[i], other.name, "its lines are of other steps than those of {}", first.name);
    const double difference = (other.y[i] - first.y[i]) / first.y[i];
    sum += difference;
    absolute += std::abs(difference);
  }
  std::cout << other.name << " against " << first.name << ": mean difference "
            << 100 * sum / static_cast<double>(n) << " %, mean absolute difference "
            << 100 * absolute / static_cast<double>(n) << " % over " << n << " lines\n";
}

}  // namespace

int main(int count, char** arguments) {
  try {
    check(count >= 4, "compare_losses", "needs OUT.svg and two runs or more");
    langevin::Chart chart{.title = "Training loss", .x_label = "step", .y_label = "loss", .log_y = true};
    for (int i = 2; i < count; ++i) chart.series.push_back(read_run(arguments[i]));
    for (size_t i = 1; i < chart.series.size(); ++i) compare(chart.series[0], chart.series[i]);
    langevin::write_file(arguments[1], langevin::render_svg(chart));
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
