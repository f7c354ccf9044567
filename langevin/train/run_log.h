// What a run writes down: log.jsonl (one JSON object an interval), TensorBoard events, loss.svg.
#pragma once

#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "langevin/io/tfevents.h"

namespace langevin {

/// Sums since the last line of the log. Part of a checkpoint, so that a resumed run writes the same lines.
struct LogInterval {
  int64_t steps = 0;  // with a finite loss
  double loss = 0;    // weighted, summed over steps
  double gradient_norm = 0;
  int64_t gradient_steps = 0;             // steps with a finite gradient
  std::array<double, 4> quartile_loss{};  // unweighted mean squares, by quarter of the times drawn
  std::array<int64_t, 4> quartile_samples{};
  std::array<double, 4> quartile_correct{};  // of a classifier, as its samples
  std::array<int64_t, 4> quartile_answers{};
  double bound = 0;  // of a loss of the bound: its estimates in bits per dimension
  int64_t bounds = 0;
  double kl = 0, mse = 0;  // of an autoencoder, as the bounds
  void add_bound(double bits);
  /// `share` in [0, 1): of the times that are drawn below the sample's.
  void add_sample(double share, double loss);
  /// Whether a classifier found that sample's class, 1 or 0.
  void add_answer(double share, double correct);
  /// NaN if no step had a finite loss.
  double mean_loss() const { return steps == 0 ? std::nan("") : loss / static_cast<double>(steps); }
};
nlohmann::json to_json(const LogInterval& interval);
LogInterval log_interval_from_json(const nlohmann::json& json);

class RunLog {
 public:
  /// Opens or continues the log of a run. On resume lines beyond `step` (of a run that was killed after its
  /// last checkpoint) and lines marked "partial" are dropped.
  /// `loss` names what is minimised, for the chart.
  RunLog(const std::filesystem::path& run, bool resume, int64_t step,
         std::string loss = "mean squared error");

  /// Appends one line: the interval's means with `extra` (step, images, lr, ...). Error on a full disk.
  void write(const LogInterval& interval, const nlohmann::json& extra);
  void image(int64_t step, int64_t width, int64_t height, int64_t channels, std::span<const std::byte> png);
  double last_loss() const;  // of the newest line; NaN if there is none
  /// loss.svg over the whole run.
  void draw() const;

 private:
  std::filesystem::path run_;
  std::string loss_;
  std::vector<nlohmann::json> lines_;
  std::unique_ptr<EventWriter> events_;
};

}  // namespace langevin
