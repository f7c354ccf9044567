// A model file through the runtime engine: samples, and what it refuses.
#include "langevin/runtime/engine.h"

#include "tests/runtime/support.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

Cond<HostArrayF> classes(std::vector<int64_t> labels) { return {std::move(labels), {}}; }

class RuntimeEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ =
        fs::path(testing::TempDir()) /
        fmt::format("runtime_{}.safetensors", testing::UnitTest::GetInstance()->current_test_info()->name());
    auto config = test::small_unet(16, 12);
    config.in_channels = config.out_channels = 1;
    config.num_class_embeds = 4;
    spec_.network = config;
    spec_.prediction = PredictionType::v_prediction;
    spec_.labels = {"a", "b", "c"};
    spec_.null_class = true;
    const auto values = test::random_parameters(spec_.network);
    std::vector<TensorOut> tensors;
    for (const auto& [name, array] : values)
      tensors.push_back({name, DType::f32, array.shape(), std::as_bytes(array.data())});
    write_model(path_, spec_, tensors);
    engine_ = open_runtime_engine(open_model(path_), {"cpu", "fp32", 1});
  }
  void TearDown() override { fs::remove(path_); }

  SampleRequest request(uint64_t first, int64_t count) const {
    SampleRequest r;
    r.sampler.steps = 6;
    r.sampler.eta = 0.5;
    r.guidance.scale = 2;
    r.seed = 3;
    r.first_sample = first;
    r.count = count;
    for (int64_t i = 0; i < count; ++i) r.labels.push_back((static_cast<int64_t>(first) + i) % 3);
    return r;
  }

  fs::path path_;
  ModelSpec spec_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(RuntimeEngineTest, ASampleDoesNotDependOnItsBatch) {
  const HostArrayF all = engine_->sample(request(0, 5), {});
  for (uint64_t i = 0; i < 5; ++i) {
    const HostArrayF one = engine_->sample(request(i, 1), {});
    EXPECT_LT(test::largest_difference(one.data(), all.sample(static_cast<int64_t>(i))), 1e-4) << i;
  }
}

TEST_F(RuntimeEngineTest, GuidanceIsTwoCallsBlended) {
  const HostArrayF x = test::noise({1, 1, 16, 12});
  SampleRequest r = request(1, 1);
  r.sampler.steps = 1;
  r.sampler.eta = 0;
  r.threshold.kind = "none";
  r.x_T = x;
  const HostArrayF got = engine_->sample(r, {});
  const Schedule schedule(spec_.schedule);
  const double t = static_cast<double>(schedule.T() - 1);
  const HostArrayF with = engine_->forward(x, {t}, classes({1})),
                   without = engine_->forward(x, {t}, classes({3}));
  const HostArrayF want =
      to_prediction(lincomb(2.0, with, -1.0, without), x, schedule.level(t), spec_.prediction).x0;
  EXPECT_LT(test::largest_difference(got.data(), want.data()), 1e-4);
}

TEST_F(RuntimeEngineTest, TheObserverSeesEveryStepAndMayStop) {
  std::vector<int64_t> steps;
  engine_->sample(request(0, 2), [&](const StepInfo<HostArrayF>& info) {
    steps.push_back(info.step);
    EXPECT_EQ(info.x_t.shape(), (Shape{2, 1, 16, 12}));
    return info.step < 3;
  });
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST_F(RuntimeEngineTest, WhatDoesNotFitIsRefusedInWords) {
  const HostArrayF x = test::noise({2, 1, 16, 12});
  EXPECT_THROW(engine_->forward(x, {1.0}, classes({0, 0})), Error);       // one timestep for two
  EXPECT_THROW(engine_->forward(x, {1.0, 1.0}, {}), Error);               // no classes
  EXPECT_THROW(engine_->forward(x, {1.0, 1.0}, classes({0, 9})), Error);  // no such class
  EXPECT_THROW(engine_->forward(test::noise({2, 3, 16, 12}), {1.0, 1.0}, classes({0, 0})),
               Error);  // channels
  SampleRequest r = request(0, 2);
  r.x_T = x;
  r.count = 3;
  EXPECT_THROW(engine_->sample(r, {}), Error);
  EXPECT_THROW(open_runtime_engine(open_model(path_), {"cuda", "fp32", 1}), Error);
  EXPECT_THROW(open_runtime_engine(open_model(path_), {"cpu", "fp8", 1}), UsageError);
}

TEST_F(RuntimeEngineTest, AModelsOwnSizeIsNoLimit) {
  const HostArrayF out = engine_->forward(test::noise({1, 1, 9, 17}), {5.0}, classes({2}));
  EXPECT_EQ(out.shape(), (Shape{1, 1, 9, 17}));
}

}  // namespace
}  // namespace langevin
