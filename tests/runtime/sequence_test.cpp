// Networks of sequences through the runtime: the peer's numbers, golden numbers, and what a sample's
// neighbours must not change.
#include "langevin/model/model_file.h"
#include "tests/nn/golden_network.h"
#include "tests/runtime/support.h"

namespace langevin {
namespace {

using runtime::RuntimeNetwork;
using runtime::Type;
using runtime::Weights;
using test::noise;
using test::relative_error;

/// (N,L,C) -> (N,C,L), or back.
HostArrayF turned(const HostArrayF& x) {
  const int64_t rows = x.shape()[1], columns = x.shape()[2];
  HostArrayF y({x.batch(), columns, rows});
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t n = i / (rows * columns), r = i / columns % rows, c = i % columns;
    y.data()[static_cast<size_t>((n * columns + c) * rows + r)] = x[i];
  }
  return y;
}

TEST(SequenceParity, OutputEqualsThePeersWithin1e5) {
  const std::filesystem::path folder = std::filesystem::path(LANGEVIN_SHARED) / "parity" / "unet1d-policy";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "needs " << folder << ", which this checkout does not have";
  const ModelFile model = open_model(folder);
  const auto io = SafetensorsFile::open(folder / "io.safetensors");
  const auto steps = test::integers(io.at("timestep"));
  RuntimeNetwork network(model.spec.network, Weights(model.weights), Type::fp32, 1);
  const HostArrayF got =
      network(turned(io.to_float("sample")), {steps.begin(), steps.end()}, {{}, io.to_float("global_cond")});
  EXPECT_LT(relative_error(turned(got), io.to_float("output")), 1e-5);
}

TEST(SequenceParity, OutputEqualsTheGoldenNumbers) {
  for (const char* file : {"unet1d_forward.json", "unet2d_forward.json", "unet2d_condition_forward.json",
                           "autoencoder_kl_forward.json", "transformer_policy_forward.json"}) {
    const GoldenNetwork golden(std::string(LANGEVIN_GOLDEN) + "/" + file);
    RuntimeNetwork network(golden.config, Weights(golden.weights), Type::fp32, 1);
    EXPECT_LT(golden.relative_error(network(golden.x, golden.t, golden.cond)), 1e-5) << file;
  }
}

nn::UNet1DConfig small(int64_t cond = 5) {
  nn::UNet1DConfig c;
  c.horizon = 8;
  c.global_cond_dim = cond;
  c.diffusion_step_embed_dim = 16;
  c.down_dims = {16, 40};
  c.kernel_size = 5;
  c.cond_predict_scale = true;
  return nn::validated(c);
}

HostArrayF one_of(const HostArrayF& all, int64_t i) {
  Shape shape = all.shape();
  shape[0] = 1;
  HostArrayF one(shape);
  std::copy(all.sample(i).begin(), all.sample(i).end(), one.data().begin());
  return one;
}

TEST(Sequences, ASampleDependsOnItsOwnInputsAlone) {
  for (const int64_t cond : {0, 5}) {
    const auto config = small(cond);
    auto network = test::make_network(config);
    const HostArrayF x = noise(nn::input_shape(config, 4));
    const std::vector<double> t{3, 3, 90.5, 3};
    std::optional<HostArrayF> given;
    if (cond > 0) {
      given = noise({4, cond}, 2);
      std::copy(given->sample(0).begin(), given->sample(0).end(), given->sample(2).begin());
    }
    const HostArrayF all = network(x, t, {{}, given});
    for (int64_t i = 0; i < 4; ++i) {
      std::optional<HostArrayF> own;
      if (given) own = one_of(*given, i);
      const HostArrayF alone = network(one_of(x, i), {t[static_cast<size_t>(i)]}, {{}, own});
      EXPECT_LT(test::largest_difference(alone.data(), all.sample(i)), 1e-5) << "sample " << i;
    }
  }
}

TEST(Sequences, ARowOfTheGridIsKeptAcrossObservations) {
  const auto config = small();
  auto network = test::make_network(config);
  const HostArrayF x = noise(nn::input_shape(config, 1));
  std::vector<HostArrayF> first;
  for (int round = 0; round < 2; ++round) {
    for (uint64_t observation : {1, 2, 3}) {
      for (double t : {99.0, 50.0, 0.0}) {
        const HostArrayF y = network(x, {t}, {{}, noise({1, 5}, observation)});
        if (round == 0) first.push_back(y);
        if (round == 1) {
          EXPECT_EQ(test::largest_difference(y.data(), first.front().data()), 0);
          first.erase(first.begin());
        }
      }
    }
  }
  EXPECT_EQ(network.conditioning().rows_computed(), 3);
}

TEST(Sequences, AnyFittingHorizonMayBeGiven) {
  const auto config = small();
  auto network = test::make_network(config);
  const HostArrayF cond = noise({1, 5}, 2);
  for (const int64_t horizon : {2, 12, 64})
    EXPECT_EQ(network(noise({1, 2, horizon}), {5.0}, {{}, cond}).shape(), (Shape{1, 2, horizon}));
  EXPECT_THROW(network(noise({1, 2, 9}), {5.0}, {{}, cond}), Error);
  EXPECT_THROW(network(noise({1, 3, 8}), {5.0}, {{}, cond}), Error);
}

TEST(Sequences, AConditionThatDoesNotFitIsRefused) {
  const auto config = small();
  auto network = test::make_network(config);
  const HostArrayF x = noise({1, 2, 8});
  EXPECT_THROW(network(x, {5.0}, {}), Error);
  EXPECT_THROW(network(x, {5.0}, {{}, noise({1, 4})}), Error);
  EXPECT_THROW(network(x, {5.0}, {{}, noise({2, 5})}), Error);
  auto without = test::make_network(small(0));
  EXPECT_THROW(without(x, {5.0}, {{}, noise({1, 5})}), Error);
}

}  // namespace
}  // namespace langevin
