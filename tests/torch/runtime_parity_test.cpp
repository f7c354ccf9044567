// The two engines on one model file: a call within 1e-5 of its size, samples within 1e-3.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "langevin/nn/cost.h"
#include "langevin/runtime/engine.h"
#include "langevin/torch/engine.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name;
  int64_t height = 28, width = 28;
  std::vector<int64_t> channels{32, 64};
  bool attention = true;
  bool scale_shift = false;
  int64_t classes = 0;
  int64_t head_dim = 8;
  int64_t down_padding = 1;
  double mid_scale = 1;
};

nn::UNet2DConfig network_of(const Case& c) {
  nn::UNet2DConfig n;
  n.sample_height = c.height;
  n.sample_width = c.width;
  n.down_block_types.assign(c.channels.size(), "DownBlock2D");
  n.up_block_types.assign(c.channels.size(), "UpBlock2D");
  if (c.attention) {
    n.down_block_types.back() = "AttnDownBlock2D";
    n.up_block_types.front() = "AttnUpBlock2D";
  }
  n.block_out_channels = c.channels;
  n.layers_per_block = 1;
  n.add_attention = c.attention;
  n.attention_head_dim = c.head_dim;
  n.norm_num_groups = 0;
  n.downsample_padding = c.down_padding;
  n.mid_block_scale_factor = c.mid_scale;
  n.scale_shift = c.scale_shift;
  n.num_class_embeds = c.classes;
  return nn::validated(n);
}

class TwoEngines : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    path_ = fs::path(testing::TempDir()) / fmt::format("two_engines_{}.safetensors", GetParam().name);
    spec_.network = network_of(GetParam());
    spec_.prediction = PredictionType::v_prediction;
    for (int64_t i = 0; i + 1 < GetParam().classes; ++i) spec_.labels.push_back(fmt::format("{}", i));
    spec_.null_class = GetParam().classes > 0;
    nn::CostInterpreter cost;
    const Shape x = nn::input_shape(spec_.network, 1), t{1}, labels{1};
    nn::apply(cost, spec_.network, {x, t, GetParam().classes > 0 ? &labels : nullptr});
    std::vector<HostArrayF> values;
    std::vector<TensorOut> tensors;
    for (const auto& p : cost.parameters()) {
      HostArrayF array(p.shape);
      fill_normal(array.data(), NoiseKey{4, values.size(), Purpose::test, 0});
      const auto fan_in = static_cast<double>(array.size() / p.shape[0]);
      const auto scale = static_cast<float>(p.shape.size() > 1 ? 1 / std::sqrt(fan_in) : 0.2);
      const float middle = p.init.kind == nn::Init::Kind::ones ? 1.0F : 0.0F;
      for (float& v : array.data()) v = v * scale + middle;
      values.push_back(std::move(array));
    }
    for (size_t i = 0; i < values.size(); ++i)
      tensors.push_back(
          {cost.parameters()[i].name, DType::f32, values[i].shape(), std::as_bytes(values[i].data())});
    write_model(path_, spec_, tensors);
  }
  void TearDown() override { fs::remove(path_); }

  std::vector<int64_t> labels(int64_t n) const {
    std::vector<int64_t> out;
    for (int64_t i = 0; i < n && GetParam().classes > 0; ++i) out.push_back(i % (GetParam().classes - 1));
    return out;
  }

  fs::path path_;
  ModelSpec spec_;
};

TEST_P(TwoEngines, OneCallAndSamplesAgree) {
  const EngineOptions options{"cpu", "fp32", 1};
  const auto torch = open_torch_engine(open_model(path_), options),
             runtime = open_runtime_engine(open_model(path_), options);
  for (int64_t n : {1, 2, 5}) {
    const HostArrayF x =
        noise_like(HostArrayF(nn::input_shape(spec_.network, n)), NoiseKey{1, 0, Purpose::test, 0});
    std::vector<double> t;
    for (int64_t i = 0; i < n; ++i) t.push_back(static_cast<double>(17 + 211 * i));
    const HostArrayF want = torch->forward(x, t, {labels(n), {}}),
                     got = runtime->forward(x, t, {labels(n), {}});
    double difference = 0, size = 0;
    for (int64_t i = 0; i < want.size(); ++i) {
      difference += std::pow(got[i] - want[i], 2);
      size += std::pow(want[i], 2);
    }
    EXPECT_LT(std::sqrt(difference / size), 1e-5) << n;
  }
  SampleRequest request;
  request.sampler.steps = 5;
  request.count = 3;
  request.labels = labels(3);
  request.guidance.scale = request.labels.empty() ? 1 : 1.5;
  const HostArrayF want = torch->sample(request, {}), got = runtime->sample(request, {});
  double worst = 0;
  for (int64_t i = 0; i < want.size(); ++i) worst = std::max<double>(worst, std::abs(want[i] - got[i]));
  EXPECT_LT(worst, 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Networks, TwoEngines,
                         testing::Values(Case{"digits"}, Case{"odd", 9, 17, {32, 48, 64}},
                                         Case{"least", 8, 8, {32, 32}, false},
                                         Case{"classes", 16, 16, {32, 64}, true, false, 4},
                                         Case{"scale_shift", 16, 24, {64, 128}, true, true, 3, 0},
                                         Case{"padded", 32, 32, {32, 64, 128}, true, false, 0, 32, 0},
                                         Case{"scaled_middle", 16, 16, {48, 96}, true, true, 0, 16, 1, 2.0}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace langevin
