// Networks with weights and inputs from Philox, so that outputs can be compared with golden numbers where no
// file of weights is at hand. Free of libtorch: every interpreter may be held against the same numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/diffusion/denoiser.h"
#include "langevin/nn/network.h"

namespace langevin {

/// One file of tests/golden: {"network", "batch", "timestep", "class_labels", "indices", "output"}.
struct GoldenNetwork {
  explicit GoldenNetwork(const std::string& path) {
    std::ifstream stream(path);
    json = nlohmann::json::parse(stream);
    config = nn::network_from_json(json.at("network"), path);
    const auto batch = json.at("batch").get<int64_t>();
    x = noise_like(HostArrayF(nn::input_shape(config, batch)), NoiseKey{7, 0, Purpose::test, 0});
    t = json.at("timestep").get<std::vector<double>>();
    uint64_t first = 100;  // of each condition, a hundred samples apart
    each_condition(
        [&](std::optional<HostArrayF>& value, const std::optional<nn::Condition>& taken) {
          if (taken) value = noise_like(HostArrayF(taken->shape), NoiseKey{7, first, Purpose::test, 0});
          first += 100;
        },
        cond, nn::conditions(config, batch));
    cond.class_labels = json.value("class_labels", std::vector<int64_t>{});
    const nn::CostInterpreter cost = nn::cost_of(config);
    for (const auto& p : cost.parameters()) weights.emplace(p.name, HostArrayF(p.shape));
    uint64_t index = 0;  // in the order of the names
    for (auto& [name, values] : weights) fill(name, values, index++);
  }

  /// Standard normal numbers: over the root of the fan-in for products, 1 + 0.1 n for normalisation weights,
  /// 0.1 n for biases. Nothing is zero, so nothing of the network goes unseen.
  static void fill(const std::string& name, HostArrayF& values, uint64_t index) {
    fill_normal(values.data(), {7, index, Purpose::test, 1});
    const bool bias = name.ends_with(".bias"), product = values.shape().size() > 1;
    const double fan_in = static_cast<double>(values.size()) / static_cast<double>(values.shape()[0]);
    const auto scale = static_cast<float>(product ? 1 / std::sqrt(fan_in) : 0.1);
    for (float& v : values.data()) v = v * scale + (product || bias ? 0.0F : 1.0F);
  }

  /// The elements of an output that the file holds.
  std::vector<double> kept(const HostArrayF& output) const {
    std::vector<double> values;
    for (const int64_t i : json.at("indices").get<std::vector<int64_t>>())
      values.push_back(output[i % output.size()]);
    return values;
  }

  /// |output - golden| / |golden| over the elements kept.
  double relative_error(const HostArrayF& output) const {
    const auto got = kept(output), want = json.at("output").get<std::vector<double>>();
    check(got.size() == want.size() && !want.empty(), "golden", "has {} numbers for {} indices", want.size(),
          got.size());
    double difference = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      difference += std::pow(got[i] - want[i], 2);
      size += std::pow(want[i], 2);
    }
    return std::sqrt(difference / size);
  }

  nlohmann::json json;
  nn::NetworkConfig config;
  HostArrayF x;
  std::vector<double> t;
  Cond<HostArrayF> cond;
  std::map<std::string, HostArrayF> weights;
};

}  // namespace langevin
