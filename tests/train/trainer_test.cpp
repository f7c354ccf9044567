// Training as a whole, in this process: resume, skipped steps, damaged checkpoints, divergence.
#include "langevin/train/trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>
#include <numbers>

#include "langevin/core/atomic_file.h"
#include "langevin/core/folder_lock.h"
#include "langevin/data/digits.h"
#include "langevin/io/idx.h"
#include "langevin/model/model_file.h"
#include "langevin/torch/interpreter.h"
#include "langevin/train/checkpoint.h"
#include "langevin/train/optimizer.h"
#include "langevin/train/schedule_lr.h"
#include "langevin/train/snapshots.h"

namespace langevin {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Training : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("train_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    DigitsOptions digits;
    digits.out = folder_ / "digits";
    digits.count = 60;
    digits.size = 12;
    digits.format = "idx";
    make_digits(digits, console_);
    job_ = preset_job("tiny");
    job_.data = digits.out.string();
    job_.recipe.network.channels = {8, 16};
    job_.recipe.network.dropout = 0.1;
    job_.recipe.batch = 8;
    job_.recipe.minutes = 0;
    job_.recipe.steps = 12;
    job_.recipe.sample_count = 0;
    job_.recipe.precision = "fp32";
    job_.recipe.threads = 1;
    job_.recipe.seed = 4;
  }
  void TearDown() override { fs::remove_all(folder_); }

  TrainResult run(const std::string& name, const TrainJob& job, bool resume = false) {
    return train(job, folder_ / name, resume, console_, stop_);
  }

  std::vector<float> weights(const std::string& name) const {
    const ModelFile model = open_model(folder_ / name);
    std::vector<float> all;
    for (const auto& tensor : model.weights.names()) {
      const HostArrayF values = model.weights.to_float(tensor);
      all.insert(all.end(), values.data().begin(), values.data().end());
    }
    return all;
  }

  std::vector<json> log(const std::string& name) const {
    std::ifstream stream(folder_ / name / "log.jsonl");
    std::vector<json> lines;
    for (std::string line; std::getline(stream, line);) {
      json entry = json::parse(line);
      entry.erase("seconds");
      entry.erase("images_per_second");
      lines.push_back(entry);
    }
    return lines;
  }

  Console console_{Console::Level::quiet};
  StopSignal stop_;
  fs::path folder_;
  TrainJob job_;
};

TEST_F(Training, ResumeGivesTheSameBitsAsARunThatWasNeverStopped) {
  job_.recipe.steps = 110;
  const TrainResult whole = run("whole", job_);
  EXPECT_EQ(whole.steps, 110);
  EXPECT_EQ(whole.ended_by, "steps");
  TrainJob part = job_;
  part.recipe.steps = 37;  // between two lines of the log
  run("parts", part);
  part.recipe.steps = 75;
  run("parts", part, true);
  run("parts", job_, true);
  EXPECT_EQ(weights("parts"), weights("whole"));
  EXPECT_EQ(log("parts"), log("whole"));
  EXPECT_EQ(log("whole").size(), 3U);  // at 50, 100 and, partial, at the end
}

