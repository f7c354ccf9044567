// The command line with a model: from data to a run, from the run to samples in every form.
#include <cmath>

#include "langevin/diffusion/schedule.h"
#include "langevin/io/npz.h"
#include "langevin/io/png.h"
#include "langevin/io/safetensors.h"
#include "langevin/model/model_file.h"
#include "langevin/sample/guidance.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Trained : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    if (!has_torch()) GTEST_SKIP() << "built without libtorch";
  }
  std::vector<std::string> train_arguments(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"train",         "--data",    digits(), "--out",          path("run"),
                                 "--preset",      "tiny",      "--set",  "sample.count=0", "--set",
                                 "train.batch=8", "--threads", "1",      "--precision",    "fp32",
                                 "--seed",        "3",         "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// A class-conditional model of digits, barely trained: what it draws does not matter here.
  nlohmann::json train(const std::vector<std::string>& more = {"--steps", "6"}) const {
    const Result r = langevin(train_arguments(more));
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? r.json() : nlohmann::json::object();
  }
  nlohmann::json sample(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> all{"sample", path("run"), "--out", path(out), "--threads", "1", "--json"};
    if (std::find(more.begin(), more.end(), "--steps") == more.end()) all.insert(all.end(), {"--steps", "4"});
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? r.json() : nlohmann::json::object();
  }
  HostArrayF x0(const std::string& file) const { return SafetensorsFile::open(path(file)).to_float("x_0"); }
};

void expect_near(const HostArrayF& a, int64_t row_a, const HostArrayF& b, int64_t row_b, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) {
    const auto left = a.sample(row_a + i), right = b.sample(row_b + i);
    double worst = 0;
    for (size_t j = 0; j < left.size(); ++j) worst = std::max<double>(worst, std::abs(left[j] - right[j]));
    EXPECT_LT(worst, 1e-5) << "sample " << i;  // another batch sums in another order
  }
}

TEST_F(Trained, ARunFolderHoldsWhatItPromises) {
  const nlohmann::json result = train();
  EXPECT_EQ(result.at("steps"), 6);
  EXPECT_EQ(result.at("images"), 48);
  EXPECT_EQ(result.at("ended_by"), "steps");
  for (const std::string name :
       {"config.toml", "log.jsonl", "loss.svg", "model.safetensors", "checkpoints"}) {
    EXPECT_TRUE(fs::exists(path("run/" + name))) << name;
  }
  // It says of itself what it is, without libtorch.
  const Result text = langevin({"inspect", path("run")});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("10 and the null class"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("mid_block"), std::string::npos) << text.out;
  const nlohmann::json json = langevin({"inspect", path("run"), "--json"}).json();
  int64_t sum = 0;
  for (const auto& block : json.at("blocks")) sum += block.at("parameters").get<int64_t>();
  EXPECT_EQ(json.at("parameters"), sum);
  EXPECT_EQ(json.at("description").at("labels").size(), 10u);
  // A second run into the same folder, and the first one further.
  expect_error({"train", "--data", path("digits"), "--out", path("run")}, 1, {"--resume"});
  const Result more = langevin({"train", "--out", path("run"), "--resume", "--steps", "9", "--json"});
  ASSERT_EQ(more.status, 0) << more.err;
  EXPECT_EQ(more.json().at("steps"), 9);
  expect_error({"train", "--out", path("run"), "--resume", "--preset", "tiny"}, 2, {"--preset"});
}

TEST_F(Trained, PicturesCarryWhatMadeThem) {
  train();
  const nlohmann::json made = sample("out", {"-n", "5", "--class", "7,3", "--seed", "11", "--grid",
                                             path("g.png"), "--animate", path("a.gif"), "--forward"});
  EXPECT_EQ(made.at("count"), 5);
  EXPECT_EQ(made.at("classes"), (std::vector<int>{7, 3}));
  const std::string bytes = read(path("out/000003.png"));
  nlohmann::json text;
  for (const auto& [key, value] : read_png_text(std::as_bytes(std::span(bytes)), "000003.png")) {
    if (key == "langevin") text = nlohmann::json::parse(value);
  }
  EXPECT_EQ(text.at("index"), 3);
  EXPECT_EQ(text.at("seed"), 11);
  EXPECT_EQ(text.at("class"), "3");
  EXPECT_EQ(text.at("sampler").at("steps"), 4);
  EXPECT_EQ(text.at("hash").get<std::string>().size(), 32u);
  EXPECT_EQ(read(path("a.gif")).substr(0, 6), "GIF89a");
  EXPECT_TRUE(fs::exists(path("g.png")));

  // Samples of two runs do not mix; --force replaces the first, and only what this command had put there.
  expect_error({"sample", path("run"), "--out", path("out")}, 1, {path("out"), "--force"});
  write(path("out/readme.txt"), "mine");
  sample("out", {"-n", "2", "--force"});
  EXPECT_TRUE(fs::exists(path("out/000001.png")));
  EXPECT_FALSE(fs::exists(path("out/000002.png")));
  EXPECT_TRUE(fs::exists(path("out/readme.txt")));
}

