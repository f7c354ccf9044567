// Plans of the U-Nets that diffusers 0.21 made random weights and outputs for (../shared/parity).
#include "tests/runtime/support.h"

namespace langevin {
namespace {

using test::Peer;
using test::relative_error;

class RuntimeParity : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto folder = Peer::folder(GetParam());
    if (!std::filesystem::exists(folder))
      GTEST_SKIP() << "needs " << folder << ", which this checkout does not have";
    peer = std::make_unique<Peer>(folder);
  }
  std::unique_ptr<Peer> peer;
};

TEST_P(RuntimeParity, OutputEqualsThePeersWithin1e5) {
  const HostArrayF out = peer->run(peer->io.to_float("sample"));
  const double error = relative_error(out, peer->io.to_float("output"));
  RecordProperty("relative_error", std::to_string(error));
  EXPECT_LT(error, 1e-5);
}

TEST_P(RuntimeParity, Bf16StaysWithinItsRounding) {
  const HostArrayF out = peer->run(peer->io.to_float("sample"), runtime::Type::bf16);
  EXPECT_LT(relative_error(out, peer->io.to_float("output")), 0.03);
}

INSTANTIATE_TEST_SUITE_P(Peers, RuntimeParity, testing::Values("unet2d-ddpm", "unet2d-class"));

}  // namespace
}  // namespace langevin
