#include "langevin/kernels/group_norm_silu.h"

#include <functional>
#include <limits>

#include "langevin/core/check.h"
#include "support.h"

namespace langevin {
namespace {

using test::each_target;
using test::expect_near;
using test::normals;
using test::same_bits;
using test::with_threads;

enum class Which { fast, plain };

struct Options {
  bool affine = true;
  bool modulated = true;
  float x_mean = 0.3F;
  float x_spread = 1.5F;
};

/// Inputs and outputs of both directions for one shape. Modulation rows are (scale | shift), 2C apart.
template <class T>
struct Buffers {
  Buffers(const GroupNormShape& s, const Options& o)
      : shape(s),
        options(o),
        x(normals<T>(s.n * s.hw * s.c, 1, o.x_mean, o.x_spread)),
        dy(normals<T>(s.n * s.hw * s.c, 2)),
        gamma(normals<float>(s.c, 3, 1, 0.3F)),
        beta(normals<float>(s.c, 4, 0, 0.5F)),
        modulation(normals<float>(s.n * 2 * s.c, 5, 0, 0.4F)),
        y(x.size()),
        dx(x.size()),
        mean(static_cast<size_t>(s.n * s.groups)),
        rstd(mean.size()),
        dgamma(gamma.size()),
        dbeta(gamma.size()),
        dmodulation(modulation.size()) {}

  void forward(Which which) {
    GroupNormForward<T> a;
    a.x = x.data();
    inputs(a);
    a.y = y.data();
    a.mean = mean.data();
    a.rstd = rstd.data();
    which == Which::fast ? group_norm_silu(shape, a) : reference::group_norm_silu(shape, a);
  }

  void backward(Which which) {
    GroupNormBackward<T> a;
    a.x = x.data();
    inputs(a);
    a.mean = mean.data();
    a.rstd = rstd.data();
    a.dy = dy.data();
    a.dx = dx.data();
    a.dgamma = dgamma.data();
    a.dbeta = dbeta.data();
    if (options.modulated) {
      a.dscale = dmodulation.data();
      a.dshift = dmodulation.data() + shape.c;
      a.gradient_stride = 2 * shape.c;
    }
    which == Which::fast ? group_norm_silu_backward(shape, a) : reference::group_norm_silu_backward(shape, a);
  }

  template <class Arrays>
  void inputs(Arrays& a) const {
    if (options.affine) {
      a.gamma = gamma.data();
      a.beta = beta.data();
    }
    if (options.modulated) {
      a.scale = modulation.data();
      a.shift = modulation.data() + shape.c;
      a.modulation_stride = 2 * shape.c;
    }
  }