TEST_F(Trained, AnNpzIsWhatEvaluationSuitesRead) {
  train();
  sample("s.npz", {"-n", "12", "--batch", "5"});
  const NpyArray pixels = read_npz(path("s.npz"), "arr_0", 1 << 20),
                 labels = read_npz(path("s.npz"), "arr_1", 1 << 20);
  EXPECT_EQ(pixels.dtype, DType::u8);
  EXPECT_EQ(pixels.shape, (Shape{12, 28, 28, 1}));
  EXPECT_EQ(labels.dtype, DType::i64);
  for (int64_t i = 0; i < 12; ++i)
    EXPECT_EQ(labels.to_float()[i], static_cast<float>(i % 10));  // classes take turns
  // The same pixels as the PNG files, and as round(127.5 x + 127.5) of the floats.
  sample("out", {"-n", "12", "--batch", "5"});
  sample("s.safetensors", {"-n", "12", "--batch", "5"});
  const HostArrayF x = x0("s.safetensors"), u8 = pixels.to_float();
  ASSERT_EQ(x.shape(), (Shape{12, 1, 28, 28}));
  for (int64_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(u8[i], std::round(std::min(255.0, std::max(0.0, x[i] * 127.5 + 127.5))));
  }
  const std::string png = read(path("out/000011.png"));
  const Image image = decode_image(std::as_bytes(std::span(png)), "000011.png");
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    EXPECT_EQ(image.pixels[i], static_cast<uint8_t>(pixels.bytes[11 * 28 * 28 + i]));
  }
}

TEST_F(Trained, ASampleIsTheSameWhateverIsMadeWithIt) {
  train();
  const std::vector<std::string> stochastic{"--eta", "0.7", "--seed", "5"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), stochastic.begin(), stochastic.end());
    return more;
  };
  sample("all.safetensors", with({"-n", "7", "--batch", "7"}));
  sample("few.safetensors", with({"-n", "3", "--batch", "2"}));
  sample("part.safetensors", with({"-n", "7", "--shard", "1/2"}));
  sample("again.safetensors", with({"-n", "7", "--batch", "7"}));
  const HostArrayF all = x0("all.safetensors"), part = x0("part.safetensors");
  expect_near(x0("few.safetensors"), 0, all, 0, 3);
  ASSERT_EQ(part.batch(), 3);  // samples 4, 5, 6
  expect_near(part, 0, all, 4, 3);
  EXPECT_EQ(read(path("all.safetensors")), read(path("again.safetensors")));  // same bytes
}

TEST_F(Trained, InitIsTheNoiseToStartFrom) {
  train();
  HostArrayF x_T({3, 1, 28, 28});
  for (int64_t i = 0; i < 3; ++i) {
    fill_normal(x_T.sample(i), {9, static_cast<uint64_t>(i), Purpose::initial_noise, 0});
  }
  write_safetensors(path("x_T.safetensors"), {{"x_T", DType::f32, x_T.shape(), std::as_bytes(x_T.data())}},
                    {});
  sample("given.safetensors", {"--init", path("x_T.safetensors")});
  sample("drawn.safetensors", {"-n", "3", "--seed", "9"});
  const HostArrayF given = x0("given.safetensors");
  ASSERT_EQ(given.batch(), 3);
  expect_near(given, 0, x0("drawn.safetensors"), 0, 3);
  expect_error({"sample", path("run"), "--out", path("o"), "--init", path("x_T.safetensors"), "-n", "4"}, 1,
               {"x_T.safetensors", "3", "4"});
}

