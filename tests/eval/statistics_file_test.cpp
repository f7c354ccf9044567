// Statistics in a file: the same figures from it, and nothing from a file of something else.
#include "langevin/eval/statistics_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "langevin/core/rng.h"
#include "langevin/eval/frechet.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

class StatisticsFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::path(testing::TempDir()) /
            fmt::format("statistics_{}.safetensors",
                        testing::UnitTest::GetInstance()->current_test_info()->name());
    HostArrayF x({50, 3}), p({50, 2});
    fill_normal(x.data(), NoiseKey{1, 0, Purpose::test, 0});
    for (int64_t i = 0; i < 50; ++i) {
      p.sample(i)[0] = static_cast<float>(i) / 50;
      p.sample(i)[1] = 1 - p.sample(i)[0];
    }
    tally_.add({x, p});
  }
  void TearDown() override { fs::remove(path_); }
  std::string error(const StatisticsKey& key) const {
    try {
      read_statistics(path_, key, names_);
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
      return e.what();
    }
    return "";
  }

  fs::path path_;
  FeatureTally tally_{3, 2, {2, 20}};
  StatisticsKey key_{"d1", "n1", 50, {2, 20}};
  StatisticsNames names_{"digits", "net"};
};

TEST_F(StatisticsFile, ComesBackAsItWas) {
  write_statistics(path_, tally_, key_, names_);
  const FeatureTally back = read_statistics(path_, key_, names_);
  EXPECT_EQ(back.count(), 50);
  EXPECT_EQ(back.kept().shape(), (Shape{20, 3}));
  for (int64_t i = 0; i < 60; ++i) EXPECT_EQ(back.kept()[i], tally_.kept()[i]);
  for (size_t part = 0; part < 2; ++part) {
    EXPECT_EQ(back.parts()[part].gaussian().covariance, tally_.parts()[part].gaussian().covariance);
    EXPECT_EQ(back.parts()[part].mean(), tally_.parts()[part].mean());
    EXPECT_EQ(back.class_sums()[part].p, tally_.class_sums()[part].p);
    EXPECT_EQ(back.class_sums()[part].p_log_p, tally_.class_sums()[part].p_log_p);
  }
}

TEST_F(StatisticsFile, OfOtherThingsAreRefusedByName) {
  write_statistics(path_, tally_, key_, {"photos", "other"});
  EXPECT_EQ(error(key_), "");
  EXPECT_NE(error({"d2", "n1", 50, {2, 20}}).find("photos"), std::string::npos);
  EXPECT_NE(error({"d1", "n2", 50, {2, 20}}).find("other"), std::string::npos);
  EXPECT_NE(error({"d1", "n1", 51, {2, 20}}).find("50 pictures"), std::string::npos);
  EXPECT_NE(error({"d1", "n1", 50, {2, 21}}).find("20 kept"), std::string::npos);
  EXPECT_NE(statistics_name(key_), statistics_name({"d2", "n1", 50, {2, 20}}));
}

TEST_F(StatisticsFile, DamageIsSeen) {
  write_statistics(path_, tally_, key_, names_);
  std::string bytes;
  {
    std::ifstream in(path_, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (const size_t at : {bytes.size() - 5, bytes.size() / 2, size_t{9}, size_t{60}}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
    std::ofstream(path_, std::ios::binary) << damaged;
    EXPECT_NE(error(key_), "") << at;
  }
  for (const size_t length : {size_t{0}, size_t{7}, size_t{100}, bytes.size() - 1}) {
    std::ofstream(path_, std::ios::binary) << bytes.substr(0, length);
    EXPECT_NE(error(key_), "") << length;
  }
}

}  // namespace
}  // namespace langevin
