// Editing through the command: pictures to begin with, pictures to fill in, the way back to noise and the way
// between. The network is random: what it draws does not matter, the identities hold for any.
#include <cmath>

#include "langevin/core/rng.h"
#include "langevin/io/png.h"
#include "langevin/io/safetensors.h"
#include "langevin/model/model_file.h"
#include "langevin/model/pictures.h"
#include "langevin/model/recipe.h"
#include "langevin/nn/cost.h"
#include "tests/cli/command_line.h"

namespace langevin::testing {
namespace {

constexpr int kSide = 16;

class Editing : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    write_random_model("m.safetensors", 4);
    write_image("a.png", kSide, kSide, 3, 1);
    write_image("b.png", kSide, kSide, 3, 2);
    Image mask = make_image(kSide, kSide, 1);
    for (int y = 4; y < 12; ++y) {
      for (int x = 5; x < 16; ++x) mask.at(x, y, 0) = 255;
    }
    write_png(path("mask.png"), mask);
  }

  /// RGB pictures of `classes` classes, and the null class; 0: without classes.
  void write_random_model(const std::string& name, int64_t classes) const {
    ModelSpec spec;
    spec.network = make_network(preset("tiny"), 3, kSide, kSide, classes);
    spec.schedule.kind = "cosine";
    spec.prediction = PredictionType::v_prediction;
    for (int64_t i = 0; i < classes; ++i) spec.labels.push_back(std::string(1, static_cast<char>('p' + i)));
    spec.null_class = classes > 0;
    nn::CostInterpreter cost;
    const Shape x = nn::input_shape(spec.network, 1), t{1}, labels{1};
    nn::apply(cost, spec.network, {x, t, classes > 0 ? &labels : nullptr});
    std::vector<HostArrayF> values;
    std::vector<TensorOut> tensors;
    for (const auto& p : cost.parameters()) {
      HostArrayF& array = values.emplace_back(p.shape);
      fill_normal(array.data(), NoiseKey{7, values.size(), Purpose::test, 0});
      const bool gain = p.init.kind == nn::Init::Kind::ones;
      const double fan_in = static_cast<double>(array.size()) / static_cast<double>(p.shape[0]);
      // A tame last layer: random networks are steep, and differences in rounding would grow along the walk.
      const double width = p.name == "conv_out.weight" ? 0.15 : 0.7;
      const auto scale = static_cast<float>(p.shape.size() > 1 ? width / std::sqrt(fan_in) : 0.1);
      for (float& v : array.data()) v = v * scale + (gain ? 1.0f : 0.0f);
    }
    for (size_t i = 0; i < values.size(); ++i) {
      tensors.push_back({cost.parameters()[i].name, DType::f32, values[i].shape(),
                         std::as_bytes(std::as_const(values[i]).data())});
    }
    write_model(path(name), spec, tensors);
  }

  Image write_image(const std::string& name, int width, int height, int channels, uint64_t seed) const {
    Image image = make_image(width, height, channels);
    RandomStream random({seed, 0, Purpose::test, 0});
    for (uint8_t& v : image.pixels) v = static_cast<uint8_t>(random.below(256));
    write_png(path(name), image);
    return image;
  }
  Image image(const std::string& name) const {
    const std::string bytes = read(path(name));
    return decode_image(std::as_bytes(std::span(bytes)), name);
  }

  nlohmann::json run(const std::string& verb, std::vector<std::string> more) const {
    std::vector<std::string> all{verb,    path("m.safetensors"), "--backend", "runtime", "--threads", "1",
                                 "--json"};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? r.json() : nlohmann::json::object();
  }
  /// Sampling into FILE.safetensors, and what it holds.
  HostArrayF sample(const std::string& name, std::vector<std::string> more) const {
    more.insert(more.end(), {"--out", path(name), "--force"});
    if (std::find(more.begin(), more.end(), "--steps") == more.end())
      more.insert(more.end(), {"--steps", "10"});
    run("sample", more);
    return tensor(name, "x_0");
  }
  HostArrayF tensor(const std::string& name, const std::string& key) const {
    return SafetensorsFile::open(path(name)).to_float(key);
  }
  void refuse(const std::string& verb, std::vector<std::string> more, int status,
              const std::vector<std::string>& words) const {
    std::vector<std::string> all{verb, path("m.safetensors")};
    if (std::find(more.begin(), more.end(), "--out") == more.end())
      more.insert(more.end(), {"--out", path(verb == "sample" ? "o.npz" : "o.safetensors")});
    all.insert(all.end(), more.begin(), more.end());
    expect_error(all, status, words);
  }
};

