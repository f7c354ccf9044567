// Inception-v3 as FID uses it: against an independent implementation in numpy, and its files.
#include "langevin/eval/inception.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "langevin/io/safetensors.h"
#include "langevin/nn/inception_v3.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

/// The golden file's numbers in [-1, 1): a hash of the index and of the name, with 24 bits.
std::vector<float> numbers(const std::string& name, int64_t count) {
  uint32_t seed = 2166136261U;
  for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 16777619U;
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t x = static_cast<uint32_t>(i) * 2654435761U + seed;
    x = (x ^ x >> 16) * 0x85ebca6bU;
    x = (x ^ x >> 13) * 0xc2b2ae35U;
    x ^= x >> 16;
    values.push_back(static_cast<float>(static_cast<double>(x >> 8) / 16777216.0 * 2 - 1));
  }
  return values;
}

std::vector<float> parameter(const std::string& name, const Shape& shape) {
  const int64_t count = element_count(shape);
  std::vector<float> values = numbers(name, count);
  const double fan_in = static_cast<double>(count / shape[0]);
  for (float& v : values) {
    const double u = v;
    v = static_cast<float>(name.ends_with("running_var") ? 1 + 0.5 * u
                           : name.ends_with("bn.weight") ? 1 + 0.25 * u
                           : name.ends_with("running_mean") || name.ends_with("bias")
                               ? 0.25 * u
                               : u * 2 / std::sqrt(fan_in));
  }
  return values;
}

class Inception : public testing::Test {
 protected:
  static fs::path path(const std::string& name) {
    return fs::path(testing::TempDir()) / ("inception_" + name);
  }
  /// Every tensor of the network but those that `change` renames to "" or gives another shape.
  template <class F>
  static void write(const fs::path& file, F change) {
    std::vector<std::vector<float>> values;
    std::vector<std::pair<std::string, Shape>> tensors;
    const nn::PictureCost cost = nn::inception_v3_cost();
    for (const nn::ParameterSpec& p : cost.parameters()) {
      std::string name = p.name;
      Shape shape = p.shape;
      values.push_back(parameter(p.name, p.shape));
      change(name, shape);
      tensors.emplace_back(name, shape);
    }
    const int64_t batches = 17;
    std::vector<TensorOut> out{
        {"Conv2d_1a_3x3.bn.num_batches_tracked", DType::i64, {1}, std::as_bytes(std::span(&batches, 1))}};
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].first.empty()) continue;
      const auto count = static_cast<size_t>(element_count(tensors[i].second));
      out.push_back({tensors[i].first, DType::f32, tensors[i].second,
                     std::as_bytes(std::span(values[i]).first(count))});
    }
    write_safetensors(file, out, {});
  }
  static Image picture() {
    Image image = make_image(26, 20, 3);
    const auto values = numbers("picture", 20 * 26 * 3);
    for (size_t i = 0; i < values.size(); ++i)
      image.pixels[i] = static_cast<uint8_t>((static_cast<double>(values[i]) + 1) * 127.9);
    return image;
  }
};

TEST_F(Inception, AgreesWithNumpy) {
  std::ifstream stream(std::string(LANGEVIN_GOLDEN) + "/inception_v3.json");
  const auto golden = nlohmann::json::parse(stream);
  std::vector<float> resized(299 * 299);
  bilinear(picture(), 1, 299, 299, resized);
  size_t next = 0;
  for (size_t y = 0; y < 299 && next < golden.at("resized").size(); y += 37) {
    for (size_t x = 0; x < 299 && next < golden.at("resized").size(); x += 41)
      EXPECT_NEAR(resized[y * 299 + x], golden.at("resized")[next++].get<double>(), 1e-3);
  }
  write(path("whole.safetensors"), [](std::string&, Shape&) {});
  const auto network = inception_network(path("whole.safetensors"), 1);
  EXPECT_EQ(network->info().features, 2048);
  EXPECT_EQ(network->info().classes, 1008);
  const FeatureBatch batch = (*network)({picture(), make_image(20, 20, 1, 255)});
  ASSERT_EQ(batch.features.shape(), (Shape{2, 2048}));
  double square = 0;
  for (const float v : batch.features.sample(0)) square += static_cast<double>(v) * v;
  EXPECT_NEAR(std::sqrt(square) / golden.at("feature_norm").get<double>(), 1, 1e-4);
  for (size_t i = 0; i < golden.at("features").size(); ++i)
    EXPECT_NEAR(batch.features.sample(0)[64 * i], golden.at("features")[i].get<double>(), 2e-4) << i;
  double sum = 0;
  for (const float p : batch.probabilities.sample(1)) sum += p;
  EXPECT_NEAR(sum, 1, 1e-5);
  fs::remove(path("whole.safetensors"));
}

TEST_F(Inception, RefusesOtherTensorsByName) {
  const auto error = [](auto change) -> std::string {
    write(path("other.safetensors"), change);
    try {
      open_inception(path("other.safetensors"));
    } catch (const Error& e) {
      fs::remove(path("other.safetensors"));
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
      return e.what();
    }
    return "";
  };
  const std::string one = "Mixed_7c.branch3x3_2a.conv.weight";
  EXPECT_NE(error([&](std::string& name, Shape&) {
              if (name == one) name = "";
            }).find(one),
            std::string::npos);
  EXPECT_NE(error([&](std::string& name, Shape&) {
              if (name == one) name = "Mixed_7c.extra";
            }).find(one),
            std::string::npos);
  const std::string shape = error([&](std::string& name, Shape& shape) {
    if (name == "fc.weight") shape = {1000, 2048};
  });
  EXPECT_NE(shape.find("fc.weight"), std::string::npos);
  EXPECT_NE(shape.find("1008"), std::string::npos);
  EXPECT_THROW(open_inception(path("nothing.safetensors")), Error);
}

TEST_F(Inception, CountsAsThePaperDoes) {
  const nn::PictureCost cost = nn::inception_v3_cost();
  // torchvision's inception_v3 without its auxiliary head has 23,834,568 trained values with 1000 classes;
  // running means and variances are 2 x 17,216 more here, and 8 classes 8 x 2,049.
  EXPECT_EQ(cost.parameter_count(), 23'834'568 - 2048 * 1000 - 1000 + 2049 * 1008 + 2 * 17'216);
  EXPECT_NEAR(cost.flops() / 2 / 5.71e9, 1, 0.01);
}

TEST(Bilinear, KeepsWhatIsEvenAndWhatIsInPlace) {
  Image ramp = make_image(4, 1, 1);
  for (int x = 0; x < 4; ++x) ramp.at(x, 0, 0) = static_cast<uint8_t>(40 * x);
  std::vector<float> out(8);
  bilinear(ramp, 0, 1, 8, out);
  const std::vector<float> want{0, 10, 30, 50, 70, 90, 110, 120};
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(out[i], want[i], 1e-5);
}

}  // namespace
}  // namespace langevin
