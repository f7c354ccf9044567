// The page of results: what comes from outside is harmless in it, and it needs nothing from elsewhere.
#include "langevin/eval/page.h"

#include <gtest/gtest.h>

#include "langevin/eval/loss_by_time.h"

namespace langevin {
namespace {

std::vector<std::byte> bytes(const std::string& text) {
  std::vector<std::byte> out;
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
  return out;
}

TEST(Base64, OfTheStandardsExamples) {  // RFC 4648, section 10
  EXPECT_EQ(base64(bytes("")), "");
  EXPECT_EQ(base64(bytes("f")), "Zg==");
  EXPECT_EQ(base64(bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(bytes("foo")), "Zm9v");
  EXPECT_EQ(base64(bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(base64(bytes(std::string("\xff\xfe\x00", 3))), "//4A");
}

TEST(Page, MakesTextFromOutsideHarmless) {
  EXPECT_EQ(html_escaped("a<b>\"&\n"), "a&lt;b&gt;&quot;&amp; ");
  EXPECT_EQ(html_escaped("\xff"), "\xEF\xBF\xBD");
  EXPECT_EQ(html_escaped("ä"), "ä");
  const Image picture = make_image(3, 2, 1, 7);
  const std::string page =
      render_page({"<script>",
                   "intro & more",
                   {{"\"quoted\"", "text", figure_html(picture_html(picture, "<x>", 30), "<c>")}},
                   "end"});
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<x>"), std::string::npos);
  EXPECT_EQ(page.find("<c>"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_NE(page.find("width=\"30\" height=\"20\""), std::string::npos);
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0u);
}

/// A network that always answers zero.
class Silent final : public Engine {
 public:
  explicit Silent(PredictionType prediction, bool learned = false) {
    nn::UNet2DConfig config;
    config.sample_height = config.sample_width = 16;
    config.in_channels = 1;
    config.out_channels = learned ? 2 : 1;
    spec_.network = nn::validated(config);
    spec_.prediction = prediction;
  }
  const ModelSpec& spec() const override { return spec_; }
  std::string name() const override { return "silent"; }
  HostArrayF forward(const HostArrayF& x, const std::vector<double>&, const Cond<HostArrayF>&) override {
    Shape shape = x.shape();
    if (nn::learned_variance(spec_.network)) shape[1] *= 2;
    return HostArrayF(shape);
  }
  HostArrayF sample(const SampleRequest&, const Observer<HostArrayF>&) override { return {}; }

 private:
  ModelSpec spec_;
};

TEST(LossByTime, OfANetworkThatSaysNothingIsWhatItShouldHaveSaid) {
  HostArrayF x0({40, 1, 16, 16}, 0.5F);
  TimeLossOptions options;
  options.points = 5;
  Silent eps(PredictionType::epsilon), data(PredictionType::sample);
  const auto of_eps = loss_by_time(eps, x0, {}, options), of_x0 = loss_by_time(data, x0, {}, options);
  ASSERT_EQ(of_eps.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(of_eps[i].loss, 1, 0.05);
    EXPECT_GT(of_eps[i].standard_error, 0);
    EXPECT_NEAR(of_x0[i].loss, 0.25, 1e-6);
    if (i > 0) {
      EXPECT_GT(of_eps[i].sigma, of_eps[i - 1].sigma);
    }
  }
  Silent learned(PredictionType::epsilon, true);
  EXPECT_NEAR(loss_by_time(learned, x0, {}, options).at(2).loss, of_eps[2].loss, 1e-9);
  options.stopped = [] { return true; };
  EXPECT_TRUE(loss_by_time(eps, x0, {}, options).empty());
}

TEST(EvenTimes, AreWithinThePath) {
  const NoisePath edm = edm_path(0.002, 80);
  const auto sigmas = even_times(edm, 4);
  ASSERT_EQ(sigmas.size(), 4u);
  EXPECT_NEAR(sigmas[1] / sigmas[0], sigmas[3] / sigmas[2], 1e-9);
  for (const double t : sigmas) EXPECT_TRUE(t > 0.002 && t < 80);
  const auto flow = even_times(flow_path(), 2);
  EXPECT_TRUE(flow[0] > 0 && flow[1] < 1);
}

}  // namespace
}  // namespace langevin
