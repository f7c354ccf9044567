// Averages of any length from snapshots: against the closed form of their weights, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "langevin/io/dtype.h"
#include "langevin/model/ema_snapshots.h"
#include "langevin/model/recipe.h"

namespace langevin {
namespace {
namespace fs = std::filesystem;

/// Of update i among t, by eq. 3 and 4: what the recursion comes to.
double exact_weight(double exponent, int64_t i, int64_t t) {
  const auto part = [&](int64_t k) {
    return std::pow(static_cast<double>(k) / static_cast<double>(t), exponent + 1);
  };
  return part(i) - part(i - 1);
}

// The paper's numbers (2312.02696, section 3.1).
TEST(EmaProfileTest, ExponentsOfLengths) {
  EXPECT_NEAR(ema_exponent(0.05), 16.97, 5e-3);
  EXPECT_NEAR(ema_exponent(0.10), 6.94, 5e-3);
  for (const double length : {0.001, 0.02, 0.1, 0.2, 0.288})
    EXPECT_NEAR(ema_length(ema_exponent(length)), length, 1e-14);
  EXPECT_NEAR(ema_length(0), std::sqrt(1.0 / 12), 1e-15);
  for (const double length : {0.0, -1.0, 0.3, std::nan("")}) EXPECT_THROW(ema_exponent(length), Error);
}

TEST(EmaProfileTest, TheRecursionHasTheProfilesWeights) {
  for (const double exponent : {0.0, 2.5, 17.0}) {
    const int64_t t = 40;
    std::vector<double> weights(t, 0.0);
    double sum = 0;
    for (int64_t i = 1; i <= t; ++i) {
      const double beta = power_ema_decay(exponent, i);
      for (double& w : weights) w *= beta;
      weights[static_cast<size_t>(i - 1)] = 1 - beta;
    }
    for (int64_t i = 1; i <= t; ++i) {
      EXPECT_NEAR(weights[static_cast<size_t>(i - 1)], exact_weight(exponent, i, t), 1e-14);
      sum += weights[static_cast<size_t>(i - 1)];
    }
    EXPECT_NEAR(sum, 1, 1e-14);
  }
  EXPECT_THROW(power_ema_decay(1, 0), Error);
}

TEST(EmaProfileTest, ProductsAreIntegrals) {
  const EmaProfile a{3.5, 60}, b{11, 100}, c{0, 100};
  const auto p = [](const EmaProfile& e, double tau) {
    const auto t = static_cast<double>(e.updates);
    return tau > t ? 0 : (e.exponent + 1) * std::pow(tau / t, e.exponent) / t;
  };
  for (const auto& [x, y] : {std::pair{a, b}, {b, a}, {a, a}, {b, c}}) {
    double integral = 0;
    const int64_t n = 200000;
    for (int64_t i = 0; i < n; ++i) {
      const double tau = 100 * (static_cast<double>(i) + 0.5) / n;
      integral += p(x, tau) * p(y, tau) * 100 / n;
    }
    EXPECT_NEAR(profile_product(x, y) / integral, 1, 1e-4);
  }
}

TEST(EmaProfileTest, FitsSumToOneAndFindWhatIsThere) {
  std::vector<EmaProfile> have;
  for (int64_t i = 1; i <= 32; ++i) {
    for (const double length : {0.05, 0.10}) have.push_back({ema_exponent(length), 500 * i});
  }
  for (const double length : {0.03, 0.05, 0.07, 0.1, 0.15, 0.2}) {
    for (const int64_t t : {16000, 8000, 12345}) {
      const ProfileFit fit = fit_profile(have, {ema_exponent(length), t}, rounding_ridge(6e-8));
      double sum = 0;
      for (const double w : fit.weights) sum += w;
      EXPECT_NEAR(sum, 1, 1e-9);
      if (t != 12345) {
        EXPECT_LT(fit.error, 0.04) << length << " at " << t;
        EXPECT_LT(fit.gain, 8);
      }
    }
  }
  // One that was tracked is itself.
  const ProfileFit same = fit_profile(have, {ema_exponent(0.1), 16000}, 1e-12);
  EXPECT_NEAR(same.weights.back(), 1, 1e-4);
  EXPECT_LT(same.error, 1e-6);
  // A ridge keeps weights small where rounding is coarse, at the price of the fit.
  const EmaProfile sharp{ema_exponent(0.01), 16000};
  EXPECT_LT(fit_profile(have, sharp, 1e-2).gain, 0.5 * fit_profile(have, sharp, 1e-12).gain);
  // Twice the same average: no way to tell them apart, and no harm.
  const ProfileFit twice = fit_profile({have[0], have[0]}, have[0], 1e-12);
  EXPECT_NEAR(twice.weights[0], 0.5, 1e-6);
  EXPECT_THROW(fit_profile({}, sharp, 1e-12), Error);
  EXPECT_THROW(fit_profile({{-1, 10}}, sharp, 1e-12), Error);
  EXPECT_THROW(fit_profile({{1, 0}}, sharp, 1e-12), Error);
  EXPECT_THROW(fit_profile(have, sharp, 0), Error);
}

TEST(EmaSnapshots, TheIntervalKeepsTheirNumber) {
  EXPECT_EQ(snapshot_interval(1, 10, 4), 10);
  EXPECT_EQ(snapshot_interval(49, 10, 4), 10);
  EXPECT_EQ(snapshot_interval(50, 10, 4), 20);
  EXPECT_EQ(snapshot_interval(1'000'000'000'000, 1, 4), int64_t{1} << 38);
  for (const int64_t updates : {100, 1000, 99999, 123456}) {
    const int64_t kept = updates / snapshot_interval(updates, 7, 32);
    EXPECT_LE(kept, 32);
    EXPECT_TRUE(kept >= 16 || updates < 7 * 16) << updates;
  }
}

/// A run's snapshots of weights that move as formulas say.
class EmaRun : public testing::Test {
 protected:
  void SetUp() override {
    run_ = fs::path(testing::TempDir()) /
           ("ema_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(run_);
    spec_.network = network(8);
  }
  void TearDown() override { fs::remove_all(run_); }

  static nn::NetworkConfig network(int64_t channels) {
    Recipe recipe = preset("tiny");
    recipe.network.channels = {channels};
    return make_network(recipe, 1, 8, 8, 0);
  }
  /// Element j of all weights after update i: settling, wandering and shaking.
  static double weight(int64_t j, int64_t i) {
    const auto u = static_cast<double>(i), phase = static_cast<double>(j);
    return std::cos(phase) + std::exp(-u / 300) * std::sin(2 * phase) + 0.2 * std::sin(u / 170 + phase) +
           0.1 * std::sin(u * 1.3 + 3 * phase);
  }
  /// Elements repeat with a period, so that few averages are to be computed.
  static constexpr int64_t kPeriod = 17;
  /// The averages of elements 0 .. kPeriod - 1, by the recursion's weights.
  static std::vector<double> averages(double length, int64_t t) {
    std::vector<double> sums(kPeriod, 0.0);
    const double exponent = ema_exponent(length);
    for (int64_t i = 1; i <= t; ++i) {
      const double share = exact_weight(exponent, i, t);
      for (int64_t j = 0; j < kPeriod; ++j) sums[static_cast<size_t>(j)] += share * weight(j, i);
    }
    return sums;
  }

  void write(int64_t updates, bool bf16 = false, const std::vector<double>& lengths = {0.05, 0.1}) const {
    std::vector<std::vector<float>> floats;
    std::vector<std::vector<uint16_t>> halves;
    std::vector<TensorOut> tensors;
    const auto parameters = nn::cost_of(spec_.network).parameters();
    for (size_t k = 0; k < lengths.size(); ++k) {
      const std::vector<double> of_period = averages(lengths[k], updates);
      for (const auto& p : parameters) {
        floats.emplace_back();
        halves.emplace_back();
        for (int64_t j = 0; j < element_count(p.shape); ++j) {
          floats.back().push_back(static_cast<float>(of_period[static_cast<size_t>(j % kPeriod)]));
          halves.back().push_back(float_to_bf16(floats.back().back()));
        }
      }
    }
    size_t at = 0;
    for (size_t k = 0; k < lengths.size(); ++k) {
      for (const auto& p : parameters) {
        tensors.push_back(
            {fmt::format("{}.{}", k, p.name), bf16 ? DType::bf16 : DType::f32, p.shape,
             bf16 ? std::as_bytes(std::span(halves[at])) : std::as_bytes(std::span(floats[at]))});
        ++at;
      }
    }
    write_safetensors(snapshot_path(run_, updates), tensors,
                      {{spec_key, to_json(spec_).dump()}, {ema_key, snapshot_metadata(updates, lengths)}});
  }
  /// |synthesised - direct| / |direct| over the elements of one tensor.
  double relative_error(const fs::path& model, double length, int64_t updates) const {
    const HostArrayF values = open_model(model).tensor("conv_in.weight");
    const std::vector<double> all = averages(length, updates);
    double square = 0, norm = 0;
    for (int64_t j = 0; j < values.size(); ++j) {
      const double direct = all[static_cast<size_t>(j % kPeriod)];
      square += (values[j] - direct) * (values[j] - direct);
      norm += direct * direct;
    }
    return std::sqrt(square / norm);
  }
  std::string error(int64_t updates = 0, double length = 0.1) const {
    try {
      synthesise_ema(run_, length, updates, run_ / "out.safetensors");
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
      return e.what();
    }
    return "";
  }

  fs::path run_;
  ModelSpec spec_;
};

TEST_F(EmaRun, AnyLengthIsWhatTrackingItWouldHaveGiven) {
  for (int64_t i = 1; i <= 16; ++i) write(60 * i);
  for (const double length : {0.04, 0.05, 0.075, 0.1, 0.13, 0.2}) {
    const EmaSynthesis made = synthesise_ema(run_, length, 0, run_ / "out.safetensors");
    EXPECT_EQ(made.snapshots, 16);
    EXPECT_EQ(made.updates, 960);
    // The weights deviate from their average by a quarter of their size; a profile off by 1 % gives less.
    EXPECT_LT(relative_error(run_ / "out.safetensors", length, 960), 0.3 * made.fit.error + 1e-6) << length;
    EXPECT_LT(relative_error(run_ / "out.safetensors", length, 960), 5e-3) << length;
  }
  // Not only at the end, and the classes of mistakes that a wrong exponent makes are seen.
  synthesise_ema(run_, 0.1, 600, run_ / "out.safetensors");
  EXPECT_LT(relative_error(run_ / "out.safetensors", 0.1, 600), 1e-6);
  EXPECT_GT(relative_error(run_ / "out.safetensors", 0.2, 600), 1e-2);
  const ModelSpec spec = open_model(run_ / "out.safetensors").spec;
  EXPECT_EQ(spec.provenance.at("ema").at("length"), 0.1);
  EXPECT_EQ(spec.provenance.at("ema").at("updates"), 600);
}

TEST_F(EmaRun, RoundedSnapshotsDoNotBringOutTheirRounding) {
  for (int64_t i = 1; i <= 16; ++i) write(60 * i, true);
  for (const double length : {0.05, 0.075, 0.13, 0.2}) {
    synthesise_ema(run_, length, 0, run_ / "out.safetensors");
    EXPECT_LT(relative_error(run_ / "out.safetensors", length, 960), 5e-3) << length;
  }
}

TEST_F(EmaRun, SnapshotsOfAnotherKindAreRefusedInOneLine) {
  EXPECT_NE(error().find("no snapshots"), std::string::npos);
  write(60);
  write(120);
  EXPECT_EQ(error(), "");
  EXPECT_NE(error(60, 0.5).find("0.5"), std::string::npos);
  EXPECT_NE(error(500).find("ends with update 120"), std::string::npos);
  EXPECT_NE(error(30).find("no snapshots of averaged weights up to update 30"), std::string::npos);
  // A snapshot is no model.
  EXPECT_THROW(open_model(snapshot_path(run_, 120)), Error);

  // Of another network, and under another name.
  spec_.network = network(16);
  write(180);
  EXPECT_NE(error().find("another network"), std::string::npos) << error();
  fs::remove(snapshot_path(run_, 180));
  fs::copy(snapshot_path(run_, 120), snapshot_path(run_, 170));
  EXPECT_NE(error().find("its name says 170"), std::string::npos) << error();
  fs::remove(snapshot_path(run_, 170));
  EXPECT_EQ(error(), "");

  // Cut, and damaged.
  const fs::path last = snapshot_path(run_, 120);
  const auto size = fs::file_size(last);
  for (const double part : {0.0, 0.001, 0.3, 0.999}) {
    fs::resize_file(last, static_cast<uintmax_t>(part * static_cast<double>(size)));
    EXPECT_NE(error().find(last.string()), std::string::npos) << error();
    spec_.network = network(8);
    write(120);
  }
}

TEST_F(EmaRun, TensorsAndMetadataAreChecked) {
  spec_.network = network(8);
  const HostArrayF one({1}, 1.0F);
  const std::vector<TensorOut> wrong{{"0.conv_in.bias", DType::f32, {1}, std::as_bytes(one.data())}};
  const auto with = [&](const std::string& description, const std::string& ema) {
    write_safetensors(snapshot_path(run_, 5), wrong, {{spec_key, description}, {ema_key, ema}});
    return error();
  };
  const std::string spec = to_json(spec_).dump();
  EXPECT_NE(with(spec, R"({"updates": 5, "lengths": [0.1]})").find("tensor"), std::string::npos);
  EXPECT_NE(with(spec, R"({"updates": 0, "lengths": [0.1]})").find("update"), std::string::npos);
  EXPECT_NE(with(spec, R"({"updates": 5, "lengths": []})").find("lengths"), std::string::npos);
  EXPECT_NE(with(spec, R"({"updates": 5, "lengths": [7]})").find("7"), std::string::npos);
  EXPECT_NE(with(spec, R"({"updates": "5", "lengths": [0.1]})").find("updates"), std::string::npos);
  EXPECT_NE(with(spec, "[]").find("must hold"), std::string::npos);
  EXPECT_NE(with("{}", R"({"updates": 5, "lengths": [0.1]})"), "");
  EXPECT_NE(with("nonsense", R"({"updates": 5, "lengths": [0.1]})").find("JSON"), std::string::npos);
  write_safetensors(snapshot_path(run_, 5), wrong, {});
  EXPECT_NE(error().find("no snapshot"), std::string::npos);
}

}  // namespace
}  // namespace langevin
