// langevin eval from the command line: a model, sets of pictures, the cache of statistics, and what is
// refused.
#include <cmath>

#include "langevin/core/check.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Eval : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    if (!has_torch()) GTEST_SKIP() << "built without libtorch";
    digits(200);
    train("classifier", {"--task", "classifier"});
  }
  void train(const std::string& out, const std::vector<std::string>& more) const {
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
                                 "--steps",
                                 "4",
                                 "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    ASSERT_EQ(r.status, 0) << r.err;
  }
  std::string cache() const { return "XDG_CACHE_HOME='" + path("cache") + "'"; }
  nlohmann::json eval(const std::string& subject, const std::vector<std::string>& more) const {
    std::vector<std::string> all{
        "eval",      subject, "--data", path("digits"), "--features", path("classifier"),
        "--threads", "1",     "--json", "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = shell(cache(), all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? r.json() : nlohmann::json::object();
  }
  int cached() const {
    int files = 0;
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(path("cache"), ignored))
      files += entry.is_regular_file();
    return files;
  }
};

TEST_F(Eval, OfASetWithItselfFindsNoDifference) {
  const nlohmann::json found = eval(path("digits"), {});
  const nlohmann::json& figures = found.at("figures");
  EXPECT_NEAR(figures.at("fid").at("value").get<double>(), 0, 1e-6);
  EXPECT_EQ(figures.at("precision").at("value"), 1);
  EXPECT_EQ(figures.at("recall").at("value"), 1);
  EXPECT_EQ(figures.at("coverage").at("value"), 1);
  EXPECT_GE(figures.at("inception_score").at("value").get<double>(), 1);
  EXPECT_EQ(found.at("samples"), 200);
  EXPECT_EQ(found.at("real"), 200);
  EXPECT_EQ(found.at("features").at("classes"), 10);
  EXPECT_EQ(found.at("partial"), false);
  EXPECT_TRUE(figures.at("fid").contains("real_against_real"));
  // The statistics were kept, and serve again.
  EXPECT_EQ(cached(), 1);
  EXPECT_EQ(eval(path("digits"), {}).at("figures"), figures);
  EXPECT_EQ(cached(), 1);
  const nlohmann::json one = eval(path("digits"), {"--metrics", "kid", "-n", "100"});
  EXPECT_EQ(one.at("figures").size(), 1u);
  EXPECT_EQ(one.at("samples"), 100);
}

TEST_F(Eval, DrawsWithAModelAndReadsWhatWasDrawn) {
  train("run", {"--set", "diffusion.classes=false"});
  const std::vector<std::string> how{"-n", "60", "--steps", "2", "--metrics", "fid,kid"};
  const nlohmann::json drawn = eval(path("run"), how);
  EXPECT_EQ(drawn.at("samples"), 60);
  EXPECT_EQ(drawn.at("drawn").at("seed"), 0);
  const double fid = drawn.at("figures").at("fid").at("value");
  EXPECT_GT(fid, drawn.at("figures").at("fid").at("real_against_real").get<double>());
  for (const std::string out : {"samples", "samples.npz"}) {
    ASSERT_EQ(langevin({"sample", path("run"), "--out", path(out), "-n", "60", "--steps", "2", "--threads",
                        "1", "--quiet"})
                  .status,
              0);
    const nlohmann::json read = eval(path(out), {"--metrics", "fid,kid"});
    // The same pictures in another order: the errors differ, the figures do not.
    EXPECT_NEAR(read.at("figures").at("fid").at("value").get<double>() / fid, 1, 1e-3) << out;
  }
  const Result text =
      shell(cache(), {"eval", path("run"), "--data", path("digits"), "--features", path("classifier"), "-n",
                      "24", "--steps", "2", "--threads", "1", "--quiet"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("real against real"), std::string::npos) << text.out;
  EXPECT_NE(text.err.find("24 samples are fewer than the 32 features"), std::string::npos) << text.err;
}

TEST_F(Eval, WritesAPageAndThePicturesNearest) {
  train("run", {});
  const nlohmann::json found = eval(path("run"), {"-n", "40", "--steps", "3", "--metrics", "fid", "--html",
                                                  path("page.html"), "--nearest", path("near.png")});
  EXPECT_EQ(found.at("html"), path("page.html"));
  EXPECT_EQ(found.at("nearest").at("distances").size(), 40u);
  EXPECT_GT(fs::file_size(path("near.png")), 1000u);
  const std::string page = read(path("page.html"));
  for (const std::string words :
       {"What was made", "Figures", "Was it memorised?", "From picture to noise", "From noise to picture",
        "Where the model errs", "data:image/png;base64,", "<svg"})
    EXPECT_NE(page.find(words), std::string::npos) << words;
  EXPECT_EQ(page.find("<script"), std::string::npos);
  // A set has no model to show.
  eval(path("digits"), {"--metrics", "fid", "--html", path("set.html")});
  EXPECT_EQ(read(path("set.html")).find("Where the model errs"), std::string::npos);
}

TEST_F(Eval, StopsWithPartialFigures) {
  train("run", {"--set", "diffusion.classes=false"});
  const Result r = shell(
      cache() + " timeout --preserve-status -s INT 4",
      {"eval", path("run"), "--data", path("digits"), "--features", path("classifier"), "-n", "10000000",
       "--batch", "8", "--steps", "2", "--threads", "1", "--json", "--quiet", "--metrics", "fid"});
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_NE(r.err.find("stopped after"), std::string::npos) << r.err;
  const nlohmann::json json = r.json();
  if (json.contains("figures")) {  // a slow machine may not come so far
    EXPECT_EQ(json.at("partial"), true);
    EXPECT_LT(json.at("samples").get<int64_t>(), 10000000);
  }
}

TEST_F(Eval, RefusesInOneLine) {
  const auto expect = [&](std::vector<std::string> all, int status, const std::vector<std::string>& words) {
    all.insert(all.end(), {"--threads", "1", "--quiet"});
    expect_error(all, status, words);
  };
  const std::string data = path("digits"), classifier = path("classifier");
  expect({"eval", data, "--data", data, "--features", classifier, "--metrics", "fidd"}, 2,
         {"did you mean 'fid'?"});
  expect({"eval", path("nothing"), "--data", data, "--features", classifier}, 1, {"nothing"});
  expect({"eval", data, "--data", path("nothing"), "--features", classifier}, 1, {"nothing"});
  expect({"eval", data, "--data", data, "--features", data}, 1, {"digits"});
  expect({"eval", classifier, "--data", data, "--features", classifier}, 1, {"classifier"});
  train("run", {"--set", "diffusion.classes=false"});
  expect({"eval", data, "--data", data, "--features", path("run")}, 1, {"no classifier"});
  expect({"eval", path("run"), "--data", data, "--features", classifier, "--set", "data.channels=3"}, 1,
         {"3 channels", "1"});
  // Statistics of other data.
  ASSERT_EQ(
      langevin({"data", "digits", "--out", path("others"), "--count", "60", "--seed", "9", "--quiet"}).status,
      0);
  ASSERT_EQ(langevin({"eval", data, "--data", path("others"), "--features", classifier, "--statistics",
                      path("s.safetensors"), "--threads", "1", "--quiet"})
                .status,
            0);
  expect({"eval", data, "--data", data, "--features", classifier, "--statistics", path("s.safetensors")}, 1,
         {"s.safetensors", "other data", "others"});
}

}  // namespace
}  // namespace langevin::testing
