// Reading the configuration files of peers strictly: what is not honoured is refused by name.
#pragma once

#include <cmath>
#include <concepts>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "langevin/core/check.h"

namespace langevin::nn {

namespace config_reader_detail {

/// Whether the value is one of T without a change; the JSON library itself would make 2 of 2.5 and 1 of true.
template <class T>
bool is_one(const nlohmann::json& value, const T*) {
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    constexpr double exact = 9007199254740992.0;  // 2^53
    if (value.is_number_integer()) return true;
    if (!value.is_number_float()) return false;
    const auto number = value.get<double>();
    return number == std::floor(number) && std::abs(number) <= exact;
  } else if constexpr (std::floating_point<T>) {
    return value.is_number() && std::isfinite(value.get<double>());
  }
  return true;
}

template <class T>
bool is_one(const nlohmann::json& value, const std::vector<T>*) {
  if (!value.is_array()) return false;
  for (const auto& element : value) {
    if (!is_one(element, static_cast<const T*>(nullptr))) return false;
  }
  return true;
}

}  // namespace config_reader_detail

/// A picture's sides as diffusers writes them: one number where they are equal, else [height, width].
inline nlohmann::json picture_size_to_json(int64_t height, int64_t width) {
  return height == width ? nlohmann::json(height) : nlohmann::json{height, width};
}

/// Takes keys out of a config.json one by one; what is left at the end was not honoured.
class ConfigReader {
 public:
  ConfigReader(nlohmann::json object, std::string source)
      : object_(std::move(object)), source_(std::move(source)) {
    check(object_.is_object(), source_, "expected a JSON object with the network's configuration");
  }
  template <class T>
  void get(const char* key, T& value) {
    const auto it = object_.find(key);
    if (it == object_.end()) return;
    if (!it->is_null()) {
      try {
        check(config_reader_detail::is_one(*it, &value), source_, "{} has the wrong type: {}", key,
              it->dump());
        value = it->get<T>();
      } catch (const nlohmann::json::exception&) {
        fail("{}: {} has the wrong type: {}", source_, key, it->dump());
      }
    }
    object_.erase(it);
  }
  /// null: none.
  template <class T>
  void get_optional(const char* key, std::optional<T>& value) {
    if (!object_.contains(key)) return;
    T given{};
    const bool none = object_.at(key).is_null();
    get(key, given);
    value = none ? std::nullopt : std::optional<T>(std::move(given));
  }
  /// A value that counts for every stage, or a list with one a stage.
  template <class T>
  void get_per_stage(const char* key, std::vector<T>& values) {
    if (!object_.contains(key) || object_.at(key).is_array()) return get(key, values);
    std::optional<T> one;
    get_optional(key, one);
    if (one) values.assign(1, *one);
  }
  /// A number, [height, width] or null, which leaves what is there.
  void get_picture_size(const char* key, int64_t& height, int64_t& width) {
    if (object_.contains(key) && object_.at(key).is_array()) {
      std::vector<int64_t> sides;
      get(key, sides);
      check(sides.size() == 2, source_, "{} must be a number or [height, width], got {} numbers", key,
            sides.size());
      height = sides[0];
      width = sides[1];
      return;
    }
    std::optional<int64_t> side;
    get_optional(key, side);
    if (side) height = width = *side;
  }
  nlohmann::json take(const char* key) {
    const auto it = object_.find(key);
    if (it == object_.end()) return nullptr;
    nlohmann::json value = *it;
    object_.erase(it);
    return value;
  }
  /// The key must be absent, null or `only`.
  void expect(const char* key, const nlohmann::json& only) {
    const nlohmann::json value = take(key);
    check(value.is_null() || value == only, source_, "{} = {} is not supported, only {}", key, value.dump(),
          only.dump());
  }
  /// What was not taken yet.
  const nlohmann::json& left() const { return object_; }
  void finish() {
    for (const auto& [key, value] : object_.items()) {
      check(!key.empty() && key[0] == '_', source_, "unknown key '{}' = {}", key, value.dump());
    }
  }

 private:
  nlohmann::json object_;
  std::string source_;
};

}  // namespace langevin::nn
