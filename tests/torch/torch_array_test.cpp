// The Array operations on libtorch tensors are those on plain memory, and so are the samplers over them.
#include "langevin/torch/torch_array.h"

#include <gtest/gtest.h>

#include "langevin/diffusion/denoiser.h"
#include "langevin/nn/cost.h"
#include "langevin/sample/sampler.h"
#include "langevin/torch/device.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

void expect_near(const HostArrayF& got, const HostArrayF& want, double tolerance) {
  ASSERT_EQ(got.shape(), want.shape());
  for (int64_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance) << "element " << i;
}

TEST(TorchArray, OperationsEqualThoseOnPlainMemory) {
  const HostArrayF like({3, 2, 5, 4});
  const HostArrayF x = noise_like(like, {1, 0, Purpose::test, 0}),
                   y = noise_like(like, {1, 9, Purpose::test, 0}),
                   z = noise_like(like, {1, 20, Purpose::test, 0});
  const TorchArray tx = to_torch(x), ty = to_torch(y), tz = to_torch(z);
  const Coef each(std::vector<double>{0.5, -2, 3});
  expect_near(to_host(lincomb(each, tx)), lincomb(each, x), 1e-6);
  expect_near(to_host(lincomb(each, tx, 0.3, ty)), lincomb(each, x, 0.3, y), 1e-6);
  expect_near(to_host(lincomb(2.0, tx, each, ty, -1.0, tz)), lincomb(2.0, x, each, y, -1.0, z), 1e-5);
  expect_near(to_host(clamp(tx, -0.5, 0.25)), clamp(x, -0.5, 0.25), 0);
  const Coef lo(std::vector<double>{-1, -0.5, -0.1}), hi(std::vector<double>{0.1, 0.5, 1});
  expect_near(to_host(clamp(tx, lo, hi)), clamp(x, lo, hi), 0);
  expect_near(to_host(select(clamp(tx, 0, 1), ty, tz)), select(clamp(x, 0, 1), y, z), 0);
  for (double q : {0.0, 0.37, 0.995, 1.0}) {
    const auto got = abs_quantile(tx, q), want = abs_quantile(x, q);
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-6);
  }
  const auto got = norm(tx), want = norm(x);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5);
}

TEST(TorchArray, NoiseIsTheSameBits) {
  const NoiseKey key{42, 7, Purpose::sampler_noise, 3};
  const HostArrayF like({4, 3, 6, 6});
  const HostArrayF host = noise_like(like, key), torch = to_host(noise_like(to_torch(like), key));
  expect_near(torch, host, 0);
}

TEST(TorchArray, SamplersRunOnBothAlike) {
  const Schedule schedule;
  for (const char* name : {"ddpm", "ddim"}) {
    SamplerConfig config;
    config.name = name;
    config.steps = 20;
    config.eta = config.name == "ddim" ? 0.5 : 0.0;
    const HostArrayF like({2, 1, 4, 4});
    const HostArrayF host = run_sampler(config, gaussian_denoiser<HostArrayF>(schedule, 0.3, 0.5), schedule,
                                        initial_noise(like, 5, 0), SampleContext<HostArrayF>{5, 0, {}, {}});
    const TorchArray torch =
        run_sampler(config, gaussian_denoiser<TorchArray>(schedule, 0.3, 0.5), schedule,
                    initial_noise(to_torch(like), 5, 0), SampleContext<TorchArray>{5, 0, {}, {}});
    expect_near(to_host(torch), host, 1e-4);
  }
}

/// A small network with weights that do something.
TorchNetwork network(Precision precision = Precision::fp32) {
  nn::UNet2DConfig c;
  c.block_out_channels = {16, 32};
  c.down_block_types = {"DownBlock2D", "AttnDownBlock2D"};
  c.up_block_types = {"AttnUpBlock2D", "UpBlock2D"};
  c.layers_per_block = 1;
  c.in_channels = c.out_channels = 1;
  c.norm_num_groups = 0;
  c.num_class_embeds = 4;
  c.sample_height = c.sample_width = 12;
  TorchNetwork net(nn::validated(c), precision, at::kCPU, 1, false);
  const at::NoGradGuard no_grad;
  for (auto& p : net.store().parameters()) {  // the zero-initialised ones too
    if (p.shape.size() > 1)
      p.master.add_(to_torch(noise_like(HostArrayF(p.shape), {3, 0, Purpose::test, 0})).value * 0.05);
  }
  net.store().refresh_leaves();
  return net;
}

