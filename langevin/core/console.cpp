#include "langevin/core/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"

namespace langevin {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kRedraw = 0.1, kLine = 10;  // seconds between two states of a bar: on a terminal, elsewhere

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// File names and notes come from outside: no control character of theirs reaches the terminal.
std::string printable(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F) c = '?';
  }
  return text;
}

size_t columns(std::FILE* stream) {
  winsize size{};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

// Cuts UTF-8 text to `width` characters, never inside one.
std::string cut(const std::string& text, size_t width) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && seen++ == width) return text.substr(0, i);
  }
  return text;
}

}  // namespace

Console::Console(Level level, std::FILE* stream)
    : level_(level), stream_(stream), terminal_(::isatty(::fileno(stream)) == 1) {}

// Here and below no fmt::print: it throws where the stream takes no more, and what is said on a full disk
// must not end the work.
void Console::info(const std::string& line) {
  if (quiet()) return;
  const std::lock_guard lock(mutex_);
  clear_bar();
  std::fputs(fmt::format("{}\n{}", printable(line), bar_).c_str(), stream_);
  std::fflush(stream_);
}

void Console::warn(const std::string& line) {
  const std::lock_guard lock(mutex_);
  clear_bar();
  std::fputs(fmt::format("warning: {}\n{}", printable(line), bar_).c_str(), stream_);
  std::fflush(stream_);
}

void Console::draw(const std::string& bar) {
  const std::lock_guard lock(mutex_);
  clear_bar();
  bar_ = cut(bar, columns(stream_) - 1);  // a full line would wrap and could not be redrawn
  std::fputs(bar_.c_str(), stream_);
  std::fflush(stream_);
}

void Console::clear_bar() {
  if (!bar_.empty()) std::fputs("\r\x1b[K", stream_);
}

Progress::Progress(Console& console, std::string label, std::string unit, int64_t total, double minutes)
    : console_(console),
      label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      minutes_(minutes),
      start_(Clock::now()),
      first_(start_),
      last_(start_) {}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {  // a bar that cannot be drawn ends no program
  }
}

void Progress::update(int64_t done, int64_t items, const std::string& note) {
  const auto now = Clock::now();
  const bool first = first_done_ < 0;
  if (first) {  // a resumed run starts in the middle: only what is done from here on tells the rate
    first_done_ = done;
    first_items_ = items;
    first_ = now;
  }
  last_done_ = done;
  last_items_ = items;
  if (!note.empty()) last_note_ = note;
  if (console_.quiet() || finished_) return;
  if (!(first && console_.terminal()) &&
      seconds_between(last_, now) < (console_.terminal() ? kRedraw : kLine))
    return;
  last_ = now;
  const std::string line = printable(render(done, items, last_note_));
  if (console_.terminal()) {
    console_.draw(line);
  } else {
    console_.info(line);
  }
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (console_.quiet() || first_done_ < 0) return;
  if (console_.terminal()) console_.draw("");
  console_.info(render(last_done_, last_items_, last_note_));
}

std::string Progress::render(int64_t done, int64_t items, const std::string& note) const {
  const auto now = Clock::now();
  const double elapsed = seconds_between(start_, now), measured = seconds_between(first_, now);
  const auto advanced = static_cast<double>(done - first_done_);
  double fraction = -1, remaining = -1;
  if (total_ > 0) {
    fraction = static_cast<double>(done) / static_cast<double>(total_);
    if (advanced > 0) remaining = measured * static_cast<double>(total_ - done) / advanced;
  }
  if (minutes_ > 0) {
    const double left = std::max(0.0, minutes_ * 60 - elapsed);
    if (remaining < 0 || left < remaining) remaining = left;
    fraction = std::max(fraction, elapsed / (minutes_ * 60));
  }
  std::string line = label_;
  if (fraction >= 0) {
    fraction = std::clamp(fraction, 0.0, 1.0);
    constexpr int kWidth = 20;
    const auto filled = static_cast<size_t>(fraction * kWidth);
    line += fmt::format(" {:3.0f}% [{:<{}}]", std::floor(fraction * 100), std::string(filled, '='), kWidth);
  }
  line += total_ > 0 ? fmt::format(" {}/{}", done, total_) : fmt::format(" {}", done);
  const auto counted = static_cast<double>(items - first_items_);
  if (measured > 0 && counted > 0) {
    const double rate = counted / measured;
    line += rate < 10 ? fmt::format(", {:.2f} {}/s", rate, unit_) : fmt::format(", {:.0f} {}/s", rate, unit_);
  }
  if (finished_) {
    line += fmt::format(", took {}", format_duration(elapsed));
  } else if (remaining >= 0) {
    line += fmt::format(", ETA {}", format_duration(remaining));
  }
  if (!note.empty()) line += ", " + note;
  return line;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e15) return "?";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string format_bytes(double bytes) {
  constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB"};
  if (!(bytes >= 0)) return "?";
  if (bytes < 1000) return fmt::format("{:.0f} B", bytes);
  size_t unit = 0;
  bytes /= 1000;
  while (bytes >= 999.95 && unit < 4) {  // where one decimal would round to 1000.0
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

}  // namespace langevin
