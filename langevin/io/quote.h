// Names from files in error messages: one short line, whatever the file says.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "langevin/core/names.h"

namespace langevin {

inline std::string quote(std::string_view name) { return fmt::format("'{}'", one_line(std::string(name))); }

}  // namespace langevin
