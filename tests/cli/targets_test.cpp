// Models of EDM and of flow matching: trained, described, sampled and called like any other.
#include <cmath>

#include "langevin/io/safetensors.h"
#include "langevin/model/model_file.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Targets : public CommandLine, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    if (!has_torch()) GTEST_SKIP() << "built without libtorch";
  }
  Result train(const std::vector<std::string>& more) const {
    std::vector<std::string> all{
        "train", "--data",         digits(), "--out",          path("run"), "--preset",      "tiny",
        "--set", "sample.count=2", "--set",  "sample.steps=2", "--set",     "train.batch=8", "--threads",
        "1",     "--precision",    "fp32",   "--seed",         "3",         "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return langevin(all);
  }
  HostArrayF sample(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> all{"sample", path("run"), "--out", path(out),   "-n", "2",     "--steps",
                                 "3",      "--seed",    "1",     "--threads", "1",  "--json"};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return SafetensorsFile::open(path(out)).to_float("x_0");
  }
};

double furthest(const HostArrayF& a, const HostArrayF& b) {
  double worst = 0;
  for (int64_t i = 0; i < a.size(); ++i) worst = std::max<double>(worst, std::abs(a[i] - b[i]));
  return worst;
}

TEST_P(Targets, FromDataToSamples) {
  const std::string target = GetParam();
  const bool edm = target == "edm";
  const Result trained = train({"--steps", "6", "--set", "diffusion.target=" + target, "--set",
                                "edm.sigma_data=0", "--set", "diffusion.timesteps=stratified"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_TRUE(std::isfinite(trained.json().at("loss").get<double>()));
  EXPECT_TRUE(fs::exists(path("run/samples")) && !fs::is_empty(path("run/samples")));

  const ModelFile model = open_model(path("run"));
  EXPECT_EQ(model.spec.target.kind, target);
  if (edm) {  // measured: strokes of white on black
    EXPECT_GT(model.spec.target.sigma_data, 0.3);
    EXPECT_LT(model.spec.target.sigma_data, 1);
    EXPECT_NE(read(path("run/config.toml")).find("sigma_data = 0."), std::string::npos);
  }
  const Result text = langevin({"inspect", path("run")});
  EXPECT_NE(text.out.find(edm ? "EDM, sigma_data 0." : "flow matching"), std::string::npos) << text.out;
  const auto levels = langevin({"inspect", path("run"), "--json"}).json().at("levels");
  EXPECT_EQ(levels.at(4).at("t"), edm ? 80 : 1);

  // By default a sampler that fits, the same by both engines.
  const HostArrayF runtime = sample("a.safetensors", {"--backend", "runtime"}),
                   torch = sample("b.safetensors", {"--backend", "torch"});
  EXPECT_LT(furthest(runtime, torch), 1e-3);
  EXPECT_LT(furthest(runtime, sample("c.safetensors", {"--sampler", edm ? "heun" : "flow_heun", "--spacing",
                                                       edm ? "karras" : "trailing"})),
            1e-6);
  sample("d.safetensors", {"--animate", path("a.gif"), "--forward", "--grid", path("g.png")});
  EXPECT_TRUE(fs::exists(path("a.gif")) && fs::exists(path("g.png")));

  expect_error({"sample", path("run"), "--out", path("o"), "--sampler", "ddim"}, 2,
               {"ddim", edm ? "heun" : "flow_heun"});
  if (!edm)
    expect_error({"sample", path("run"), "--out", path("o"), "--sampler", "heun"}, 2,
                 {"heun", "no signal", "flow_euler"});
  expect_error({"sample", path("run"), "--out", path("o"), "--spacing", "leading"}, 2, {"leading"});
  EXPECT_FALSE(fs::exists(path("o")));

  expect_error({"export", path("run"), "--format", "diffusers", "--out", path("peer")}, 1,
               {"diffusers", target});
  EXPECT_FALSE(fs::exists(path("peer")));

  // What a run is trained on cannot change in it.
  expect_error({"train", "--out", path("run"), "--resume", "--steps", "8", "--quiet", "--set",
                edm ? "edm.sigma_data=0.1" : "flow.time_scale=1"},
               1, {"target"});
  const Result more = langevin({"train", "--out", path("run"), "--resume", "--steps", "8", "--json"});
  ASSERT_EQ(more.status, 0) << more.err;
  EXPECT_EQ(more.json().at("steps"), 8);
}

// The sampler's one step is what `langevin forward` and the paper's formulas say.
TEST_P(Targets, ForwardIsTheNetworkItself) {
  const std::string target = GetParam();
  ASSERT_EQ(train({"--steps", "2", "--set", "diffusion.target=" + target}).status, 0);
  HostArrayF z({1, 1, 28, 28});
  fill_normal(z.sample(0), {5, 0, Purpose::initial_noise, 0});
  const Target process = target_of(open_model(path("run")).spec);
  const PathPoint top = process.path().at(process.path().t_max);
  const HostArrayF x_T = lincomb(std::hypot(top.alpha, top.sigma), z);
  const auto network = [&](const HostArrayF& x, const std::vector<double>& told, const Cond<HostArrayF>&) {
    const int64_t label = 4;
    write_safetensors(path("in.safetensors"),
                      {{"sample", DType::f32, x.shape(), std::as_bytes(x.data())},
                       {"timestep", DType::f64, {1}, std::as_bytes(std::span(told))},
                       {"class_labels", DType::i64, {1}, std::as_bytes(std::span(&label, 1))}},
                      {});
    const Result r = langevin(
        {"forward", path("run"), "--in", path("in.safetensors"), "--out", path("out.safetensors"), "--json"});
    EXPECT_EQ(r.status, 0) << r.err;
    return SafetensorsFile::open(path("out.safetensors")).to_float("output");
  };
  const HostArrayF expected = make_denoiser<HostArrayF>(network, process)(x_T, top.t, {}).x0;
  const Result r =
      langevin({"sample", path("run"), "--out", path("one.safetensors"), "-n", "1", "--steps", "1",
                "--threshold", "none", "--guidance", "1", "--class", "4", "--seed", "5", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_LT(furthest(SafetensorsFile::open(path("one.safetensors")).to_float("x_0"), expected), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(All, Targets, ::testing::Values("edm", "flow"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace langevin::testing