  GroupNormShape shape;
  Options options;
  std::vector<T> x, dy;
  std::vector<float> gamma, beta, modulation;
  std::vector<T> y, dx;
  std::vector<float> mean, rstd, dgamma, dbeta, dmodulation;
};

std::string name_of(const GroupNormShape& s) {
  return "n " + std::to_string(s.n) + " hw " + std::to_string(s.hw) + " c " + std::to_string(s.c) +
         " groups " + std::to_string(s.groups);
}

/// Shapes with every kind of edge, then random ones.
std::vector<GroupNormShape> shapes() {
  std::vector<GroupNormShape> out = {
      {1, 1, 1, 1},     {2, 1, 32, 8},     {1, 7, 3, 1},     {1, 9, 5, 5},
      {3, 64, 17, 17},  {2, 50, 32, 32},   {1, 33, 130, 2},  {2, 8, 130, 65},
      {2, 256, 96, 32}, {1, 900, 128, 32}, {1, 5000, 3, 3},  {3, 1024, 64, 16},
      {1, 40, 2050, 5}, {5, 3, 48, 16},    {1, 20001, 1, 1}, {7, 300, 24, 4},
  };
  RandomStream random(NoiseKey{11, 0, Purpose::test, 0});
  for (int i = 0; i < 12; ++i) {
    const auto groups = static_cast<int64_t>(1 + random.below(12));
    const auto size = static_cast<int64_t>(1 + random.below(9));
    out.push_back({static_cast<int64_t>(1 + random.below(4)), static_cast<int64_t>(1 + random.below(400)),
                   groups * size, groups});
  }
  for (size_t i = 0; i < out.size(); ++i)
    out[i].activation = i % 4 == 3 ? Activation::none : Activation::silu;
  return out;
}

// A float result differs by its rounding; a BF16 result may fall on the other side of a tie.
template <class T>
constexpr float kRelative = sizeof(T) == 2 ? 0.008F : 2e-5F;
constexpr float kAbsolute = 3e-5F;

template <class T>
void compare_with_reference(const GroupNormShape& shape, const Options& options, const std::string& what) {
  Buffers<T> plain(shape, options);
  plain.forward(Which::plain);
  plain.backward(Which::plain);
  // With one value a group, x is its mean: rstd is 1/sqrt(eps) and dx is 0, up to the cancellation of terms
  // this large.
  float largest = 1;
  for (const float r : plain.rstd) largest = std::max(largest, r);
  const float sum = 1e-6F * static_cast<float>(shape.n * shape.hw) + kAbsolute;  // cancellation in long sums
  each_target([&](const std::string& target) {
    const std::string name = target + " " + what;
    Buffers<T> fast(shape, options);
    fast.forward(Which::fast);
    expect_near(fast.mean, plain.mean, 1e-6F, 1e-6F, name + " mean");
    expect_near(fast.rstd, plain.rstd, 0, 2e-6F, name + " rstd");
    expect_near(fast.y, plain.y, kAbsolute, kRelative<T>, name + " y");
    fast.mean = plain.mean;
    fast.rstd = plain.rstd;
    fast.backward(Which::fast);
    expect_near(fast.dx, plain.dx, kAbsolute * largest, kRelative<T>, name + " dx");
    expect_near(fast.dgamma, plain.dgamma, sum, 2e-5F, name + " dgamma");
    expect_near(fast.dbeta, plain.dbeta, sum, 2e-5F, name + " dbeta");
    expect_near(fast.dmodulation, plain.dmodulation, sum, 2e-5F, name + " dmodulation");
  });
}

TEST(GroupNormSilu, MatchesTheReferenceUnderEveryInstructionSet) {
  int i = 0;
  for (const GroupNormShape& shape : shapes()) {
    const Options options{.affine = i % 5 != 1, .modulated = i % 3 != 1};
    compare_with_reference<float>(shape, options, "fp32 " + name_of(shape));
    compare_with_reference<BF16>(shape, options, "bf16 " + name_of(shape));
    ++i;
  }
}

TEST(GroupNormSilu, GroupsComeOutWithMeanZeroAndVarianceOne) {
  Buffers<float> b({2, 300, 12, 4, 1e-9F, Activation::none},
                   {.affine = false, .modulated = false, .x_mean = 5, .x_spread = 3});
  b.forward(Which::fast);
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t g = 0; g < 4; ++g) {
      double sum = 0, sum2 = 0;
      for (int64_t p = 0; p < 300; ++p) {
        for (int64_t c = 3 * g; c < 3 * g + 3; ++c) {
          const auto v = static_cast<double>(b.y[static_cast<size_t>((n * 300 + p) * 12 + c)]);
          sum += v;
          sum2 += v * v;
        }
      }
      EXPECT_NEAR(sum / 900, 0, 1e-6);
      EXPECT_NEAR(sum2 / 900, 1, 1e-6);
    }
  }
}

/// sum_i w_i y_i of the header's equations in double, from inputs in double: what the gradients are
/// derivatives of.
struct DoubleModel {
  GroupNormShape s;
  std::vector<double> x, gamma, beta, modulation, w;

