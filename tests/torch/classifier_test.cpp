// The classifier under both engines, and the gradient that guides by it.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "langevin/model/classifier.h"
#include "langevin/runtime/engine.h"
#include "langevin/torch/classifier_gradient.h"
#include "langevin/torch/engine.h"
#include "tests/runtime/support.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

nn::ClassifierConfig small() {
  nn::ClassifierConfig c;
  c.encoder.sample_height = 12;
  c.encoder.sample_width = 10;
  c.encoder.in_channels = 2;
  c.encoder.block_out_channels = {16, 32};
  c.encoder.down_block_types = {"DownBlock2D", "AttnDownBlock2D"};
  c.encoder.up_block_types = {"UpBlock2D", "UpBlock2D"};
  c.encoder.attention_head_dim = 8;
  c.encoder.norm_num_groups = 0;
  c.encoder.layers_per_block = 1;
  c.num_classes = 3;
  return nn::validated(c);
}

class ClassifierFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::path(testing::TempDir()) /
            fmt::format("classifier_{}.safetensors",
                        testing::UnitTest::GetInstance()->current_test_info()->name());
    spec_.network = small();
    spec_.labels = {"a", "b", "c"};
    values_ = test::random_parameters(spec_.network, 3);
    std::vector<TensorOut> tensors;
    for (const auto& [name, array] : values_)
      tensors.push_back({name, DType::f32, array.shape(), std::as_bytes(array.data())});
    write_model(path_, spec_, tensors);
  }
  void TearDown() override { fs::remove(path_); }

  fs::path path_;
  ModelSpec spec_;
  std::map<std::string, HostArrayF> values_;
};

TEST_F(ClassifierFile, BothEnginesGiveTheSameLogitsAndFeatures) {
  const EngineOptions options{"cpu", "fp32", 1};
  const auto torch = open_torch_engine(open_model(path_), options),
             runtime = open_runtime_engine(open_model(path_), options);
  for (const int64_t n : {1, 5}) {
    const HostArrayF x = test::noise({n, 2, 12, 10});
    const std::vector<double> t(static_cast<size_t>(n), 40.0);
    const HostArrayF logits = torch->forward(x, t, {}), features = torch->features(x, t);
    EXPECT_EQ(logits.shape(), (Shape{n, 3}));
    EXPECT_EQ(features.shape(), (Shape{n, 32}));
    EXPECT_LT(test::relative_error(runtime->forward(x, t, {}), logits), 1e-5);
    EXPECT_LT(test::relative_error(runtime->features(x, t), features), 1e-5);
    // The head over the features is the answer.
    const HostArrayF &weight = values_.at("head.weight"), &bias = values_.at("head.bias");
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t k = 0; k < 3; ++k) {
        double sum = bias[k];
        for (int64_t d = 0; d < 32; ++d)
          sum += static_cast<double>(weight.sample(k)[static_cast<size_t>(d)]) *
                 features.sample(i)[static_cast<size_t>(d)];
        EXPECT_NEAR(logits.sample(i)[static_cast<size_t>(k)], sum, 1e-4);
      }
    }
  }
  // They depend on how noisy the picture is said to be.
  const HostArrayF x = test::noise({1, 2, 12, 10});
  EXPECT_GT(test::relative_error(torch->forward(x, {900.0}, {}), torch->forward(x, {40.0}, {})), 1e-3);
}

TEST_F(ClassifierFile, OtherModelsHaveNoFeaturesAndClassifiersMakeNothing) {
  const auto engine = open_torch_engine(open_model(path_), {"cpu", "fp32", 1});
  SampleRequest request;
  request.sampler.steps = 2;
  EXPECT_THROW(engine->sample(request, {}), Error);
  const auto runtime = open_runtime_engine(open_model(path_), {"cpu", "fp32", 1});
  EXPECT_THROW(runtime->sample(request, {}), Error);
  EXPECT_THROW(runtime->set_classifier(open_model(path_)), Error);
}

/// log p(class | x_t) of sample 0, by differences.
TEST_F(ClassifierFile, TheGradientIsThatOfFiniteDifferences) {
  for (const TargetConfig& config :
       {TargetConfig{}, TargetConfig{.kind = "edm"}, TargetConfig{.kind = "flow"}}) {
    const Target target(config);
    const double t = config.kind == "ddpm" ? 300 : 0.6;
    TorchNetwork network(spec_.network, Precision::fp32, at::kCPU, 0, false);
    network.store().load([&](const Parameter& p) { return values_.at(p.name); });
    const std::vector<int64_t> classes{2, 0};
    const ClassifierGradient<TorchArray> gradient = classifier_gradient(network, target);
    const HostArrayF x = test::noise({2, 2, 12, 10}, 5);
    const HostArrayF g = to_host(gradient(to_torch(x), t, classes));
    ASSERT_EQ(g.shape(), x.shape());

    const auto log_p = [&](const HostArrayF& at_x, int64_t sample) {
      const at::NoGradGuard no_grad;
      const Target::Input seen = target.input(t);
      const at::Tensor told = at::full({2}, seen.told, at::kFloat);
      const at::Tensor logits = network(to_torch(at_x).value * seen.scale, told, {}, {}).to(at::kDouble);
      return at::log_softmax(logits, 1)[sample][classes[static_cast<size_t>(sample)]].item<double>();
    };
    for (int64_t sample = 0; sample < 2; ++sample) {
      for (uint64_t direction = 0; direction < 4; ++direction) {
        HostArrayF up = x, down = x;
        const HostArrayF v = test::noise({1, 2, 12, 10}, 50 + direction);
        double slope = 0;
        const double h = 2e-3;
        for (int64_t j = 0; j < v.size(); ++j) {
          const auto at = static_cast<size_t>(j);
          up.sample(sample)[at] += static_cast<float>(h) * v[j];
          down.sample(sample)[at] -= static_cast<float>(h) * v[j];
          slope += static_cast<double>(g.sample(sample)[at]) * v[j];
        }
        const double difference = (log_p(up, sample) - log_p(down, sample)) / (2 * h);
        EXPECT_NEAR(slope, difference, 2e-3 + 0.01 * std::abs(difference)) << config.kind;
        // The other sample is not touched by this one.
        EXPECT_NEAR(log_p(up, 1 - sample), log_p(x, 1 - sample), 1e-6);
      }
    }
  }
}

