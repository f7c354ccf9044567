// A classifier from the command line: trained, described, called, and guiding samples.
#include <cmath>

#include "langevin/io/npz.h"
#include "langevin/io/safetensors.h"
#include "langevin/model/model_file.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Classifier : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    if (!has_torch()) GTEST_SKIP() << "built without libtorch";
    digits();
  }
  nlohmann::json train(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> all{"train",
                                 "--data",
                                 path("digits"),
                                 "--out",
                                 path(out),
                                 "--preset",
                                 "tiny",
                                 "--set",
                                 "sample.count=0",
                                 "--set",
                                 "train.batch=8",
                                 "--threads",
                                 "1",
                                 "--precision",
                                 "fp32",
                                 "--seed",
                                 "3",
                                 "--steps",
                                 "4",
                                 "--json"};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? r.json() : nlohmann::json::object();
  }
};

TEST_F(Classifier, GuidesAModelWithoutClasses) {
  train("run", {"--set", "diffusion.classes=false"});
  const nlohmann::json trained = train("classifier", {"--task", "classifier"});
  EXPECT_EQ(trained.at("held_out"), 6);  // of 60
  EXPECT_EQ(trained.at("accuracy_by_quarter").size(), 4u);
  const Result text = langevin({"inspect", path("classifier")});
  EXPECT_NE(text.out.find("x_t is classified"), std::string::npos) << text.out;

  const auto sample = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> all{"sample",  path("run"), "--out",     path(out), "-n",    "5",
                                 "--steps", "3",         "--threads", "1",       "--json"};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? r.json() : nlohmann::json::object();
  };
  const nlohmann::json guided =
      sample("a.npz", {"--classifier", path("classifier"), "--classifier-scale", "4", "--class", "7,1"});
  EXPECT_EQ(guided.at("classifier_scale"), 4);
  EXPECT_EQ(guided.at("classes"), (std::vector<int>{7, 1}));
  EXPECT_NE(guided.at("engine").get<std::string>().find("torch"), std::string::npos);
  const HostArrayF labels = read_npz(path("a.npz"), "arr_1", 1 << 20).to_float();
  EXPECT_EQ(labels[0], 7);
  EXPECT_EQ(labels[3], 1);
  // Another scale is another picture; 0 is the model alone.
  sample("b.safetensors", {"--classifier", path("classifier"), "--classifier-scale", "4"});
  sample("c.safetensors", {"--classifier", path("classifier"), "--classifier-scale", "0"});
  sample("d.safetensors", {"--backend", "torch"});
  const auto x0 = [&](const std::string& file) { return SafetensorsFile::open(path(file)).to_float("x_0"); };
  const HostArrayF b = x0("b.safetensors"), c = x0("c.safetensors"), d = x0("d.safetensors");
  double moved = 0, same = 0;
  for (int64_t i = 0; i < b.size(); ++i) {
    moved = std::max<double>(moved, std::abs(b[i] - c[i]));
    same = std::max<double>(same, std::abs(c[i] - d[i]));
  }
  EXPECT_GT(moved, 1e-4);
  EXPECT_LT(same, 1e-5);

  // What does not fit, in one line, before anything is made.
  const auto expect = [&](const std::vector<std::string>& more, int status,
                          const std::vector<std::string>& words) {
    std::vector<std::string> all{"sample", path("run"), "--out", path("o")};
    all.insert(all.end(), more.begin(), more.end());
    expect_error(all, status, words);
    EXPECT_FALSE(fs::exists(path("o")));
  };
  expect({"--classifier", path("run")}, 1, {"no classifier", "--task classifier"});
  expect({"--classifier", path("nothing")}, 1, {"nothing"});
  expect({"--classifier-scale", "2"}, 2, {"--classifier"});
  expect({"--classifier", path("classifier"), "--classifier-scale", "inf"}, 2, {"--classifier-scale"});
  expect({"--classifier", path("classifier"), "--class", "eleven"}, 1, {"eleven"});
  expect({"--classifier", path("classifier"), "--backend", "runtime"}, 2, {"--backend", "torch"});
  expect_error({"sample", path("classifier"), "--out", path("o")}, 1, {"classifier", "--classifier"});
  train("edm", {"--task", "classifier", "--set", "diffusion.target=edm"});
  expect({"--classifier", path("edm")}, 1, {"edm", "ddpm"});
  train("small", {"--task", "classifier", "--set", "data.size=16"});
  expect({"--classifier", path("small")}, 1, {"16", "28"});
}

TEST_F(Classifier, ForwardGivesLogitsAndFeatures) {
  train("classifier", {"--task", "classifier"});
  HostArrayF x({2, 1, 28, 28}, 0.25F);
  const int64_t t = 10;
  write_safetensors(path("in.safetensors"),
                    {{"sample", DType::f32, x.shape(), std::as_bytes(x.data())},
                     {"timestep", DType::i64, {1}, std::as_bytes(std::span(&t, 1))}},
                    {});
  std::vector<HostArrayF> features;
  for (const std::string backend : {"runtime", "torch"}) {
    const Result r = langevin({"forward", path("classifier"), "--in", path("in.safetensors"), "--out",
                               path("out.safetensors"), "--backend", backend, "--json"});
    ASSERT_EQ(r.status, 0) << r.err;
    const SafetensorsFile out = SafetensorsFile::open(path("out.safetensors"));
    EXPECT_EQ(out.at("output").shape, (Shape{2, 10}));
    EXPECT_EQ(out.at("features").shape, (Shape{2, 32}));
    features.push_back(out.to_float("features"));
  }
  for (int64_t i = 0; i < features[0].size(); ++i) EXPECT_NEAR(features[0][i], features[1][i], 1e-4);
}

TEST_F(Classifier, NeedsClasses) {
  expect_error({"train", "--data", path("digits"), "--out", path("x"), "--task", "clasifier", "--quiet"}, 2,
               {"did you mean 'classifier'?"});
}

}  // namespace
}  // namespace langevin::testing
