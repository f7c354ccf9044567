#include "langevin/core/json_file.h"

#include <array>
#include <set>
#include <vector>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/core/names.h"

namespace langevin {
namespace {

constexpr int kDeepest = 64;
constexpr std::array<std::string_view, 3> kPythonNumbers{"-Infinity", "Infinity", "NaN"};

/// The text with Python's numbers, where they stand outside of strings, in quotes.
std::string with_quoted_numbers(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    if (inside && text[i] == '\\') {
      out += text.substr(i, 2);
      i += 2;
      continue;
    }
    if (text[i] == '"') inside = !inside;
    size_t taken = 0;
    for (std::string_view number : kPythonNumbers) {
      if (inside || taken > 0 || text.substr(i, number.size()) != number) continue;
      ((out += '"') += number) += '"';
      taken = number.size();
    }
    if (taken == 0) out += text[i++];
    i += taken;
  }
  return out;
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& source) {
  using nlohmann::json;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto look = [&](int depth, json::parse_event_t event, json& parsed) {
    check(depth <= kDeepest, source, "the JSON is nested deeper than {}; the file is damaged", kDeepest);
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      check(keys.back().insert(key).second, source, "the key '{}' stands there twice; remove one",
            one_line(key));
    }
    return true;
  };
  try {
    return json::parse(with_quoted_numbers(text), look);
  } catch (const json::parse_error& e) {
    fail("{}: is not valid JSON (at byte {}); the file is damaged", source, e.byte);
  } catch (const json::exception& e) {
    fail("{}: is not valid JSON; the file is damaged ({})", source, one_line(e.what()));
  }
}

nlohmann::json read_json(const std::filesystem::path& path, size_t max_bytes) {
  return parse_json(read_file(path, max_bytes), path.string());
}

}  // namespace langevin
