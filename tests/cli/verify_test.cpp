// langevin verify: a table or one object, a plot, and mistakes found at once.
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class VerifyUsage : public CommandLine {};

TEST_F(VerifyUsage, MistakesAreFoundAtOnce) {
  expect_error({"verify", "--plot", path("orders.png")}, 2, {".svg"});
  expect_error({"verify", "-n", "3"}, 2, {"count"});
}

class VerifySlow : public CommandLine {};

TEST_F(VerifySlow, EveryCheckPassesHere) {
  const Result r = langevin({"verify", "--json", "-n", "2000", "--plot", path("orders.svg")});
  ASSERT_EQ(r.status, 0) << r.out << r.err;
  const nlohmann::json json = r.json();
  EXPECT_EQ(json.at("pass"), true);
  EXPECT_EQ(json.at("failed"), 0);
  EXPECT_EQ(json.at("checks"), json.at("orders").size() + json.at("mixtures").size());
  EXPECT_GE(json.at("orders").size(), 30u);
  EXPECT_GE(json.at("mixtures").size(), 10u);
  for (const auto& order : json.at("orders")) EXPECT_EQ(order.at("pass"), true) << order.dump();
  const std::string svg = read(path("orders.svg"));
  EXPECT_NE(svg.find("<svg"), std::string::npos);
  EXPECT_NE(svg.find("unipc 3"), std::string::npos);
}

}  // namespace
}  // namespace langevin::testing
