// Contact sheets for people: pictures side by side, small ones enlarged so that they can be seen.
#pragma once

#include <string>
#include <vector>

#include "langevin/io/image.h"

namespace langevin::cli {

/// UsageError unless the path ends in .png; Error unless samples of so many channels are pictures.
void check_sheet(const std::string& path, int64_t channels);
/// Pictures of one size; their pixels become squares of up to 4 x 4 until a picture has about 64.
void write_sheet(const std::string& path, const std::vector<Image>& images);

}  // namespace langevin::cli
