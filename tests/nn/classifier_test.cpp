// The classifier as the cost interpreter sees it, its configuration both ways, and what is refused.
#include "langevin/nn/classifier.h"

#include <gtest/gtest.h>

#include <set>

#include "langevin/nn/cost.h"
#include "langevin/nn/network.h"

namespace langevin::nn {
namespace {

ClassifierConfig small() {
  ClassifierConfig c;
  c.encoder.sample_height = c.encoder.sample_width = 12;
  c.encoder.in_channels = 1;
  c.encoder.block_out_channels = {8, 24};
  c.encoder.down_block_types = {"DownBlock2D", "AttnDownBlock2D"};
  c.encoder.up_block_types = {"UpBlock2D", "UpBlock2D"};
  c.encoder.norm_num_groups = 0;
  c.encoder.layers_per_block = 1;
  c.num_classes = 5;
  return validated(c);
}

TEST(Classifier, AnswersWithLogitsBehindFeatures) {
  const NetworkConfig config = small();
  CostInterpreter cost;
  const Shape x{3, 1, 12, 12}, t{3};
  EXPECT_EQ(apply(cost, config, Inputs<Shape>{x, t}), (Shape{3, 5}));
  EXPECT_EQ(input_shape(config, 3), x);
  EXPECT_EQ(class_count(config), 0);  // it takes none
  CostInterpreter of_features;
  EXPECT_EQ(classifier_features(of_features, small(), Inputs<Shape>{x, t}), (Shape{3, 24}));
  EXPECT_EQ(feature_count(small()), 24);
  EXPECT_EQ(cost.parameter_count() - of_features.parameter_count(), 24 * 5 + 5);
  EXPECT_EQ(classifier(config)->num_classes, 5);
  EXPECT_EQ(classifier(NetworkConfig(UNet2DConfig{})), nullptr);
}

// The names are those of the U-Net whose left half and middle it is.
TEST(Classifier, ItsEncoderIsThatOfTheUNet) {
  CostInterpreter whole, half;
  const Shape x{1, 1, 12, 12}, t{1};
  UNet2DConfig unet = small().encoder;
  unet.out_channels = 1;
  unet2d(whole, validated(unet), Inputs<Shape>{x, t});
  classifier_logits(half, small(), Inputs<Shape>{x, t});
  std::set<std::pair<std::string, Shape>> known;
  for (const auto& p : whole.parameters()) known.emplace(p.name, p.shape);
  int64_t own = 0;
  for (const auto& p : half.parameters()) {
    if (known.count({p.name, p.shape}) != 0) continue;
    ++own;
    // The U-Net's last norm stands behind its right half.
    EXPECT_TRUE(p.name.rfind("head.", 0) == 0 || p.name.rfind("conv_norm_out.", 0) == 0) << p.name;
  }
  EXPECT_EQ(own, 4);
}

TEST(Classifier, JsonRoundTrip) {
  ClassifierConfig c = small();
  c.noisy = false;
  const NetworkConfig config = c;
  const nlohmann::json json = to_json(config);
  EXPECT_EQ(json.at("type"), "classifier");
  EXPECT_EQ(to_json(network_from_json(json, "test")), json);
  EXPECT_FALSE(classifier(network_from_json(json, "test"))->noisy);
}

TEST(Classifier, RefusesWhatCannotBe) {
  const auto error = [](auto change) -> std::string {
    nlohmann::json json = to_json(NetworkConfig(small()));
    change(json);
    try {
      network_from_json(json, "test");
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error([](auto&) {}), "");
  EXPECT_NE(error([](auto& j) { j["num_classes"] = 1; }).find("num_classes"), std::string::npos);
  EXPECT_NE(error([](auto& j) { j["num_classes"] = 1e9; }).find("num_classes"), std::string::npos);
  EXPECT_NE(error([](auto& j) { j["num_classes"] = "ten"; }).find("num_classes"), std::string::npos);
  EXPECT_NE(error([](auto& j) { j["pool"] = "max"; }).find("pool"), std::string::npos);
  EXPECT_NE(error([](auto& j) { j["encoder"]["num_class_embeds"] = 4; }).find("no classes"),
            std::string::npos);
  EXPECT_NE(error([](auto& j) { j["encoder"]["depth"] = 4; }).find("depth"), std::string::npos);
  EXPECT_NE(error([](auto& j) { j.erase("encoder"); }), "");
}

}  // namespace
}  // namespace langevin::nn