  double loss() const {
    double total = 0;
    const int64_t size = s.c / s.groups;
    for (int64_t n = 0; n < s.n; ++n) {
      for (int64_t g = 0; g < s.groups; ++g) {
        double m = 0, v = 0;
        for (int64_t i = 0; i < s.hw * size; ++i) m += x[at(n, i / size, g * size + i % size)];
        m /= static_cast<double>(s.hw * size);
        for (int64_t i = 0; i < s.hw * size; ++i)
          v += std::pow(x[at(n, i / size, g * size + i % size)] - m, 2);
        v /= static_cast<double>(s.hw * size);
        for (int64_t i = 0; i < s.hw * size; ++i) {
          const auto c = static_cast<size_t>(g * size + i % size);
          const auto row = static_cast<size_t>(2 * s.c * n);
          const size_t e = at(n, i / size, static_cast<int64_t>(c));
          const double h = (x[e] - m) / std::sqrt(v + static_cast<double>(s.eps)) * gamma[c] + beta[c];
          const double z = h * (1 + modulation[row + c]) + modulation[row + static_cast<size_t>(s.c) + c];
          total += w[e] * (s.activation == Activation::silu ? z / (1 + std::exp(-z)) : z);
        }
      }
    }
    return total;
  }

  size_t at(int64_t n, int64_t p, int64_t c) const { return static_cast<size_t>((n * s.hw + p) * s.c + c); }
};

void expect_derivative(DoubleModel& model, std::vector<double>& input, const std::vector<float>& gradient,
                       const std::string& what) {
  ASSERT_EQ(input.size(), gradient.size());
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < input.size(); ++i) {
    const double before = input[i];
    input[i] = before + kStep;
    const double up = model.loss();
    input[i] = before - kStep;
    const double down = model.loss();
    input[i] = before;
    const double slope = (up - down) / (2 * kStep);
    EXPECT_NEAR(static_cast<double>(gradient[i]), slope, 2e-5 * (1 + std::abs(slope))) << what << " " << i;
  }
}

TEST(GroupNormSilu, GradientsAreDerivativesOfTheForward) {
  for (const Activation activation : {Activation::silu, Activation::none}) {
    const GroupNormShape shape{2, 5, 18, 6, 1e-5F, activation};
    for (const Which which : {Which::fast, Which::plain}) {
      Buffers<float> b(shape, {});
      b.forward(which);
      b.backward(which);
      const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
      DoubleModel model{shape, wide(b.x), wide(b.gamma), wide(b.beta), wide(b.modulation), wide(b.dy)};
      expect_derivative(model, model.x, b.dx, "dx");
      expect_derivative(model, model.gamma, b.dgamma, "dgamma");
      expect_derivative(model, model.beta, b.dbeta, "dbeta");
      expect_derivative(model, model.modulation, b.dmodulation, "dmodulation");
    }
  }
}

template <class T>
void expect_same_for_any_threads(const GroupNormShape& shape) {
  Buffers<T> one(shape, {});
  with_threads(1, [&] {
    one.forward(Which::fast);
    one.backward(Which::fast);
  });
  for (const int threads : {2, 3, 7}) {
    Buffers<T> many(shape, {});
    with_threads(threads, [&] {
      many.forward(Which::fast);
      many.backward(Which::fast);
    });
    const std::string what = name_of(shape) + " threads " + std::to_string(threads);
    EXPECT_TRUE(same_bits(one.y, many.y)) << what;
    EXPECT_TRUE(same_bits(one.mean, many.mean)) << what;
    EXPECT_TRUE(same_bits(one.rstd, many.rstd)) << what;
    EXPECT_TRUE(same_bits(one.dx, many.dx)) << what;
    EXPECT_TRUE(same_bits(one.dgamma, many.dgamma)) << what;
    EXPECT_TRUE(same_bits(one.dbeta, many.dbeta)) << what;
    EXPECT_TRUE(same_bits(one.dmodulation, many.dmodulation)) << what;
  }
}

TEST(GroupNormSilu, SameBitsForAnyNumberOfThreads) {
  for (const GroupNormShape& shape : {GroupNormShape{1, 3000, 48, 16}, GroupNormShape{2, 1024, 96, 32},
                                      GroupNormShape{3, 2000, 20, 5}, GroupNormShape{33, 64, 160, 32}}) {
    expect_same_for_any_threads<float>(shape);
    expect_same_for_any_threads<BF16>(shape);
  }
}