double largest_difference(const HostArrayF& a, int64_t row_a, const HostArrayF& b, int64_t row_b) {
  const auto x = a.sample(row_a), y = b.sample(row_b);
  EXPECT_EQ(x.size(), y.size());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max<double>(worst, std::abs(x[i] - y[i]));
  return worst;
}

TEST_F(Editing, StrengthZeroIsTheImageAndOneIsPureNoise) {
  run("sample", {"--from", path("a.png"), "--strength", "0", "-n", "2", "--out", path("same")});
  EXPECT_EQ(image("same/000000.png").pixels, image("a.png").pixels);
  EXPECT_EQ(image("same/000001.png").pixels, image("a.png").pixels);
  const std::vector<std::string> of{"-n", "3", "--seed", "9", "--class", "q"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), of.begin(), of.end());
    return more;
  };
  for (const std::string sampler : {"ddim", "dpmsolver++", "ddpm"}) {
    const HostArrayF plain = sample("plain.safetensors", with({"--sampler", sampler}));
    const HostArrayF whole =
        sample("whole.safetensors", with({"--sampler", sampler, "--from", path("a.png"), "--strength", "1"}));
    for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(largest_difference(plain, i, whole, i), 0) << sampler;
  }
  // Between the two: each sample its own, the nearer to the image the weaker, the same in any batch.
  const HostArrayF weak = sample("weak.safetensors", with({"--from", path("a.png"), "--strength", "0.1"})),
                   half = sample("half.safetensors", with({"--from", path("a.png"), "--strength", "0.5"})),
                   again = sample("again.safetensors",
                                  with({"--from", path("a.png"), "--strength", "0.5", "--batch", "2"})),
                   given = sample("given.safetensors", with({"--from", path("a.png"), "--strength", "0"}));
  EXPECT_LT(largest_difference(weak, 0, given, 0), largest_difference(half, 0, given, 0));
  EXPECT_GT(largest_difference(weak, 0, weak, 1), 1e-3);
  for (int64_t i = 0; i < 3; ++i) EXPECT_LT(largest_difference(half, i, again, i), 1e-4);
  const nlohmann::json json = run("sample", with({"--from", path("a.png"), "--out", path("j.npz")}));
  EXPECT_EQ(json.at("strength"), 0.5);
  EXPECT_EQ(json.at("from"), path("a.png"));
}

