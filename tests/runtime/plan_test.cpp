// Networks through the runtime: against the peer's numbers, and what a plan promises about itself.
#include "langevin/kernels/threads.h"
#include "tests/runtime/allocations.h"
#include "tests/runtime/support.h"

namespace langevin {
namespace {

using test::noise;
using test::Peer;
using test::relative_error;
using test::small_unet;

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
  const double error = relative_error(peer->run(runtime::Type::fp32), peer->io.to_float("output"));
  RecordProperty("relative_error", fmt::format("{:.2e}", error));
  EXPECT_LT(error, 1e-5);
}

TEST_P(RuntimeParity, Bf16StaysWithinItsRounding) {
  // 8 bits of fraction: 2^-9 an operation, some dozens of them in a row.
  EXPECT_LT(relative_error(peer->run(runtime::Type::bf16), peer->io.to_float("output")), 0.03);
}

INSTANTIATE_TEST_SUITE_P(Peers, RuntimeParity, testing::Values("unet2d-ddpm", "unet2d-class"));

struct Odd {
  int64_t height, width;
};
class AnySize : public testing::TestWithParam<Odd> {};

TEST_P(AnySize, ASampleDoesNotDependOnItsBatch) {
  const auto config = small_unet(GetParam().height, GetParam().width, {32, 48, 64});
  auto network = test::make_network(config);
  const HostArrayF x = noise(nn::input_shape(config, 5));
  const HostArrayF all = network(x, std::vector<double>(5, 40.0), {});
  for (int64_t i = 0; i < 5; ++i) {
    HostArrayF one(nn::input_shape(config, 1));
    std::copy(x.sample(i).begin(), x.sample(i).end(), one.data().begin());
    const HostArrayF alone = network(one, {40.0}, {});
    // Not bit for bit: oneDNN cuts its sums by the size of the batch.
    EXPECT_LT(test::largest_difference(alone.data(), all.sample(i)), 1e-5) << "sample " << i;
  }
}

TEST_P(AnySize, TheSameCallGivesTheSameBytes) {
  const auto config = small_unet(GetParam().height, GetParam().width);
  auto network = test::make_network(config);
  const HostArrayF x = noise(nn::input_shape(config, 2));
  const HostArrayF first = network(x, {3.0, 900.0}, {}), again = network(x, {3.0, 900.0}, {});
  EXPECT_EQ(test::largest_difference(first.data(), again.data()), 0);
}

INSTANTIATE_TEST_SUITE_P(Sizes, AnySize, testing::Values(Odd{8, 8}, Odd{28, 28}, Odd{9, 17}, Odd{32, 16}));

TEST(Plan, EveryLargeValueHasItsPlaceBeforeTheFirstCall) {
  const auto config = small_unet(32, 32);
  auto network = test::make_network(config);
  const Shape shape = nn::input_shape(config, 4);
  const HostArrayF x = noise(shape);
  const runtime::ThreadLimit limit(network.threads());
  runtime::Plan& plan = network.plan(shape);
  HostArrayF out(plan.output_shape());
  const std::vector<double> t(4, 10.0);
  const std::vector<int64_t> none;
  plan.run({x.data().data(), t, none}, out.data().data());  // computes the row of t = 10
  const void* arena = plan.buffers().arena();
  test::allocations() = {true, 0, 0};
  for (int i = 0; i < 3; ++i) plan.run({x.data().data(), t, none}, out.data().data());
  const test::Allocations counted = test::allocations();
  test::allocations().counting = false;
  EXPECT_EQ(plan.buffers().arena(), arena);
  // oneDNN makes a table of a primitive's arguments at each call: some hundred bytes.
  RecordProperty("largest", static_cast<int>(counted.largest));
  EXPECT_LE(counted.largest, 1024U);
}

int64_t count(const std::string& text, const std::string& word) {
  int64_t found = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST(Plan, NothingIsReorderedButAroundWinogradsConvolutions) {
  const auto config = small_unet(32, 32);
  auto network = test::make_network(config);
  const Shape shape = nn::input_shape(config, 2);
  const HostArrayF x = noise(shape);
  const runtime::ThreadLimit limit(network.threads());
  runtime::Plan& plan = network.plan(shape);
  HostArrayF out(plan.output_shape());
  const std::vector<double> t{1, 1};
  const std::vector<int64_t> none;
  plan.run({x.data().data(), t, none}, out.data().data());
  testing::internal::CaptureStdout();
  dnnl::set_verbose(1);
  plan.run({x.data().data(), t, none}, out.data().data());
  dnnl::set_verbose(0);
  std::fflush(stdout);
  const std::string said = testing::internal::GetCapturedStdout();
  EXPECT_NE(said.find("exec,cpu,convolution"), std::string::npos);
  EXPECT_EQ(count(said, "exec,cpu,reorder"), 2 * count(said, "exec,cpu,convolution,jit_wino")) << said;
}

TEST(Plan, MemoryIsSharedByWhatIsNeverAliveTogether) {
  const auto config = small_unet(32, 32, {32, 64, 64});
  auto network = test::make_network(config);
  const auto& buffers = network.plan(nn::input_shape(config, 8)).buffers();
  EXPECT_LT(buffers.arena_bytes() * 2, buffers.unshared_bytes());
}

TEST(Conditioning, ARowIsComputedOnceForAllSamplesAndBatches) {
  auto config = small_unet(16, 16);
  config.num_class_embeds = 3;
  auto network = test::make_network(config);
  const HostArrayF x = noise(nn::input_shape(config, 4));
  for (int batch = 0; batch < 2; ++batch) {
    for (double t : {999.0, 500.0, 1.0}) network(x, std::vector<double>(4, t), {{0, 1, 1, 0}});
  }
  EXPECT_EQ(network.conditioning().rows_computed(), 6);  // three timesteps, two classes
}

TEST(Conditioning, SamplesOfOneBatchMayDifferInTimestepAndClass) {
  for (bool scale_shift : {false, true}) {
    auto config = small_unet(16, 16);
    config.num_class_embeds = 3;
    config.scale_shift = scale_shift;
    auto network = test::make_network(config);
    const HostArrayF x = noise(nn::input_shape(config, 3));
    const std::vector<double> t{7.0, 640.5, 7.0};
    const std::vector<int64_t> labels{2, 0, 1};
    const HostArrayF all = network(x, t, {labels});
    for (int64_t i = 0; i < 3; ++i) {
      HostArrayF one(nn::input_shape(config, 1));
      std::copy(x.sample(i).begin(), x.sample(i).end(), one.data().begin());
      const auto at = static_cast<size_t>(i);
      const HostArrayF alone = network(one, {t[at]}, {{labels[at]}});
      EXPECT_LT(test::largest_difference(alone.data(), all.sample(i)), 1e-5) << "sample " << i;
    }
  }
}

TEST(RuntimeNetwork, ThreadsAreAsManyAsAskedForAndGivenBack) {
  const int before = max_threads();
  const auto config = small_unet(8, 8);
  auto network = test::make_network(config, runtime::Type::fp32, before + 1);
  network(noise(nn::input_shape(config, 1)), {1.0}, {});
  EXPECT_EQ(network.threads(), before + 1);
  EXPECT_EQ(max_threads(), before);
}

TEST(RuntimeNetwork, InputsThatDoNotBelongTogetherAreRefused) {
  const auto config = small_unet(8, 8);
  auto network = test::make_network(config);
  const HostArrayF x = noise(nn::input_shape(config, 2));
  EXPECT_THROW(network(x, {1.0}, {}), Error);
  EXPECT_THROW(network(x, {1.0, 2.0}, {{0, 0}}), Error);
  EXPECT_THROW(network(noise({2, 3, 8}), {1.0, 2.0}, {}), Error);
  EXPECT_THROW(network(noise({2, 4, 8, 8}), {1.0, 2.0}, {}), Error);
}

}  // namespace
}  // namespace langevin