TEST(GroupNormSilu, LargeMeanDoesNotSwampTheVariance) {
  // x is known to 2^-11 around 10^4, which the test shares with the reference; a sum of squares in fp32 would
  // be wrong by more than the variance itself.
  const GroupNormShape shape{2, 500, 64, 16};
  const Options options{.x_mean = 1e4F, .x_spread = 1};
  Buffers<float> fast(shape, options);
  Buffers<float> plain(shape, options);
  fast.forward(Which::fast);
  plain.forward(Which::plain);
  expect_near(fast.rstd, plain.rstd, 0, 1e-5F, "rstd");
  expect_near(fast.y, plain.y, 5e-3F, 1e-3F, "y");
  fast.backward(Which::fast);
  plain.backward(Which::plain);
  expect_near(fast.dx, plain.dx, 5e-3F, 1e-3F, "dx");
}

TEST(GroupNormSilu, AnOutlierWhereTheVarianceIsProbedDoesNotSpoilIt) {
  const GroupNormShape shape{1, 400, 16, 4};
  Buffers<float> fast(shape, {});
  fast.x[0] = 1000;
  Buffers<float> plain(fast);
  fast.forward(Which::fast);
  plain.forward(Which::plain);
  expect_near(fast.rstd, plain.rstd, 0, 1e-5F, "rstd");
  expect_near(fast.y, plain.y, 1e-4F, 1e-4F, "y");
}

TEST(GroupNormSilu, ConstantInputGivesTheActivatedBeta) {
  Buffers<float> b({1, 50, 8, 2}, {.modulated = false, .x_mean = 123.456F, .x_spread = 0});
  b.forward(Which::fast);
  for (size_t i = 0; i < b.y.size(); ++i) {
    const auto z = static_cast<double>(b.beta[i % 8]);
    EXPECT_NEAR(static_cast<double>(b.y[i]), z / (1 + std::exp(-z)),
                5e-3);  // mean * rstd is 4e4: 1 ulp is 4e-3
  }
}

template <class T>
void expect_nan_in_its_group_only(float bad) {
  const GroupNormShape shape{2, 40, 24, 3};
  Buffers<T> b(shape, {});
  test::put(b.x[24 * 40 + 24 * 7 + 10], bad);  // sample 1, position 7, channel 10: group 1
  b.forward(Which::fast);
  b.backward(Which::fast);
  for (size_t i = 0; i < b.y.size(); ++i) {
    const bool touched = i >= 24 * 40 && i % 24 / 8 == 1;
    ASSERT_EQ(std::isnan(to_float(b.y[i])), touched) << i;
    ASSERT_EQ(std::isnan(to_float(b.dx[i])), touched) << i;
  }
  for (size_t c = 0; c < 24; ++c) EXPECT_EQ(std::isnan(b.dgamma[c]), c / 8 == 1) << c;
}

TEST(GroupNormSilu, NotANumberSpreadsOverItsGroupOnly) {
  each_target([](const std::string&) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      expect_nan_in_its_group_only<float>(bad);
      expect_nan_in_its_group_only<BF16>(bad);
    }
  });
}

TEST(GroupNormSilu, SiluHoldsOverTheWholeRange) {
  // One channel a group of constant x: z is the shift, to the last bit.
  const std::vector<float> z = {-1e30F, -200, -80, -50, -20, -5,    -1e-3F, 0,
                                1e-3F,  1,    17,  88,  200, 1e30F, 3,      -3};
  const auto c = static_cast<int64_t>(z.size());
  const GroupNormShape shape{1, 4, c, c};
  const std::vector<float> zeros(z.size());
  std::vector<float> x(4 * z.size()), y(x.size()), dx(x.size()), ones(x.size(), 1.0F), mean(z.size()),
      rstd(z.size()), dshift(z.size());
  each_target([&](const std::string& target) {
    GroupNormForward<float> f{x.data(), zeros.data(), zeros.data(), nullptr,    z.data(),
                              0,        y.data(),     mean.data(),  rstd.data()};
    group_norm_silu(shape, f);
    GroupNormBackward<float> b;
    b.x = x.data();
    b.gamma = zeros.data();
    b.shift = z.data();
    b.mean = mean.data();
    b.rstd = rstd.data();
    b.dy = ones.data();
    b.dshift = dshift.data();
    group_norm_silu_backward(shape, b);
    for (size_t i = 0; i < z.size(); ++i) {
      const auto v = static_cast<double>(z[i]);
      const double s = v < -700 ? 0 : 1 / (1 + std::exp(-v));
      const double silu = s == 0 ? 0 : v * s;
      const double slope = s == 0 ? 0 : s * (1 + v * (1 - s));
      EXPECT_NEAR(static_cast<double>(y[i]), silu, 2e-6 * std::abs(silu) + 1e-32) << target << " z " << v;
      EXPECT_NEAR(static_cast<double>(dshift[i]), 4 * slope, 4e-6 * (1 + std::abs(slope)))
          << target << " z " << v;
    }
  });
}

