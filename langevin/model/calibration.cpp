#include "langevin/model/calibration.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "langevin/core/check.h"

namespace langevin {

using nlohmann::json;

namespace {

constexpr int64_t kVersion = 1;
constexpr float kSmallest = 1e-30F,
                kLargest = 1e30F;  // steps beyond are damage, and overflow when multiplied

/// Channels of the input of every operator with weights (out, C, ...), by its name.
std::map<std::string, int64_t> input_channels(const nn::NetworkConfig& network) {
  constexpr std::string_view kSuffix = ".weight";
  std::map<std::string, int64_t> channels;
  const nn::CostInterpreter cost = nn::cost_of(network);
  for (const nn::ParameterSpec& p : cost.parameters()) {
    if (p.shape.size() < 2 || !p.name.ends_with(kSuffix)) continue;
    channels[p.name.substr(0, p.name.size() - kSuffix.size())] = p.shape[1];
  }
  return channels;
}

double not_negative(const json& value, const std::string& source, const std::string& what) {
  const auto number = value.get<double>();
  check(std::isfinite(number) && number >= 0, source, "the int8 calibration's {} is {}", what, number);
  return number;
}

/// A float as the few digits that bring it back.
json short_number(float value) { return json::parse(fmt::format("{:.9g}", value)); }

LayerCalibration layer_from_json(const json& object, const std::map<std::string, int64_t>& channels,
                                 const std::string& source) {
  LayerCalibration layer;
  layer.name = object.at("name").get<std::string>();
  const auto found = channels.find(layer.name);
  check(found != channels.end(), source, "the int8 calibration speaks of '{}', which the network has not",
        layer.name);
  layer.int8 = object.at("int8").get<bool>();
  layer.error = not_negative(object.at("error"), source, "error of " + layer.name);
  const json &step = object.at("step"), &zero = object.at("zero");
  check(step.is_array() && zero.is_array() && static_cast<int64_t>(step.size()) == found->second &&
            zero.size() == step.size(),
        source, "the int8 calibration of {} has {} steps and {} zeros, its input {} channels", layer.name,
        step.size(), zero.size(), found->second);
  for (size_t c = 0; c < step.size(); ++c) {
    const auto value = step[c].get<float>();
    check(value >= kSmallest && value <= kLargest, source, "the int8 calibration of {} has the step {}",
          layer.name, value);
    check(zero[c].is_number_integer() && zero[c].get<int64_t>() >= 0 && zero[c].get<int64_t>() <= 255, source,
          "the int8 calibration of {} has the zero {}", layer.name, zero[c].dump());
    layer.step.push_back(value);
    layer.zero.push_back(zero[c].get<uint8_t>());
  }
  return layer;
}

}  // namespace

const LayerCalibration* Calibration::find(const std::string& name) const {
  const auto found = std::find_if(layers.begin(), layers.end(),
                                  [&](const LayerCalibration& layer) { return layer.name == name; });
  return found != layers.end() && found->int8 ? &*found : nullptr;
}

json to_json(const Calibration& calibration) {
  json layers = json::array(), errors = json::array();
  for (const LayerCalibration& layer : calibration.layers) {
    json step = json::array();
    for (float value : layer.step) step.push_back(short_number(value));
    layers.push_back({{"name", layer.name},
                      {"int8", layer.int8},
                      {"error", layer.error},
                      {"step", std::move(step)},
                      {"zero", layer.zero}});
  }
  for (const CalibrationError& e : calibration.errors)
    errors.push_back({{"first_t", e.first_t}, {"last_t", e.last_t}, {"relative", e.relative}});
  return {{"version", kVersion},      {"source", calibration.source}, {"samples", calibration.samples},
          {"seed", calibration.seed}, {"errors", std::move(errors)},  {"layers", std::move(layers)}};
}

Calibration calibration_from_json(const json& object, const nn::NetworkConfig& network,
                                  const std::string& source) {
  try {
    const auto version = object.at("version").get<int64_t>();
    check(version == kVersion, source,
          "the int8 calibration has version {}, this program reads {}: run langevin quantize again", version,
          kVersion);
    Calibration calibration;
    calibration.source = object.at("source").get<std::string>();
    calibration.samples = object.at("samples").get<int64_t>();
    calibration.seed = object.at("seed").get<uint64_t>();
    for (const json& e : object.at("errors")) {
      calibration.errors.push_back({e.at("first_t").get<double>(), e.at("last_t").get<double>(),
                                    not_negative(e.at("relative"), source, "error")});
    }
    const std::map<std::string, int64_t> channels = input_channels(network);
    std::set<std::string> seen;
    for (const json& layer : object.at("layers")) {
      calibration.layers.push_back(layer_from_json(layer, channels, source));
      const std::string& name = calibration.layers.back().name;
      check(seen.insert(name).second, source, "the int8 calibration has {} twice", name);
    }
    return calibration;
  } catch (const json::exception& e) {
    fail("{}: the int8 calibration is damaged: {}", source, e.what());
  }
}

}  // namespace langevin
