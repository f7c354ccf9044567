// What a crash or a full disk leaves behind: whole files, and a run that goes on as if nothing had happened.
#include <cstring>
#include <sstream>

#include "langevin/core/rng.h"
#include "langevin/io/safetensors.h"
#include "langevin/model/model_file.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Crash : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    if (!has_torch()) GTEST_SKIP() << "built without libtorch";
    data_ = digits();
  }

  std::vector<std::string> train(const std::string& run) const {
    return {"train", "--data",         data_,   "--out",         path(run), "--preset",
            "tiny",  "--steps",        "120",   "--threads",     "1",       "--precision",
            "fp32",  "--seed",         "3",     "--quiet",       "--set",   "network.channels=[8,16]",
            "--set", "sample.count=0", "--set", "train.batch=8", "--set",   "checkpoint.every=7"};
  }

  /// Lines of the log without what the clock says.
  std::vector<nlohmann::json> log(const std::string& run) const {
    std::istringstream stream(read(path(run + "/log.jsonl")));
    std::vector<nlohmann::json> lines;
    for (std::string text; std::getline(stream, text);) {
      nlohmann::json line = nlohmann::json::parse(text);
      line.erase("seconds");
      line.erase("images_per_second");
      lines.push_back(line);
    }
    return lines;
  }

  void expect_same_weights(const std::string& a, const std::string& b) const {
    const auto left = SafetensorsFile::open(path(a + "/model.safetensors"));
    const auto right = SafetensorsFile::open(path(b + "/model.safetensors"));
    ASSERT_EQ(left.data().size(), right.data().size());
    EXPECT_EQ(std::memcmp(left.data().data(), right.data().data(), left.data().size()), 0);
  }

  std::string data_;
};

TEST_F(Crash, KilledAtRandomMomentsARunEndsWithTheSameBits) {
  ASSERT_EQ(langevin(train("whole")).status, 0);
  RandomStream moments(NoiseKey{1, 0, Purpose::test, 0});
  int kills = 0;
  for (int attempt = 0; attempt < 40; ++attempt) {
    const bool begun = fs::exists(path("killed/config.toml")) && !list_checkpoints(path("killed")).empty();
    if (!begun) fs::remove_all(path("killed"));  // killed before there was anything to resume
    const auto arguments =
        begun ? std::vector<std::string>{"train", "--out", path("killed"), "--resume", "--quiet"}
              : train("killed");
    const std::string limit =
        attempt < 6 ? fmt::format("timeout -s KILL {:.2f}", moments.uniform(0.6, 2.5)) : "";
    const Result r = shell(limit, arguments);
    if (r.status == 0) break;
    ASSERT_EQ(r.status, 137) << r.err;  // nothing but the kill may end it
    ++kills;
  }
  EXPECT_GT(kills, 0);
  expect_same_weights("killed", "whole");
  EXPECT_EQ(log("killed"), log("whole"));
  for (const auto& file : fs::directory_iterator(path("killed/checkpoints"))) {
    EXPECT_NO_THROW(verify_checksum(SafetensorsFile::open(file.path()))) << file.path();
  }
}

/// Files cannot grow beyond `blocks` of 512 bytes: what a full disk does to a write.
std::string full_disk(int blocks) { return fmt::format("trap '' XFSZ; ulimit -f {};", blocks); }

TEST_F(Crash, AFullDiskEndsTrainingWithALineAndTheLastCheckpointSurvives) {
  std::vector<std::string> arguments = train("run");
  arguments[8] = "30";
  ASSERT_EQ(langevin(arguments).status, 0);
  const auto before = list_checkpoints(path("run"));
  const Result r = shell(full_disk(128),
                         {"train", "--out", path("run"), "--resume", "--steps", "60", "--quiet"});
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  EXPECT_NE(r.err.find("checkpoints"), std::string::npos) << r.err;
  EXPECT_EQ(list_checkpoints(path("run")), before);
  for (const auto& file : before) EXPECT_NO_THROW(verify_checksum(SafetensorsFile::open(file)));
  EXPECT_EQ(langevin({"train", "--out", path("run"), "--resume", "--steps", "60", "--quiet"}).status, 0);
}

TEST_F(Crash, AFullDiskLeavesNoHalfWrittenSamples) {
  std::vector<std::string> arguments = train("run");
  arguments[8] = "2";
  ASSERT_EQ(langevin(arguments).status, 0);
  const Result r =
      shell(full_disk(4),
            {"sample", path("run"), "-n", "8", "--steps", "2", "--out", path("x.npz"), "--quiet"});
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_FALSE(fs::exists(path("x.npz")));
}

}  // namespace
}  // namespace langevin::testing
