// What a crash or a full disk leaves behind: whole files, and a run that goes on as if nothing had happened.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <thread>

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

  /// Number of the newest checkpoint of the run "killed", 0 if there is none.
  int64_t newest_step() const {
    int64_t newest = 0;
    std::error_code ignored;
    for (const auto& file : fs::directory_iterator(path("killed/checkpoints"), ignored)) {
      const std::string name = file.path().filename().string();
      long step = 0;
      if (name.ends_with(".safetensors") && std::sscanf(name.c_str(), "step-%ld", &step) == 1) {
        newest = std::max<int64_t>(newest, step);
      }
    }
    return newest;
  }

  /// Runs the command and kills it `delay` after `moment` has come; its status, 128 + signal.
  template <class Moment>
  int kill_when(const std::vector<std::string>& arguments, Moment moment,
                std::chrono::microseconds delay) const {
    const std::string program = bin(), errors = path("stderr.txt");
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const int out = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(out, 1);
      ::dup2(out, 2);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    int raw = 0;
    while (::waitpid(child, &raw, WNOHANG) == 0) {
      if (moment()) {
        std::this_thread::sleep_for(delay);
        ::kill(child, SIGKILL);
        ::waitpid(child, &raw, 0);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  }

  std::string data_;
};

TEST_F(Crash, KilledAtRandomMomentsARunEndsWithTheSameBits) {
  ASSERT_EQ(langevin(train("whole")).status, 0);
  RandomStream random(NoiseKey{1, 0, Purpose::test, 0});
  int64_t reached = 0;  // the checkpoint that the run has when it is started
  int kills = 0, resumed = 0;
  for (bool ended = false; !ended; ++kills) {
    ASSERT_LT(kills, 40);
    const auto arguments =
        reached > 0 ? std::vector<std::string>{"train", "--out", path("killed"), "--resume", "--quiet"}
                    : train("killed");
    if (reached == 0) fs::remove_all(path("killed"));  // killed before there was anything to resume
    resumed += reached > 0;
    // Some steps further on, and then anywhere: in a step, in a write, between two of them.
    const int64_t target = reached + 1 + static_cast<int64_t>(random.below(25));
    const auto delay = std::chrono::microseconds(random.below(20'000));
    const int status = kill_when(
        arguments, [&] { return newest_step() >= target; }, delay);
    ended = status == 0;
    ASSERT_TRUE(ended || status == 128 + SIGKILL) << status << ": " << read(path("stderr.txt"));
    reached = newest_step();
  }
  EXPECT_GE(resumed, 3);
  expect_same_weights("killed", "whole");
  EXPECT_EQ(log("killed"), log("whole"));
  for (const auto& file : fs::directory_iterator(path("killed/checkpoints"))) {
    EXPECT_NO_THROW(verify_checksum(SafetensorsFile::open(file.path()))) << file.path();
  }
}

TEST_F(Crash, KilledWhileItStartsARunCanBeBegunOrResumed) {
  for (const int milliseconds : {5, 40, 200, 350, 450, 550}) {
    const std::string run = fmt::format("early{}", milliseconds);
    const int status = kill_when(
        train(run), [] { return true; }, std::chrono::milliseconds(milliseconds));
    if (status == 0) continue;  // it was faster
    ASSERT_EQ(status, 128 + SIGKILL);
    const bool begun = fs::exists(path(run + "/checkpoints")) && !list_checkpoints(path(run)).empty();
    if (!begun) fs::remove_all(path(run));
    std::vector<std::string> again = train(run);
    if (begun) again = {"train", "--out", path(run), "--resume", "--quiet"};
    const Result r = langevin(again);
    EXPECT_EQ(r.status, 0) << milliseconds << " ms: " << r.err;
  }
}

/// Files cannot grow beyond `blocks` of 512 bytes: what a full disk does to a write.
std::string full_disk(int blocks) { return fmt::format("trap '' XFSZ; ulimit -f {};", blocks); }

TEST_F(Crash, AFullDiskEndsTrainingWithALineAndTheLastCheckpointSurvives) {
  std::vector<std::string> arguments = train("run");
  arguments[8] = "30";
  ASSERT_EQ(langevin(arguments).status, 0);
  const auto before = list_checkpoints(path("run"));
  const std::vector<std::string> resume{"train",   "--out", path("run"), "--resume",
                                        "--steps", "60",    "--quiet"};
  // The disk is full at another write each time: configuration, log, events, loss curve, model, checkpoint.
  for (const int blocks : {0, 1, 3, 6, 12, 24, 128}) {
    const Result r = shell(full_disk(blocks), resume);
    EXPECT_EQ(r.status, 1) << blocks << " blocks: " << r.err;
    // A disk that takes nothing does not take the message either.
    EXPECT_LE(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    EXPECT_TRUE(blocks < 128 || r.err.find("checkpoints") != std::string::npos) << r.err;
    EXPECT_EQ(list_checkpoints(path("run")), before) << blocks << " blocks";
    for (const auto& file : before) EXPECT_NO_THROW(verify_checksum(SafetensorsFile::open(file)));
    EXPECT_NO_THROW(open_model(path("run"))) << blocks << " blocks";
  }
  EXPECT_EQ(langevin(resume).status, 0);
  ASSERT_EQ(langevin(train("whole")).status, 0);
  EXPECT_EQ(langevin({"train", "--out", path("run"), "--resume", "--steps", "120", "--quiet"}).status, 0);
  expect_same_weights("run", "whole");
}

TEST_F(Crash, AStartThatFailedCanBeMadeAgain) {
  for (const int blocks : {0, 12, 40}) {  // nothing, no configuration, no checkpoint
    const std::string run = fmt::format("run{}", blocks);
    EXPECT_EQ(shell(full_disk(blocks), train(run)).status, 1) << blocks;
    const Result again = langevin(train(run));
    EXPECT_EQ(again.status, 0) << again.err;
  }
}

TEST_F(Crash, AFullDiskLeavesNoHalfWrittenSamples) {
  std::vector<std::string> arguments = train("run");
  arguments[8] = "2";
  ASSERT_EQ(langevin(arguments).status, 0);
  const Result r = shell(
      full_disk(4), {"sample", path("run"), "-n", "8", "--steps", "2", "--out", path("x.npz"), "--quiet"});
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_FALSE(fs::exists(path("x.npz")));
}

}  // namespace
}  // namespace langevin::testing