/// What guidance does to a sample is what the formula says, here with one step.
TEST_F(ClassifierFile, SamplesMoveTowardsTheClass) {
  const fs::path drawn = path_.parent_path() / "classifier_guided.safetensors";
  ModelSpec model;
  nn::UNet2DConfig unet = small().encoder;
  unet.out_channels = 2;
  model.network = nn::validated(unet);
  const auto values = test::random_parameters(model.network, 8);
  std::vector<TensorOut> tensors;
  for (const auto& [name, array] : values)
    tensors.push_back({name, DType::f32, array.shape(), std::as_bytes(array.data())});
  write_model(drawn, model, tensors);

  const auto engine = open_torch_engine(open_model(drawn), {"cpu", "fp32", 1});
  SampleRequest request;
  request.sampler.steps = 6;
  request.threshold.kind = "none";
  request.count = 4;
  request.guided_to = {0, 1, 2, 0};
  request.classifier_scale = 60;  // random weights: a flat slope
  EXPECT_THROW(engine->sample(request, {}), Error);  // by which classifier?
  engine->set_classifier(open_model(path_));
  const auto judge = open_runtime_engine(open_model(path_), {"cpu", "fp32", 1});
  const auto log_p = [&](const HostArrayF& x) {
    double sum = 0;
    const HostArrayF logits = judge->forward(x, std::vector<double>(4, 0.0), {});
    for (int64_t i = 0; i < 4; ++i) {
      double total = 0;
      for (const float logit : logits.sample(i)) total += std::exp(static_cast<double>(logit));
      sum +=
          logits.sample(i)[static_cast<size_t>(request.guided_to[static_cast<size_t>(i)])] - std::log(total);
    }
    return sum;
  };
  const double guided = log_p(engine->sample(request, {}));
  request.classifier_scale = 0;
  const double plain = log_p(engine->sample(request, {}));
  request.classifier_scale = -60;
  const double repelled = log_p(engine->sample(request, {}));
  EXPECT_GT(guided, plain + 0.1);
  EXPECT_LT(repelled, plain - 0.1);
  fs::remove(drawn);
}

TEST_F(ClassifierFile, GuidesOnlyWhatItWasTrainedFor) {
  ModelSpec model;
  model.network = nn::validated(small().encoder);
  const auto error = [&](auto change) -> std::string {
    ModelSpec classifier = spec_, guided = model;
    change(classifier, guided);
    try {
      check_guides(classifier, "c.safetensors", guided);
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error([](auto&, auto&) {}), "");
  EXPECT_EQ(error([](auto&, auto& m) { m.labels = {"a", "b", "c"}; }), "");
  EXPECT_NE(error([](auto&, auto& m) { m.labels = {"b", "a", "c"}; }).find("classes"), std::string::npos);
  EXPECT_NE(error([](auto& c, auto& m) { c.network = m.network; }).find("--task classifier"),
            std::string::npos);
  EXPECT_NE(
      error([](auto& c, auto&) { std::get<nn::ClassifierConfig>(c.network).noisy = false; }).find("clean"),
      std::string::npos);
  EXPECT_NE(error([](auto& c, auto&) {
              std::get<nn::ClassifierConfig>(c.network).encoder.sample_width = 12;
            }).find("(1, 2, 12, 12)"),
            std::string::npos);
  EXPECT_NE(error([](auto& c, auto&) { c.schedule.kind = "cosine"; }).find("cosine"), std::string::npos);
  EXPECT_NE(error([](auto& c, auto&) { c.target.kind = "edm"; }).find("edm"), std::string::npos);
  EXPECT_NE(error([](auto& c, auto& m) {
              c.target = {.kind = "edm", .sigma_data = 0.3};
              m.target.kind = "edm";
            }).find("sigma_data 0.3"),
            std::string::npos);
  EXPECT_NE(error([](auto& c, auto&) { c.normaliser_scale = 1; }).find("scales"), std::string::npos);
}

TEST(CleanInput, IsTheLowestLevelOfANoisyClassifier) {
  ModelSpec spec;
  spec.network = small();
  spec.target.kind = "edm";
  const EdmCoefs c = edm_coefs(0.002);
  EXPECT_NEAR(clean_input(spec).scale, c.in, 1e-12);
  EXPECT_NEAR(clean_input(spec).told, c.noise, 1e-12);
  std::get<nn::ClassifierConfig>(spec.network).noisy = false;
  EXPECT_EQ(clean_input(spec).scale, 1);
  EXPECT_EQ(clean_input(spec).told, 0);
  spec.network = nn::UNet2DConfig{};
  EXPECT_THROW(clean_input(spec), Error);
}

}  // namespace
}  // namespace langevin
