// Networks as ONNX graphs, read back by a reader of the tests' own. (What they compute is held against an
// independent runtime in tests/cli/onnx_test.cpp.)
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "langevin/io/protobuf.h"
#include "langevin/nn/onnx_interpreter.h"
#include "tests/nn/golden_network.h"
#include "tests/nn/onnx_reader.h"

namespace langevin::testing {
namespace {

namespace fs = std::filesystem;

class Onnx : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "langevin-onnx-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static GoldenNetwork golden(const std::string& name) {
    return GoldenNetwork((fs::path(LANGEVIN_GOLDEN) / name).string());
  }
  /// A network without golden numbers, with the weights of one.
  GoldenNetwork made(const nlohmann::json& network) const {
    const std::string source = (folder_ / "network.json").string();
    std::ofstream(source) << nlohmann::json{{"network", network}, {"batch", 2}, {"timestep", {1, 2}}};
    const GoldenNetwork result(source);
    fs::remove(source);
    return result;
  }
  ReadOnnx written(const GoldenNetwork& network, uint64_t largest = uint64_t{1} << 30) const {
    onnx::write(
        file(), nn::onnx_graph(network.config), {"langevin", "1", "text", {{"key", "value"}}},
        [&](const std::string& name) { return network.weights.at(name); }, largest);
    return read_onnx(file());
  }
  std::string file() const { return (folder_ / "model.onnx").string(); }

  /// Every value is there before it is used, nothing is made twice, and nothing lies there unused.
  static void expect_sound(const ReadOnnx& read) {
    std::set<std::string> known{""}, used;
    for (const auto& [name, port] : read.inputs) known.insert(name);
    for (const auto& [name, tensor] : read.tensors) EXPECT_TRUE(known.insert(name).second) << name;
    for (const ReadNode& node : read.nodes) {
      for (const std::string& input : node.inputs) {
        EXPECT_TRUE(known.count(input)) << node.op << " of " << input;
        used.insert(input);
      }
      for (const std::string& output : node.outputs) EXPECT_TRUE(known.insert(output).second) << output;
    }
    for (const auto& [name, port] : read.outputs) EXPECT_TRUE(known.count(name)) << name;
    for (const auto& [name, tensor] : read.tensors) EXPECT_TRUE(used.count(name)) << name << " is not used";
    for (const auto& [name, port] : read.inputs) EXPECT_TRUE(used.count(name)) << name << " is not used";
  }

  static void expect_weights(const ReadOnnx& read, const GoldenNetwork& network) {
    for (const auto& [name, values] : network.weights) {
      ASSERT_TRUE(read.tensors.count(name)) << name;
      const ReadTensor& tensor = read.tensors.at(name);
      EXPECT_EQ(tensor.dims, values.shape()) << name;
      EXPECT_EQ(tensor.type, 1) << name;
      ASSERT_EQ(tensor.raw.size(), values.data().size_bytes()) << name;
      EXPECT_EQ(std::memcmp(tensor.raw.data(), values.data().data(), tensor.raw.size()), 0) << name;
    }
  }

  fs::path folder_;
};

