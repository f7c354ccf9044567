#include "langevin/diffusion/path.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "langevin/core/check.h"

namespace langevin {
namespace {

Schedule make(const std::string& kind, bool zero_snr = false) {
  ScheduleConfig config;
  config.kind = kind;
  config.zero_terminal_snr = zero_snr;
  return Schedule(config);
}

void expect_inverse(const NoisePath& path, double from, double to) {
  for (int i = 0; i <= 200; ++i) {
    const double t = from + (to - from) * i / 200;
    const PathPoint point = path.at(t);
    const PathPoint back = path.at_lambda(point.lambda());
    EXPECT_NEAR(back.t, t, 1e-7 * (1 + std::abs(t))) << path.name << " " << t;
    EXPECT_NEAR(back.lambda(), point.lambda(), 1e-8) << path.name << " " << t;
    EXPECT_NEAR(point.rho() * std::exp(point.lambda()), 1, 1e-12);
  }
}

TEST(NoisePath, TimeOfLambdaIsTheInverse) {
  for (const char* kind : {"linear", "scaled_linear", "cosine", "sigmoid"}) {
    expect_inverse(discrete_path(make(kind)), 0, 999);
  }
  expect_inverse(discrete_path(make("linear", true)), 0, 998.7);  // beside the level without signal too
  expect_inverse(vp_path(), 1e-3, 1);
  expect_inverse(edm_path(), 0.002, 80);
  expect_inverse(flow_path(), 0.01, 0.99);
}

TEST(NoisePath, NoiseRisesWithTime) {
  for (const NoisePath& path : {discrete_path(make("linear")), vp_path(), edm_path(), flow_path()}) {
    double before = -1;
    for (int i = 0; i <= 300; ++i) {
      const double rho = path.at(path.t_end + (path.t_max - path.t_end) * i / 300).rho();
      EXPECT_GT(rho, before) << path.name << i;
      before = rho;
    }
    EXPECT_EQ(path.at(path.t_end).sigma, 0) << path.name;
    EXPECT_EQ(path.at(path.t_end).alpha, 1) << path.name;
  }
}

TEST(NoisePath, KeepsWithinItsEnds) {
  const NoisePath path = discrete_path(make("linear"));
  EXPECT_EQ(path.at_lambda(-100).t, 999);
  EXPECT_EQ(path.at_lambda(100).t, -1);
  EXPECT_EQ(path.at_lambda(std::numeric_limits<double>::infinity()).t, -1);
  EXPECT_THROW(path.at(999.5), Error);
  EXPECT_THROW(path.at(-1.5), Error);
  EXPECT_THROW(path.at(std::nan("")), Error);
  EXPECT_THROW(vp_path(1, 0.5), Error);
  EXPECT_THROW(edm_path(0, 80), Error);
  EXPECT_THROW(edm_path(1, std::numeric_limits<double>::infinity()), Error);
}

// The linear schedule of 1000 steps was made to be the VP SDE with beta from 0.1 to 20 (2011.13456).
TEST(NoisePath, TheDiscreteScheduleFollowsTheSde) {
  const Schedule schedule = make("linear");
  for (const int64_t t : {50, 300, 600, 999}) {
    const PathPoint sde = vp_path().at((static_cast<double>(t) + 1) / 1000);
    EXPECT_NEAR(sde.lambda(), 0.5 * schedule.log_snr(t), 0.06) << t;
  }
}

}  // namespace
}  // namespace langevin