// The averages that a run keeps are those of its weights, and resuming keeps them bit for bit.
TEST_F(Training, PowerAveragesSurviveResume) {
  job_.recipe.steps = 23;
  job_.recipe.ema_lengths = {0.1, 0.25};
  job_.recipe.ema_snapshots = 4;
  job_.recipe.ema_snapshot_every = 2;
  run("whole", job_);
  TrainJob part = job_;
  part.recipe.steps = 9;
  run("parts", part);
  run("parts", job_, true);
  const auto kept = list_snapshots(folder_ / "whole");
  std::vector<int64_t> updates;
  for (const auto& [at, path] : kept) updates.push_back(at);
  EXPECT_EQ(updates, (std::vector<int64_t>{8, 16, 23}));  // every 8th by now, and the last
  for (const auto& [at, path] : kept) {
    const EmaSnapshot a = open_snapshot(path), b = open_snapshot(snapshot_path(folder_ / "parts", at));
    EXPECT_EQ(a.spec.provenance.at("steps"), at);
    for (const std::string& name : a.file.names()) {
      const HostArrayF x = a.file.to_float(name), y = b.file.to_float(name);
      ASSERT_TRUE(std::equal(x.data().begin(), x.data().end(), y.data().begin())) << at << " " << name;
    }
  }
  EXPECT_EQ(list_snapshots(folder_ / "parts").size(), kept.size());
  const EmaSynthesis made = synthesise_ema(folder_ / "whole", 0.1, 0, folder_ / "made.safetensors");
  EXPECT_LT(made.fit.error, 1e-6);
  const HostArrayF tracked = open_snapshot(kept.back().second).file.to_float("0.conv_in.weight"),
                   got = open_model(folder_ / "made.safetensors").tensor("conv_in.weight");
  for (int64_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], tracked[i], 1e-5);

  part = job_;
  part.recipe.ema_lengths = {0.1};
  EXPECT_THROW(run("parts", part, true), Error);
}

/// Pictures of 12 x 12 whose ten classes are the directions and widths of waves: the same on every machine,
/// which digits from the system's fonts are not.
void make_waves(const fs::path& folder, int64_t count) {
  constexpr int kSide = 12;
  constexpr std::array<std::array<int, 2>, 10> kWaves{
      {{1, 0}, {2, 0}, {3, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 1}, {2, 2}, {3, 3}, {2, -1}}};
  IdxArray pictures{{count, kSide, kSide}, {}}, labels{{count}, {}};
  for (int64_t i = 0; i < count; ++i) {
    const auto& wave = kWaves[static_cast<size_t>(i % 10)];
    const double phase = RandomStream(NoiseKey{1, static_cast<uint64_t>(i), Purpose::test, 0}).uniform();
    for (int at = 0; at < kSide * kSide; ++at) {
      const double turns =
          phase + static_cast<double>(wave[0] * (at % kSide) + wave[1] * (at / kSide)) / kSide;
      pictures.data.push_back(static_cast<uint8_t>(127.5 + 127 * std::cos(2 * std::numbers::pi * turns)));
    }
    labels.data.push_back(static_cast<uint8_t>(i % 10));
  }
  fs::create_directories(folder);
  write_idx(folder / "train-images-idx3-ubyte", pictures);
  write_idx(folder / "train-labels-idx1-ubyte", labels);
}

TEST_F(Training, AClassifierLearnsAndIsJudgedByWhatItHasNotSeen) {
  make_waves(folder_ / "waves", 60);
  job_.data = (folder_ / "waves").string();
  job_.recipe.task = "classifier";
  job_.recipe.steps = 150;
  job_.recipe.network.dropout = 0;
  job_.recipe.classifier_held_out = 0.2;
  job_.recipe.schedule.kind = "cosine";
  job_.recipe.optimizer.warmup = 10;
  job_.recipe.optimizer.lr = 4e-3;
  job_.recipe.batch = 16;
  const TrainResult result = run("whole", job_);
  ASSERT_TRUE(result.score.has_value());
  EXPECT_EQ(result.score->count, 12);   // of 60
  EXPECT_GE(result.score->clean, 0.5);  // a guess: 0.1
  EXPECT_GE(result.score->by_quarter[0], 0.5);
  const json first = log("whole").front(), last = log("whole").back();
  EXPECT_LT(last["loss"].get<double>(), first["loss"].get<double>());
  EXPECT_GT(last["accuracy"].get<double>(), first["accuracy"].get<double>());
  // Pure noise tells nothing: the last quarter is never as clear as the first.
  EXPECT_GT(last["accuracy_by_quartile"][0], last["accuracy_by_quartile"][3]);
  EXPECT_TRUE(fs::is_empty(folder_ / "whole" / "samples"));
  const ModelSpec spec = open_model(folder_ / "whole").spec;
  EXPECT_EQ(nn::classifier(spec.network)->num_classes, 10);
  EXPECT_EQ(spec.labels.size(), 10U);
  EXPECT_FALSE(spec.null_class);
}

