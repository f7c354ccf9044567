#include "langevin/kernels/cuda/group_norm_silu.h"

#include "device_array.h"
#include "langevin/core/check.h"

namespace langevin {
namespace {

using test::as_floats;
using test::CudaKernels;
using test::DeviceArray;
using test::expect_near;
using test::normals;
using test::repeated;

struct Options {
  bool silu = true, modulated = false, affine = true, added = false;
  double dropout = 0;
  float mean = 0.5F;
  bool once = false;  // do not repeat it in another order
  size_t offset = 0;  // of the activations from an address divisible by 16, in elements
};

const NoiseKey kKey =
    dropout_key(3, 5, 0xfffffffe, 77);  // sample counts into the layer's bits within the batch

/// Inputs of one call on the host, as T and as the floats that the reference computes with.
template <class T>
struct Case {
  Case(const GroupNormShape& s, const Options& o)
      : shape(s),
        options(o),
        x(normals<T>(s.n * s.hw * s.c, 1, o.mean, 2)),
        dy(normals<T>(s.n * s.hw * s.c, 2)),
        gamma(normals<float>(s.c, 3, 1, 0.3F)),
        beta(normals<float>(s.c, 4)),
        modulation(normals<float>(2 * s.n * s.c, 5, 0, 0.5F)),
        added(normals<float>(s.n * s.c, 6, 0, o.added ? 1.0F : 0.0F)) {
    shape.activation = o.silu ? Activation::silu : Activation::none;
  }
  /// Gives forward or backward arrays what both have.
  template <class Arrays>
  void put_in(Arrays& arrays, const float* gamma_at, const float* beta_at, const float* modulation_at) const {
    arrays.gamma = options.affine ? gamma_at : nullptr;
    arrays.beta = options.affine ? beta_at : nullptr;
    if (!options.modulated) return;
    arrays.scale = modulation_at;
    arrays.shift = modulation_at + shape.c;
    arrays.modulation_stride = 2 * shape.c;
  }
  /// x and what is added to it, for the reference.
  std::vector<float> whole() const {
    std::vector<float> out = as_floats(x);
    for (size_t i = 0; i < out.size(); ++i)
      out[i] += added[i / static_cast<size_t>(sample_size()) * static_cast<size_t>(shape.c) +
                      i % static_cast<size_t>(shape.c)];
    return out;
  }
  cuda::DropoutMask mask() const { return {options.dropout, kKey, nullptr}; }
  int64_t sample_size() const { return shape.hw * shape.c; }
  size_t size() const { return x.size(); }
  size_t group_count() const { return static_cast<size_t>(shape.n * shape.groups); }

