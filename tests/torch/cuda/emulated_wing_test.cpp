#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "../../train/training.h"
#include "emulated_device.h"
#include "langevin/data/digits.h"
#include "langevin/kernels/dropout.h"
#include "langevin/model/model_file.h"
#include "langevin/torch/fused.h"
#include "langevin/torch/network_call.h"
#include "langevin/torch/recorded_call.h"
#include "langevin/train/trainer.h"

namespace langevin {
namespace {

using test::EmulatedGpu;

at::Tensor randn(at::IntArrayRef shape, uint64_t sample) {
  at::Tensor t = at::empty(shape, at::kFloat);
  fill_normal(std::span<float>(t.data_ptr<float>(), static_cast<size_t>(t.numel())),
              NoiseKey{5, sample, Purpose::test, 0});
  return t;
}

double relative(const at::Tensor& got, const at::Tensor& want) {
  return ((got.to(at::kDouble) - want.to(at::kDouble)).norm() / want.to(at::kDouble).norm()).item<double>();
}

/// Values and gradients of f on the emulated GPU, and of `exact` by autograd in float64.
template <class F, class G>
void compare(const std::vector<at::Tensor>& inputs, const F& f, const G& exact, double tolerance) {
  std::vector<at::Tensor> single, wide;
  for (const at::Tensor& x : inputs) {
    single.push_back(x.detach().clone().requires_grad_());
    wide.push_back(x.to(at::kDouble).requires_grad_());
  }
  const at::Tensor want = exact(wide);
  const at::Tensor dy = randn(want.sizes(), 99).to(inputs[0].scalar_type());
  {
    const EmulatedGpu gpu;
    const at::Tensor y = f(single);
    EXPECT_EQ(y.scalar_type(), inputs[0].scalar_type());
    EXPECT_LT(relative(y, want), tolerance);
    y.backward(dy);
  }
  want.backward(dy.to(at::kDouble));
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LT(relative(single[i].grad(), wide[i].grad()), 4 * tolerance) << "input " << i;
}

TEST(EmulatedWing, GroupNormAndItsGradients) {
  const nn::GroupNorm c{8, 1e-5, true};
  const auto exact = [&](const std::vector<at::Tensor>& in) {
    const auto parts = in[3].unsqueeze(2).unsqueeze(3).chunk(2, 1);
    const at::Tensor h = at::group_norm(in[0], c.groups, in[1], in[2], c.eps) * (parts[0] + 1) + parts[1];
    return h * at::sigmoid(h);
  };
  const auto fused = [&](const std::vector<at::Tensor>& in) {
    return fused_group_norm(in[0], in[1], in[2], in[3], c);
  };
  compare({randn({2, 32, 7, 9}, 1) * 2 + 0.5, randn({32}, 2), randn({32}, 3), randn({2, 64}, 4)}, fused,
          exact, 1e-6);
}

TEST(EmulatedWing, GroupNormWithWhatStandsAroundIt) {
  const nn::GroupNorm c{8, 1e-5, true};
  const double p = 0.3;
  const DropoutPlace place{.seed = 3, .layer = 2, .first_sample = 1000, .step = 77};
  const at::Tensor x = randn({2, 32, 7, 9}, 1), mask = keyed_dropout(at::ones_like(x), p, place);
  const auto exact = [&](const std::vector<at::Tensor>& in) {
    const at::Tensor h = in[0] + (in[3] + in[4]).unsqueeze(2).unsqueeze(3);
    const at::Tensor z = at::group_norm(h, c.groups, in[1], in[2], c.eps);
    return z * at::sigmoid(z) * mask.to(z.scalar_type());
  };
  const auto fused = [&](const std::vector<at::Tensor>& in) {
    return fused_group_norm(in[0], in[1].to(at::kFloat), in[2].to(at::kFloat), {}, c,
                            {.bias = in[3], .row = in[4], .dropout = p, .place = place});
  };
  const std::vector<at::Tensor> inputs{x, randn({32}, 2), randn({32}, 3), randn({32}, 4), randn({2, 32}, 5)};
  compare(inputs, fused, exact, 2e-6);
  std::vector<at::Tensor> low;
  for (const at::Tensor& t : inputs) low.push_back(t.to(at::kBFloat16));
  compare(low, fused, exact, 5e-3);
}

TEST(EmulatedWing, RowsAndTheirGradients) {
  const auto added = [](const std::vector<at::Tensor>& in) { return add_row(in[0], in[1]); };
  const at::Tensor x = randn({3, 16, 5, 4}, 1);
  for (const at::Tensor& row : {randn({16}, 2), randn({3, 16}, 3)}) {
    compare({x, row}, added, added, 1e-6);
    compare({x.to(at::kBFloat16), row.to(at::kBFloat16)}, added, added, 4e-3);
  }
  const auto all = [](const std::vector<at::Tensor>& in) { return add_row(in[0], in[1], in[2]); };
  compare({x, randn({16}, 2), randn({3, 16, 5, 4}, 4)}, all, all, 1e-6);
}

TEST(EmulatedWing, DropoutIsTheCpusWithItsPlaceOnTheDevice) {
  const at::Tensor x = randn({3, 8, 5, 5}, 1).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor want = keyed_dropout(x, 0.4, {3, 2, 1000, 77});
  const EmulatedGpu gpu;
  const at::Tensor moment = at::tensor({1000, 77}, at::kInt);
  for (const DropoutPlace& place : {DropoutPlace{3, 2, 1000, 77, {}}, DropoutPlace{3, 2, 5, 6, moment}}) {
    const at::Tensor input = x.detach().clone().requires_grad_();
    const at::Tensor y = keyed_dropout(input, 0.4, place);
    EXPECT_TRUE(at::equal(y, want));
    y.backward(x);
    EXPECT_TRUE(at::equal(input.grad(), want));  // the mask of the forward call, on x
  }
}

TEST(EmulatedWing, TimestepFeaturesFollowTheVocabulary) {
  const at::Tensor t = at::tensor({0.0F, 3.0F, 999.0F});
  for (const nn::TimestepEmbedding& c :
       {nn::TimestepEmbedding{64, true, 0, 10000}, nn::TimestepEmbedding{33}}) {
    const at::Tensor want = timestep_features(t, c, at::kFloat);
    const EmulatedGpu gpu;
    EXPECT_LT(relative(timestep_features(t, c, at::kFloat), want), 1e-4);
    EXPECT_LT(relative(timestep_features(t, c, at::kBFloat16), want), 1e-2);
  }
}

TEST(EmulatedWing, NoiseIsTheSameBits) {
  const NoiseKey key{42, 7, Purpose::sampler_noise, 3};
  const HostArrayF want = noise_like(HostArrayF({3, 2, 5, 7}), key);
  const TorchArray like = to_torch(want);
  const EmulatedGpu gpu;
  const HostArrayF got = to_host(noise_like(like, key));
  for (int64_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], want[i]);
}

TEST(EmulatedWing, TrainingIsThatOfTheCpu) {
  const test::Trained cpu = test::train(at::kCPU, Precision::fp32, 0.2, 3);
  const int before = test::graphs_recorded();
  const EmulatedGpu gpu;
  const test::Trained emulated = test::train(at::kCPU, Precision::fp32, 0.2, 3);
  EXPECT_EQ(test::graphs_recorded(), before + 1) << "one recording for all steps";
  for (size_t i = 0; i < cpu.losses.size(); ++i)
    EXPECT_NEAR(emulated.losses[i], cpu.losses[i], 1e-4 * cpu.losses[i]) << "step " << i;
  EXPECT_LT(relative(emulated.weights, cpu.weights), 1e-3);
  EXPECT_LT(relative(emulated.ema, cpu.ema), 1e-3);
}

TEST(EmulatedWing, CallsOfAShapeAreRecordedOnce) {
  TorchNetwork network(test::small_network(0), Precision::fp32, at::kCPU, 1, false);
  const at::NoGradGuard no_grad;
  for (Parameter& p : network.store().parameters())  // what starts at zero would hide the rest
    p.leaf.copy_(randn(p.leaf.sizes(), 7) * 0.1);
  const auto inputs = [](uint64_t i) { return randn({i < 6 ? 2 : 3, 3, 8, 8}, i); };
  const auto call = [&](RecordedCalls& calls, uint64_t i) {
    const at::Tensor x = inputs(i);
    return calls(x, at::full({x.size(0)}, static_cast<double>(i)), {at::full({x.size(0)}, 1, at::kLong)});
  };
  std::vector<at::Tensor> want, got;
  {
    RecordedCalls calls(network);
    for (uint64_t i = 0; i < 9; ++i) want.push_back(call(calls, i));
  }
  const int before = test::graphs_recorded();
  const EmulatedGpu gpu;
  RecordedCalls calls(network);
  for (uint64_t i = 0; i < 9; ++i) got.push_back(call(calls, i));
  EXPECT_EQ(test::graphs_recorded(), before + 2) << "one for each of the two shapes";
  for (size_t i = 0; i < want.size(); ++i) EXPECT_LT(relative(got[i], want[i]), 1e-5) << i;
}

/// Parts are prepared ahead; what a stopped run had prepared and not used must come again.
TEST(EmulatedWing, RunsResumeToTheBit) {
  Console console(Console::Level::quiet);
  const StopSignal stop;
  const auto folder = std::filesystem::path(testing::TempDir()) / "emulated_runs";
  std::filesystem::remove_all(folder);
  DigitsOptions digits;
  digits.out = folder / "digits";
  digits.count = 30;
  digits.size = 8;
  digits.format = "idx";
  make_digits(digits, console);
  TrainJob job = preset_job("tiny");
  job.data = digits.out.string();
  job.recipe.network.channels = {8, 16};
  job.recipe.network.dropout = 0.1;
  job.recipe.batch = 2;
  job.recipe.accumulation = 2;
  job.recipe.minutes = 0;
  job.recipe.sample_count = 0;
  job.recipe.precision = "fp32";
  job.recipe.threads = 1;
  const auto run = [&](const char* name, int64_t steps, bool resume) {
    job.recipe.steps = steps;
    train(job, folder / name, resume, console, stop);
    const ModelFile model = open_model(folder / name);
    std::vector<float> all;
    for (const auto& tensor : model.weights.names()) {
      const HostArrayF values = model.weights.to_float(tensor);
      all.insert(all.end(), values.data().begin(), values.data().end());
    }
    return all;
  };
  const std::vector<float> cpu = run("cpu", 6, false);
  const EmulatedGpu gpu;
  const std::vector<float> whole = run("whole", 6, false);
  run("parts", 2, false);
  run("parts", 3, true);
  EXPECT_EQ(run("parts", 6, true), whole);
  double apart = 0, size = 0;
  for (size_t i = 0; i < cpu.size(); ++i) {
    apart += std::pow(static_cast<double>(cpu[i]) - static_cast<double>(whole[i]), 2);
    size += std::pow(static_cast<double>(cpu[i]), 2);
  }
  EXPECT_LT(std::sqrt(apart / size), 1e-3);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace langevin
