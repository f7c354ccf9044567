// The half of `langevin inspect` that looks at data sets.
#pragma once

#include <string>

#include "langevin/cli/command.h"

namespace langevin::cli {

/// Prints what the data at `path` is; `grid` (may be empty) names a PNG for a sheet of up to 100 pictures,
/// taken evenly over the set.
void inspect_data(const std::string& path, const std::string& grid, const CommonOptions& common,
                  Console& console);

}  // namespace langevin::cli