TEST_F(Trained, ForwardIsOneStepOfTheSampler) {
  train();
  sample("one.safetensors", {"-n", "2", "--steps", "1", "--threshold", "none", "--guidance", "1", "--class",
                             "4", "--seed", "2"});
  HostArrayF x_T({2, 1, 28, 28});
  for (int64_t i = 0; i < 2; ++i) {
    fill_normal(x_T.sample(i), {2, static_cast<uint64_t>(i), Purpose::initial_noise, 0});
  }
  const ModelFile model = open_model(path("run"));
  const Schedule schedule(model.spec.schedule);
  const int64_t t = schedule.T() - 1, label = 4;
  write_safetensors(path("in.safetensors"),
                    {{"sample", DType::f32, x_T.shape(), std::as_bytes(x_T.data())},
                     {"timestep", DType::i64, {1}, std::as_bytes(std::span(&t, 1))},
                     {"class_labels", DType::i64, {1}, std::as_bytes(std::span(&label, 1))}},
                    {});
  const Result r = langevin(
      {"forward", path("run"), "--in", path("in.safetensors"), "--out", path("out.safetensors"), "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  const HostArrayF output = SafetensorsFile::open(path("out.safetensors")).to_float("output");
  const HostArrayF expected =
      to_prediction(output, x_T, schedule.level(static_cast<double>(t)), model.spec.prediction).x0;
  expect_near(x0("one.safetensors"), 0, expected, 0, 2);
}

// One step without thresholding is linear in the network's output, so guidance shows in its closed form.
TEST_F(Trained, GuidanceIsWhatItsEquationsSay) {
  train({"--steps", "40"});
  const auto one = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.end(), {"-n", "2", "--steps", "1", "--threshold", "none", "--class", "4"});
    sample(name + ".safetensors", more);
    return x0(name + ".safetensors");
  };
  const HostArrayF g0 = one("g0", {"--guidance", "0"}), g1 = one("g1", {"--guidance", "1"}),
                   g3 = one("g3", {"--guidance", "3"}), n7 = one("n7", {"--class", "7", "--guidance", "1"}),
                   away = one("away", {"--guidance", "3", "--negative", "7"});
  double moved = 0;
  for (int64_t i = 0; i < g1.size(); ++i) {
    EXPECT_NEAR(g3[i], g0[i] + 3 * (g1[i] - g0[i]), 1e-3 * (1 + std::abs(g3[i])));
    moved += std::abs(g3[i] - g1[i]);
  }
  EXPECT_GT(moved, 0);
  ASSERT_EQ(n7.batch(), 2);  // classes 7 and 4 take turns: sample 0 is what the network says of 7
  for (int64_t i = 0; i < away.sample_size(); ++i)
    EXPECT_NEAR(away[i], n7[i] + 3 * (g1[i] - n7[i]), 1e-3 * (1 + std::abs(away[i])));
  // The only step begins at sigma / alpha near 10^4 on the cosine schedule: in one interval, out of another.
  expect_near(one("out", {"--guidance", "3", "--guidance-interval", "0.1,5"}), 0, g1, 0, 2);
  expect_near(one("in", {"--guidance", "3", "--guidance-interval", "5,1e9"}), 0, g3, 0, 2);
  // phi = 1: the output v (here -x_0) has the conditional deviation again, and its own pattern.
  const HostArrayF r = one("r", {"--guidance", "3", "--guidance-rescale", "1"});
  const std::vector<double> wanted = sample_stddev(g1), guided = sample_stddev(g3), got = sample_stddev(r);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(got[i], wanted[i], 2e-3 * wanted[i]);
    EXPECT_GT(std::abs(guided[i] - wanted[i]), 5e-3 * wanted[i]);  // there was something to take back
    const auto row = static_cast<int64_t>(i);
    for (size_t j = 0; j < 784; ++j)
      EXPECT_NEAR(r.sample(row)[j], g3.sample(row)[j] * got[i] / guided[i], 2e-3);
  }
  const nlohmann::json json =
      sample("j.safetensors",
             {"-n", "1", "--guidance", "3", "--guidance-rescale", "0.7", "--guidance-interval", "0.2,5",
              "--negative", "7", "--threshold", "dynamic", "--threshold-percentile", "90"});
  EXPECT_EQ(json.at("guidance_rescale"), 0.7);
  EXPECT_EQ(json.at("guidance_interval"), (std::vector<double>{0.2, 5}));
  EXPECT_EQ(json.at("negative"), "7");
  EXPECT_EQ(json.at("threshold_percentile"), 90);
}

