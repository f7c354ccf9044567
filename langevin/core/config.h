// Configuration: a struct's fields are registered once in a Schema; from that come TOML reading and writing,
// --set key=value, --keys, JSON, range checks and "unknown key, did you mean".
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "langevin/core/names.h"

namespace langevin {

/// Allowed values of a number, ends included.
struct FieldRange {
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();
};

/// The registered fields of one configuration value. Holds pointers into the struct: it must outlive the
/// Schema.
class Schema {
 public:
  using Range = FieldRange;
  /// Keys are dotted ("optimizer.lr"); doc is one line with the unit. Throws on a key registered twice.
  Schema& field(std::string key, int64_t& value, std::string doc, Range range = {});
  Schema& field(std::string key, double& value, std::string doc, Range range = {});
  Schema& field(std::string key, bool& value, std::string doc);
  /// `choices` empty: any text.
  Schema& field(std::string key, std::string& value, std::string doc, std::vector<std::string> choices = {});
  Schema& field(std::string key, std::vector<int64_t>& value, std::string doc, Range each = {});
  Schema& field(std::string key, std::vector<double>& value, std::string doc, Range each = {});
  Schema& field(std::string key, std::vector<std::string>& value, std::string doc,
                std::vector<std::string> choices = {});

  /// "key=value"; the value is TOML, a bare word counts as text ("schedule.kind=cosine"). UsageError names
  /// the nearest known key, the expected type or the allowed range; nothing is changed then.
  void set(const std::string& assignment);
  /// Reads TOML text; `source` is named in errors (file, line). UsageError as for set(). Absent keys keep
  /// their value.
  void load_toml(const std::string& text, const std::string& source);
  /// Every key with its resolved value, grouped in tables, the doc as a comment; load_toml reads it back
  /// exactly.
  std::string to_toml() const;
  /// The text of --keys: key, default (the current value), allowed values or range, meaning; one key a line.
  std::string describe() const;

  nlohmann::json to_json() const;  // nested objects by the dots
  /// Error (not usage) on unknown keys or wrong types, naming `source`. Absent keys keep their value.
  void from_json(const nlohmann::json& json, const std::string& source);

 private:
  using Target = std::variant<int64_t*, double*, bool*, std::string*, std::vector<int64_t>*,
                              std::vector<double>*, std::vector<std::string>*>;
  struct Field {
    std::string key;
    Target target;
    std::string doc;
    Range range;
    std::vector<std::string> choices;
  };
  using Value = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>,
                             std::vector<std::string>>;
  struct Assignment {
    const Field* field;
    Value value;
  };
  Schema& add(Field field);
  const Field* find(const std::string& key) const;
  /// The field of that key; null when it is a table and `is_table`; else Error, which begins with `where`.
  const Field* locate(const std::string& key, bool is_table, const std::string& where) const;
  [[noreturn]] void fail_unknown(const std::string& key, const std::string& where) const;
  /// The value as the field's type, checked against its range and choices; Error, which begins with `where`.
  static Value convert(const Field& field, const nlohmann::json& value, const std::string& where);
  static nlohmann::json value_of(const Field& field);
  static void apply(std::vector<Assignment> assignments);  // called when everything is known to be right
  std::vector<Field> fields_;
};

}  // namespace langevin
