#include "langevin/train/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <sstream>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/io/svg.h"

namespace langevin {
namespace {

using nlohmann::json;

/// One write at the end of the file: a line is whole or, after a crash, cut and dropped by the next resume.
void append_line(const std::filesystem::path& path, const std::string& line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  check(fd >= 0, path.string(), "cannot be opened for writing: {}", std::strerror(errno));
  const ssize_t written = ::write(fd, line.data(), line.size());
  const int error = errno;
  ::close(fd);
  check(written == static_cast<ssize_t>(line.size()), path.string(),
        "cannot be written: {}; free some space and continue with --resume",
        written < 0 ? std::strerror(error) : "the disk is full");
}

/// A number JSON can hold; NaN and infinity become null.
json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

double number(const json& line, const char* key) {
  const auto it = line.find(key);
  return it != line.end() && it->is_number() ? it->get<double>() : std::nan("");
}

}  // namespace

namespace {

size_t quarter_of(double share) { return static_cast<size_t>(std::clamp(4 * share, 0.0, 3.0)); }

}  // namespace

void LogInterval::add_answer(double share, double correct) {
  quartile_correct[quarter_of(share)] += correct;
  ++quartile_answers[quarter_of(share)];
}

void LogInterval::add_sample(double share, double value) {
  if (!std::isfinite(value)) return;
  const size_t quarter = quarter_of(share);
  quartile_loss[quarter] += value;
  ++quartile_samples[quarter];
}

void LogInterval::add_bound(double bits) {
  if (!std::isfinite(bits)) return;
  bound += bits;
  ++bounds;
}

json to_json(const LogInterval& i) {
  return {{"steps", i.steps},
          {"loss", i.loss},
          {"gradient_norm", i.gradient_norm},
          {"gradient_steps", i.gradient_steps},
          {"quartile_loss", i.quartile_loss},
          {"quartile_samples", i.quartile_samples},
          {"quartile_correct", i.quartile_correct},
          {"quartile_answers", i.quartile_answers},
          {"bound", i.bound},
          {"bounds", i.bounds},
          {"kl", i.kl},
          {"mse", i.mse}};
}

LogInterval log_interval_from_json(const json& json) {
  LogInterval i;
  i.steps = json.at("steps").get<int64_t>();
  i.loss = json.at("loss").get<double>();
  i.gradient_norm = json.at("gradient_norm").get<double>();
  i.gradient_steps = json.at("gradient_steps").get<int64_t>();
  i.quartile_loss = json.at("quartile_loss").get<std::array<double, 4>>();
  i.quartile_samples = json.at("quartile_samples").get<std::array<int64_t, 4>>();
  i.quartile_correct = json.value("quartile_correct", i.quartile_correct);
  i.quartile_answers = json.value("quartile_answers", i.quartile_answers);
  i.bound = json.value("bound", 0.0);
  i.bounds = json.value("bounds", int64_t{0});
  i.kl = json.value("kl", 0.0);
  i.mse = json.value("mse", 0.0);
  return i;
}

RunLog::RunLog(const std::filesystem::path& run, bool resume, int64_t step, std::string loss)
    : run_(run), loss_(std::move(loss)) {
  const auto path = run / "log.jsonl";
  if (resume && std::filesystem::exists(path)) {
    std::istringstream stream(read_file(path, size_t{1} << 32));
    std::string kept;
    for (std::string text; std::getline(stream, text);) {
      json line = json::parse(text, nullptr, false);
      if (line.is_discarded() || !line.contains("step") || number(line, "step") > static_cast<double>(step))
        break;
      if (line.value("partial", false)) continue;
      kept += text + "\n";
      lines_.push_back(std::move(line));
    }
    write_file(path, kept);
  }
  events_ = std::make_unique<EventWriter>(run / "events.out.tfevents.langevin", resume);
  if (resume) events_->restart(step + 1);
}

namespace {

/// Of a classifier: the share of samples whose class was found, in all and by quarter.
void add_accuracy(const LogInterval& i, json& line) {
  double correct = 0;
  int64_t answers = 0;
  json quarters = json::array();
  for (size_t q = 0; q < 4; ++q) {
    correct += i.quartile_correct[q];
    answers += i.quartile_answers[q];
    quarters.push_back(i.quartile_answers[q] == 0
                           ? json(nullptr)
                           : json(i.quartile_correct[q] / static_cast<double>(i.quartile_answers[q])));
  }
  if (answers == 0) return;
  line["accuracy"] = correct / static_cast<double>(answers);
  line["accuracy_by_quartile"] = quarters;
}

}  // namespace

void RunLog::write(const LogInterval& interval, const json& extra) {
  json line = extra;
  line["loss"] = finite(interval.mean_loss());
  line["gradient_norm"] = interval.gradient_steps == 0
                              ? json(nullptr)
                              : finite(interval.gradient_norm / static_cast<double>(interval.gradient_steps));
  json quartiles = json::array();
  for (size_t q = 0; q < 4; ++q) {
    const auto n = interval.quartile_samples[q];
    quartiles.push_back(n == 0 ? json(nullptr) : finite(interval.quartile_loss[q] / static_cast<double>(n)));
  }
  line["loss_by_quartile"] = quartiles;
  add_accuracy(interval, line);
  if (interval.bounds > 0)
    line["bits_per_dim"] = finite(interval.bound / static_cast<double>(interval.bounds));
  if (interval.kl > 0) {
    line["kl"] = finite(interval.kl / static_cast<double>(interval.bounds));
    line["mse"] = finite(interval.mse / static_cast<double>(interval.bounds));
  }
  append_line(run_ / "log.jsonl", line.dump() + "\n");
  const auto step = line.at("step").get<int64_t>();
  for (const char* key : {"loss", "accuracy", "bits_per_dim", "gradient_norm", "lr", "images_per_second"}) {
    if (line.contains(key) && line[key].is_number()) events_->scalar(key, step, line[key].get<double>());
  }
  for (size_t q = 0; q < 4; ++q) {
    if (quartiles[q].is_number())
      events_->scalar(fmt::format("loss/quartile_{}", q + 1), step, quartiles[q].get<double>());
  }
  lines_.push_back(std::move(line));
}

double RunLog::last_loss() const { return lines_.empty() ? std::nan("") : number(lines_.back(), "loss"); }

void RunLog::image(int64_t step, int64_t width, int64_t height, int64_t channels,
                   std::span<const std::byte> png) {
  events_->image("samples", step, width, height, channels, png);
  events_->flush();
}

void RunLog::draw() const {
  Chart chart{.title = "Training loss",
              .x_label = "step",
              .y_label = loss_,
              .log_x = false,
              .log_y = true,
              .series = {}};
  const std::array<const char*, 4> names{"t in first quarter (little noise)", "second quarter",
                                         "third quarter", "last quarter (mostly noise)"};
  Series loss{"loss", {}, {}};
  std::array<Series, 4> quarters;
  for (size_t q = 0; q < 4; ++q) quarters[q].name = names[q];
  for (const auto& line : lines_) {
    const double step = number(line, "step");
    loss.x.push_back(step);
    loss.y.push_back(number(line, "loss"));
    const auto it = line.find("loss_by_quartile");
    if (it == line.end() || !it->is_array() || it->size() != 4) continue;
    for (size_t q = 0; q < 4; ++q) {
      quarters[q].x.push_back(step);
      quarters[q].y.push_back((*it)[q].is_number() ? (*it)[q].get<double>() : std::nan(""));
    }
  }
  chart.series.push_back(std::move(loss));
  for (auto& series : quarters) chart.series.push_back(std::move(series));
  write_file(run_ / "loss.svg", render_svg(chart));
}

}  // namespace langevin