TEST_F(Editing, InpaintKeepsWhatIsKnownExactly) {
  const std::vector<std::string> arguments{"--inpaint", path("a.png"), "--mask", path("mask.png"), "-n", "3"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), arguments.begin(), arguments.end());
    return more;
  };
  const nlohmann::json json = run("sample", with({"--steps", "50", "--resample", "2", "--out", path("out")}));
  EXPECT_EQ(json.at("sampler").at("name"), "ddpm");
  EXPECT_EQ(json.at("resample"), 2);
  EXPECT_EQ(json.at("jump"), 2);  // a 25th of the steps
  const Image known = image("a.png"), mask = image("mask.png"), first = image("out/000000.png"),
              second = image("out/000001.png");
  int changed = 0, apart = 0, filled = 0;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      for (int c = 0; c < 3; ++c) {
        if (mask.at(x, y, 0) == 0) {
          ASSERT_EQ(first.at(x, y, c), known.at(x, y, c)) << x << "," << y;
          ASSERT_EQ(second.at(x, y, c), known.at(x, y, c)) << x << "," << y;
          continue;
        }
        ++filled;
        changed += first.at(x, y, c) != known.at(x, y, c);
        apart += first.at(x, y, c) != second.at(x, y, c);
      }
    }
  }
  EXPECT_GT(changed, filled / 2);
  EXPECT_GT(apart, filled / 2);
  for (const std::string sampler : {"ddim", "heun", "euler_ancestral", "dpmsolver++_single"}) {
    std::vector<std::string> options{"--sampler", sampler, "--resample", "2"};
    // At the cosine schedule's end sigma / alpha is 20,000, by which Heun's first step multiplies rounding.
    if (sampler == "heun") options.insert(options.end(), {"--spacing", "karras", "--sigma-max", "50"});
    const HostArrayF all = sample("all.safetensors", with(options));
    options.insert(options.end(), {"--batch", "2"});
    const HostArrayF batch = sample("b.safetensors", with(options));
    for (int64_t i = 0; i < 3; ++i) EXPECT_LT(largest_difference(all, i, batch, i), 1e-3) << sampler;
  }
  // Retouching: the part to fill begins with what is there.
  const nlohmann::json both =
      run("sample", with({"--from", path("a.png"), "--strength", "0.4", "--steps", "10", "--resample", "2",
                          "--animate", path("a.gif"), "--out", path("both")}));
  EXPECT_EQ(both.at("strength"), 0.4);
  EXPECT_EQ(image("both/000000.png").at(0, 0, 0), known.at(0, 0, 0));
  EXPECT_EQ(read(path("a.gif")).substr(0, 6), "GIF89a");
}

TEST_F(Editing, ImagesAreBroughtToTheModelOrRefused) {
  write_image("wide.png", 40, 24, 3, 3);
  write_image("gray.png", kSide, kSide, 1, 4);
  write_image("rgba.png", kSide, kSide, 4, 4);
  Image large = make_image(40, 24, 1, 255);
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 20; ++x) large.at(x, y, 0) = 0;
  }
  write_png(path("large-mask.png"), large);
  const auto said = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all{
        "sample", path("m.safetensors"), "-n", "1", "--steps", "2", "--quiet", "--force", "--out", path("o")};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.err;
  };
  EXPECT_NE(said({"--from", path("wide.png")}).find("40 x 24"), std::string::npos);
  EXPECT_EQ(image("o/000000.png").width, kSide);
  EXPECT_NE(said({"--from", path("gray.png")}).find("gray"), std::string::npos);
  EXPECT_EQ(said({"--from", path("rgba.png"), "--strict"}), "");
  EXPECT_EQ(said({"--from", path("a.png"), "--strict"}), "");
  said({"--inpaint", path("wide.png"), "--mask", path("large-mask.png"), "--resample", "1"});
  refuse("sample", {"--from", path("wide.png"), "--strict"}, 1, {"wide.png", "40 x 24", "16 x 16"});
  refuse("sample", {"--from", path("gray.png"), "--strict"}, 1, {"gray.png", "gray"});
  refuse("sample", {"--inpaint", path("a.png"), "--mask", path("large-mask.png")}, 1,
         {"large-mask.png", "40 x 24", "16 x 16"});
  write_png(path("black.png"), make_image(kSide, kSide, 1));
  refuse("sample", {"--inpaint", path("a.png"), "--mask", path("black.png")}, 1, {"black.png", "no white"});
  write(path("text.png"), "no picture");
  refuse("sample", {"--from", path("text.png")}, 1, {"text.png"});
  write(path("cut.png"), read(path("a.png")).substr(0, 200));
  refuse("sample", {"--from", path("cut.png")}, 1, {"cut.png"});
  refuse("sample", {"--from", path("absent.png")}, 1, {"absent.png"});
  refuse("invert", {path("text.png")}, 1, {"text.png"});
  EXPECT_FALSE(fs::exists(path("o.npz")));
}

