// Likelihoods from the command line: a diffusion model's bound and ODE, an autoencoder's ELBO and IWAE, and
// what an autoencoder is for.
#include <cmath>

#include "langevin/io/npz.h"
#include "langevin/io/safetensors.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

class Likelihood : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    if (!has_torch()) GTEST_SKIP() << "built without libtorch";
    digits();
  }
  nlohmann::json run(std::vector<std::string> all) const {
    all.insert(all.end(), {"--threads", "1", "--json"});
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? r.json() : nlohmann::json::object();
  }
  nlohmann::json train(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> all{"train",
                                 "--data",
                                 path("digits"),
                                 "--out",
                                 path(out),
                                 "--preset",
                                 "tiny",
                                 "--set",
                                 "sample.count=0",
                                 "--set",
                                 "train.batch=8",
                                 "--seed",
                                 "3",
                                 "--precision",
                                 "fp32",
                                 "--steps",
                                 "6"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
};

TEST_F(Likelihood, OfADiffusionModel) {
  train("hybrid", {"--set", "loss.objective=hybrid", "--set", "schedule.timesteps=40"});
  const std::vector<std::string> eval{"eval", path("hybrid"), "--data", path("digits"), "--metrics", "nll"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = eval;
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  };
  const nlohmann::json found =
      with({"--real", "8", "--plot", path("terms.svg"), "--ode", "--ode-images", "2", "--tolerance", "0.01"});
  const nlohmann::json& nll = found.at("nll");
  EXPECT_EQ(nll.at("images"), 8);
  EXPECT_EQ(nll.at("variance"), "learned_range");
  EXPECT_EQ(nll.at("given"), "class");
  EXPECT_GT(nll.at("bits_per_dim"), 0);
  EXPECT_NEAR(nll.at("bits_per_dim").get<double>(),
              nll.at("prior").at("bits_per_dim").get<double>() +
                  nll.at("diffusion").at("bits_per_dim").get<double>() +
                  nll.at("decoder").at("bits_per_dim").get<double>(),
              1e-9);
  EXPECT_EQ(nll.at("ode").at("images"), 2);
  EXPECT_TRUE(std::isfinite(nll.at("ode").at("bits_per_dim").get<double>()));
  EXPECT_NE(read(path("terms.svg")).find("<svg"), std::string::npos);
  EXPECT_FALSE(found.at("partial"));
  // The same pictures and seed give the same figure; every timestep a near one, by either engine.
  EXPECT_EQ(with({"--real", "8", "--backend", "torch"}).at("nll").at("bits_per_dim"), nll.at("bits_per_dim"));
  const nlohmann::json all = with({"--real", "8", "--draws", "0"}).at("nll");
  EXPECT_EQ(all.at("calls"), 8 * 40);
  EXPECT_NEAR(all.at("bits_per_dim").get<double>(), nll.at("bits_per_dim").get<double>(),
              6 * nll.at("standard_error").get<double>());

  const nlohmann::json drawn =
      run({"sample", path("hybrid"), "--sampler", "ddpm", "-n", "2", "--out", path("a.npz")});
  EXPECT_EQ(drawn.at("sampler").at("variance"), "learned_range");
  run({"sample", path("hybrid"), "-n", "2", "--steps", "3", "--guidance", "2", "--class", "1", "--out",
       path("b.npz")});
  EXPECT_EQ(langevin({"export", path("hybrid"), "--format", "diffusers", "--out", path("peer")}).status, 0);
  EXPECT_NE(read(path("peer/scheduler/scheduler_config.json")).find("learned_range"), std::string::npos);
  run({"sample", path("peer"), "-n", "2", "--steps", "3", "--out", path("c.npz")});

  expect_error(
      {"eval", path("hybrid"), "--data", path("digits"), "--metrics", "nll", "--ode", "--backend", "runtime"},
      2, {"--ode"});
  expect_error({"train", "--data", path("digits"), "--out", path("no"), "--set", "loss.objective=hybrid",
                "--set", "diffusion.target=flow"},
               2, {"loss.objective", "ddpm"});
  expect_error(
      {"sample", path("hybrid"), "--sampler", "ddim", "--variance", "learned_range", "--out", path("d.npz")},
      2, {"--variance"});
}

TEST_F(Likelihood, ContinuousTimeHasABoundToo) {
  train("flow", {"--set", "diffusion.target=flow"});
  const nlohmann::json nll =
      run({"eval", path("flow"), "--data", path("digits"), "--metrics", "nll", "--real", "6"}).at("nll");
  EXPECT_GT(nll.at("bits_per_dim"), 0);
  EXPECT_GT(nll.at("end_log_snr"), 0);
  expect_error({"eval", path("flow"), "--data", path("digits"), "--metrics", "nll", "--draws", "0",
                "--threads", "1", "--quiet"},
               1, {"continuous time"});
}

TEST_F(Likelihood, OfAnAutoencoderAndWhatItIsFor) {
  for (const std::string network : {"conv", "dense"}) {
    const nlohmann::json trained =
        train(network, {"--task", "vae", "--validate", "--set", "vae.network=" + network, "--set",
                        "vae.hidden=[16]", "--set", "vae.latent=3"});
    EXPECT_EQ(trained.at("vae").at("kl_by_dimension").size(), network == "dense" ? 3u : 4u);
    const nlohmann::json nll = run({"eval", path(network), "--data", path("digits"), "--metrics", "nll",
                                    "--real", "6", "--samples", "5"})
                                   .at("nll");
    EXPECT_GE(nll.at("bits_per_dim").get<double>() + 1e-6, nll.at("iwae").at("bits_per_dim").get<double>());
    EXPECT_EQ(nll.at("likelihood"), "logistic");

    const nlohmann::json back = run({"reconstruct", path(network), "--data", path("digits"), "-n", "5",
                                     "--out", path(network + ".npz"), "--grid", path(network + ".png")});
    EXPECT_EQ(back.at("count"), 5);
    EXPECT_GT(back.at("rmse"), 0);
    EXPECT_EQ(read_npz(path(network + ".npz"), "arr_0", 1 << 20).shape, (Shape{5, 28, 28, 1}));

    // From the prior: the same whatever the batch.
    run({"sample", path(network), "-n", "4", "--out", path(network + "-a.safetensors")});
    run({"sample", path(network), "-n", "4", "--batch", "3", "--out", path(network + "-b.safetensors")});
    const auto a = SafetensorsFile::open(path(network + "-a.safetensors")),
               b = SafetensorsFile::open(path(network + "-b.safetensors"));
    const std::string name = a.names().front();
    const HostArrayF x = a.to_float(name), y = b.to_float(name);
    for (int64_t j = 0; j < x.size(); ++j) ASSERT_NEAR(x[j], y[j], 1e-4);

    run({"interpolate", path(network), "--seeds", "1,2", "-n", "3", "--out", path(network + "-way.png")});
    expect_error({"sample", path(network), "--sampler", "ddim", "--out", path("x.npz"), "--quiet"}, 2,
                 {"prior"});
  }
  const Result text = langevin({"inspect", path("dense")});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("latents of 3"), std::string::npos) << text.out;
  EXPECT_EQ(langevin({"export", path("conv"), "--format", "diffusers", "--out", path("peer")}).status, 0);
  EXPECT_NE(read(path("peer/vae/config.json")).find("scaling_factor"), std::string::npos);
  train("diffusion", {});
  expect_error({"reconstruct", path("diffusion"), "--data", path("digits"), "--out", path("y"), "--quiet"}, 1,
               {"no autoencoder"});
  expect_error({"train", "--data", path("digits"), "--out", path("z"), "--task", "vae", "--set",
                "network.channels=[8,8,8,8]", "--preset", "tiny", "--steps", "1", "--quiet"},
               1, {"multiples of 8"});
}

}  // namespace
}  // namespace langevin::testing