TEST_F(Training, AClassifierResumesBitForBit) {
  job_.recipe.task = "classifier";
  job_.recipe.steps = 60;
  const TrainResult whole = run("whole", job_);
  TrainJob part = job_;
  part.recipe.steps = 23;
  run("parts", part);
  const TrainResult parts = run("parts", job_, true);
  EXPECT_EQ(weights("parts"), weights("whole"));
  EXPECT_EQ(log("parts"), log("whole"));
  EXPECT_EQ(parts.score->clean, whole.score->clean);
  EXPECT_EQ(parts.score->by_quarter, whole.score->by_quarter);
}

TEST_F(Training, AClassifierOfCleanPicturesAndOnesWithoutClasses) {
  job_.recipe.task = "classifier";
  job_.recipe.steps = 3;
  job_.recipe.classifier_noisy = false;
  const TrainResult result = run("clean", job_);
  EXPECT_FALSE(result.score->noisy);
  EXPECT_FALSE(nn::classifier(open_model(folder_ / "clean").spec.network)->noisy);
  job_.recipe.classifier_held_out = 0;
  EXPECT_FALSE(run("all", job_).score.has_value());
  for (const auto& entry : fs::directory_iterator(job_.data)) {
    if (entry.path().filename().string().find("labels") != std::string::npos) fs::remove(entry.path());
  }
  EXPECT_THROW(run("none", job_), Error);
}

// Every objective trains, says its bound, and goes on bit for bit, with the history of its timesteps.
TEST_F(Training, LossesOfTheBoundResumeBitForBit) {
  job_.recipe.schedule.timesteps = 20;
  job_.recipe.steps = 60;
  for (const auto& [objective, spread] :
       {std::pair{"hybrid", "stratified"}, {"vlb", "importance"}, {"hybrid", "importance"}}) {
    job_.recipe.objective = objective;
    job_.recipe.times.spread = spread;
    const std::string name = std::string(objective) + "_" + spread;
    run(name, job_);
    TrainJob part = job_;
    part.recipe.steps = 33;
    run(name + "_parts", part);
    run(name + "_parts", job_, true);
    EXPECT_EQ(weights(name + "_parts"), weights(name)) << name;
    EXPECT_EQ(log(name + "_parts"), log(name)) << name;
    const json first = log(name).front(), last = log(name).back();
    EXPECT_LT(last["bits_per_dim"].get<double>(), first["bits_per_dim"].get<double>()) << name;
    EXPECT_TRUE(nn::learned_variance(open_model(folder_ / name).spec.network));
  }
  TrainJob other = job_;
  other.recipe.times.spread = "uniform";
  run("uniform", other);
  EXPECT_NE(weights("uniform"), weights("hybrid_importance"));
  other.recipe.steps = 70;
  other.recipe.times.spread = "importance";
  EXPECT_THROW(run("uniform", other, true), Error);  // it has no history
}

// The hybrid's mean is trained by L_simple alone: without a learned second half the weights would be the
// same.
TEST_F(Training, TheHybridLeavesTheMeanToTheSimpleLoss) {
  job_.recipe.objective = "hybrid";
  job_.recipe.network.dropout = 0;
  job_.recipe.steps = 1;
  const auto mean_of = [&](const std::string& name, double weight) {
    job_.recipe.vlb_weight = weight;
    job_.recipe.optimizer.name = "sgd";
    job_.recipe.optimizer.momentum = job_.recipe.optimizer.weight_decay = 0;
    job_.recipe.optimizer.clip_norm = 0;
    job_.recipe.optimizer.warmup = 0;
    job_.recipe.ema_decay = 0;
    run(name, job_);
    return open_model(folder_ / name).tensor("conv_out.weight");
  };
  // At the first step conv_out is 0: its own gradient is all that there is.
  const HostArrayF a = mean_of("light", 0), b = mean_of("heavy", 50);
  double mean = 0, variance = 0;
  for (int64_t j = 0; j < a.size(); ++j) {
    double& of = j < a.size() / 2 ? mean : variance;
    of = std::max(of, static_cast<double>(std::abs(a[j] - b[j])));
  }
  EXPECT_EQ(mean, 0);
  EXPECT_GT(variance, 1e-4);
}

