// langevin quantize, and what runs in int8 afterwards.
#include <cmath>

#include "langevin/model/model_file.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Quantize : public CommandLine {
 protected:
  /// A model of gray pictures of 8 x 8 with random weights and two classes.
  std::string model() const {
    nn::UNet2DConfig c;
    c.sample_height = c.sample_width = 8;
    c.in_channels = c.out_channels = 1;
    c.block_out_channels = {16, 32};
    c.down_block_types = {"DownBlock2D", "DownBlock2D"};
    c.up_block_types = {"UpBlock2D", "UpBlock2D"};
    c.layers_per_block = 1;
    c.norm_num_groups = 8;
    c.num_class_embeds = 3;
    ModelSpec spec;
    spec.network = nn::validated(c);
    spec.labels = {"a", "b"};
    spec.null_class = true;
    const nn::CostInterpreter cost = nn::cost_of(spec.network);
    std::vector<HostArrayF> memory;
    std::vector<TensorOut> tensors;
    for (const auto& p : cost.parameters()) {
      memory.push_back(noise_like(HostArrayF(p.shape), {1, memory.size(), Purpose::test, 0}));
      const double fan_in = static_cast<double>(memory.back().size() / p.shape[0]);
      memory.back() = lincomb(p.shape.size() > 1 ? 1 / std::sqrt(fan_in) : 0.2, memory.back());
    }
    for (size_t i = 0; i < memory.size(); ++i) {
      tensors.push_back(
          {cost.parameters()[i].name, DType::f32, memory[i].shape(), std::as_bytes(memory[i].data())});
    }
    write_model(path("model.safetensors"), spec, tensors);
    return path("model.safetensors");
  }
};

TEST_F(Quantize, AModelRunsInInt8AndStillInFp32) {
  const std::string file = model(), out = path("int8.safetensors");
  const Result r = langevin({"quantize", file, "--out", out, "-n", "16", "--threads", "1", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_GT(r.json().at("int8_layers").get<int>(), 5);
  EXPECT_EQ(r.json().at("source"), "trajectory");
  EXPECT_GE(r.json().at("samples").get<int>(), 16);
  EXPECT_LT(r.json().at("errors").at(0).at("relative").get<double>(), 0.1);

  const HostArrayF x = noise_like(HostArrayF({2, 1, 8, 8}), {2, 0, Purpose::test, 0}), t({1}, 7.0F),
                   labels({1}, 1.0F);
  write_safetensors(path("in.safetensors"),
                    {{"sample", DType::f32, x.shape(), std::as_bytes(x.data())},
                     {"timestep", DType::f32, {1}, std::as_bytes(t.data())},
                     {"class_labels", DType::f32, {1}, std::as_bytes(labels.data())}},
                    {});
  const auto forward = [&](const std::string& model, const std::string& precision) {
    const std::string to = path("out.safetensors");
    const Result done = langevin({"forward", model, "--in", path("in.safetensors"), "--out", to, "--backend",
                                  "runtime", "--precision", precision, "--threads", "1"});
    EXPECT_EQ(done.status, 0) << done.err;
    return SafetensorsFile::open(to).to_float("output");
  };
  const HostArrayF exact = forward(file, "fp32"), same = forward(out, "fp32"), int8 = forward(out, "int8");
  EXPECT_EQ(norm(lincomb(1.0, same, -1.0, exact))[0], 0) << "the weights are as they were";
  const double error = norm(lincomb(1.0, int8, -1.0, exact))[0] / norm(exact)[0];
  EXPECT_GT(error, 1e-4);
  EXPECT_LT(error, 0.1);
  EXPECT_EQ(langevin({"sample", out, "-n", "2", "--steps", "2", "--precision", "int8", "--threads", "1",
                      "--out", path("s")})
                .status,
            0);
  EXPECT_EQ(langevin({"inspect", out}).status, 0);
}

TEST_F(Quantize, TheSameSeedGivesTheSameFile) {
  const std::string file = model();
  for (const char* name : {"one", "two"}) {
    const Result r =
        langevin({"quantize", file, "--out", path(name), "-n", "8", "--threads", "1", "--seed", "5"});
    ASSERT_EQ(r.status, 0) << r.err;
  }
  EXPECT_EQ(read(path("one")), read(path("two")));
}

TEST_F(Quantize, DataMustFitTheModel) {
  const std::string file = model();
  const Result r = langevin(
      {"quantize", file, "--data", digits(20), "--out", path("q"), "-n", "8", "--threads", "1", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(r.json().at("source"), "data");
  EXPECT_EQ(r.json().at("samples"), 8);
  expect_error({"quantize", file, "--data", path("nowhere"), "--out", path("q")}, 1, {"nowhere"});
}

TEST_F(Quantize, WithoutItInt8IsRefusedInOneLine) {
  const std::string file = model();
  expect_error({"sample", file, "--precision", "int8", "--out", path("s")}, 1, {"langevin quantize", file});
  expect_error({"quantize", file}, 2, {"--out"});
  expect_error({"quantize", file, "--out", path("q"), "-n", "3"}, 2, {"--count"});
}

}  // namespace
}  // namespace langevin::testing
