// Errors: exceptions inside, one helper to raise them. An error is one line: what, where, what to do.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace langevin {

/// Something failed while running (bad input, full disk, ...). The command exits with status 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller asked in a wrong way (unknown key, option out of range). The command exits with status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Throws Error with the formatted one-line message.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws UsageError with the formatted one-line message.
template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error "function: message" unless `ok`. The message names the expectation and the value that broke
/// it, e.g. check(t < T, "q_sample", "t must be below T = {}, got {}", T, t).
template <class... Args>
void check(bool ok, std::string_view function, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) [[unlikely]] {
    throw Error(fmt::format("{}: {}", function, fmt::format(format, std::forward<Args>(args)...)));
  }
}

}  // namespace langevin