// Dense and convolutional, with and without a critic: it learns, goes on bit for bit, and its file says what
// its latents are.
TEST_F(Training, AnAutoencoderLearnsAndResumesBitForBit) {
  job_.recipe.task = "vae";
  job_.recipe.steps = 80;
  job_.recipe.vae.warmup = 20;
  job_.recipe.vae.hidden = {32};
  job_.recipe.vae.latent = 5;
  job_.recipe.optimizer.lr = 3e-3;
  job_.recipe.optimizer.warmup = 5;
  job_.recipe.validate_share = 0.2;
  job_.recipe.validate_every = 50;
  for (const auto& [network, adversarial] : {std::pair{"dense", 0.0}, {"conv", 0.0}, {"conv", 0.01}}) {
    job_.recipe.vae.network = network;
    job_.recipe.vae.adversarial = adversarial;
    job_.recipe.vae.adversarial_start = 10;
    const std::string name = fmt::format("{}_{}", network, adversarial);
    const TrainResult result = run(name, job_);
    TrainJob part = job_;
    part.recipe.steps = 43;
    run(name + "_parts", part);
    run(name + "_parts", job_, true);
    EXPECT_EQ(weights(name + "_parts"), weights(name)) << name;
    EXPECT_EQ(log(name + "_parts"), log(name)) << name;
    const json first = log(name).front(), last = log(name).back();
    EXPECT_LT(last["bits_per_dim"].get<double>(), first["bits_per_dim"].get<double>()) << name;
    EXPECT_GT(last["kl"].get<double>(), 0);
    EXPECT_TRUE(first.contains("validation"));
    ASSERT_TRUE(result.vae.has_value());
    EXPECT_EQ(result.vae->images, 12);  // of 60, held out
    EXPECT_EQ(result.vae->latent.size(), network == std::string("dense") ? 5U : 4U);
    const ModelSpec spec = open_model(folder_ / name).spec;
    ASSERT_TRUE(spec.vae.has_value());
    EXPECT_EQ(spec.vae->likelihood, "logistic");
    EXPECT_NE(nn::latent_scale(spec.network).scale, 1);
    EXPECT_GT(nn::latent_scale(spec.network).scale, 0);
  }
}

TEST_F(Training, RefusesObjectivesThatDoNotFit) {
  const auto refused = [&](auto change) {
    TrainJob job = job_;
    change(job.recipe);
    EXPECT_THROW(check_recipe(job.recipe), UsageError);
  };
  refused([](Recipe& r) { r.objective = "hybrid", r.target.kind = "edm"; });
  refused([](Recipe& r) { r.objective = "hybrid", r.variance = "fixed"; });
  refused([](Recipe& r) { r.variance = "learned"; });
  refused([](Recipe& r) { r.times.spread = "importance"; });
  refused([](Recipe& r) { r.objective = "vlb", r.loss.kind = "p2"; });
}

TEST(PowerEma, FollowsTheWeightsByItsDecay) {
  ParameterStore store(at::kCPU, 1);
  store.get("w", {5}, {nn::Init::Kind::normal, 1.0}, false);
  store.pack(Precision::fp32, true);
  OptimizerRecipe recipe;
  recipe.name = "sgd";
  recipe.momentum = 0;
  Optimizer optimizer(recipe, store, {0.2});
  std::vector<double> expected(5, 99);  // the first update forgets what was there
  for (int64_t t = 1; t <= 30; ++t) {
    at::Tensor& leaf = store.parameters()[0].leaf;
    leaf.mutable_grad() = at::full({5}, std::sin(static_cast<double>(t)));
    optimizer.collect(true);
    optimizer.step(0.3, 1.0, 0.9);
    const double beta = power_ema_decay(ema_exponent(0.2), t);
    for (size_t i = 0; i < 5; ++i) {
      const double w = store.parameters()[0].master.data_ptr<float>()[i];
      expected[i] = beta * expected[i] + (1 - beta) * w;
      EXPECT_NEAR(optimizer.power_ema(0).data_ptr<float>()[i], expected[i], 1e-6) << t;
    }
  }
}

