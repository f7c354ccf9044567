// Networks of sequences: the runtime against the libtorch interpreter, over the configurations that the
// network has.
#include <gtest/gtest.h>

#include <cmath>

#include "langevin/runtime/network.h"
#include "langevin/torch/network_call.h"
#include "tests/nn/golden_network.h"

namespace langevin {
namespace {

struct Case {
  std::string name;
  std::vector<int64_t> dims{16, 32};
  int64_t kernel = 5, groups = 8, cond = 5, input = 2, horizon = 8;
  bool scale = true;
};

class SequenceEngines : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    nn::UNet1DConfig config{.input_dim = c.input, .horizon = c.horizon, .global_cond_dim = c.cond};
    config.diffusion_step_embed_dim = 24;
    config.down_dims = c.dims;
    config.kernel_size = c.kernel;
    config.n_groups = c.groups;
    config.cond_predict_scale = c.scale;
    config_ = nn::validated(config);
    const auto cost = nn::cost_of(config_);
    for (const auto& p : cost.parameters()) weights_.emplace(p.name, HostArrayF(p.shape));
    uint64_t index = 0;
    for (auto& [name, values] : weights_) GoldenNetwork::fill(name, values, index++);
  }

  HostArrayF input(int64_t n) const {
    return noise_like(HostArrayF(nn::input_shape(config_, n)), NoiseKey{3, 0, Purpose::test, 0});
  }
  std::optional<HostArrayF> cond(int64_t n) const {
    if (GetParam().cond == 0) return std::nullopt;
    return noise_like(HostArrayF({n, GetParam().cond}), NoiseKey{3, 50, Purpose::test, 0});
  }
  static std::vector<double> timesteps(int64_t n) {
    std::vector<double> t;
    for (int64_t i = 0; i < n; ++i) t.push_back(static_cast<double>(i * 37 % 100));
    return t;
  }

  HostArrayF by_torch(int64_t n) const {
    const at::NoGradGuard no_grad;
    TorchNetwork network(config_, Precision::fp32, at::kCPU, 0, false);
    network.store().load([&](const Parameter& p) { return weights_.at(p.name); });
    const auto given = cond(n);
    return to_host({network(to_torch(input(n)).value, timestep_tensor(timesteps(n), at::kCPU),
                            {{}, given ? to_torch(*given).value : at::Tensor()}, {})});
  }

  nn::NetworkConfig config_;
  std::map<std::string, HostArrayF> weights_;
};

double relative_error(const HostArrayF& got, const HostArrayF& want) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    difference += std::pow(got[i] - want[i], 2);
    size += std::pow(want[i], 2);
  }
  return std::sqrt(difference / size);
}

TEST_P(SequenceEngines, OneCallAgreesAtAnyBatch) {
  runtime::RuntimeNetwork network(config_, runtime::Weights(weights_), runtime::Type::fp32, 1);
  for (const int64_t n : {1, 2, 7, 33})
    EXPECT_LT(relative_error(network(input(n), timesteps(n), {{}, cond(n)}), by_torch(n)), 1e-5) << n;
}

INSTANTIATE_TEST_SUITE_P(
    Networks, SequenceEngines,
    testing::Values(Case{"plain"}, Case{"k3", {32, 64}, 3}, Case{"k7", {16, 24, 40}, 7, 4, 5, 3, 12},
                    Case{"unconditional", {16, 32}, 5, 8, 0},
                    Case{"bias_alone", {16, 32}, 5, 8, 5, 2, 8, false},
                    Case{"odd_channels", {24, 33, 57}, 3, 3, 7, 5, 4}, Case{"one_stage", {8}, 5, 1, 2, 1, 5},
                    Case{"k1", {8, 8}, 1, 2, 3, 7, 2}, Case{"wide", {64, 256}, 5, 8, 11, 6, 16}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace langevin
