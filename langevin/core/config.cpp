#include "langevin/core/config.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>
#include <utility>

#include <toml++/toml.h>

#include "langevin/core/check.h"

namespace langevin {
namespace {

using nlohmann::json;

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

constexpr double kExact = 9007199254740992.0;  // 2^53: integers up to here are exact as double

std::string quoted_list(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string shown(const json& value) {
  return one_line(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

// ---- types, ranges

template <class T>
constexpr std::string_view type_name() {
  if constexpr (std::is_same_v<T, int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, double>) return "a number";
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::string>) return "text";
  if constexpr (std::is_same_v<T, std::vector<int64_t>>) return "a list of integers";
  if constexpr (std::is_same_v<T, std::vector<double>>) return "a list of numbers";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "a list of texts";
}

std::string range_text(const Schema::Range& range) {
  const bool low = std::isfinite(range.lo), high = std::isfinite(range.hi);
  if (low && high) return fmt::format("in [{}, {}]", range.lo, range.hi);
  if (low) return fmt::format("at least {}", range.lo);
  if (high) return fmt::format("at most {}", range.hi);
  return "";
}

bool is_utf8(const std::string& text) {
  try {
    (void)json(text).dump();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

// One element as T, or nothing if the type does not fit. Whole numbers may be written 1e5.
template <class T>
std::optional<T> read(const json& value) {
  if constexpr (std::is_same_v<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (value.is_string() && is_utf8(value.get_ref<const std::string&>())) return value.get<std::string>();
  } else if constexpr (std::is_same_v<T, double>) {
    if (value.is_number()) return value.get<double>();
    if (value == "inf") return std::numeric_limits<double>::infinity();  // JSON has no other way to say it
    if (value == "-inf") return -std::numeric_limits<double>::infinity();
  } else {
    if (value.is_number_unsigned()) {
      if (value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return value.get<int64_t>();
      }
    } else if (value.is_number_integer()) {
      return value.get<int64_t>();
    } else if (value.is_number_float()) {
      const double number = value.get<double>();
      if (std::abs(number) <= kExact && number == std::floor(number)) return static_cast<int64_t>(number);
    }
  }
  return std::nullopt;
}

template <class T>
void check_allowed(const T& value, const Schema::Range& range, const std::vector<std::string>& choices,
                   const std::string& key, const std::string& where) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) return;
    const std::string near = nearest(value, choices);
    fail("{}{} must be one of {}; got '{}'{}", where, key, quoted_list(choices), one_line(value),
         near.empty() ? "" : fmt::format(", did you mean '{}'?", near));
  } else if constexpr (!std::is_same_v<T, bool>) {
    const auto number = static_cast<double>(value);
    if (std::isnan(number)) fail("{}{} must be a number, got nan", where, key);
    if (number < range.lo || number > range.hi)
      fail("{}{} must be {}, got {}", where, key, range_text(range), value);
  }
}

// ---- TOML

std::string toml_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Shortest text that reads back as the same value.
std::string toml_text(const json& value) {
  if (value.is_array()) {
    std::vector<std::string> parts;
    for (const json& element : value) parts.push_back(toml_text(element));
    return fmt::format("[{}]", fmt::join(parts, ", "));
  }
  if (value.is_string()) return toml_string(value.get<std::string>());
  if (!value.is_number_float()) return value.dump();
  std::string text = fmt::format("{}", value.get<double>());
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

json from_toml(const toml::node& node, const std::string& where) {
  if (const auto* value = node.as_integer()) return value->get();
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_boolean()) return value->get();
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* array = node.as_array()) {
    json out = json::array();
    for (const toml::node& element : *array) out.push_back(from_toml(element, where));
    return out;
  }
  if (const auto* table = node.as_table()) {
    json out = json::object();
    for (const auto& [key, element] : *table) out[std::string(key.str())] = from_toml(element, where);
    return out;
  }
  fail("{}dates and times have no use here; put text in quotes", where);
}

std::string place(const std::string& source, const toml::source_position& at) {
  return fmt::format("{}:{}:{}: ", source, at.line, at.column);
}

std::string trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The one value that `text` holds as TOML, or nothing. (Text with a line break could hold more than one.)
std::optional<json> parse_value(const std::string& text) {
  try {
    const toml::table table = toml::parse("value = " + text);
    const toml::node* value = table.get("value");
    if (table.size() == 1 && value != nullptr) return from_toml(*value, "");
  } catch (const toml::parse_error&) {
  }
  return std::nullopt;
}

// Elements of a list written without quotes or brackets: 64,128 or [linear, cosine].
json parse_bare_list(std::string text, bool texts) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    text = trim(text.substr(1, text.size() - 2));
  json out = json::array();
  for (size_t begin = 0; begin < text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string part = trim(text.substr(begin, comma - begin));
    const std::optional<json> value = parse_value(part);
    out.push_back(value && (!texts || value->is_string()) ? *value : json(part));
    begin = comma + 1;
  }
  return out;
}

}  // namespace

// ---- registration