TEST_F(Training, AccumulationEqualsALargerBatch) {
  job_.recipe.network.dropout = 0;
  job_.recipe.ema_decay = 0;
  job_.recipe.optimizer.name = "sgd";  // moves in proportion to the gradient, where AdamW forgives its scale
  job_.recipe.optimizer.lr = 0.05;
  job_.recipe.optimizer.warmup = 0;
  job_.recipe.optimizer.momentum = 0;
  job_.recipe.batch = 16;
  job_.recipe.steps = 1;
  run("first", job_);
  job_.recipe.steps = 4;
  run("large", job_);
  job_.recipe.batch = 8;
  job_.recipe.accumulation = 2;
  run("parts", job_);
  const auto first = weights("first"), a = weights("large"), b = weights("parts");
  double moved = 0, apart = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    moved += (a[i] - first[i]) * (a[i] - first[i]);
    apart += (a[i] - b[i]) * (a[i] - b[i]);
  }
  EXPECT_GT(std::sqrt(moved), 1e-2);
  EXPECT_LT(std::sqrt(apart), 1e-4 * std::sqrt(moved));
}

TEST_F(Training, RecomputeGivesTheSameGradients) {  // dropout included; only the order of sums differs
  job_.recipe.network.attention = {1};
  job_.recipe.network.head_dim = 8;
  run("plain", job_);
  job_.recipe.recompute = true;
  run("recompute", job_);
  const json a = log("plain").back(), b = log("recompute").back();
  EXPECT_NEAR(b["loss"].get<double>(), a["loss"].get<double>(), 1e-6);
  EXPECT_NEAR(b["gradient_norm"].get<double>(), a["gradient_norm"].get<double>(), 1e-6);
  const auto plain = weights("plain"), again = weights("recompute");
  for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(again[i], plain[i], 3e-6);
}

TEST_F(Training, LearnsAndSgdToo) {
  job_.recipe.steps = 150;
  job_.recipe.optimizer.warmup = 10;
  run("adamw", job_);
  const auto lines = log("adamw");
  EXPECT_LT(lines.back()["loss"].get<double>(), 0.8 * lines.front()["loss"].get<double>());
  job_.recipe.optimizer.name = "sgd";
  job_.recipe.optimizer.lr = 0.02;
  run("sgd", job_);
  EXPECT_LT(log("sgd").back()["loss"].get<double>(), log("sgd").front()["loss"].get<double>());
}

TEST_F(Training, Bf16FollowsFp32) {
  job_.recipe.steps = 100;
  run("fp32", job_);
  job_.recipe.precision = "bf16";
  run("bf16", job_);
  EXPECT_NEAR(log("bf16").back()["loss"].get<double>(), log("fp32").back()["loss"].get<double>(), 0.05);
}

TEST_F(Training, LogHasLossByQuartileAndTheRunFolderIsComplete) {
  job_.recipe.steps = 50;
  run("run", job_);
  const json line = log("run").at(0);
  EXPECT_EQ(line["loss_by_quartile"].size(), 4U);
  for (const char* file :
       {"config.toml", "log.jsonl", "loss.svg", "model.safetensors", "events.out.tfevents.langevin"}) {
    EXPECT_TRUE(fs::exists(folder_ / "run" / file)) << file;
  }
  TrainJob read = preset_job("tiny");
  Schema schema = job_schema(read);
  schema.load_toml(read_file(folder_ / "run" / "config.toml", 1 << 20), "config.toml");
  EXPECT_EQ(read.recipe.precision, "fp32");
  EXPECT_EQ(read.recipe.threads, 1);
}

