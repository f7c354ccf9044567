// Training and sampling on a GPU against the CPU. Skipped where libtorch sees none.
#include <gtest/gtest.h>

#include "langevin/torch/device.h"
#include "langevin/torch/network_call.h"
#include "langevin/torch/recorded_call.h"
#include "training.h"

namespace langevin {
namespace {

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here, or a libtorch without CUDA";
    device_ = choose_device("cuda");
  }
  at::Device device_ = at::kCPU;
};

double relative(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor exact = want.to(at::kCPU, at::kDouble);
  return ((got.to(at::kCPU, at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

at::Tensor random(at::IntArrayRef shape, uint64_t sample, at::Device device) {
  const at::Tensor like = at::empty(shape, at::TensorOptions(at::kFloat).device(device));
  return noise_like(TorchArray{like}, {5, sample, Purpose::test, 0}).value;
}

TEST_F(Gpu, NoiseIsTheCpusBits) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 2, 5, 7}, {16, 3, 32, 32}, {1, 100003}})
    EXPECT_TRUE(at::equal(random(shape, 77, device_).cpu(), random(shape, 77, at::kCPU)));
}

/// The same network on a device, with weights that leave nothing at zero.
TorchNetwork filled(at::Device device, Precision precision) {
  TorchNetwork network(test::small_network(0), precision, device, 1, false);
  const at::NoGradGuard no_grad;
  for (Parameter& p : network.store().parameters())
    p.master.copy_(random(p.master.sizes(), 7, at::kCPU) * 0.1);
  network.store().refresh_leaves();
  return network;
}

TEST_F(Gpu, NetworkIsTheCpus) {
  const at::NoGradGuard no_grad;
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    TorchNetwork host = filled(at::kCPU, Precision::fp32), gpu = filled(device_, precision);
    RecordedCalls calls(gpu);
    for (uint64_t i = 0; i < 5; ++i) {  // the first call is made, the second recorded, the others replayed
      const auto inputs = [&](at::Device d) {
        return TorchConditions{.class_labels = at::full({3}, static_cast<int64_t>(i % 3), at::kLong).to(d)};
      };
      const auto t = at::full({3}, 100.0 * static_cast<double>(i), at::kFloat);
      const at::Tensor want = host(random({3, 3, 8, 8}, i, at::kCPU), t, inputs(at::kCPU), {});
      const at::Tensor got = calls(random({3, 3, 8, 8}, i, device_), t.to(device_), inputs(device_));
      EXPECT_LT(relative(got, want), precision == Precision::fp32 ? 1e-5 : 3e-2) << to_string(precision) << i;
    }
  }
}

TEST_F(Gpu, TrainingIsTheCpus) {
  const test::Trained cpu = test::train(at::kCPU, Precision::fp32, 0.2, 5);
  const test::Trained gpu = test::train(device_, Precision::fp32, 0.2, 5);
  for (size_t i = 0; i < cpu.losses.size(); ++i)
    EXPECT_NEAR(gpu.losses[i], cpu.losses[i], 1e-4 * cpu.losses[i]) << "step " << i;
  EXPECT_LT(relative(gpu.weights, cpu.weights), 1e-3);
  EXPECT_LT(relative(gpu.ema, cpu.ema), 1e-3);
  const test::Trained half = test::train(device_, Precision::bf16, 0.2, 5);
  for (size_t i = 0; i < cpu.losses.size(); ++i)
    EXPECT_NEAR(half.losses[i], cpu.losses[i], 2e-2 * cpu.losses[i]) << "step " << i;
}

TEST_F(Gpu, TrainingRepeatsToTheBitAndGraphsChangeNothing) {
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    const test::Trained first = test::train(device_, precision, 0.2, 4);
    const test::Trained again = test::train(device_, precision, 0.2, 4);
    const test::Trained plain = test::train(device_, precision, 0.2, 4, false);
    EXPECT_EQ(first.losses, again.losses);
    EXPECT_TRUE(at::equal(first.weights, again.weights)) << to_string(precision);
    EXPECT_EQ(first.losses, plain.losses);
    EXPECT_TRUE(at::equal(first.ema, plain.ema)) << to_string(precision);
  }
}

}  // namespace
}  // namespace langevin
