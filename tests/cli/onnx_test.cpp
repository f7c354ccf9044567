// What `export --format onnx` writes computes what `forward` does, in a runtime that shares nothing with
// this project (scripts/install-onnxruntime; skipped without it).
#include <cmath>

#include "langevin/model/model_file.h"
#include "tests/cli/command_line.h"
#include "tests/nn/golden_network.h"

namespace langevin::testing {
namespace {

class OnnxRuntime : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    if (std::system("command -v node >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "needs node (Debian: nodejs), and then scripts/install-onnxruntime";
    if (!fs::exists(runtime() / "node_modules"))
      GTEST_SKIP() << "needs onnxruntime-web: run scripts/install-onnxruntime";
  }
  static fs::path runtime() { return fs::path(LANGEVIN_BIN).parent_path() / "onnxruntime"; }

  /// (N,A,B) -> (N,B,A): `forward` speaks the layout of the peers' sequences, the graph that of networks.
  static HostArrayF turned(const HostArrayF& x) {
    if (x.shape().size() != 3) return x;
    const int64_t n = x.shape()[0], a = x.shape()[1], b = x.shape()[2];
    HostArrayF y({n, b, a});
    for (int64_t i = 0; i < x.size(); ++i) y[i / (a * b) * a * b + i % b * a + i / b % a] = x[i];
    return y;
  }

  static double relative_error(const HostArrayF& got, const HostArrayF& want) {
    EXPECT_EQ(got.shape(), want.shape());
    double difference = 0, size = 0;
    for (int64_t i = 0; i < std::min(got.size(), want.size()); ++i) {
      difference += std::pow(double{got[i]} - double{want[i]}, 2);
      size += std::pow(double{want[i]}, 2);
    }
    return std::sqrt(difference / size);
  }

  /// A tensor of integers, one for each of `batch` samples: a single one counts for all.
  static std::vector<int64_t> integers(const TensorView& view, size_t batch) {
    EXPECT_EQ(view.dtype, DType::i64);
    std::vector<int64_t> values(view.bytes.size() / sizeof(int64_t));
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    values.resize(batch, values.at(0));
    return values;
  }

  /// The inputs of `forward` as the graph takes them.
  std::string graph_inputs(const std::string& in) const {
    const SafetensorsFile file = SafetensorsFile::open(in);
    const HostArrayF sample = turned(file.to_float("sample"));
    const auto batch = static_cast<size_t>(sample.batch());
    std::map<std::string, std::vector<int64_t>> labels;
    std::map<std::string, HostArrayF> floats{{"sample", sample}};
    for (const std::string& name : file.names()) {
      if (name == "sample") continue;
      const TensorView& view = file.at(name);
      if (is_floating(view.dtype)) {
        floats.emplace(name, file.to_float(name));
      } else if (name == "class_labels") {
        labels.emplace(name, integers(view, batch));
      } else {
        const std::vector<int64_t> steps = integers(view, batch);
        floats.emplace(name, HostArrayF({sample.batch()}, std::vector<float>(steps.begin(), steps.end())));
      }
    }
    std::vector<TensorOut> inputs;
    for (const auto& [name, values] : floats)
      inputs.push_back({name, DType::f32, values.shape(), std::as_bytes(values.data())});
    for (const auto& [name, values] : labels)
      inputs.push_back({name, DType::i64, {sample.batch()}, std::as_bytes(std::span(values))});
    write_safetensors(path("graph-in.safetensors"), inputs, {});
    return path("graph-in.safetensors");
  }

  HostArrayF exported_output(const std::string& model, const std::string& in) const {
    const std::string onnx = path("model.onnx"), out = path("graph-out.safetensors");
    const Result r = langevin({"export", model, "--format", "onnx", "--out", onnx, "--force"});
    EXPECT_EQ(r.status, 0) << r.err;
    const std::string script = (fs::path(LANGEVIN_SOURCE) / "tests/interop/onnx_run.mjs").string();
    const std::string line =
        fmt::format("node '{}' '{}' '{}' '{}' '{}'", script, runtime().string(), onnx, graph_inputs(in), out);
    EXPECT_EQ(std::system(line.c_str()), 0) << line;
    return turned(SafetensorsFile::open(out).to_float("output"));
  }

  HostArrayF own_output(const std::string& model, const std::string& in) const {
    const std::string out = path("own.safetensors");
    const Result r =
        langevin({"forward", model, "--in", in, "--out", out, "--backend", "runtime", "--precision", "fp32"});
    EXPECT_EQ(r.status, 0) << r.err;
    return SafetensorsFile::open(out).to_float("output");
  }

  void expect_same(const std::string& model, const std::string& in) const {
    EXPECT_LE(relative_error(exported_output(model, in), own_output(model, in)), 1e-4) << model;
  }

  /// A golden network, its configuration changed, with the weights and inputs that such a file implies.
  void expect_same_golden(const std::string& name,
                          const nlohmann::json& change = nlohmann::json::object()) const {
    nlohmann::json golden = nlohmann::json::parse(read((fs::path(LANGEVIN_GOLDEN) / name).string()));
    golden["network"].merge_patch(change);
    expect_same_network(golden);
  }

  void expect_same_network(const nlohmann::json& golden) const {
    write(path("golden.json"), golden.dump());
    const GoldenNetwork network(path("golden.json"));
    ModelSpec spec;
    spec.network = network.config;
    for (int64_t i = 0; i < nn::class_count(spec.network); ++i) spec.labels.push_back(std::to_string(i));
    std::vector<TensorOut> tensors;
    for (const auto& [key, values] : network.weights)
      tensors.push_back({key, DType::f32, values.shape(), std::as_bytes(values.data())});
    write_model(path("model.safetensors"), spec, tensors);

    const HostArrayF x = turned(network.x);
    const std::vector<int64_t> t(network.t.begin(), network.t.end());
    std::vector<TensorOut> in{
        {"sample", DType::f32, x.shape(), std::as_bytes(x.data())},
        {"timestep", DType::i64, {static_cast<int64_t>(t.size())}, std::as_bytes(std::span(t))}};
    if (!network.cond.class_labels.empty()) {
      in.push_back(
          {"class_labels", DType::i64, {x.batch()}, std::as_bytes(std::span(network.cond.class_labels))});
    }
    each_condition(
        [&](const auto& value, const auto& taken) {
          if (value) in.push_back({taken->key, DType::f32, value->shape(), std::as_bytes(value->data())});
        },
        network.cond, nn::conditions(network.config, x.batch()));
    write_safetensors(path("in.safetensors"), in, {});
    expect_same(path("model.safetensors"), path("in.safetensors"));
  }

  void expect_same_shared(const std::string& name) const {
    const fs::path folder = fs::path(LANGEVIN_SHARED) / "parity" / name;
    if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not there";
    const std::string in = (folder / "io.safetensors").string();
    const HostArrayF got = exported_output(folder.string(), in);
    EXPECT_LE(relative_error(got, SafetensorsFile::open(in).to_float("output")), 1e-4);
  }
};

TEST_F(OnnxRuntime, PicturesAsForward) { expect_same_golden("unet2d_forward.json"); }

TEST_F(OnnxRuntime, OddPicturesScaleAndShiftAndPaddingAsForward) {
  expect_same_golden("unet2d_forward.json", {{"sample_size", {13, 10}},
                                             {"resnet_time_scale_shift", "scale_shift"},
                                             {"downsample_padding", 0},
                                             {"center_input_sample", true},
                                             {"mid_block_scale_factor", 2.0}});
}

TEST_F(OnnxRuntime, SequencesAsForward) { expect_same_golden("unet1d_forward.json"); }

TEST_F(OnnxRuntime, SequencesWithBiasAloneAsForward) {
  expect_same_golden("unet1d_forward.json", {{"cond_predict_scale", false}});
}

TEST_F(OnnxRuntime, AnEncoderOfActionsAsForward) {
  if (!has_torch()) GTEST_SKIP() << "needs the libtorch wing";
  nlohmann::json network{{"type", "transformer_policy"},
                         {"input_dim", 3},
                         {"output_dim", 3},
                         {"horizon", 8},
                         {"n_obs_steps", 2},
                         {"cond_dim", 0},
                         {"n_layer", 2},
                         {"n_head", 4},
                         {"n_emb", 16},
                         {"p_drop_emb", 0.0},
                         {"p_drop_attn", 0.0},
                         {"causal_attn", false},
                         {"time_as_cond", false},
                         {"obs_as_cond", false},
                         {"n_cond_layers", 0}};
  expect_same_network({{"network", network}, {"batch", 2}, {"timestep", {3, 71}}});
  network.update({{"cond_dim", 5},
                  {"obs_as_cond", true},
                  {"time_as_cond", true},
                  {"n_cond_layers", 2},
                  {"causal_attn", true}});
  expect_same_network({{"network", network}, {"batch", 2}, {"timestep", {3, 71}}});
}

TEST_F(OnnxRuntime, TextsAndSizesAsForward) {
  if (!has_torch()) GTEST_SKIP() << "needs the libtorch wing";
  const nlohmann::json network{{"type", "unet2d_condition"},
                               {"sample_size", 16},
                               {"block_out_channels", {16, 32}},
                               {"down_block_types", {"CrossAttnDownBlock2D", "DownBlock2D"}},
                               {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"}},
                               {"layers_per_block", 1},
                               {"norm_num_groups", 8},
                               {"cross_attention_dim", 24},
                               {"addition_embed_type", "text_time"},
                               {"addition_time_embed_dim", 8},
                               {"projection_class_embeddings_input_dim", 60}};
  expect_same_network({{"network", network}, {"batch", 2}, {"timestep", {3, 710}}});
}

TEST_F(OnnxRuntime, ThePeersUnet2DAsThePeer) { expect_same_shared("unet2d-ddpm"); }
TEST_F(OnnxRuntime, ThePeersUnet2DOfClassesAsThePeer) { expect_same_shared("unet2d-class"); }
TEST_F(OnnxRuntime, ThePeersUnet1DAsThePeer) { expect_same_shared("unet1d-policy"); }
TEST_F(OnnxRuntime, ThePeersTransformerAsThePeer) { expect_same_shared("transformer-policy"); }
TEST_F(OnnxRuntime, ThePeersUnet2DOfTextsAsThePeer) { expect_same_shared("unet2d-condition"); }

}  // namespace
}  // namespace langevin::testing
