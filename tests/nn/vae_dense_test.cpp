#include "langevin/nn/vae_dense.h"

#include <gtest/gtest.h>

#include "langevin/nn/network.h"

namespace langevin::nn {
namespace {

VaeDenseConfig small() {
  VaeDenseConfig c;
  c.sample_height = 5;
  c.sample_width = 7;
  c.in_channels = 2;
  c.latent_channels = 3;
  c.hidden = {11, 8};
  return validated(c);
}

TEST(VaeDense, ShapesAndParameters) {
  const NetworkConfig config = small();
  CostInterpreter cost;
  const auto q = encode(cost, config, Shape{4, 2, 5, 7});
  EXPECT_EQ(q.mean, (Shape{4, 3}));
  EXPECT_EQ(q.logvar, (Shape{4, 3}));
  EXPECT_EQ(decode(cost, config, q.mean), (Shape{4, 2, 5, 7}));
  EXPECT_EQ(latent_shape(config, {4, 2, 5, 7}), (Shape{4, 3}));
  EXPECT_TRUE(is_autoencoder(config));
  // 70-11-8-6 and 3-8-11-70, each with its biases.
  const int64_t wanted = 70 * 11 + 11 + 11 * 8 + 8 + 8 * 6 + 6 + 3 * 8 + 8 + 8 * 11 + 11 + 11 * 70 + 70;
  EXPECT_EQ(cost_of(config).parameter_count(), wanted);
  EXPECT_EQ(cost.parameters().front().name, "encoder.0.weight");
  EXPECT_EQ(cost.parameters().back().name, "decoder.out.bias");
  EXPECT_THROW(encode(cost, config, Shape{4, 2, 5, 8}), Error);
  EXPECT_THROW(decode(cost, config, Shape{4, 4}), Error);
}

TEST(VaeDense, JsonRoundTripAndScale) {
  NetworkConfig config = small();
  set_latent_scale(config, {2.5, -0.25});
  const nlohmann::json json = to_json(config);
  EXPECT_EQ(json.at("type"), "vae_dense");
  const NetworkConfig again = network_from_json(json, "test");
  EXPECT_EQ(to_json(again), json);
  EXPECT_EQ(latent_scale(again).scale, 2.5);
  EXPECT_EQ(latent_scale(again).shift, -0.25);
  nlohmann::json wrong = json;
  wrong["hidden"] = {0};
  EXPECT_THROW(network_from_json(wrong, "test"), Error);
  wrong = json;
  wrong["latent"] = 3;
  EXPECT_THROW(network_from_json(wrong, "test"), Error);
  EXPECT_THROW(latent_scale(NetworkConfig(UNet2DConfig{})), Error);
}

}  // namespace
}  // namespace langevin::nn
