// langevin verify: checks the samplers' mathematics on this machine, where the answers are known.
#include <chrono>
#include <cmath>

#include "langevin/cli/command.h"
#include "langevin/core/atomic_file.h"
#include "langevin/core/signals.h"
#include "langevin/io/svg.h"
#include "langevin/sample/mixture_check.h"
#include "langevin/sample/order_check.h"

namespace langevin::cli {
namespace {

struct VerifyOptions {
  std::string plot;
  int64_t count = 4000;
  uint64_t seed = 1;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin verify\n"
    "  langevin verify --plot orders.svg --json\n"
    "Order: how fast the error of each deterministic sampler falls with its steps, on Gaussian data, whose\n"
    "flow is known. Mixture: what each stochastic sampler makes of eight Gaussians, whose best denoiser is\n"
    "known: shares, means and covariances. Exit status 1 if one fails.";

/// A line for each kind of sampler: all of them would be too many to tell apart.
bool plotted(const std::string& name) {
  for (const char* shown : {"ddim", "euler", "heun", "pndm", "dpmsolver++ 2 midpoint", "dpmsolver++ 3",
                            "deis 3 tab", "unipc 2 bh2", "unipc 3 bh2"}) {
    if (name == shown) return true;
  }
  return false;
}

void write_plot(const std::string& file, const std::vector<OrderResult>& orders) {
  Chart chart{.title = "Error of samplers against their steps, Gaussian data",
              .x_label = "steps",
              .y_label = "largest error of x",
              .log_x = true,
              .log_y = true};
  for (const OrderResult& r : orders) {
    if (!plotted(r.name)) continue;
    chart.series.push_back({r.name, {r.steps.begin(), r.steps.end()}, r.errors});
  }
  write_file(file, render_svg(chart));
}

std::string row(const OrderResult& r) {
  const std::string wanted = std::isinf(r.highest) ? fmt::format(">= {:.2f}", r.lowest)
                                                   : fmt::format("{:.2f} to {:.2f}", r.lowest, r.highest);
  return fmt::format("{:<4}  {:<26} order {:5.2f}   wanted {:<14} error {:.1e} at {} steps\n",
                     r.pass() ? "pass" : "FAIL", r.name, r.order, wanted, r.errors.back(), r.steps.back());
}

std::string row(const MixtureResult& r) {
  return fmt::format(
      "{:<4}  {:<26} shares {:.3f} of {:.3f}, means {:.3f} of {:.3f}, covariances {:.3f} of {:.3f}\n",
      r.pass() ? "pass" : "FAIL", r.name, r.weight_error, r.weight_limit, r.mean_error, r.mean_limit,
      r.covariance_error, r.covariance_limit);
}

nlohmann::json to_json(const OrderResult& r) {
  nlohmann::json json{{"name", r.name},   {"steps", r.steps},   {"errors", r.errors},
                      {"order", r.order}, {"lowest", r.lowest}, {"pass", r.pass()}};
  if (std::isfinite(r.highest)) json["highest"] = r.highest;
  return json;
}

nlohmann::json to_json(const MixtureResult& r) {
  const auto pair = [](double error, double limit) {
    return nlohmann::json{{"error", error}, {"limit", limit}};
  };
  return {{"name", r.name},
          {"samples", r.samples},
          {"shares", pair(r.weight_error, r.weight_limit)},
          {"means", pair(r.mean_error, r.mean_limit)},
          {"covariances", pair(r.covariance_error, r.covariance_limit)},
          {"pass", r.pass()}};
}

}  // namespace

void verify_verb(const Arguments& arguments) {
  VerifyOptions o;
  CLI::App app("Check the samplers' mathematics on this machine, where the answers are known.",
               "langevin verify");
  app.add_option("--plot", o.plot, "FILE.svg: error against steps, a line a sampler");
  app.add_option("-n,--count", o.count, "samples of each mixture check (default 4000)")
      ->check(CLI::Range(500, 1000000));
  app.add_option("--seed", o.seed, "seed of the mixture checks (default 1)")->check(seed_range());
  add_common(app, o.common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  if (!o.plot.empty() && !o.plot.ends_with(".svg"))
    fail_usage("--plot writes an SVG: '{}' must end in .svg", o.plot);

  const StopSignal stop;
  const auto start = std::chrono::steady_clock::now();
  const bool table = !o.common.json && !o.common.quiet;
  nlohmann::json json{{"orders", nlohmann::json::array()}, {"mixtures", nlohmann::json::array()}};
  int64_t failed = 0, all = 0;
  const auto note = [&](const auto& result, const char* list) {
    if (table) print(row(result));
    json[list].push_back(to_json(result));
    failed += result.pass() ? 0 : 1;
    ++all;
    if (stop.requested()) fail("stopped after {} checks", all);
  };
  std::vector<OrderResult> orders;
  for (const OrderCase& order_case : order_cases()) {
    orders.push_back(measure_order(order_case));
    note(orders.back(), "orders");
  }
  if (!o.plot.empty()) write_plot(o.plot, orders);
  for (const MixtureCase& mixture_case : mixture_cases()) {
    note(check_mixture_sampler(mixture_case, o.count, o.seed), "mixtures");
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  json.update({{"checks", all}, {"failed", failed}, {"pass", failed == 0}, {"seconds", seconds}});
  if (!o.plot.empty()) json["plot"] = o.plot;
  if (table) print(fmt::format("{} of {} checks pass ({:.1f} s)\n", all - failed, all, seconds));
  if (failed > 0) {
    throw ReportedError(
        fmt::format("{} of {} checks failed; run it without --json for the table", failed, all), json);
  }
  if (o.common.json) print_json(json);
}

}  // namespace langevin::cli