TEST_F(Editing, SenselessOptionsAreWrongUsage) {
  const std::string a = path("a.png"), m = path("mask.png");
  refuse("sample", {"--inpaint", a}, 2, {"--mask"});
  refuse("sample", {"--mask", m}, 2, {"--inpaint"});
  refuse("sample", {"--strength", "0.5"}, 2, {"--from"});
  refuse("sample", {"--resample", "2"}, 2, {"--inpaint"});
  refuse("sample", {"--strict"}, 2, {"--strict"});
  for (const std::string bad : {"-0.1", "1.1", "nan", "inf"})
    refuse("sample", {"--from", a, "--strength=" + bad}, 2, {"--strength"});
  refuse("sample", {"--inpaint", a, "--mask", m, "--resample=-1"}, 2, {"resample", "-1"});
  refuse("sample", {"--inpaint", a, "--mask", m, "--jump=0"}, 2, {"jump"});
  refuse("sample", {"--inpaint", a, "--mask", m, "--sampler", "dpmsolver++"}, 2, {"dpmsolver++", "ddpm"});
  refuse("sample", {"--from", a, "--strength", "0.02", "--sampler", "pndm", "--steps", "10"}, 2, {"pndm"});
  refuse("sample", {"--from", a, "--animate", path("x.gif"), "--strength", "0"}, 2, {"--animate"});
  refuse("sample", {"--from", a, "--animate", path("x.gif"), "--forward"}, 2, {"--forward"});
  refuse("invert", {a, "--steps", "0"}, 2, {"--steps"});
  refuse("invert", {a, "--steps", "2000"}, 2, {"2000"});
  refuse("invert", {a, "--iterations=-2"}, 2, {"--iterations"});
  refuse("invert", {a, "--spacing", "lin"}, 2, {"spacing", "lin"});
  refuse("invert", {a, "--guidance", "3"}, 2, {"--class"});
  refuse("invert", {a, "--out", path("x.png")}, 2, {".safetensors"});
  refuse("invert", {a, "--reconstruct", path("x.jpg")}, 2, {".png"});
  refuse("interpolate", {}, 2, {"--seeds", "--images"});
  refuse("interpolate", {"--seeds", "1,2", "--images", a, a}, 2, {"--seeds", "--images"});
  for (const std::string bad : {"1", "1,", ",2", "1,-2", "1,2,3", "a,b", "1.5,2"})
    refuse("interpolate", {"--seeds", bad}, 2, {"--seeds"});
  refuse("interpolate", {"--seeds", "1,2", "-n", "1"}, 2, {"-n"});
  refuse("interpolate", {"--seeds", "1,2", "--out", path("x.jpg")}, 2, {".png"});
  refuse("interpolate", {"--seeds", "1,2", "--sampler", "ddpm"}, 2, {"ddpm", "deterministic"});
  refuse("interpolate", {"--seeds", "1,2", "--eta", "0.5"}, 2, {"deterministic"});
  refuse("interpolate", {"--seeds", "1,2", "--class", "p,q"}, 2, {"--class"});
  refuse("interpolate", {"--seeds", "1,2", "--iterations", "2"}, 2, {"--images"});
  refuse("interpolate", {"--images", a, a, "--sampler", "heun"}, 2, {"ddim"});
}