  GroupNormShape shape;
  Options options;
  std::vector<T> x, dy;
  std::vector<float> gamma, beta, modulation, added;
};

struct Forward {
  std::vector<float> y, mean, rstd;
};

template <class T>
Forward plain_forward(const Case<T>& c) {
  Forward out{std::vector<float>(c.size()), std::vector<float>(c.group_count()),
              std::vector<float>(c.group_count())};
  const std::vector<float> x = c.whole();
  GroupNormForward<float> a;
  c.put_in(a, c.gamma.data(), c.beta.data(), c.modulation.data());
  a.x = x.data();
  a.y = out.y.data();
  a.mean = out.mean.data();
  a.rstd = out.rstd.data();
  reference::group_norm_silu(c.shape, a);
  reference::apply_dropout(out.y.data(), out.y.data(), c.shape.n, c.sample_size(), c.options.dropout, kKey);
  return out;
}

template <class T>
Forward device_forward(const Case<T>& c) {
  const DeviceArray<T> x(c.x, c.options.offset);
  const DeviceArray<float> gamma(c.gamma), beta(c.beta), modulation(c.modulation), added(c.added);
  Forward out;
  out.y = as_floats(repeated(
      [&] {
        DeviceArray<unsigned char> workspace(static_cast<size_t>(cuda::group_norm_workspace(c.shape)));
        DeviceArray<T> y(c.size(), c.options.offset);
        DeviceArray<float> mean(c.group_count()), rstd(c.group_count());
        GroupNormForward<T> a;
        c.put_in(a, gamma.data(), beta.data(), modulation.data());
        a.x = x.data();
        if (c.options.added) a.added = added.data(), a.added_stride = c.shape.c;
        a.y = y.data();
        a.mean = mean.data();
        a.rstd = rstd.data();
        a.workspace = workspace.data();
        cuda::group_norm_silu(c.shape, a, c.mask(), nullptr);
        out.mean = mean.values();
        out.rstd = rstd.values();
        workspace.values();
        return y.values();
      },
      c.options.once));
  return out;
}

struct Backward {
  std::vector<float> dx, dgamma, dbeta, dmodulation, dadded = {};
};

template <class T>
Backward plain_backward(const Case<T>& c, const Forward& forward) {
  Backward out{std::vector<float>(c.size()), std::vector<float>(c.gamma.size()),
               std::vector<float>(c.beta.size()), std::vector<float>(c.modulation.size())};
  const std::vector<float> x = c.whole();
  std::vector<float> dy = as_floats(c.dy);
  reference::apply_dropout(dy.data(), dy.data(), c.shape.n, c.sample_size(), c.options.dropout, kKey);
  GroupNormBackward<float> a;
  c.put_in(a, c.gamma.data(), c.beta.data(), c.modulation.data());
  a.x = x.data();
  a.mean = forward.mean.data();
  a.rstd = forward.rstd.data();
  a.dy = dy.data();
  a.dx = out.dx.data();
  a.dgamma = out.dgamma.data();
  a.dbeta = out.dbeta.data();
  a.dscale = out.dmodulation.data();
  a.dshift = out.dmodulation.data() + c.shape.c;
  a.gradient_stride = 2 * c.shape.c;
  reference::group_norm_silu_backward(c.shape, a);
  for (int64_t i = 0; i < c.shape.n * c.shape.c; ++i) {
    double sum = 0;
    for (int64_t p = 0; p < c.shape.hw; ++p)
      sum += static_cast<double>(
          out.dx[static_cast<size_t>((i / c.shape.c * c.shape.hw + p) * c.shape.c + i % c.shape.c)]);
    out.dadded.push_back(static_cast<float>(sum));
  }
  return out;
}

template <class T>
Backward device_backward(const Case<T>& c, const Forward& forward) {
  const DeviceArray<T> x(c.x, c.options.offset), dy(c.dy, c.options.offset);
  const DeviceArray<float> gamma(c.gamma), beta(c.beta), modulation(c.modulation), added(c.added),
      mean(forward.mean), rstd(forward.rstd);
  Backward out;
  out.dx = as_floats(repeated(
      [&] {
        DeviceArray<unsigned char> workspace(static_cast<size_t>(cuda::group_norm_workspace(c.shape)));
        DeviceArray<T> dx(c.size(), c.options.offset);
        DeviceArray<float> dgamma(c.gamma.size()), dbeta(c.beta.size()), dmodulation(c.modulation.size()),
            dadded(c.added.size());
        cuda::GroupNormGradients<T> a;
        c.put_in(a, gamma.data(), beta.data(), modulation.data());
        a.x = x.data();
        a.mean = mean.data();
        a.rstd = rstd.data();
        a.dy = dy.data();
        a.dx = dx.data();
        a.dgamma = dgamma.data();
        a.dbeta = dbeta.data();
        a.dscale = dmodulation.data();
        a.dshift = dmodulation.data() + c.shape.c;
        a.gradient_stride = 2 * c.shape.c;
        if (c.options.added) a.added = added.data(), a.added_stride = c.shape.c, a.dadded = dadded.data();
        cuda::group_norm_silu_backward(c.shape, a, c.mask(), workspace.data(), nullptr);
        if (c.options.added) out.dadded = dadded.values();
        out.dgamma = dgamma.values();
        out.dbeta = dbeta.values();
        out.dmodulation = dmodulation.values();
        workspace.values();
        return dx.values();
      },
      c.options.once));
  return out;
}

template <class T>
constexpr float kOne = sizeof(T) == 2 ? 1.0F / 256 : 4e-6F;  // relative error of one result

template <class T>
void compare(const GroupNormShape& shape, const Options& options, const std::string& what) {
  const Case<T> c(shape, options);
  const Forward plain = plain_forward(c), fast = device_forward(c);
  // What is subtracted leaves an error in proportion to it; sigma is 2.
  const float lost = 1e-6F * std::abs(options.mean);
  expect_near(fast.mean, plain.mean, 1e-6F + lost, 1e-6F, what + " mean");
  expect_near(fast.rstd, plain.rstd, 0, 4e-6F + lost * lost, what + " rstd");
  expect_near(fast.y, plain.y, 1e-5F + 4 * lost, kOne<T>, what + " y");
  const Backward expected = plain_backward(c, plain), got = device_backward(c, plain);
  expect_near(got.dx, expected.dx, 1e-5F + 4 * lost, kOne<T>, what + " dx");
  const float terms = static_cast<float>(shape.n * shape.hw);
  const float sum = 3e-6F * std::sqrt(terms) + 1e-6F + lost * terms;
  expect_near(got.dgamma, expected.dgamma, sum, 1e-5F, what + " dgamma");
  expect_near(got.dbeta, expected.dbeta, sum, 1e-5F, what + " dbeta");
  expect_near(got.dmodulation, expected.dmodulation, sum, 1e-5F, what + " dscale, dshift");
  // Of sums that all but cancel; the reference's are of rounded dx.
  if (options.added)
    expect_near(got.dadded, expected.dadded, 2 * sum + 1e-6F * terms, 1e-4F, what + " dadded");
}

std::vector<GroupNormShape> shapes() {
  const auto make = [](int64_t n, int64_t hw, int64_t c, int64_t groups) {
    return GroupNormShape{.n = n, .hw = hw, .c = c, .groups = groups};
  };
  return {make(1, 1, 1, 1),      make(2, 5, 12, 4),     make(3, 49, 32, 8),   make(2, 64, 128, 32),
          make(1, 300, 320, 32), make(2, 200, 130, 13), make(1, 40, 2056, 8), make(1, 5, 600, 2),
          make(2, 700, 64, 1),   make(1, 4096, 24, 6),  make(1, 9000, 8, 8),  make(1, 70, 1024, 1024),
          make(2, 1000, 40, 5),  make(1, 16400, 3, 3),  make(1, 2, 4096, 1),  make(1, 17, 2304, 1152)};
}

std::string name_of(const GroupNormShape& s) { return fmt::format("{}x{}x{}/{}", s.n, s.hw, s.c, s.groups); }

TEST_F(CudaKernels, GroupNormEqualsTheReferenceInFp32) {
  for (const GroupNormShape& shape : shapes()) {
    compare<float>(shape, {}, name_of(shape));
    compare<float>(shape, {.silu = false, .modulated = true}, name_of(shape) + " modulated");
  }
}

TEST_F(CudaKernels, GroupNormEqualsTheReferenceInBf16) {
  for (const GroupNormShape& shape : shapes())
    compare<BF16>(shape, {.modulated = true, .dropout = 0.3}, name_of(shape) + " bf16");
}

TEST_F(CudaKernels, GroupNormAddsRowsBefore) {
  for (const GroupNormShape& shape : shapes()) {
    if (shape.hw * shape.c == shape.groups) continue;  // no variance: what is left of x is rounding
    compare<float>(shape, {.added = true}, name_of(shape) + " added");
    compare<BF16>(shape, {.modulated = true, .added = true, .dropout = 0.3}, name_of(shape) + " added bf16");
  }
}

TEST_F(CudaKernels, GroupNormTakesAnyAlignmentAndNoWeights) {
  const GroupNormShape shape{.n = 2, .hw = 50, .c = 64, .groups = 8};
  for (const size_t offset : {1, 3, 4, 8}) {
    compare<float>(shape, {.affine = false, .dropout = 0.5, .offset = offset}, "offset");
    compare<BF16>(shape, {.affine = false, .dropout = 0.5, .offset = offset}, "offset");
  }
}

TEST_F(CudaKernels, GroupNormOfALargePicture) {  // more chunks than a sample may have at their usual size
  compare<float>({.n = 1, .hw = 540000, .c = 8, .groups = 2}, {.once = true}, "large");
}

TEST_F(CudaKernels, GroupNormKeepsItsDigitsBesideALargeMean) {
  for (const GroupNormShape& shape : {GroupNormShape{.n = 2, .hw = 64, .c = 64, .groups = 8},
                                      GroupNormShape{.n = 1, .hw = 3000, .c = 32, .groups = 4}})
    compare<float>(shape, {.silu = false, .mean = 3000}, "large mean");
}

TEST_F(CudaKernels, GroupNormOfASampleDoesNotDependOnItsBatch) {
  const GroupNormShape three{.n = 3, .hw = 1500, .c = 64, .groups = 16};
  GroupNormShape one = three;
  one.n = 1;
  Case<float> batch(three, {}), alone(one, {});
  const auto third = batch.x.begin() + 2 * batch.sample_size();
  alone.x.assign(third, batch.x.end());
  const Forward whole = device_forward(batch), part = device_forward(alone);
  EXPECT_TRUE(
      test::same_bits(part.y, std::vector<float>(whole.y.begin() + 2 * batch.sample_size(), whole.y.end())));
}

TEST_F(CudaKernels, GroupNormShowsValuesThatAreNotFinite) {
  for (const int64_t hw : {16, 2000}) {
    Case<BF16> c({.n = 2, .hw = hw, .c = 32, .groups = 4}, {});
    test::put(c.x[static_cast<size_t>(hw * 16)], INFINITY);  // in group 0 of sample 0
    const Forward out = device_forward(c);
    EXPECT_FALSE(std::isfinite(out.y[0]));
    EXPECT_TRUE(std::isfinite(out.y[8])) << "the next group is whole";
    EXPECT_TRUE(std::isfinite(out.y[static_cast<size_t>(c.sample_size())])) << "the next sample is whole";
  }
}

TEST_F(CudaKernels, GroupNormGradientsMayBeLeftOut) {
  const Case<float> c({.n = 2, .hw = 1200, .c = 32, .groups = 4}, {});
  const Forward forward = plain_forward(c);
  const DeviceArray<float> x(c.x), mean(forward.mean), rstd(forward.rstd);
  DeviceArray<float> dy(c.dy), dgamma(c.gamma.size());
  DeviceArray<unsigned char> workspace(static_cast<size_t>(cuda::group_norm_workspace(c.shape)));
  cuda::GroupNormGradients<float> a;
  a.x = x.data();
  a.mean = mean.data();
  a.rstd = rstd.data();
  a.dy = dy.data();
  a.dgamma = dgamma.data();
  cuda::group_norm_silu_backward(c.shape, a, {}, workspace.data(), nullptr);
  const std::vector<float> alone = dgamma.values();
  EXPECT_TRUE(test::same_bits(dy.values(), c.dy));
  a.dx = dy.data();  // over the gradient it is made of
  cuda::group_norm_silu_backward(c.shape, a, {}, workspace.data(), nullptr);
  EXPECT_TRUE(test::same_bits(dgamma.values(), alone));
  EXPECT_FALSE(test::same_bits(dy.values(), c.dy));
}

TEST_F(CudaKernels, GroupNormRefusesWhatDoesNotFit) {
  const GroupNormForward<float> nothing;
  const GroupNormShape good{.n = 1, .hw = 4, .c = 8, .groups = 2};
  EXPECT_THROW(cuda::group_norm_silu(good, nothing, {}, nullptr), Error);
  for (const GroupNormShape& bad :
       {GroupNormShape{.n = 1, .hw = 4, .c = 8, .groups = 3}, GroupNormShape{.n = 0, .hw = 4, .c = 8},
        GroupNormShape{.n = 1, .hw = 4, .c = 8, .eps = 0},
        GroupNormShape{.n = 1, .hw = 4, .c = 8192, .groups = 4096},
        GroupNormShape{.n = int64_t{1} << 40, .hw = int64_t{1} << 30, .c = 64}})
    EXPECT_THROW(cuda::group_norm_workspace(bad), Error);
}

}  // namespace
}  // namespace langevin
