// langevin ema: from a run with snapshots to a model of any length.
#include "langevin/model/ema_snapshots.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Ema : public CommandLine {};

TEST_F(Ema, ARunBecomesAModelOfAnyLength) {
  if (!has_torch()) GTEST_SKIP() << "built without libtorch";
  const Result trained = langevin({"train",
                                   "--data",
                                   digits(),
                                   "--out",
                                   path("run"),
                                   "--preset",
                                   "tiny",
                                   "--set",
                                   "sample.count=0",
                                   "--batch",
                                   "8",
                                   "--threads",
                                   "1",
                                   "--precision",
                                   "fp32",
                                   "--steps",
                                   "24",
                                   "--set",
                                   "ema.lengths=[0.05, 0.1]",
                                   "--set",
                                   "ema.snapshot_every=4",
                                   "--set",
                                   "ema.snapshots=6",
                                   "--quiet"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_EQ(list_snapshots(path("run")).size(), 6u);

  const Result made =
      langevin({"ema", path("run"), "--length", "0.15", "--out", path("a.safetensors"), "--json"});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_EQ(made.json().at("updates"), 24);
  EXPECT_EQ(made.json().at("snapshots"), 6);
  EXPECT_LT(made.json().at("profile_error").get<double>(), 0.1);
  const Result drawn =
      langevin({"sample", path("a.safetensors"), "-n", "1", "--steps", "1", "--out", path("out"), "--quiet"});
  EXPECT_EQ(drawn.status, 0) << drawn.err;
  // Far from what was tracked it is made, and the price is said.
  const Result sharp = langevin({"ema", path("run"), "--length", "0.005", "--out", path("b.safetensors")});
  EXPECT_EQ(sharp.status, 0);
  EXPECT_NE(sharp.err.find("off by"), std::string::npos) << sharp.err;

  expect_error({"ema", path("run"), "--length", "0.4", "--out", path("c.safetensors")}, 2, {"--length"});
  expect_error({"ema", path("run"), "--at", "25", "--out", path("c.safetensors")}, 1, {"update 24"});
  expect_error({"ema", path("nothing"), "--out", path("c.safetensors")}, 1, {"no run folder"});
  expect_error({"ema", path("out"), "--out", path("c.safetensors")}, 1, {"ema.lengths"});
  const std::string snapshot = snapshot_path(path("run"), 24).string();
  expect_error({"sample", snapshot, "--out", path("o")}, 1, {"langevin ema"});
  fs::resize_file(snapshot, fs::file_size(snapshot) / 2);
  expect_error({"ema", path("run"), "--out", path("c.safetensors")}, 1, {snapshot});
  EXPECT_FALSE(fs::exists(path("c.safetensors")));
}

}  // namespace
}  // namespace langevin::testing
