// The contract of the command line, as far as no model is needed: exit status, one line of error, one JSON
// object.

#include <sys/resource.h>
#include <sys/time.h>

#include "langevin/io/png.h"
#include "langevin/io/safetensors.h"
#include "langevin/model/model_file.h"
#include "langevin/model/recipe.h"
#include "langevin/nn/cost.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Contract : public CommandLine {};

TEST_F(Contract, WithoutAVerbItIsWrongUsage) {
  const Result r = langevin({});
  EXPECT_EQ(r.status, 2);
  EXPECT_EQ(r.out, "");
  EXPECT_NE(r.err.find("langevin help"), std::string::npos);
}

TEST_F(Contract, AnUnknownVerbNamesTheNearest) {
  const Result r = langevin({"smaple"});
  EXPECT_EQ(r.status, 2);
  EXPECT_EQ(r.err, "langevin: unknown verb 'smaple'; did you mean 'sample'?\n");
}

TEST_F(Contract, VersionAndHelpGoToStdout) {
  EXPECT_EQ(langevin({"--version"}).out.rfind("langevin ", 0), 0u);
  EXPECT_EQ(langevin({"--version"}).status, 0);
  EXPECT_EQ(langevin({"--help"}).out, langevin({"help"}).out);
}

TEST_F(Contract, EveryVerbExplainsItselfWithExamples) {
  for (const std::string verb : {"train", "sample", "forward", "inspect", "data", "bench", "verify"}) {
    const Result r = langevin({verb, "--help"});
    EXPECT_EQ(r.status, 0) << verb;
    EXPECT_EQ(r.err, "") << verb;
    EXPECT_NE(r.out.find("Examples:\n  langevin " + verb), std::string::npos) << r.out;
    EXPECT_NE(r.out.find("--json"), std::string::npos) << r.out;
    EXPECT_EQ(langevin({"help", verb}).out, r.out);
  }
}

TEST_F(Contract, AnUnknownOptionNamesTheNearest) {
  expect_error({"train", "--stpes", "3"}, 2, {"'--stpes'", "did you mean '--steps'?"});
  expect_error({"sample", "m", "--out", "o", "--sede=3"}, 2, {"did you mean '--seed'?"});
  expect_error({"data", "digits", "--out", "o", "--cuont", "3"}, 2, {"did you mean '--count'?"});
}

TEST_F(Contract, AValueOfTheWrongKindIsWrongUsage) {
  expect_error({"sample", "m", "--out", "o", "--seed", "many"}, 2, {"seed", "many"});
  expect_error({"sample", "m", "--out", "o", "--batch", "0"}, 2, {"batch"});
  expect_error({"sample", "m"}, 2, {"--out"});
}

