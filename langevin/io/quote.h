// Names from files in error messages: one line, whatever the file says.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace langevin {

/// In quotes, control characters escaped, long names shortened.
inline std::string quote(std::string_view name) {
  constexpr size_t kLongest = 120;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + (name.size() > kLongest ? "...'" : "'");
}

}  // namespace langevin