TEST_F(Training, CheckpointsBeyondTheNewestAreRemoved) {
  job_.recipe.checkpoint_steps = 2;
  job_.recipe.checkpoint_keep = 2;
  run("run", job_);
  const auto kept = list_checkpoints(folder_ / "run");
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept.back(), checkpoint_path(folder_ / "run", 12));
}

void flip_a_bit(const fs::path& path, double where) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(where * static_cast<double>(fs::file_size(path)));
  file.seekg(at);
  const char byte = static_cast<char>(file.get() ^ 4);
  file.seekp(at);
  file.put(byte);
}

TEST_F(Training, ADamagedCheckpointIsPassedOver) {
  job_.recipe.checkpoint_steps = 4;
  run("run", job_);
  const auto expected = weights("run");
  flip_a_bit(checkpoint_path(folder_ / "run", 12), 0.7);
  const fs::path cut = checkpoint_path(folder_ / "run", 8);
  EXPECT_EQ(newest_checkpoint(folder_ / "run", console_), cut);
  fs::resize_file(cut, fs::file_size(cut) / 2);
  EXPECT_EQ(newest_checkpoint(folder_ / "run", console_), checkpoint_path(folder_ / "run", 4));
  run("run", job_, true);  // from step 4 to 12 again
  EXPECT_EQ(weights("run"), expected);
  for (const auto& path : list_checkpoints(folder_ / "run")) flip_a_bit(path, 0.5);
  EXPECT_THROW(run("run", job_, true), Error);
}

TEST_F(Training, TheLastGoodCheckpointIsNeverRemoved) {
  job_.recipe.checkpoint_steps = 4;
  run("run", job_);
  flip_a_bit(checkpoint_path(folder_ / "run", 12), 0.7);
  job_.recipe.steps = 9;  // below the damaged one
  job_.recipe.checkpoint_steps = 0;
  job_.recipe.checkpoint_keep = 1;
  run("run", job_, true);
  EXPECT_EQ(newest_checkpoint(folder_ / "run", console_), checkpoint_path(folder_ / "run", 9));
  EXPECT_TRUE(fs::exists(checkpoint_path(folder_ / "run", 12).string() + ".damaged"));
}

TEST_F(Training, ARunStoppedAmongNonFiniteStepsCanBeResumed) {
  job_.recipe.optimizer.lr = 100;
  job_.recipe.optimizer.name = "sgd";
  job_.recipe.optimizer.warmup = 0;
  job_.recipe.optimizer.clip_norm = 0;
  job_.recipe.max_bad_steps = 1000;
  const TrainResult bad = run("run", job_);
  ASSERT_GT(bad.skipped, 0);
  ASSERT_LT(bad.skipped, 12);
  job_.recipe.steps = 14;
  job_.recipe.max_bad_steps = bad.skipped + 2;  // the streak goes on where it stood
  const TrainResult resumed = run("run", job_, true);
  EXPECT_EQ(resumed.steps, 14);
  EXPECT_EQ(resumed.rollbacks, 1);
}

TEST_F(Training, ResumeRefusesAnotherProcessAndOptimizer) {
  run("run", job_);
  for (const char* change :
       {"schedule.timesteps=500", "diffusion.prediction=epsilon", "optimizer.name=sgd"}) {
    TrainJob job = job_;
    Schema schema = job_schema(job);
    schema.set("train.steps=20");
    schema.set(change);
    EXPECT_THROW(run("run", job, true), Error) << change;
  }
}

TEST_F(Training, SampleGridsAreDrawnAtTheEndAndASignalStopsThem) {
  job_.recipe.sample_count = 4;
  job_.recipe.sample_steps = 2;
  run("run", job_);
  EXPECT_TRUE(fs::exists(folder_ / "run" / "samples" / "step-0000000012.png"));
  job_.recipe.sample_steps = 1000;
  job_.recipe.steps = 13;
  const auto ended = [&] {  // the signal comes before the grid: it is not drawn, all else is saved
    ::raise(SIGTERM);
    return run("run", job_, true);
  }();
  EXPECT_EQ(ended.steps, 12);
  EXPECT_FALSE(fs::exists(folder_ / "run" / "samples" / "step-0000000013.png"));
}