TEST_F(Contract, JsonIsOneObjectAlsoOnFailure) {
  const Result usage = langevin({"train", "--out", path("run"), "--json"});
  EXPECT_EQ(usage.status, 2);
  EXPECT_EQ(usage.json().at("status"), 2);
  EXPECT_NE(usage.json().at("error").get<std::string>().find("--data"), std::string::npos);
  const Result failed = langevin({"inspect", path("nothing"), "--json"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_EQ(failed.json().at("status"), 1);
}

TEST_F(Contract, JsonHasStdoutForItself) {
  const Result made = langevin({"data", "digits", "--out", path("d"), "--count", "20", "--json"});
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_EQ(made.json().at("written"), 20);
  const Result looked = langevin({"inspect", path("d"), "--json"});
  EXPECT_EQ(looked.json().at("count"), 20);
  EXPECT_EQ(looked.json().at("classes").size(), 10u);
  const Result keys = langevin({"train", "--keys", "--json"});
  EXPECT_EQ(keys.json().at("optimizer").at("name"), "adamw");
}

TEST_F(Contract, QuietSaysNothing) {
  const Result r = langevin({"data", "digits", "--out", path("d"), "--count", "20", "--quiet"});
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(r.err, "");
}

TEST_F(Contract, AFullStandardOutputIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const int raw = std::system(("'" + bin() + "' help >/dev/full 2>/dev/null").c_str());
  EXPECT_EQ(WEXITSTATUS(raw), 1);
}

/// Seconds of processor time, which other work on the machine does not add to.
double children_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST_F(Contract, WhatNeedsNoLibtorchStartsAtOnce) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own start takes longer";
#endif
  const std::string data = digits(20);
  const std::vector<std::vector<std::string>> verbs{
      {"--version"}, {"help"}, {"train", "--keys"}, {"sample", "--help"}, {"inspect", data, "--json"}};
  for (const auto& arguments : verbs) {
    double best = 1e9;
    for (int i = 0; i < 10; ++i) {
      const double before = children_seconds();
      EXPECT_EQ(langevin(arguments).status, 0);
      best = std::min(best, children_seconds() - before);
    }
    EXPECT_LT(best, 0.05) << arguments[0];  // libtorch alone takes 0.3
  }
}

class TrainUsage : public CommandLine {};

TEST_F(TrainUsage, KeysListEveryKeyWithItsMeaning) {
  const Result r = langevin({"train", "--keys"});
  EXPECT_EQ(r.status, 0);
  for (const std::string key :
       {"checkpoint.every", "ema.decay", "optimizer.lr", "data.path", "train.steps"}) {
    EXPECT_NE(r.out.find(key), std::string::npos) << key;
  }
}

TEST_F(TrainUsage, MistakesAreFoundBeforeAnythingIsMade) {
  const std::string data = digits(), run = path("run");
  expect_error({"train", "--data", data}, 2, {"--out"});
  expect_error({"train", "--out", run}, 2, {"--data"});
  expect_error({"train", "--data", data, "--out", run, "--set", "optimizer.lrr=1"}, 2,
               {"'optimizer.lrr'", "did you mean 'optimizer.lr'?"});
  expect_error({"train", "--data", data, "--out", run, "--preset", "smal"}, 2,
               {"'smal'", "did you mean 'small'?"});
  expect_error({"train", "--data", data, "--out", run, "--batch", "0"}, 2, {"train.batch"});
  expect_error({"train", "--data", data, "--out", run, "--precision", "fp8"}, 2, {"fp8", "bf16"});
  expect_error({"train", "--data", data, "--out", run, "--preset", "tiny", "--config", "x"}, 2, {"--config"});
  expect_error({"train", "--data", path("none"), "--out", run}, 1, {path("none"), "no such data"});
  expect_error({"train", "--out", run, "--resume"}, 1, {run, "no run to resume"});
  expect_error({"train", "--data", data, "--out", data + "/run", "--steps", "1"}, 1, {"inside the data"});
  EXPECT_FALSE(fs::exists(run));
}

TEST_F(TrainUsage, ARunFolderThatExistsNeedsResume) {
  write(path("run/notes.txt"), "mine");
  expect_error({"train", "--data", digits(), "--out", path("run")}, 1, {path("run"), "--resume"});
  EXPECT_EQ(read(path("run/notes.txt")), "mine");
}

TEST_F(TrainUsage, AConfigurationNamesFileAndLine) {
  write(path("c.toml"), "preset = \"tiny\"\n[optimizer]\nlearning_rate = 1\n");
  expect_error({"train", "--data", digits(), "--out", path("run"), "--config", path("c.toml")}, 2,
               {"c.toml", "optimizer.learning_rate"});
}

class DataVerb : public CommandLine {};

TEST_F(DataVerb, AnUnknownSetNamesTheNearest) {
  expect_error({"data", "emojis", "--out", "x"}, 2, {"did you mean 'emoji'?"});
  expect_error({"data"}, 2, {"emoji, digits or get"});
  const Result r = langevin({"data", "--json"});
  EXPECT_EQ(r.status, 2);
  EXPECT_NE(r.err.find("emoji, digits or get"), std::string::npos) << r.err;
  expect_error({"data", "get", "mnst", "--out", path("x")}, 2, {"mnst", "mnist"});
}

class Inspect : public CommandLine {};

TEST_F(Inspect, DataWithItsClassesAndASheet) {
  const Result r = langevin({"inspect", digits(), "--grid", path("look.png")});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_NE(r.out.find("60 images of 1 x 28 x 28"), std::string::npos) << r.out;
  const std::string png = read(path("look.png"));
  const Image sheet = decode_image(std::as_bytes(std::span(png)), "look.png");
  EXPECT_EQ(sheet.width, 8 * (3 * 28 + 2) + 2);  // 60 pictures in 8 columns, each pixel 3 x 3
}

TEST_F(Inspect, PicturesOfMixedSizesAreNoError) {
  write_png(path("mixed/a.png"), make_image(20, 10, 3, 99));
  write_png(path("mixed/b.png"), make_image(9, 30, 3, 99));
  const Result text = langevin({"inspect", path("mixed")});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("data.size"), std::string::npos) << text.out;
  const nlohmann::json json = langevin({"inspect", path("mixed"), "--json"}).json();
  EXPECT_EQ(json.at("mixed_sizes"), true);
  EXPECT_EQ(json.at("height"), nullptr);
  EXPECT_EQ(json.at("count"), 2);
}

