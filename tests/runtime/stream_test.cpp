// Streamed weights: the precisions, threads and sizes of networks of sequences, and what a plan of theirs
// promises.
#include "langevin/runtime/stream_chains.h"
#include "langevin/runtime/stream_product.h"
#include "tests/runtime/allocations.h"
#include "tests/runtime/support.h"

namespace langevin {
namespace {

using runtime::Type;
using test::noise;
using test::relative_error;

struct Case {
  const char* name;
  std::vector<int64_t> dims{32, 64};
  int64_t kernel = 5, groups = 8, cond = 5, input = 2, horizon = 8;
  bool scale = true;
};

nn::UNet1DConfig config_of(const Case& c) {
  nn::UNet1DConfig config{.input_dim = c.input, .horizon = c.horizon, .global_cond_dim = c.cond};
  config.diffusion_step_embed_dim = 24;
  config.down_dims = c.dims;
  config.kernel_size = c.kernel;
  config.n_groups = c.groups;
  config.cond_predict_scale = c.scale;
  return nn::validated(config);
}

class Streamed : public testing::TestWithParam<Case> {
 protected:
  HostArrayF call(Type type, int threads, int64_t n) const {
    const auto config = config_of(GetParam());
    auto network = test::make_network(config, type, threads);
    std::optional<HostArrayF> cond;
    if (GetParam().cond > 0) cond = noise({n, GetParam().cond}, 2);
    std::vector<double> t;
    for (int64_t i = 0; i < n; ++i) t.push_back(static_cast<double>(i * 37 % 100));
    return network(noise(nn::input_shape(config, n)), t, {{}, cond});
  }
};

TEST_P(Streamed, PrecisionsStayWithinTheirRounding) {
  for (const int64_t n : {1, 3}) {
    const HostArrayF want = call(Type::fp32, 1, n);
    EXPECT_LT(relative_error(call(Type::bf16, 1, n), want), 0.01) << n;
    EXPECT_LT(relative_error(call(Type::int8, 1, n), want), 0.04) << n;
  }
}

TEST_P(Streamed, ThreadsDoNotChangeTheResult) {
  for (const Type type : {Type::fp32, Type::bf16, Type::int8}) {
    const HostArrayF one = call(type, 1, 2);
    for (const int threads : {2, 3, 5})
      EXPECT_EQ(test::largest_difference(call(type, threads, 2).data(), one.data()), 0)
          << to_string(type) << threads;
  }
}

TEST_P(Streamed, EqualsAPlanOfPrimitives) {
  const auto config = config_of(GetParam());
  runtime::Weights weights(test::random_parameters(config));
  runtime::Conditioning conditioning(runtime::record(config, runtime::usual_call(config, 1)), weights);
  const runtime::ThreadLimit limit(1);
  runtime::Team team(1);
  runtime::StreamWeights streamed;
  runtime::StreamContext context{team, streamed};
  const std::vector<int64_t> none;
  for (const int64_t n : {1, 3, 40}) {
    const runtime::Graph graph = runtime::record(config, runtime::usual_call(config, n));
    runtime::Plan plain(graph, Type::fp32, {conditioning, weights}),
        stream(graph, Type::fp32, {conditioning, weights, &context});
    const HostArrayF x = noise(nn::input_shape(config, n)), cond = noise({n, GetParam().cond + 1}, 2);
    HostArrayF want(plain.output_shape()), got(want.shape());
    std::vector<double> t;
    for (int64_t i = 0; i < n; ++i) t.push_back(static_cast<double>(i * 37 % 100));
    const float* given = GetParam().cond > 0 ? cond.data().data() : nullptr;
    plain.run({x.data().data(), t, none, given}, want.data().data());
    stream.run({x.data().data(), t, none, given}, got.data().data());
    EXPECT_LT(relative_error(got, want), 1e-5) << n;
  }
}

TEST_P(Streamed, LargeBatchesRunAFewSamplesAtATime) {
  const auto config = config_of(GetParam());
  auto network = test::make_network(config);
  const int64_t n = 300;
  const HostArrayF x = noise(nn::input_shape(config, n));
  std::optional<HostArrayF> cond, last;
  if (GetParam().cond > 0) {
    cond = noise({n, GetParam().cond}, 2);
    last = HostArrayF({1, GetParam().cond});
    std::copy(cond->sample(n - 1).begin(), cond->sample(n - 1).end(), last->data().begin());
  }
  const HostArrayF all = network(x, std::vector<double>(static_cast<size_t>(n), 9.0), {{}, cond});
  HostArrayF one(nn::input_shape(config, 1));
  std::copy(x.sample(n - 1).begin(), x.sample(n - 1).end(), one.data().begin());
  const HostArrayF alone = network(one, {9.0}, {{}, last});
  EXPECT_EQ(test::largest_difference(alone.data(), all.sample(n - 1)), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, Streamed,
    testing::Values(Case{"plain"}, Case{"k3", {32, 64}, 3}, Case{"k7", {16, 24, 40}, 7, 4, 5, 3, 12},
                    Case{"unconditional", {16, 32}, 5, 8, 0},
                    Case{"bias_alone", {16, 32}, 5, 8, 5, 2, 8, false},
                    Case{"odd_channels", {24, 33, 57}, 3, 3, 7, 5, 4}, Case{"one_stage", {8}, 5, 1, 2, 1, 5},
                    Case{"k1", {8, 8}, 1, 2, 3, 7, 2}, Case{"wide", {64, 256}, 5, 8, 11, 6, 16},
                    Case{"deep", {8, 320}, 3, 2, 4, 2, 2}),
    [](const auto& info) { return info.param.name; });

TEST(StreamedPlan, EveryOperatorOnTheImageIsPartOfAStreamedStep) {
  const auto config = config_of({"plain"});
  auto network = test::make_network(config, Type::bf16);
  int others = 0;
  for (const auto& step : network.plan(nn::input_shape(config, 1)).steps()) others += step->units() == 0;
  EXPECT_EQ(others, 2);  // the image comes and the output goes
}

TEST(StreamedPlan, ACallAllocatesNothing) {
  const auto config = config_of({"plain"});
  for (const Type type : {Type::fp32, Type::bf16, Type::int8}) {
    auto network = test::make_network(config, type, 2);
    const Shape shape = nn::input_shape(config, 1);
    const HostArrayF x = noise(shape);
    const HostArrayF observations = noise({4, 5});
    const runtime::ThreadLimit limit(network.threads());
    runtime::Plan& plan = network.plan(shape);
    HostArrayF out(plan.output_shape());
    const std::vector<double> t{10}, later{90};
    const std::vector<int64_t> none;
    for (const auto& at : {t, later})  // computes their rows
      plan.run({x.data().data(), at, none, observations.data().data()}, out.data().data());
    test::allocations() = {true, 0, 0};
    for (int i = 0; i < 8; ++i) {
      const float* observation = observations.sample(i % 4).data();
      plan.run({x.data().data(), i % 2 == 0 ? t : later, none, observation}, out.data().data());
    }
    const test::Allocations counted = test::allocations();
    test::allocations().counting = false;
    EXPECT_EQ(counted.count, 0U) << to_string(type);
  }
}

TEST(StreamedPlan, WeightsArePackedOnceForAllSizes) {
  const auto config = config_of({"plain"});
  auto network = test::make_network(config, Type::bf16);
  network.plan(nn::input_shape(config, 1));
  const int64_t once = network.streamed_bytes();
  network.plan(nn::input_shape(config, 2));
  EXPECT_EQ(network.streamed_bytes(), once);
  // Two bytes a weight, and what fills blocks up.
  int64_t weights = 0;
  const auto cost = nn::cost_of(config);
  for (const auto& p : cost.parameters()) weights += p.shape.size() == 3 ? element_count(p.shape) : 0;
  EXPECT_GE(once, 2 * weights);
  EXPECT_LE(once, 3 * weights);
}

TEST(CutOutputs, KeepsGroupsWholeAndCoversAll) {
  for (const int threads : {1, 2, 3, 8}) {
    for (const auto& [out, groups] : std::vector<std::pair<int64_t, int64_t>>{
             {1024, 8}, {64, 8}, {264, 8}, {24, 3}, {8, 8}, {2, 0}, {100, 0}, {2048, 0}}) {
      int64_t at = 0;
      for (const auto& o : runtime::cut_outputs(out, groups, threads)) {
        EXPECT_EQ(o.begin, at);
        EXPECT_GT(o.count(), 0);
        EXPECT_EQ(o.begin % (groups > 0 ? out / groups : 1), 0);
        at = o.end;
      }
      EXPECT_EQ(at, out);
    }
  }
}

}  // namespace
}  // namespace langevin