TEST(GroupNormSilu, MayWorkInPlace) {
  const GroupNormShape shape{3, 700, 48, 16};
  Buffers<BF16> apart(shape, {});
  apart.forward(Which::fast);
  apart.backward(Which::fast);
  Buffers<BF16> in_place(shape, {});
  GroupNormForward<BF16> f;
  std::vector<BF16> xy = in_place.x;
  f.x = xy.data();
  in_place.inputs(f);
  f.y = xy.data();
  group_norm_silu(shape, f);
  EXPECT_TRUE(same_bits(xy, apart.y));
  GroupNormBackward<BF16> b;
  b.x = in_place.x.data();
  in_place.inputs(b);
  b.mean = apart.mean.data();
  b.rstd = apart.rstd.data();
  std::vector<BF16> gradient = in_place.dy;
  b.dy = gradient.data();
  b.dx = gradient.data();
  group_norm_silu_backward(shape, b);
  EXPECT_TRUE(same_bits(gradient, apart.dx));
}

TEST(GroupNormSilu, RefusesWrongSizes) {
  float x[8] = {};
  GroupNormForward<float> f;
  f.x = x;
  f.y = x;
  EXPECT_THROW(group_norm_silu({1, 2, 4, 3}, f), Error);
  EXPECT_THROW(group_norm_silu({0, 2, 4, 2}, f), Error);
  EXPECT_THROW(group_norm_silu({1, 2, 4, 0}, f), Error);
  EXPECT_THROW(group_norm_silu({1, 2, 4, 2, 0.0F}, f), Error);
  EXPECT_THROW(group_norm_silu({int64_t{1} << 40, int64_t{1} << 40, 4, 2}, f), Error);
  f.y = nullptr;
  EXPECT_THROW(group_norm_silu({1, 2, 4, 2}, f), Error);
}

// A row added before the norm, and a workspace that the caller keeps: the plain loops' numbers.
template <class T>
void check_added_row(const GroupNormShape& s, int64_t stride, float tolerance) {
  const auto x = normals<T>(s.n * s.hw * s.c, 1, 0.3F, 1.5F);
  const auto added = normals<float>(s.n * s.c, 2, 5, 2);
  std::vector<T> want(x.size()), got(x.size());
  GroupNormForward<T> a;
  a.x = x.data();
  a.added = added.data();
  a.added_stride = stride;
  a.y = want.data();
  reference::group_norm_silu(s, a);
  a.y = got.data();
  each_target([&](const std::string& target) {
    for (const int threads : {1, 3}) {
      with_threads(threads, [&] {
        std::vector<double> workspace(static_cast<size_t>(group_norm_workspace(s)) / 8 + 1);
        a.workspace = workspace.data();
        group_norm_silu(s, a);
      });
      expect_near(got, want, tolerance, tolerance, target);
    }
  });
}

TEST(GroupNormSilu, AddsARowFirst) {
  for (const GroupNormShape& s :
       {GroupNormShape{3, 70, 24, 8, 1e-5F}, GroupNormShape{2, 4096, 32, 4, 1e-5F, Activation::none}}) {
    for (const int64_t stride : {int64_t{0}, s.c}) {
      check_added_row<float>(s, stride, 2e-5F);
      check_added_row<BF16>(s, stride, 1e-2F);
    }
  }
}

}  // namespace
}  // namespace langevin