TEST_F(Editing, OptionsOfSamplersBelongToTheirSampler) {
  refuse("sample", {"--order", "2"}, 2, {"--order", "dpmsolver++", "ddim"});
  refuse("sample", {"--sampler", "heun", "--solver", "heun"}, 2, {"--solver"});
  refuse("sample", {"--sampler", "heun", "--s-tmin", "1"}, 2, {"--churn"});
  refuse("sample", {"--sampler", "kdpm2", "--churn", "3"}, 2, {"--churn", "euler"});
  refuse("sample", {"--sampler", "kdpm2", "--eta", "0"}, 2, {"--eta", "euler_ancestral"});
  refuse("sample", {"--no-lower-order-final"}, 2, {"--no-lower-order-final"});
  refuse("sample", {"--rho", "3"}, 2, {"--spacing karras"});
  refuse("sample", {"--sigma-max", "3"}, 2, {"--spacing karras"});
  refuse("sample", {"--steps-offset", "1"}, 2, {"leading"});
  refuse("sample", {"--sampler", "lcm", "--spacing", "leading"}, 2, {"lcm"});
  refuse("sample", {"--sampler", "euler", "--spacing", "karras", "--sigma-max", "nan"}, 2, {"--sigma-max"});
  refuse("sample", {"--sampler", "euler", "--spacing", "karras", "--sigma-min=-1"}, 2, {"--sigma-min"});
  refuse("sample", {"--sampler", "euler", "--spacing", "karras", "--sigma-min", "1e9"}, 2, {"sigma_min"});
  refuse("sample", {"--sampler", "euler", "--churn=-1"}, 2, {"churn"});
  refuse("sample", {"--sampler", "euler", "--churn", "nan"}, 2, {"churn"});
  refuse("sample", {"--sampler", "lms", "--order", "5"}, 2, {"order"});
  refuse("sample", {"--sampler", "lms", "--order=-1"}, 2, {"order"});
  refuse("sample", {"--end", "t1"}, 2, {"--end", "t1"});
  refuse("sample", {"--sampler", "ddim", "--spacing", "karras"}, 2, {"euler"});
  refuse("sample", {"--eta", "nan"}, 2, {"--eta"});
  const nlohmann::json made = run("sample", {"--sampler",
                                             "dpmsolver++",
                                             "--order",
                                             "3",
                                             "--solver",
                                             "heun",
                                             "--spacing",
                                             "karras",
                                             "--rho",
                                             "5",
                                             "--sigma-min",
                                             "0.05",
                                             "--sigma-max",
                                             "60",
                                             "--steps",
                                             "6",
                                             "--no-lower-order-final",
                                             "-n",
                                             "1",
                                             "--out",
                                             path("o.npz")});
  EXPECT_EQ(made.at("sampler"), nlohmann::json({{"name", "dpmsolver++"},
                                                {"steps", 6},
                                                {"spacing", "karras"},
                                                {"order", 3},
                                                {"solver", "heun"},
                                                {"rho", 5.0},
                                                {"sigma_min", 0.05},
                                                {"sigma_max", 60.0},
                                                {"lower_order_final", false}}));
  // By their other names.
  const HostArrayF one = sample("1.safetensors", {"-n", "1", "--sampler", "euler", "--s-churn", "4",
                                                  "--grid-of-times", "uniform"}),
                   two = sample("2.safetensors",
                                {"-n", "1", "--sampler", "euler", "--churn", "4", "--spacing", "uniform"});
  EXPECT_EQ(largest_difference(one, 0, two, 0), 0);
}

TEST_F(Editing, SamplersAreListed) {
  const Result table = langevin({"sample", "--list-samplers"});
  EXPECT_EQ(table.status, 0);
  EXPECT_EQ(table.err, "");
  const nlohmann::json list = langevin({"sample", "--list-samplers", "--json"}).json().at("samplers");
  EXPECT_EQ(list.size(), 19u);
  for (const auto& entry : list)
    EXPECT_NE(table.out.find("\n" + entry.at("name").get<std::string>() + " "), std::string::npos);
  EXPECT_EQ(list[0].at("deterministic"), false);
  EXPECT_EQ(list[1].at("options"), std::vector<std::string>{"--eta"});
}

TEST_F(Editing, InversionComesBack) {
  const nlohmann::json json =
      run("invert", {path("a.png"), path("b.png"), "--class", "q,r", "--steps", "40", "--iterations", "12",
                     "--out", path("x.safetensors"), "--reconstruct", path("r.png")});
  for (const auto& r : json.at("reconstructions")) EXPECT_LT(r.at("rmse").get<double>(), 0.5) << json;
  EXPECT_EQ(json.at("reconstructions").size(), 2u);
  const HostArrayF x_T = tensor("x.safetensors", "x_T");
  EXPECT_EQ(x_T.shape(), (Shape{2, 3, kSide, kSide}));
  EXPECT_TRUE(fs::exists(path("r.png")));
  // sample --init is the way back, by the same steps.
  const HostArrayF back =
      sample("back.safetensors", {"--init", path("x.safetensors"), "--class", "q,r", "--steps", "40",
                                  "--threshold", "none", "--guidance", "1"});
  const ModelSpec spec = open_model(path("m.safetensors")).spec;
  EXPECT_LT(largest_difference(back, 0, from_image(image("a.png"), spec), 0), 0.02);
  EXPECT_LT(largest_difference(back, 1, from_image(image("b.png"), spec), 0), 0.02);
  // More iterations, nearer.
  const auto rmse = [&](const std::string& iterations, const std::string& spacing) {
    return run("invert", {path("a.png"), "--steps", "40", "--iterations", iterations, "--spacing", spacing,
                          "--out", path("y.safetensors")})
        .at("reconstructions")[0]
        .at("rmse")
        .get<double>();
  };
  EXPECT_LT(rmse("4", "trailing"), rmse("1", "trailing"));
  EXPECT_LT(rmse("4", "karras"), rmse("1", "karras"));
}