Schema& Schema::field(std::string key, int64_t& value, std::string doc, Range range) {
  return add(Field{std::move(key), &value, std::move(doc), range, {}});
}
Schema& Schema::field(std::string key, double& value, std::string doc, Range range) {
  return add(Field{std::move(key), &value, std::move(doc), range, {}});
}
Schema& Schema::field(std::string key, bool& value, std::string doc) {
  return add(Field{std::move(key), &value, std::move(doc), {}, {}});
}
Schema& Schema::field(std::string key, std::string& value, std::string doc,
                      std::vector<std::string> choices) {
  return add(Field{std::move(key), &value, std::move(doc), {}, std::move(choices)});
}
Schema& Schema::field(std::string key, std::vector<int64_t>& value, std::string doc, Range each) {
  return add(Field{std::move(key), &value, std::move(doc), each, {}});
}
Schema& Schema::field(std::string key, std::vector<double>& value, std::string doc, Range each) {
  return add(Field{std::move(key), &value, std::move(doc), each, {}});
}
Schema& Schema::field(std::string key, std::vector<std::string>& value, std::string doc,
                      std::vector<std::string> choices) {
  return add(Field{std::move(key), &value, std::move(doc), {}, std::move(choices)});
}

Schema& Schema::add(Field field) {
  constexpr const char* kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  const std::string& key = field.key;
  check(!key.empty() && key.find_first_not_of(kAllowed) == std::string::npos && key.front() != '.' &&
            key.back() != '.' && key.find("..") == std::string::npos,
        "Schema", "'{}' is not a dotted key of letters, digits, _ and -", key);
  for (const Field& other : fields_) {
    check(other.key != key, "Schema", "key '{}' is registered twice", key);
    check(!other.key.starts_with(key + ".") && !key.starts_with(other.key + "."), "Schema",
          "'{}' and '{}' cannot both be keys: one would be a value and a table", other.key, key);
  }
  std::replace(field.doc.begin(), field.doc.end(), '\n', ' ');
  fields_.push_back(std::move(field));
  return *this;
}

// ---- look-up and conversion

const Schema::Field* Schema::find(const std::string& key) const {
  const auto at = std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.key == key; });
  return at == fields_.end() ? nullptr : &*at;
}

void Schema::fail_unknown(const std::string& key, const std::string& where) const {
  std::vector<std::string> known;
  for (const Field& f : fields_) known.push_back(f.key);
  std::string guess = nearest(key, known);
  if (guess.empty()) {  // a right name in the wrong table, or without one
    const std::string name = key.substr(key.rfind('.') + 1);
    for (const std::string& k : known) {
      if (k.substr(k.rfind('.') + 1) == name) guess = guess.empty() ? k : guess;
    }
  }
  if (guess.empty()) fail("{}unknown key '{}'; --keys lists the known ones", where, one_line(key));
  fail("{}unknown key '{}'; did you mean '{}'?", where, one_line(key), guess);
}

const Schema::Field* Schema::locate(const std::string& key, bool is_table, const std::string& where) const {
  if (const Field* f = find(key)) return f;
  const auto inside = std::find_if(fields_.begin(), fields_.end(),
                                   [&](const Field& f) { return f.key.starts_with(key + "."); });
  if (inside == fields_.end()) fail_unknown(key, where);
  if (is_table) return nullptr;
  fail("{}{} is a table, not a value; set a key in it, such as {}", where, key, inside->key);
}

Schema::Value Schema::convert(const Field& field, const json& value, const std::string& where) {
  return std::visit(
      [&](auto* target) -> Value {
        using T = std::remove_pointer_t<decltype(target)>;
        const auto reject = [&](const json& got) {
          fail("{}{} must be {}, got {}", where, field.key, type_name<T>(), shown(got));
        };
        if constexpr (IsVector<T>::value) {
          if (!value.is_array()) reject(value);
          T out;
          for (const json& element : value) {
            auto one = read<typename T::value_type>(element);
            if (!one) reject(value);
            check_allowed(*one, field.range, field.choices, field.key, where);
            out.push_back(std::move(*one));
          }
          return out;
        } else {
          auto one = read<T>(value);
          if (!one) reject(value);
          check_allowed(*one, field.range, field.choices, field.key, where);
          return std::move(*one);
        }
      },
      field.target);
}

void Schema::apply(std::vector<Assignment> assignments) {
  for (Assignment& assignment : assignments) {
    std::visit(
        [&](auto* target) {
          *target = std::get<std::remove_pointer_t<decltype(target)>>(std::move(assignment.value));
        },
        assignment.field->target);
  }
}

json Schema::value_of(const Field& field) {
  return std::visit([](const auto* target) { return json(*target); }, field.target);
}

// ---- reading

