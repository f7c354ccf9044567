// What a command says while it works: lines and a progress bar on stderr. On a terminal the bar redraws in
// place; elsewhere a plain line appears now and then. Passed by reference; there is no global logger.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

namespace langevin {

class Console {
 public:
  enum class Level { quiet, normal };
  explicit Console(Level level = Level::normal, std::FILE* stream = stderr);
  void info(const std::string& line);
  void warn(const std::string& line);  // "warning: ..."; shown at every level
  bool terminal() const { return terminal_; }
  std::FILE* stream() const { return stream_; }
  bool quiet() const { return level_ == Level::quiet; }

 private:
  friend class Progress;
  void draw(const std::string& bar);  // replaces the bar on the terminal's last line
  void clear_bar();
  Level level_;
  std::FILE* stream_;
  bool terminal_;
  std::mutex mutex_;
  std::string bar_;
};

/// One bar: label, done of total, rate, ETA and a free note (such as the loss). total 0: unknown, no ETA.
/// With `minutes` > 0 the ETA follows the clock instead of the count. Redraws at most ten times a second;
/// off a terminal it writes a line at most every ten seconds and one at the end.
class Progress {
 public:
  Progress(Console& console, std::string label, std::string unit, int64_t total, double minutes = 0);
  ~Progress();
  /// `items` counts what the rate is measured in (images), `done` what the bar shows (steps).
  void update(int64_t done, int64_t items, const std::string& note = "");
  void finish();

 private:
  std::string render(int64_t done, int64_t items, const std::string& note) const;
  Console& console_;
  std::string label_, unit_, last_note_;
  int64_t total_, first_done_ = -1, first_items_ = 0, last_done_ = 0, last_items_ = 0;
  double minutes_;
  std::chrono::steady_clock::time_point start_, first_, last_;
  bool finished_ = false;
};

/// "1:02:03", "4:05", "12 s".
std::string format_duration(double seconds);
/// "12.3 MB".
std::string format_bytes(double bytes);

}  // namespace langevin
