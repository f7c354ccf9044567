// The networks against golden numbers, where the peers' files of ../shared are absent. The numbers were taken
// with
//   build/bin/torch_test --gtest_also_run_disabled_tests --gtest_filter='*DISABLED_Print*'
// from the code whose outputs equalled the peers' (unet1d_parity_test.cpp, unet2d_parity_test.cpp); those of
// the other networks are the peers' own.
#include <gtest/gtest.h>

#include "langevin/torch/network_call.h"
#include "tests/nn/golden_network.h"

namespace langevin {
namespace {

class GoldenNetworkTest : public testing::TestWithParam<const char*> {
 protected:
  HostArrayF output() {
    const at::NoGradGuard no_grad;
    TorchNetwork network(golden_.config, Precision::fp32, at::kCPU, 0, false);
    network.store().load([&](const Parameter& p) { return golden_.weights.at(p.name); });
    return to_host(network_call(network)(to_torch(golden_.x), golden_.t, to_torch(golden_.cond, at::kCPU)));
  }
  GoldenNetwork golden_{std::string(LANGEVIN_GOLDEN) + "/" + GetParam()};
};

TEST_P(GoldenNetworkTest, OutputEqualsTheGoldenNumbers) { EXPECT_LT(golden_.relative_error(output()), 1e-5); }

TEST_P(GoldenNetworkTest, DISABLED_PrintsItsOutput) {
  std::string numbers;
  for (const double value : golden_.kept(output())) numbers += fmt::format("{:.9g}, ", value);
  fmt::print("{}: {}\n", GetParam(), numbers);
}

INSTANTIATE_TEST_SUITE_P(Networks, GoldenNetworkTest,
                         testing::Values("unet1d_forward.json", "unet2d_forward.json",
                                         "unet2d_condition_forward.json", "autoencoder_kl_forward.json",
                                         "transformer_policy_forward.json"));

}  // namespace
}  // namespace langevin