TEST_F(Trained, SampleNamesWhatDoesNotFitTheModel) {
  train();
  const auto expect = [&](std::vector<std::string> more, int status, const std::vector<std::string>& words) {
    std::vector<std::string> all{"sample", path("run"), "--out", path("o")};
    all.insert(all.end(), more.begin(), more.end());
    expect_error(all, status, words);
  };
  expect({"--class", "eleven"}, 1, {"--class", "'eleven'"});
  expect({"--class", "10"}, 1, {"--class", "'10'"});
  expect({"--sampler", "dim"}, 2, {"did you mean 'ddim'?"});
  expect({"--steps", "5000"}, 2, {"5000"});
  expect({"--eta", "2"}, 2, {"eta"});
  expect({"--sampler", "ddpm", "--eta", "0.5"}, 2, {"--eta", "ddim"});
  expect({"--guidance", "nan"}, 2, {"--guidance"});
  expect({"--shard", "4/4"}, 2, {"--shard", "0/4"});
  expect({"-n", "0"}, 2, {"-n"});
  expect({"--threshold", "clop"}, 2, {"did you mean 'clip'?"});
  expect({"--threshold-percentile", "99"}, 2, {"--threshold-percentile", "dynamic"});
  expect({"--threshold", "dynamic", "--threshold-percentile", "0.995"}, 2, {"50 to 100"});
  expect({"--threshold", "dynamic", "--threshold-percentile", "nan"}, 2, {"50 to 100"});
  expect({"--guidance-rescale", "1.5"}, 2, {"--guidance-rescale", "1.5"});
  expect({"--guidance-rescale", "nan"}, 2, {"--guidance-rescale"});
  expect({"--guidance-rescale", "0.5", "--guidance", "1"}, 2, {"--guidance-rescale", "does nothing"});
  expect({"--guidance-interval", "5,1"}, 2, {"--guidance-interval", "LO < HI"});
  expect({"--guidance-interval", "-1,1"}, 2, {"--guidance-interval"});
  expect({"--guidance-interval", "nan,1"}, 2, {"--guidance-interval"});
  expect({"--guidance-interval", "1"}, 2, {"--guidance-interval"});
  expect({"--negative", "eleven"}, 1, {"--class", "'eleven'"});
  expect({"--grid", path("g.jpg")}, 2, {".png"});
  expect({"--animate", path("g.png")}, 2, {".gif"});
  write(path("file"), "");  // no folder: found before the network runs
  expect({"--grid", path("file/g.png")}, 1, {path("file")});
  expect({"--animate", path("file/g.gif")}, 1, {path("file")});
  expect_error({"sample", path("run"), "--out", path("x.npy")}, 2, {"x.npy", "FILE.npz"});
  expect({"--seed", "-1"}, 2, {"--seed"});
  expect({"--seed", "18446744073709551616"}, 2, {"--seed", "whole number"});  // not 2^64 - 1 in its place
  expect({"--steps", "0"}, 2, {"--steps"});
  expect({"--sampler", "ddpm", "--steps", "3", "--compat", "diffusers"}, 2, {"compat"});
  expect({"--variance", "fixed_large"}, 2, {"--variance", "ddpm"});
  expect({"--sampler", "ddpm", "--variance", "fixed_lage"}, 2, {"did you mean 'fixed_large'?"});
  EXPECT_FALSE(fs::exists(path("o")));
  expect_error({"sample", path("run"), "--out", path("file/deep")}, 1, {path("file")});
  EXPECT_FALSE(fs::exists(path("o/000000.png")));
}

TEST_F(Trained, CtrlCSavesAndResumeGoesOn) {
  const std::vector<std::string> arguments = train_arguments({"--minutes", "5"});
  const Result stopped = shell("timeout --preserve-status -s INT 4", arguments);
  ASSERT_EQ(stopped.status, 0) << stopped.err;
  const nlohmann::json first = stopped.json();
  EXPECT_EQ(first.at("ended_by"), "signal");
  EXPECT_TRUE(fs::exists(path("run/model.safetensors")));
  const int64_t steps = first.at("steps").get<int64_t>() + 2;
  const Result more =
      langevin({"train", "--out", path("run"), "--resume", "--steps", std::to_string(steps), "--json"});
  ASSERT_EQ(more.status, 0) << more.err;
  EXPECT_EQ(more.json().at("steps"), steps);  // --steps alone: the five minutes no longer count
  EXPECT_EQ(more.json().at("ended_by"), "steps");
}

TEST_F(Trained, ResumeWithOtherOptionsSaysThatBitsDiffer) {
  train();
  const auto resume = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all{"train", "--out", path("run"), "--resume"};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.err;
  };
  EXPECT_EQ(resume({"--steps", "8"}).find("bit for bit"), std::string::npos);
  const std::string said = resume({"--steps", "10", "--batch", "4", "--set", "optimizer.lr=1e-4"});
  EXPECT_NE(said.find("optimizer.lr, train.batch"), std::string::npos) << said;
  EXPECT_NE(said.find("not bit for bit"), std::string::npos) << said;
}

TEST_F(Trained, CtrlCWhileSamplingSaysWhatIsThere) {
  train();
  const Result r =
      shell("timeout --preserve-status -s INT 3",
            {"sample", path("run"), "-n", "100000", "--batch", "2", "--out", path("out"), "--quiet"});
  EXPECT_EQ(r.status, 1);
  EXPECT_NE(r.err.find("of 100000 samples"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("pictures are in " + path("out")), std::string::npos) << r.err;
}

}  // namespace
}  // namespace langevin::testing