Network<TorchArray> guided(TorchNetwork& net, double scale) {
  const Schedule schedule;
  SamplingConditions c{true, 3, {}, [schedule](double t) { return schedule.level(t); }};
  c.guidance.scale = scale;
  c.guidance.null_label = 3;
  return sampling_network<TorchArray>(network_call(net), c);
}

HostArrayF sample(TorchNetwork& net, int64_t first, int64_t count, double guidance) {
  const at::NoGradGuard no_grad;
  const Schedule schedule;
  const auto denoiser = make_denoiser(guided(net, guidance), schedule, PredictionType::v_prediction);
  SamplerConfig config;
  config.steps = 10;
  config.eta = 1;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back((first + i) % 3);
  const TorchArray like{at::empty({count, 1, 12, 12})};
  const auto start = static_cast<uint64_t>(first);
  return to_host(run_sampler(config, denoiser, schedule, initial_noise(like, 9, start),
                             SampleContext<TorchArray>{9, start, {labels}, {}}));
}

TEST(Sampling, ASampleDoesNotDependOnItsBatchOrOnThreads) {
  TorchNetwork net = network();
  set_threads(2);
  for (double guidance : {1.0, 2.5}) {
    const HostArrayF whole = sample(net, 0, 5, guidance);
    const HostArrayF part = sample(net, 3, 2, guidance);
    for (int64_t i = 0; i < 2; ++i) {
      for (int64_t j = 0; j < whole.sample_size(); ++j) {
        ASSERT_NEAR(whole.sample(3 + i)[static_cast<size_t>(j)], part.sample(i)[static_cast<size_t>(j)],
                    1e-5);
      }
    }
    set_threads(1);
    expect_near(sample(net, 0, 5, guidance), whole, 1e-5);
    set_threads(2);
    expect_near(sample(net, 0, 5, guidance), whole, 0);  // repeated: the same bits
  }
}

TEST(Sampling, GuidanceInOneBatchEqualsTwoCalls) {
  TorchNetwork net = network();
  const at::NoGradGuard no_grad;
  const TorchArray x = noise_like(TorchArray{at::empty({2, 1, 12, 12})}, NoiseKey{1, 0, Purpose::test, 0});
  const std::vector<double> t(2, 300);
  const Cond<TorchArray> cond{{0, 2}}, none{{3, 3}};
  const auto plain = guided(net, 1.0);
  const TorchArray conditional = plain(x, t, cond), unconditional = plain(x, t, none);
  const TorchArray want = lincomb(-1.5, unconditional, 2.5, conditional);
  expect_near(to_host(guided(net, 2.5)(x, t, cond)), to_host(want), 1e-5);
}

TEST(Interpreter, Bf16FollowsFp32) {
  TorchNetwork high = network(), low = network(Precision::bf16);
  const at::NoGradGuard no_grad;
  const at::Tensor x =
      noise_like(TorchArray{at::empty({2, 1, 12, 12})}, NoiseKey{1, 0, Purpose::test, 0}).value;
  const at::Tensor t = timestep_tensor({10, 900}, at::kCPU), labels = label_tensor({1, 2}, at::kCPU);
  const at::Tensor a = high(x, t, {labels}, {}), b = low(x, t, {labels}, {});
  EXPECT_LT((a - b).norm().item<double>() / a.norm().item<double>(), 0.03);
}

TEST(Interpreter, FirstPassGivesTheParametersThatTheCostInterpreterLists) {
  TorchNetwork net = network();
  nn::CostInterpreter cost;
  const Shape x = nn::input_shape(net.config(), 1), t{1}, labels{1};
  nn::apply(cost, net.config(), {x, t, &labels});
  ASSERT_EQ(cost.parameters().size(), net.store().parameters().size());
  for (size_t i = 0; i < cost.parameters().size(); ++i) {
    EXPECT_EQ(cost.parameters()[i].name, net.store().parameters()[i].name);
    EXPECT_EQ(cost.parameters()[i].shape, net.store().parameters()[i].shape);
  }
  EXPECT_EQ(cost.parameter_count(), net.store().parameter_count());
}

}  // namespace
}  // namespace langevin