TEST_F(Training, OneProcessAtATimeInARunFolder) {
  run("run", job_);
  job_.recipe.steps = 14;
  {
    const FolderLock other(folder_ / "run");
    EXPECT_THROW(run("run", job_, true), Error);
  }
  EXPECT_EQ(run("run", job_, true).steps, 14);
}

TEST_F(Training, ACheckpointThatCannotBeReadIsNotTakenForDamaged) {
  if (::geteuid() == 0) GTEST_SKIP() << "nothing is unreadable to root";
  run("run", job_);
  const auto newest = list_checkpoints(folder_ / "run").back();
  fs::permissions(newest, fs::perms::none);
  EXPECT_THROW(newest_checkpoint(folder_ / "run", console_), Error);
  EXPECT_TRUE(fs::exists(newest));
}

TEST_F(Training, SamplesOfADamagedRunComeFromTheNewestWholeFile) {
  job_.recipe.checkpoint_steps = 4;
  run("run", job_);
  flip_a_bit(folder_ / "run" / "model.safetensors", 0.7);
  EXPECT_EQ(open_model(folder_ / "run").path, checkpoint_path(folder_ / "run", 12));
  flip_a_bit(checkpoint_path(folder_ / "run", 12), 0.7);
  const ModelFile model = open_model(folder_ / "run");
  EXPECT_EQ(model.path, checkpoint_path(folder_ / "run", 8));
  ASSERT_EQ(model.notes.size(), 2U);
  EXPECT_NE(model.notes[0].find("model.safetensors"), std::string::npos);
}

TEST_F(Training, ARunFolderIsNotOverwritten) {
  run("run", job_);
  try {
    run("run", job_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("--resume"), std::string::npos);
  }
  EXPECT_THROW(run("nothing", job_, true), Error);
}

TEST_F(Training, ResumeRefusesAnotherNetwork) {
  run("run", job_);
  job_.recipe.network.channels = {8, 24};
  job_.recipe.steps = 20;
  EXPECT_THROW(run("run", job_, true), Error);
}

TEST_F(Training, DivergenceEndsWithAMessageAndWholeCheckpoints) {
  job_.recipe.optimizer.lr = 100;
  job_.recipe.optimizer.name = "sgd";
  job_.recipe.optimizer.warmup = 0;
  job_.recipe.optimizer.clip_norm = 0;
  job_.recipe.max_bad_steps = 3;
  job_.recipe.steps = 2000;
  try {
    run("run", job_);
    FAIL() << "a learning rate of 100 should diverge";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("diverges"), std::string::npos) << e.what();
  }
  const fs::path last = newest_checkpoint(folder_ / "run", console_);
  const auto file = SafetensorsFile::open(last);
  for (const auto& name : file.names()) {
    const HostArrayF tensor = file.to_float(name);
    for (float value : tensor.data()) ASSERT_TRUE(std::isfinite(value)) << name;
  }
}

TEST_F(Training, WhatDoesNotFitIsNamed) {
  TrainJob job = job_;
  job.data = (folder_ / "absent").string();
  EXPECT_THROW(run("a", job), Error);
  job = job_;
  job.recipe.network.channels = {8, 8, 8, 8, 8};  // 12 pixels cannot be halved four times
  EXPECT_THROW(run("b", job), Error);
  EXPECT_FALSE(fs::exists(folder_ / "b"));
  job = job_;
  job.recipe.steps = 0;
  EXPECT_THROW(run("c", job), UsageError);
}

/// A small store with gradients set by hand.
struct Bench {
  TorchNetwork network;
  Optimizer optimizer;
  explicit Bench(const OptimizerRecipe& recipe)
      : network(config(), Precision::fp32, at::kCPU, 0, true), optimizer(recipe, network.store()) {}
  static nn::NetworkConfig config() {
    Recipe r = preset("tiny");
    r.network.channels = {8};
    return make_network(r, 1, 8, 8, 0);
  }
  void set_gradients(float value) {
    for (auto& p : network.store().parameters()) p.leaf.mutable_grad() = at::full_like(p.leaf, value);
  }
};

