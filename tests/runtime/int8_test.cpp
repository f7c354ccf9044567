// Products in int8: exact where bytes and weights can be exact, close elsewhere; and calibration.
#include <numeric>

#include "langevin/kernels/threads.h"
#include "langevin/runtime/byte_range.h"
#include "langevin/runtime/calibrate.h"
#include "langevin/runtime/int8_weights.h"
#include "tests/runtime/support.h"

namespace langevin {
namespace {

using test::noise;
using test::relative_error;
using test::small_unet;

constexpr float kScale = 1.0F / 256;  // of weights, in the exact networks

/// Steps that are powers of 2 and zeros anywhere, by channel.
LayerCalibration exact_layer(const std::string& name, int64_t channels) {
  LayerCalibration layer{name, true, {}, {}, 0};
  RandomStream random(NoiseKey{21, static_cast<uint64_t>(channels), Purpose::test, 0});
  for (int64_t c = 0; c < channels; ++c) {
    layer.step.push_back(std::ldexp(1.0F, -static_cast<int>(random.below(4))));
    layer.zero.push_back(static_cast<uint8_t>(random.below(256)));
  }
  return layer;
}

/// Values that bytes represent: (n, C, positions).
HostArrayF exact_values(const Shape& shape, const LayerCalibration& layer) {
  HostArrayF x(shape);
  RandomStream random(NoiseKey{22, 0, Purpose::test, 0});
  const int64_t positions = element_count(shape) / shape[0] / shape[1];
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<size_t>(i / positions % shape[1]);
    x[i] = layer.step[c] * (static_cast<float>(random.below(256)) - static_cast<float>(layer.zero[c]));
  }
  return x;
}

/// Weights (out, C, k, k) that int8 represents, at the taps that `at` allows; every output has its 127.
template <class Allowed>
HostArrayF exact_weights(const Shape& shape, const LayerCalibration& layer, const Allowed& allowed) {
  HostArrayF w(shape);
  RandomStream random(NoiseKey{23, 0, Purpose::test, 0});
  const int64_t taps = shape[2] * shape[3], each = shape[1] * taps;
  const auto largest = static_cast<float>(runtime::largest_int8_weight());
  for (int64_t i = 0; i < w.size(); ++i) {
    const auto c = static_cast<size_t>(i / taps % shape[1]);
    const auto whole = static_cast<float>(static_cast<int64_t>(random.below(40)) - 20);
    if (allowed(i % taps)) w[i] = (i % each < taps ? largest : whole) * kScale / layer.step[c];
  }
  return w;
}

struct Built {
  runtime::Graph graph;
  std::map<std::string, HostArrayF> parameters;
};

/// The graph's output with the layer in int8, and in fp32.
struct Outputs {
  HostArrayF int8, fp32;
  int64_t int8_steps = 0;
};
Outputs run_both(const Built& built, const LayerCalibration& layer, const HostArrayF& x) {
  Outputs out;
  const Calibration calibration{{layer}, {}, "", 0, 0};
  for (const Calibration* int8 : {&calibration, static_cast<const Calibration*>(nullptr)}) {
    runtime::Weights weights(built.parameters);
    runtime::Conditioning conditioning(built.graph, weights);
    runtime::Plan plan(built.graph, runtime::Type::int8, {conditioning, weights, nullptr, int8});
    HostArrayF y(plan.output_shape());
    const std::vector<double> t(static_cast<size_t>(x.batch()), 0.0);
    plan.run({x.data().data(), t, {}}, y.data().data());
    (int8 != nullptr ? out.int8 : out.fp32) = y;
    for (const auto& step : plan.steps()) out.int8_steps += step->name.rfind("int8", 0) == 0 ? 1 : 0;
  }
  return out;
}

struct ConvCase {
  const char* name;
  int64_t h, w, kernel, stride, before, after;
};
class ExactConvolution : public testing::TestWithParam<ConvCase> {};

TEST_P(ExactConvolution, EqualsFp32ToItsDigits) {
  const ConvCase& c = GetParam();
  const int64_t in = 24, out = 20;
  const LayerCalibration layer = exact_layer("conv", in);
  for (bool residual : {false, true}) {
    runtime::Recorder recorder;
    const auto x = recorder.input(runtime::Op::image, {3, in, c.h, c.w});
    auto y = recorder.conv2d(x, "conv",
                             {.out = residual ? in : out,
                              .kernel = c.kernel,
                              .stride = c.stride,
                              .pad_before = c.before,
                              .pad_after = c.after});
    const bool fits = c.stride == 1;
    if (residual && fits) y = recorder.add(x, y);
    Built built{recorder.take(y), {}};
    const Shape shape{residual ? in : out, in, c.kernel, c.kernel};
    built.parameters.emplace("conv.weight", exact_weights(shape, layer, [](int64_t) { return true; }));
    built.parameters.emplace("conv.bias", noise({shape[0]}));
    const Outputs outputs = run_both(built, layer, exact_values({3, in, c.h, c.w}, layer));
    EXPECT_EQ(outputs.int8_steps, 1);
    EXPECT_LT(relative_error(outputs.int8, outputs.fp32), 1e-6) << "residual " << residual;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ExactConvolution,
    testing::Values(ConvCase{"same", 7, 5, 3, 1, 1, 1}, ConvCase{"wide", 16, 16, 3, 1, 1, 1},
                    ConvCase{"one", 6, 9, 1, 1, 0, 0}, ConvCase{"down", 8, 6, 3, 2, 1, 1},
                    ConvCase{"down_after", 8, 6, 3, 2, 0, 1}, ConvCase{"unread_rows", 8, 10, 3, 2, 0, 0},
                    ConvCase{"five", 6, 6, 5, 1, 2, 2}),
    [](const auto& info) { return info.param.name; });

TEST(ExactConvolution, OfADoubledPicture) {
  const int64_t in = 16;
  const LayerCalibration layer = exact_layer("conv", in);
  runtime::Recorder recorder;
  const auto x = recorder.input(runtime::Op::image, {2, in, 5, 4});
  const auto doubled = recorder.upsample_nearest(x, 10, 8);
  Built built{recorder.take(recorder.conv2d(doubled, "conv", {.out = 16, .kernel = 3})), {}};
  // Two corners: no parity adds them up, so that merged weights are int8 too.
  built.parameters.emplace(
      "conv.weight", exact_weights({16, in, 3, 3}, layer, [](int64_t tap) { return tap == 0 || tap == 8; }));
  built.parameters.emplace("conv.bias", noise({16}));
  const Outputs outputs = run_both(built, layer, exact_values({2, in, 5, 4}, layer));
  EXPECT_EQ(outputs.int8_steps, 1);
  EXPECT_LT(relative_error(outputs.int8, outputs.fp32), 1e-6);
}

TEST(ExactConvolution, ResultsThatAreReadAgainAreNotOverwritten) {
  const int64_t in = 16;
  const LayerCalibration layer = exact_layer("conv", in);
  runtime::Recorder recorder;
  const auto x = recorder.input(runtime::Op::image, {2, in, 6, 6});
  const auto sum = recorder.add(x, recorder.conv2d(x, "conv", {.out = in, .kernel = 3}));
  Built built{recorder.take(recorder.concat(sum, x)), {}};  // x is read after the sum
  built.parameters.emplace("conv.weight", exact_weights({in, in, 3, 3}, layer, [](int64_t) { return true; }));
  built.parameters.emplace("conv.bias", noise({in}));
  const Outputs outputs = run_both(built, layer, exact_values({2, in, 6, 6}, layer));
  EXPECT_LT(relative_error(outputs.int8, outputs.fp32), 1e-6);
}

TEST(Int8Weights, AreTheNearestWithinTheirScale) {
  const int64_t out = 5, in = 7, taps = 9;
  const LayerCalibration layer = exact_layer("conv", in);
  const HostArrayF w = noise({out, in, taps}), b = noise({out}, 2);
  for (int largest : {127, 63}) {
    const runtime::Int8Weights q = runtime::int8_weights(w.data(), b.data(), out, layer, largest);
    for (int64_t o = 0; o < out; ++o) {
      float most = 0;
      double zeros = 0;
      for (int64_t i = o * in * taps; i < (o + 1) * in * taps; ++i) {
        const auto c = static_cast<size_t>(i / taps % in);
        const float v = q.values[static_cast<size_t>(i)], scale = q.scale[static_cast<size_t>(o)];
        EXPECT_EQ(v, std::nearbyint(v));
        most = std::max(most, std::abs(v));
        EXPECT_LE(std::abs(w[i] * layer.step[c] - scale * v), 0.5001F * scale);
        zeros += static_cast<double>(v) * layer.zero[c];
      }
      EXPECT_EQ(most, static_cast<float>(largest));
      EXPECT_NEAR(q.bias[static_cast<size_t>(o)], b[o] / q.scale[static_cast<size_t>(o)] - zeros, 0.02);
    }
  }
  const HostArrayF none({1, in, 1});  // an output that is always its bias
  const HostArrayF bias({1}, 0.25F);
  const runtime::Int8Weights q = runtime::int8_weights(none.data(), bias.data(), 1, layer, 127);
  EXPECT_EQ(q.scale[0] * q.bias[0], 0.25F);
}

TEST(BestBytes, EveryChannelHasASoundStepAndItsZero) {
  const int64_t channels = 6, positions = 500;
  HostArrayF x = noise({positions, channels});
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t c = i % channels;
    if (c == 0) x[i] *= 30;                         // loud
    if (c == 1) x[i] = std::abs(x[i]);              // never negative
    if (c == 2) x[i] = 0;                           // silent
    if (c == 3) x[i] = -5 - 0.1F * std::abs(x[i]);  // far from 0
  }
  runtime::SeenValues seen(channels);
  seen.add(x.data().data(), positions, 400, NoiseKey{1, 0, Purpose::calibration, 0});
  EXPECT_EQ(seen.kept(), 400);
  EXPECT_EQ(seen.count, positions);
  const HostArrayF w = noise({8, channels, 9}, 5);
  const LayerCalibration best = runtime::best_bytes(seen, {{w.data()}, 9});
  ASSERT_EQ(best.step.size(), static_cast<size_t>(channels));
  for (size_t c = 0; c < best.step.size(); ++c) {
    EXPECT_GT(best.step[c], 0);
    double error = 0, size = 1e-12;
    for (int64_t p = 0; p < positions; ++p) {
      const double v = x[p * channels + static_cast<int64_t>(c)], step = best.step[c], zero = best.zero[c];
      const double q = std::clamp(std::nearbyint(v / step + zero), 0.0, 255.0);
      error += std::pow(v - step * (q - zero), 2);
      size += v * v;
    }
    EXPECT_LT(std::sqrt(error / size), 0.1) << "channel " << c;
  }
  EXPECT_LT(best.zero[1], 3);
  EXPECT_LT(best.step[4], 0.6F * best.step[0]) << "a quiet channel has a finer step than a loud one";
}

std::vector<runtime::CalibrationBatch> batches_for(const nn::NetworkConfig& config, int64_t count) {
  std::vector<runtime::CalibrationBatch> batches;
  for (int64_t b = 0; b < count; ++b) {
    batches.push_back({noise(nn::input_shape(config, 2), static_cast<uint64_t>(b + 10)),
                       {100.0 * static_cast<double>(b), 100.0 * static_cast<double>(b) + 50},
                       {}});
  }
  return batches;
}

TEST(Calibrate, TheWholeNetworkStaysClose) {
  for (bool scale_shift : {false, true}) {
    nn::UNet2DConfig config = small_unet(16, 12, {32, 48});
    config.scale_shift = scale_shift;
    auto network = test::make_network(config, runtime::Type::int8);
    const auto batches = batches_for(config, 4);
    const HostArrayF x = noise(nn::input_shape(config, 3));
    const std::vector<double> t{7, 333, 20};
    const HostArrayF exact = test::make_network(config)(x, t, {});
    EXPECT_EQ(relative_error(network(x, t, {}), exact), 0) << "without calibration it computes in fp32";
    int64_t done = 0;
    runtime::CalibrationOptions options;
    options.progress = [&](int64_t now, int64_t total) {
      EXPECT_GT(now, done);
      EXPECT_GE(total, now);
      done = now;
    };
    const Calibration found = runtime::calibrate(network, batches, options);
    const double error = relative_error(network(x, t, {}), exact);
    EXPECT_LT(error, 0.05);
    EXPECT_GT(error, 1e-4) << "nothing was quantised";
    int64_t int8 = 0;
    for (const LayerCalibration& layer : found.layers) {
      EXPECT_GT(layer.error, 0) << layer.name;
      EXPECT_LT(layer.error, 0.05) << layer.name;
      int8 += layer.int8 ? 1 : 0;
      EXPECT_NE(layer.name, "conv_in");  // three channels
      EXPECT_NE(layer.name, "conv_out");
    }
    EXPECT_GT(int8, 15);
    ASSERT_FALSE(found.errors.empty());
    EXPECT_EQ(found.errors.front().first_t, 0);
    EXPECT_EQ(found.errors.back().last_t, 350);
    // The same looks give the same bytes.
    auto again = test::make_network(config, runtime::Type::int8);
    EXPECT_EQ(to_json(runtime::calibrate(again, batches, options = {})), to_json(found));
  }
}

TEST(Calibrate, ASampleDoesNotDependOnItsBatch) {
  const nn::UNet2DConfig config = small_unet(16, 16, {32, 48});
  auto network = test::make_network(config, runtime::Type::int8);
  runtime::calibrate(network, batches_for(config, 2), {});
  const HostArrayF x = noise(nn::input_shape(config, 5));
  const HostArrayF all = network(x, std::vector<double>(5, 40.0), {});
  for (int64_t i = 0; i < 5; ++i) {
    const HostArrayF alone = network(rows(x, i, 1), {40.0}, {});
    // A difference of fp32's last digits may move a value to the next byte.
    EXPECT_LT(test::largest_difference(alone.data(), all.sample(i)), 0.02) << "sample " << i;
  }
  EXPECT_EQ(test::largest_difference(network(x, std::vector<double>(5, 40.0), {}).data(), all.data()), 0);
}

TEST(Calibrate, WhatIsNotFiniteIsRefused) {
  const nn::UNet2DConfig config = small_unet(8, 8);
  auto values = test::random_parameters(config);
  values.at("conv_in.weight")[0] = std::numeric_limits<float>::infinity();
  runtime::RuntimeNetwork network(config, runtime::Weights(std::move(values)), runtime::Type::int8, 1);
  EXPECT_THROW(runtime::calibrate(network, batches_for(config, 1), {}), Error);
  EXPECT_THROW(runtime::calibrate(network, {}, {}), Error);
  auto fp32 = test::make_network(config);
  EXPECT_THROW(fp32.use({}), Error);
}

}  // namespace
}  // namespace langevin
