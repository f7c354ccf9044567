// What the runtime's tests share: a network of the parity files made ready, and distances between arrays.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "langevin/io/safetensors.h"
#include "langevin/runtime/plan.h"
#include "langevin/runtime/recorder.h"

namespace langevin::test {

inline double relative_error(const HostArrayF& got, const HostArrayF& want) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    difference += std::pow(got[i] - want[i], 2);
    size += std::pow(want[i], 2);
  }
  return std::sqrt(difference / size);
}

inline std::vector<int64_t> integers(const TensorView& view) {
  std::vector<int64_t> values(view.bytes.size() / sizeof(int64_t));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

/// A network of ../shared/parity with its example.
struct Peer {
  explicit Peer(const std::filesystem::path& folder)
      : file(SafetensorsFile::open(folder / "unet" / "diffusion_pytorch_model.safetensors")),
        io(SafetensorsFile::open(folder / "io.safetensors")),
        weights(file) {
    std::ifstream stream(folder / "unet" / "config.json");
    config = nn::unet2d_config_from_json(nlohmann::json::parse(stream), "config.json");
    const auto steps = integers(io.at("timestep"));
    t.assign(steps.begin(), steps.end());
    if (io.contains("class_labels")) labels = integers(io.at("class_labels"));
  }
  static std::filesystem::path folder(const char* name) {
    return std::filesystem::path(LANGEVIN_SHARED) / "parity" / name;
  }

  HostArrayF run(const HostArrayF& x, runtime::Type type = runtime::Type::fp32) {
    const runtime::Graph graph = runtime::record(config, x.shape());
    runtime::Conditioning conditioning(graph, weights);
    runtime::Plan plan(graph, type, conditioning, weights);
    HostArrayF out(plan.output_shape());
    plan.run(x.data().data(), t, labels, out.data().data());
    return out;
  }

  nn::UNet2DConfig config;
  SafetensorsFile file, io;
  runtime::Weights weights;
  std::vector<double> t;
  std::vector<int64_t> labels;
};

}  // namespace langevin::test