// The examples of protobuf.dev, "Encoding".
TEST(Protobuf, WritesTheFormatsOwnExamples) {
  ProtobufMessage a, b, c, negative, real;
  a.integer(1, 150);
  EXPECT_EQ(a.bytes(), "\x08\x96\x01");
  b.text(2, "testing");
  EXPECT_EQ(b.bytes(), "\x12\x07testing");
  c.message(3, a);
  EXPECT_EQ(c.bytes(), "\x1a\x03\x08\x96\x01");
  negative.integer(1, -2);
  EXPECT_EQ(negative.bytes(), "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  real.real(5, 25.4F);
  EXPECT_EQ(real.bytes(), "\x2d\x33\x33\xcb\x41");
}

TEST_F(Onnx, PicturesBecomeASoundGraph) {
  const GoldenNetwork network = golden("unet2d_forward.json");
  const ReadOnnx read = written(network);
  EXPECT_EQ(read.ir_version, 8);
  EXPECT_EQ(read.operator_set, 17);
  EXPECT_EQ(read.metadata.at("key"), "value");
  const Shape x = nn::input_shape(network.config, 1);
  EXPECT_EQ(read.inputs.at("sample"), fmt::format("1:batch,{},{},{}", x[1], x[2], x[3]));
  EXPECT_EQ(read.inputs.at("timestep"), "1:batch");
  EXPECT_EQ(read.inputs.count("class_labels"), nn::class_count(network.config) > 0 ? 1u : 0u);
  expect_sound(read);
  expect_weights(read, network);
}

TEST_F(Onnx, SequencesBecomeASoundGraph) {
  const GoldenNetwork network = golden("unet1d_forward.json");
  const ReadOnnx read = written(network);
  const Shape x = nn::input_shape(network.config, 1);
  EXPECT_EQ(read.inputs.at("sample"), fmt::format("1:batch,{},{}", x[1], x[2]));
  EXPECT_EQ(read.outputs.at("output"), fmt::format("1:batch,{},{}", x[1], x[2]));
  EXPECT_EQ(read.inputs.at("global_cond"), fmt::format("1:batch,{}", nn::global_cond_dim(network.config)));
  expect_sound(read);
  expect_weights(read, network);
}

TEST_F(Onnx, TransformersBecomeASoundGraph) {
  nlohmann::json config{{"type", "transformer_policy"},
                        {"input_dim", 2},
                        {"output_dim", 2},
                        {"horizon", 10},
                        {"n_obs_steps", 2},
                        {"cond_dim", 6},
                        {"n_layer", 2},
                        {"n_head", 2},
                        {"n_emb", 16},
                        {"p_drop_emb", 0.1},
                        {"p_drop_attn", 0.1},
                        {"causal_attn", true},
                        {"time_as_cond", true},
                        {"obs_as_cond", true},
                        {"n_cond_layers", 1}};
  const GoldenNetwork two = made(config);
  ReadOnnx read = written(two);
  EXPECT_EQ(read.inputs.at("cond"), "1:batch,2,6");
  expect_sound(read);
  expect_weights(read, two);
  config.update({{"time_as_cond", false}, {"obs_as_cond", false}, {"cond_dim", 0}, {"n_cond_layers", 0}});
  const GoldenNetwork encoder = made(config);
  read = written(encoder);
  EXPECT_EQ(read.inputs.count("cond"), 0u);
  expect_sound(read);
  expect_weights(read, encoder);
}

TEST_F(Onnx, NetworksOfTextsTakeAnyNumberOfTokens) {
  const GoldenNetwork network = made({{"type", "unet2d_condition"},
                                      {"sample_size", 16},
                                      {"block_out_channels", {16, 32}},
                                      {"down_block_types", {"CrossAttnDownBlock2D", "DownBlock2D"}},
                                      {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"}},
                                      {"layers_per_block", 1},
                                      {"norm_num_groups", 8},
                                      {"cross_attention_dim", 24},
                                      {"addition_embed_type", "text_time"},
                                      {"addition_time_embed_dim", 8},
                                      {"projection_class_embeddings_input_dim", 60}});
  const ReadOnnx read = written(network);
  EXPECT_EQ(read.inputs.at("encoder_hidden_states"), "1:batch,tokens,24");
  EXPECT_EQ(read.inputs.at("text_embeds"), "1:batch,12");
  EXPECT_EQ(read.inputs.at("time_ids"), "1:batch,6");
  expect_sound(read);
  expect_weights(read, network);
}

TEST_F(Onnx, AnAutoencoderIsRefused) {
  const nn::NetworkConfig config = nn::AutoencoderKLConfig{};
  try {
    nn::onnx_graph(config);
    FAIL() << "written";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("autoencoder_kl"), std::string::npos) << e.what();
  }
}

// What passes the limit of a message lies beside it, each weight on a page of its own.
TEST_F(Onnx, WeightsOfLargeModelsLieBeside) {
  const GoldenNetwork network = golden("unet2d_forward.json");
  ReadOnnx read = written(network, 100'000);
  EXPECT_LT(fs::file_size(file()), 100'000u);
  std::ifstream stream(file() + ".data", std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  for (auto& [name, tensor] : read.tensors) {
    if (tensor.external.empty()) continue;
    EXPECT_EQ(tensor.external.at("location"), "model.onnx.data");
    const size_t offset = std::stoul(tensor.external.at("offset"));
    EXPECT_EQ(offset % 4096, 0u);
    tensor.raw = text.str().substr(offset, std::stoul(tensor.external.at("length")));
  }
  expect_sound(read);
  expect_weights(read, network);
  EXPECT_FALSE(fs::exists(file() + ".data.data"));
}

TEST_F(Onnx, AWeightOfAnotherSizeLeavesNothing) {
  const GoldenNetwork network = golden("unet2d_forward.json");
  EXPECT_THROW(onnx::write(file(), nn::onnx_graph(network.config), {},
                           [](const std::string&) { return HostArrayF({3}); }),
               Error);
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace langevin::testing