void Schema::set(const std::string& assignment) try {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) fail("'{}' is not of the form key=value", one_line(assignment));
  const Field* f = locate(trim(assignment.substr(0, equals)), false, "");
  const std::string text = trim(assignment.substr(equals + 1));
  const bool quoted = !text.empty() && (text.front() == '"' || text.front() == '\'');
  json value = text;
  if (std::holds_alternative<std::string*>(f->target)) {
    // Text needs no quotes, and 007 stays 007.
    const std::optional<json> parsed = quoted ? parse_value(text) : json(text);
    if (!parsed || !parsed->is_string()) fail("{}: the quotes of {} do not match", f->key, one_line(text));
    value = *parsed;
  } else {
    const bool list =
        std::visit([](auto* t) { return IsVector<std::remove_pointer_t<decltype(t)>>::value; }, f->target);
    const std::optional<json> parsed = parse_value(text);
    if (list && !(parsed && parsed->is_array())) {
      value = parse_bare_list(text, std::holds_alternative<std::vector<std::string>*>(f->target));
    } else if (parsed) {
      value = *parsed;
    }
  }
  apply({{f, convert(*f, value, "")}});
} catch (const Error& error) {
  throw UsageError(error.what());
}

void Schema::load_toml(const std::string& text, const std::string& source) try {
  std::vector<Assignment> assignments;
  const auto walk = [&](const auto& self, const toml::table& table, const std::string& prefix) -> void {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      const Field* f = locate(path, node.is_table(), place(source, key.source().begin));
      if (f == nullptr) {
        self(self, *node.as_table(), path + ".");
      } else {
        const std::string where = place(source, node.source().begin);
        assignments.push_back({f, convert(*f, from_toml(node, where), where)});
      }
    }
  };
  const toml::table table = toml::parse(text);
  walk(walk, table, "");
  apply(std::move(assignments));
} catch (const toml::parse_error& error) {
  throw UsageError(place(source, error.source().begin) + one_line(std::string(error.description())));
} catch (const Error& error) {
  throw UsageError(error.what());
}

void Schema::from_json(const json& document, const std::string& source) {
  const std::string where = source + ": ";
  if (!document.is_object()) fail("{}must be a JSON object, got {}", where, shown(document));
  std::vector<Assignment> assignments;
  const auto walk = [&](const auto& self, const json& object, const std::string& prefix) -> void {
    for (const auto& [key, value] : object.items()) {
      const Field* f = locate(prefix + key, value.is_object(), where);
      if (f == nullptr) {
        self(self, value, prefix + key + ".");
      } else {
        assignments.push_back({f, convert(*f, value, where)});
      }
    }
  };
  walk(walk, document, "");
  apply(std::move(assignments));
}

// ---- writing

std::string Schema::to_toml() const {
  // Keys without a table come first: below a table's header they would belong to it.
  std::vector<std::pair<std::string, std::string>> tables{{"", ""}};
  for (const Field& f : fields_) {
    const size_t dot = f.key.rfind('.');
    const std::string name = dot == std::string::npos ? "" : f.key.substr(0, dot);
    auto at =
        std::find_if(tables.begin(), tables.end(), [&](const auto& table) { return table.first == name; });
    if (at == tables.end()) at = tables.insert(tables.end(), {name, ""});
    const std::string key = f.key.substr(name.empty() ? 0 : dot + 1);
    at->second += fmt::format("{} = {}", key, toml_text(value_of(f)));
    at->second += f.doc.empty() ? "\n" : fmt::format("  # {}\n", f.doc);
  }
  std::string out;
  for (const auto& [name, lines] : tables) {
    if (!name.empty()) out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", name);
    out += lines;
  }
  return out;
}

std::string Schema::describe() const {
  struct Row {
    std::string key, value, allowed;
    const std::string* doc;
  };
  std::vector<Row> rows;
  size_t key_width = 0, value_width = 0, allowed_width = 0;
  for (const Field& f : fields_) {
    std::string allowed(
        std::visit([](auto* t) { return type_name<std::remove_pointer_t<decltype(t)>>(); }, f.target));
    if (!f.choices.empty()) allowed = fmt::format("{}", fmt::join(f.choices, "|"));
    if (const std::string range = range_text(f.range); !range.empty()) allowed += " " + range;
    rows.push_back({f.key, toml_text(value_of(f)), std::move(allowed), &f.doc});
    key_width = std::max(key_width, rows.back().key.size());
    value_width = std::max(value_width, rows.back().value.size());
    allowed_width = std::max(allowed_width, rows.back().allowed.size());
  }
  std::string out;
  for (const Row& row : rows) {
    out += fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", row.key, key_width, row.value, value_width,
                       row.allowed, allowed_width, *row.doc);
  }
  return out;
}

json Schema::to_json() const {
  json out = json::object();
  for (const Field& f : fields_) {
    json* at = &out;
    size_t begin = 0;
    for (size_t dot; (dot = f.key.find('.', begin)) != std::string::npos; begin = dot + 1) {
      at = &(*at)[f.key.substr(begin, dot - begin)];
    }
    json value = value_of(f);
    const auto spell_infinity = [](json& v) {
      if (v.is_number_float() && std::isinf(v.get<double>())) v = v.get<double>() > 0 ? "inf" : "-inf";
    };
    spell_infinity(value);
    if (value.is_array()) std::for_each(value.begin(), value.end(), spell_infinity);
    (*at)[f.key.substr(begin)] = std::move(value);
  }
  return out;
}

}  // namespace langevin
