// JSON files from outside, read strictly: one value of bounded size and depth, no key twice in an object.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace langevin {

/// Python writes numbers that JSON has not (NaN, Infinity, -Infinity); they are read as the texts "NaN", ...
/// Error naming `source` and the byte or key: no JSON, not UTF-8, a key twice, nested deeper than 64.
nlohmann::json parse_json(std::string_view text, const std::string& source);

/// Error also when the file is absent, unreadable or larger than `max_bytes`.
nlohmann::json read_json(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 20);

}  // namespace langevin