TEST_F(Inspect, WhatIsNeitherModelNorDataSaysSo) {
  write(path("note.txt"), "hello");
  expect_error({"inspect", path("note.txt")}, 1, {path("note.txt")});
  fs::create_directories(path("empty"));
  expect_error({"inspect", path("empty")}, 1, {path("empty")});
  const std::vector<float> one{1};
  write_safetensors(path("other.safetensors"), {{"w", DType::f32, {1}, std::as_bytes(std::span(one))}}, {});
  expect_error({"inspect", path("other.safetensors")}, 1, {"no description of a model"});
}

class SampleUsage : public CommandLine {};

TEST_F(SampleUsage, MistakesWithoutAModel) {
  expect_error({"sample", path("none"), "--out", path("o")}, 1, {path("none"), "no such model"});
  expect_error({"sample", digits(), "--out", path("o")}, 1, {"holds no model"});
  expect_error({"sample", path("none"), "--out", path("o"), "--backend", "runtime", "--device", "cuda"}, 2,
               {"--backend torch"});
  expect_error({"sample", path("none"), "--out", path("o"), "--backend", "toch"}, 2,
               {"did you mean 'torch'?"});
  expect_error({"sample", path("none"), "--out", path("o"), "--forward"}, 2, {"--animate"});
  EXPECT_FALSE(fs::exists(path("o")));
}

TEST_F(SampleUsage, WithoutTheWingItSaysHowToGetIt) {
  // A copy of the command and the core wing alone: what a build without libtorch installs.
  fs::copy_file(bin(), path("langevin"));
  for (const auto& entry : fs::directory_iterator(LANGEVIN_BIN)) {
    if (entry.path().filename() == "liblangevin.so") fs::copy_file(entry.path(), path("liblangevin.so"));
  }
  const std::string data = digits();
  const int raw = std::system(("'" + path("langevin") + "' train --data '" + data + "' --out '" +
                               path("run") + "' >/dev/null 2>'" + path("stderr.txt") + "'")
                                  .c_str());
  EXPECT_EQ(WEXITSTATUS(raw), 1);
  EXPECT_NE(read(path("stderr.txt")).find("built without libtorch"), std::string::npos)
      << read(path("stderr.txt"));
}

/// The command and the core wing alone, as a build without libtorch installs them, and a model.
class WithoutLibtorch : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    fs::copy_file(bin(), path("langevin"));
    fs::copy_file(fs::path(LANGEVIN_BIN) / "liblangevin.so", path("liblangevin.so"));
    ModelSpec spec;
    spec.network = make_network(preset("tiny"), 1, 16, 16, 0);
    nn::CostInterpreter cost;
    const Shape x = nn::input_shape(spec.network, 1), t{1};
    nn::apply(cost, spec.network, {x, t, nullptr});
    std::vector<HostArrayF> values;
    std::vector<TensorOut> tensors;
    for (const auto& p : cost.parameters()) values.emplace_back(p.shape, 0.01F);
    for (size_t i = 0; i < values.size(); ++i) {
      tensors.push_back({cost.parameters()[i].name, DType::f32, values[i].shape(),
                         std::as_bytes(std::as_const(values[i]).data())});
    }
    write_model(path("m.safetensors"), spec, tensors);
  }
  Result run(const std::string& environment, const std::string& more) const {
    const int raw =
        std::system((environment + " '" + path("langevin") + "' sample '" + path("m.safetensors") +
                     "' -n 2 --steps 2 --json --out '" + path("o.npz") + "' " + more + " >'" +
                     path("stdout.txt") + "' 2>'" + path("stderr.txt") + "'")
                        .c_str());
    return {WEXITSTATUS(raw), read(path("stdout.txt")), read(path("stderr.txt"))};
  }
};

TEST_F(WithoutLibtorch, ItSamples) {
  const Result r = run("", "--threads 1");
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(r.json().at("engine"), "runtime (cpu, fp32, 1 threads)");
  EXPECT_TRUE(fs::exists(path("o.npz")));
  const Result torch = run("", "--force --backend torch");
  EXPECT_EQ(torch.status, 1);
  EXPECT_NE(torch.err.find("built without libtorch"), std::string::npos) << torch.err;
}

TEST_F(WithoutLibtorch, AProcessorWithoutFastCodeIsNamed) {
  const Result r = run("ONEDNN_MAX_CPU_ISA=SSE41", "--threads 1");
  ASSERT_EQ(r.status, 0) << r.err;
#if defined(__x86_64__)
  EXPECT_NE(r.err.find("warning: this processor has no AVX2"), std::string::npos) << r.err;
#endif
}

}  // namespace
}  // namespace langevin::testing