TEST(Optimizer, ANonFiniteGradientLeavesEveryBitAsItWas) {
  for (const char* name : {"adamw", "sgd"}) {
    OptimizerRecipe recipe;
    recipe.name = name;
    Bench b(recipe);
    b.set_gradients(0.1F);
    b.optimizer.collect(true);
    b.optimizer.step(1e-3, 1.0, 0.9);
    const auto before = std::vector<at::Tensor>{b.network.store().flat().clone(), b.optimizer.ema().clone(),
                                                b.optimizer.m().clone(), b.optimizer.v().clone()};
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      b.set_gradients(0.1F);
      auto& last = b.network.store().parameters().back();
      last.leaf.mutable_grad().flatten()[0] = bad;
      b.optimizer.collect(true);
      EXPECT_FALSE(std::isfinite(b.optimizer.gradient_norm(1.0)));
      b.optimizer.discard();
    }
    EXPECT_TRUE(at::equal(before[0], b.network.store().flat()));
    EXPECT_TRUE(at::equal(before[1], b.optimizer.ema()));
    EXPECT_TRUE(at::equal(before[2], b.optimizer.m()));
    EXPECT_TRUE(at::equal(before[3], b.optimizer.v()));
    EXPECT_EQ(b.optimizer.updates(), 1);
  }
}

TEST(Optimizer, FirstAdamStepMovesEveryWeightByTheLearningRate) {
  OptimizerRecipe recipe;
  recipe.weight_decay = 0;
  Bench b(recipe);
  const at::Tensor before = b.network.store().flat().clone();
  b.set_gradients(-0.3F);
  b.optimizer.collect(true);
  double elements = 0;
  for (const auto& p : b.network.store().parameters()) elements += static_cast<double>(p.count);
  EXPECT_NEAR(b.optimizer.gradient_norm(1.0), 0.3 * std::sqrt(elements), 1e-3);
  b.optimizer.step(1e-3, 1.0, 0.5);
  for (const auto& p : b.network.store().parameters()) {
    const at::Tensor moved =
        ParameterStore::view_in(b.network.store().flat(), p) - ParameterStore::view_in(before, p);
    EXPECT_NEAR(moved.min().item<double>(), 1e-3, 1e-6);  // m/sqrt(v) = -1 after bias correction
    EXPECT_NEAR(moved.max().item<double>(), 1e-3, 1e-6);
    const at::Tensor ema = ParameterStore::view_in(b.optimizer.ema(), p) - ParameterStore::view_in(before, p);
    EXPECT_NEAR(ema.mean().item<double>(), 5e-4, 1e-6);
  }
}

TEST(LearningRate, WarmsUpThenStaysOrFollowsACosine) {
  OptimizerRecipe o;
  o.lr = 2;
  o.warmup = 4;
  EXPECT_DOUBLE_EQ(learning_rate(o, 0, 0), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(o, 3, 0.1), 2);
  EXPECT_DOUBLE_EQ(learning_rate(o, 1000, 0.9), 2);
  o.decay = "cosine";
  o.final_lr = 0.1;
  EXPECT_DOUBLE_EQ(learning_rate(o, 10, 0), 2);
  EXPECT_NEAR(learning_rate(o, 10, 0.5), 2 * 0.55, 1e-12);
  EXPECT_NEAR(learning_rate(o, 10, 1), 0.2, 1e-12);
}

TEST(EmaDecay, StartsShort) {
  EXPECT_DOUBLE_EQ(ema_decay(0.999, true, 0), 0.1);
  EXPECT_NEAR(ema_decay(0.999, true, 90), 0.91, 1e-12);
  EXPECT_DOUBLE_EQ(ema_decay(0.999, true, 1'000'000), 0.999);
  EXPECT_DOUBLE_EQ(ema_decay(0.999, false, 0), 0.999);
}

}  // namespace
}  // namespace langevin