TEST_F(Editing, InterpolationGoesFromOneSampleToTheOther) {
  const nlohmann::json json = run("interpolate", {"--seeds", "3,8", "-n", "5", "--class", "r", "--steps",
                                                  "10", "--out", path("way.safetensors")});
  EXPECT_EQ(json.at("count"), 5);
  const HostArrayF x0 = tensor("way.safetensors", "x_0"), x_T = tensor("way.safetensors", "x_T");
  ASSERT_EQ(x0.shape(), (Shape{5, 3, kSide, kSide}));
  const HostArrayF first = sample("3.safetensors", {"-n", "1", "--seed", "3", "--class", "r"}),
                   last = sample("8.safetensors", {"-n", "1", "--seed", "8", "--class", "r"});
  EXPECT_LT(largest_difference(x0, 0, first, 0), 1e-4);
  EXPECT_LT(largest_difference(x0, 4, last, 0), 1e-4);
  const std::vector<double> lengths = norm(x_T);
  for (size_t i = 0; i < 5; ++i) {
    const double u = static_cast<double>(i) / 4;
    EXPECT_NEAR(lengths[i], (1 - u) * lengths[0] + u * lengths[4], 1e-3);
  }
  run("interpolate",
      {"--seeds", "3,8", "-n", "5", "--steps", "4", "--sampler", "dpmsolver++", "--out", path("way.png")});
  EXPECT_EQ(image("way.png").height, 4 * kSide + 4);
  EXPECT_EQ(image("way.png").width, 5 * 4 * kSide + 12);
  const nlohmann::json between =
      run("interpolate", {"--images", path("a.png"), path("b.png"), "-n", "3", "--steps", "20",
                          "--iterations", "8", "--out", path("way.gif")});
  EXPECT_EQ(read(path("way.gif")).substr(0, 6), "GIF89a");
  for (const auto& r : between.at("reconstructions")) EXPECT_LT(r.at("rmse").get<double>(), 2) << between;
}

TEST_F(Editing, BackendsAgree) {
  if (!has_torch()) GTEST_SKIP() << "built without libtorch";
  const auto both = [&](std::vector<std::string> more, double tolerance) {
    more.insert(more.end(), {"-n", "2", "--steps", "8"});
    const HostArrayF ours = sample("runtime.safetensors", more);
    more.insert(more.end(), {"--backend", "torch"});
    std::vector<std::string> all{"sample", path("m.safetensors"),    "--threads", "1", "--quiet", "--force",
                                 "--out",  path("torch.safetensors")};
    all.insert(all.end(), more.begin(), more.end());
    const Result r = langevin(all);
    ASSERT_EQ(r.status, 0) << r.err;
    const HostArrayF theirs = tensor("torch.safetensors", "x_0");
    for (int64_t i = 0; i < 2; ++i) EXPECT_LT(largest_difference(ours, i, theirs, i), tolerance);
  };
  both({"--from", path("a.png"), "--strength", "0.6", "--guidance", "3", "--guidance-rescale", "0.7"}, 2e-3);
  both({"--inpaint", path("a.png"), "--mask", path("mask.png"), "--resample", "2"}, 2e-3);
}

}  // namespace
}  // namespace langevin::testing
