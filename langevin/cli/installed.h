// Files that belong to the command: where the program lies.
#pragma once

#include <filesystem>
#include <string>

namespace langevin {

/// `name` beside the command, else in `folder` ("lib", "share/langevin") next to its bin; empty: in neither.
std::filesystem::path installed_file(const std::string& name, const std::string& folder);

}  // namespace langevin
