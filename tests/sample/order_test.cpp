// Every deterministic sampler is of the order its paper gives it, measured where the flow is known.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "langevin/diffusion/mixture.h"
#include "langevin/sample/order_check.h"

namespace langevin {
namespace {

TEST(Order, IsThatOfTheMethod) {
  for (const OrderCase& order_case : order_cases()) {
    const OrderResult result = measure_order(order_case);
    EXPECT_TRUE(result.pass()) << result.name << ": order " << result.order << ", not " << result.lowest
                               << " to " << result.highest;
    // Rounding would hide the order, a wrong constant would show here.
    EXPECT_LT(result.errors.back(), 0.03) << result.name;
    EXPECT_GT(result.errors.back(), 1e-12) << result.name;
  }
}

TEST(Order, CoversEveryDeterministicSampler) {
  std::set<std::string> covered;
  for (const OrderCase& order_case : order_cases()) covered.insert(order_case.config.name);
  for (const std::string& name : sampler_names()) {
    const bool stochastic = name == "ddpm" || name == "lcm" || name.find("ancestral") != std::string::npos ||
                            name.rfind("sde", 0) == 0;
    EXPECT_EQ(covered.count(name), stochastic ? 0u : 1u) << name;
  }
}

// A wrong weight must show: the quadratic term of the authors' program leaves third order.
TEST(Order, TheHalvedQuadraticTermIsSecondOrder) {
  for (OrderCase order_case : order_cases()) {
    if (order_case.name != "dpmsolver++ 3") continue;
    order_case.config.compat_diffusers = true;  // of the step; the grid below is ours
    const Mixture data{{1.0}, {{0.5}}, {0.5}};
    const auto denoiser = mixture_denoiser<double>(order_case.path, data);
    const auto error = [&](int64_t steps) {
      SamplerConfig config = order_case.config;
      config.steps = steps;
      config.compat_diffusers = false;
      const PointGrid grid = sampler_points(config, order_case.path);
      const auto at = [](const PathPoint& p) {
        return HostArrayD({1, 1}, p.alpha * 0.5 + 2 * std::hypot(p.alpha * 0.5, p.sigma));
      };
      DpmSolverOptions options = dpm_options(order_case.config);
      return std::abs(dpm_solver(denoiser, at(grid.front()), grid, options)[0] - at(grid.back())[0]);
    };
    EXPECT_NEAR(std::log2(error(80) / error(160)), 2, 0.25);
    return;
  }
  FAIL() << "no dpmsolver++ 3";
}

}  // namespace
}  // namespace langevin
