// Reading the configuration files of peers strictly: what is not honoured is refused by name.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "langevin/core/check.h"

namespace langevin::nn {

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
        value = it->get<T>();
      } catch (const nlohmann::json::exception&) {
        fail("{}: {} has the wrong type: {}", source_, key, it->dump());
      }
    }
    object_.erase(it);
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
