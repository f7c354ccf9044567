// Networks of sequences on the command line: import, inspect, forward, bench.
#include <cmath>

#include "langevin/model/model_file.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Policy : public CommandLine {
 protected:
  /// A model file with random weights: two numbers, horizon 8, conditioned on three.
  std::string model() const {
    nn::UNet1DConfig c;
    c.horizon = 8;
    c.global_cond_dim = 3;
    c.diffusion_step_embed_dim = 16;
    c.down_dims = {8, 16};
    ModelSpec spec;
    spec.network = nn::validated(c);
    const nn::CostInterpreter cost = nn::cost_of(spec.network);
    std::vector<HostArrayF> memory;
    for (const auto& p : cost.parameters())
      memory.push_back(noise_like(HostArrayF(p.shape), {1, memory.size(), Purpose::test, 0}));
    std::vector<TensorOut> tensors;
    for (size_t i = 0; i < memory.size(); ++i) {
      tensors.push_back(
          {cost.parameters()[i].name, DType::f32, memory[i].shape(), std::as_bytes(memory[i].data())});
    }
    write_model(path("model.safetensors"), spec, tensors);
    return path("model.safetensors");
  }

  std::string inputs(const Shape& sample, const Shape& global_cond) const {
    const HostArrayF x = noise_like(HostArrayF(sample), {2, 0, Purpose::test, 0}), t({1}, 7.0F);
    const HostArrayF cond(global_cond.empty() ? Shape{1} : global_cond, 0.5F);
    std::vector<TensorOut> tensors{{"sample", DType::f32, sample, std::as_bytes(x.data())},
                                   {"timestep", DType::f32, {1}, std::as_bytes(t.data())}};
    if (!global_cond.empty())
      tensors.push_back({"global_cond", DType::f32, global_cond, std::as_bytes(cond.data())});
    write_safetensors(path("in.safetensors"), tensors, {});
    return path("in.safetensors");
  }
};

TEST_F(Policy, InspectKnowsSequences) {
  const Result r = langevin({"inspect", model()});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_NE(r.out.find("unet1d, 2 x 8 (numbers x horizon); conditioned on global_cond (1, 3)"), std::string::npos)
      << r.out;
  expect_error({"sample", path("model.safetensors"), "--out", path("out")}, 1, {"sequences"});
}

TEST_F(Policy, ForwardTakesAndGivesThePeersLayout) {
  const std::string file = model(), out = path("out.safetensors");
  const Result r = langevin({"forward", file, "--in", inputs({3, 12, 2}, {3, 3}), "--out", out});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(SafetensorsFile::open(out).at("output").shape, (Shape{3, 12, 2}));
  expect_error({"forward", file, "--in", inputs({3, 2, 12}, {3, 3}), "--out", out}, 1, {"(N, T, 2)"});
  expect_error({"forward", file, "--in", inputs({3, 9, 2}, {3, 3}), "--out", out}, 1, {"multiple of 2"});
  expect_error({"forward", file, "--in", inputs({3, 8, 2}, {}), "--out", out}, 1, {"global_cond", "no tensor"});
  expect_error({"forward", file, "--in", inputs({3, 8, 2}, {3, 4}), "--out", out}, 1, {"(3, 4)", "(3, 3)"});
}

TEST_F(Policy, AnImportedFolderGivesThePeersOutput) {
  const fs::path peer = fs::path(LANGEVIN_SHARED) / "parity" / "unet1d-policy";
  if (!fs::exists(peer)) GTEST_SKIP() << "needs " << peer << ", which this checkout does not have";
  const std::string ours = path("ours.safetensors"), out = path("out.safetensors");
  EXPECT_EQ(langevin({"import", peer.string(), "--out", ours}).status, 0);
  expect_error({"import", ours, "--out", path("again.safetensors")}, 1, {"already"});
  const Result r = langevin({"forward", ours, "--in", (peer / "io.safetensors").string(), "--out", out});
  ASSERT_EQ(r.status, 0) << r.err;
  const HostArrayF got = SafetensorsFile::open(out).to_float("output");
  const HostArrayF want = SafetensorsFile::open(peer / "io.safetensors").to_float("output");
  ASSERT_EQ(got.shape(), want.shape());
  EXPECT_LT(norm(lincomb(1.0, got, -1.0, want))[0], 1e-5 * norm(want)[0]);
}

TEST_F(Policy, HelpAndWrongUsage) {
  EXPECT_NE(langevin({"import", "--help"}).out.find("Examples:\n  langevin import"), std::string::npos);
  expect_error({"bench", "policy", "--backend", "torhc"}, 2, {"did you mean 'torch'?"});
  expect_error({"import", path("nothing"), "--out", path("x.safetensors")}, 1, {"no such model"});
}

}  // namespace
}  // namespace langevin::testing
