// Times the kernels of langevin/kernels and prints each beside what memory bandwidth allows. Every kernel is
// first held against its reference on a small shape; a kernel that is wrong is not timed.
//   kernels_bench [threads]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "langevin/core/rng.h"
#include "langevin/kernels/adamw.h"
#include "langevin/kernels/cast.h"
#include "langevin/kernels/dropout.h"
#include "langevin/kernels/group_norm_silu.h"
#include "langevin/kernels/threads.h"

namespace {

using namespace langevin;

template <class T>
std::vector<T> normals(int64_t n, uint64_t stream) {
  std::vector<float> noise(static_cast<size_t>(n));
  fill_normal(noise, NoiseKey{1, stream, Purpose::test, 0});
  if constexpr (sizeof(T) == sizeof(float)) {
    return noise;
  } else {
    std::vector<T> out(noise.size());
    reference::cast(noise.data(), out.data(), n);
    return out;
  }
}

struct Times {
  double median = 0;
  double best = 0;
};

// Over enough runs to fill a third of a second, in seconds. The best is what the machine can do when nothing
// else runs.
Times measure(const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  const auto start = Clock::now();
  for (int i = 0; i < 5; ++i) run();
  while (times.size() < 20 || std::chrono::duration<double>(Clock::now() - start).count() < 0.35) {
    const auto before = Clock::now();
    run();
    times.push_back(std::chrono::duration<double>(Clock::now() - before).count());
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front()};
}

void report(const std::string& name, double bytes, double bandwidth, const std::function<void()>& run) {
  const Times t = measure(run);
  std::printf("%-44s %8.3f ms  best %8.3f ms  %6.1f GB/s  fraction_of_limit %.2f\n", name.c_str(),
              t.median * 1e3, t.best * 1e3, bytes / t.best * 1e-9, bytes / t.best / bandwidth);
}

template <class T>
void expect_close(const std::vector<T>& a, const std::vector<T>& b, float tolerance, const char* what) {
  for (size_t i = 0; i < a.size(); ++i) {
    const float x = to_float(a[i]);
    const float y = to_float(b[i]);
    if (!(std::abs(x - y) <= tolerance * (1 + std::abs(y)))) {
      std::fprintf(stderr, "%s: %g differs from the reference's %g at %zu; not timed\n", what,
                   static_cast<double>(x), static_cast<double>(y), i);
      std::exit(1);
    }
  }
}

template <class T>
struct GroupNorm {
  explicit GroupNorm(const GroupNormShape& s)
      : shape(s),
        x(normals<T>(s.n * s.hw * s.c, 1)),
        dy(normals<T>(s.n * s.hw * s.c, 2)),
        y(x.size()),
        dx(x.size()),
        gamma(normals<float>(s.c, 3)),
        beta(normals<float>(s.c, 4)),
        mean(static_cast<size_t>(s.n * s.groups)),
        rstd(mean.size()),
        dgamma(gamma.size()),
        dbeta(gamma.size()) {
    f.x = x.data();
    f.gamma = gamma.data();
    f.beta = beta.data();
    f.y = y.data();
    f.mean = mean.data();
    f.rstd = rstd.data();
    b.x = x.data();
    b.gamma = gamma.data();
    b.beta = beta.data();
    b.mean = mean.data();
    b.rstd = rstd.data();
    b.dy = dy.data();
    b.dx = dx.data();
    b.dgamma = dgamma.data();
    b.dbeta = dbeta.data();
  }
  GroupNorm(const GroupNorm&) = delete;
  GroupNorm& operator=(const GroupNorm&) = delete;

  GroupNormShape shape;
  std::vector<T> x, dy, y, dx;
  std::vector<float> gamma, beta, mean, rstd, dgamma, dbeta;
  GroupNormForward<T> f;
  GroupNormBackward<T> b;
};

template <class T>
void bench_group_norm(const char* type, double bandwidth) {
  const float tolerance = sizeof(T) == 2 ? 0.01F : 1e-4F;
  GroupNorm<T> fast({2, 144, 96, 32});
  GroupNorm<T> plain({2, 144, 96, 32});
  group_norm_silu(fast.shape, fast.f);
  group_norm_silu_backward(fast.shape, fast.b);
  reference::group_norm_silu(plain.shape, plain.f);
  reference::group_norm_silu_backward(plain.shape, plain.b);
  expect_close(fast.y, plain.y, tolerance, "group_norm_silu");
  expect_close(fast.dx, plain.dx, tolerance, "group_norm_silu_backward");
  expect_close(fast.dgamma, plain.dgamma, tolerance, "group_norm_silu_backward, dgamma");
  for (const GroupNormShape& s : {GroupNormShape{8, 1024, 128, 32}, GroupNormShape{8, 256, 256, 32},
                                  GroupNormShape{128, 1024, 128, 32}, GroupNormShape{1, 1024, 128, 32}}) {
    GroupNorm<T> g(s);
    const std::string size = std::string(type) + " (" + std::to_string(s.n) + "," + std::to_string(s.hw) +
                             "," + std::to_string(s.c) + ")";
    const auto bytes = static_cast<double>(g.x.size() * sizeof(T));
    report("group_norm_silu forward " + size, 2 * bytes, bandwidth, [&] { group_norm_silu(g.shape, g.f); });
    report("group_norm_silu backward " + size, 3 * bytes, bandwidth,
           [&] { group_norm_silu_backward(g.shape, g.b); });
  }
}

template <class T>
void bench_dropout(const char* type, double bandwidth) {
  const NoiseKey key = dropout_key(1, 2, 0, 3);
  const auto x = normals<T>(8 * 131072, 1);
  auto fast = x;
  auto plain = x;
  apply_dropout(x.data(), fast.data(), 8, 999, 0.1, key);
  reference::apply_dropout(x.data(), plain.data(), 8, 999, 0.1, key);
  expect_close(fast, plain, 0, "apply_dropout");
  report(std::string("apply_dropout ") + type + " (8,1024,128)",
         static_cast<double>(2 * x.size() * sizeof(T)), bandwidth,
         [&] { apply_dropout(x.data(), fast.data(), 8, 131072, 0.1, key); });
}

template <class G>
void bench_adamw(const char* type, double bandwidth) {
  struct State {
    explicit State(int64_t n)
        : g(normals<G>(n, 1)), w(normals<float>(n, 2)), m(w.size()), v(w.size()), ema(w), copy(w.size()) {}
    AdamWArrays<G> arrays() {
      return {
          static_cast<int64_t>(w.size()), g.data(), w.data(), m.data(), v.data(), ema.data(), copy.data()};
    }
    std::vector<G> g;
    std::vector<float> w, m, v, ema;
    std::vector<BF16> copy;
  };
  const AdamWOptions options{.weight_decay = 0.01, .bias1 = 0.1, .bias2 = 0.001, .ema_decay = 0.9999};
  State fast(5001), plain(5001);
  adamw_step(fast.arrays(), options);
  reference::adamw_step(plain.arrays(), options);
  expect_close(fast.w, plain.w, 1e-5F, "adamw_step");
  State big(35'000'000);  // the weights of a CIFAR-10 U-Net
  const auto n = static_cast<double>(big.w.size());
  report(std::string("adamw_step ") + type + " gradient, ema, bf16 copy, 35 M", n * (sizeof(G) + 8 * 4 + 2),
         bandwidth, [&] { adamw_step(big.arrays(), options); });
  double sum = 0;
  report(std::string("sum_of_squares ") + type + " 35 M", n * sizeof(G), bandwidth,
         [&] { sum += sum_of_squares(big.g.data(), static_cast<int64_t>(n)); });
  if (!(std::abs(sum_of_squares(big.g.data(), 999) / reference::sum_of_squares(big.g.data(), 999) - 1) <
        1e-12)) {
    std::fprintf(stderr, "sum_of_squares differs from its reference\n");
    std::exit(1);
  }
}

void bench_cast(double bandwidth) {
  const auto x = normals<float>(1 << 20, 1);
  std::vector<BF16> half(x.size()), plain(x.size());
  std::vector<float> back(x.size());
  cast(x.data(), half.data(), 1 << 20);
  reference::cast(x.data(), plain.data(), 1 << 20);
  expect_close(half, plain, 0, "cast");
  report("cast fp32 to bf16 (8,1024,128)", 6.0 * (1 << 20), bandwidth,
         [&] { cast(x.data(), half.data(), 1 << 20); });
  report("cast bf16 to fp32 (8,1024,128)", 6.0 * (1 << 20), bandwidth,
         [&] { cast(half.data(), back.data(), 1 << 20); });
}

double measure_bandwidth() {
  const int64_t n = 64 << 20;
  std::vector<float> from(static_cast<size_t>(n), 1.0F), to(from.size());
  const Times t = measure([&] {
    parallel_chunks(n,
                    [&](int64_t at, int64_t count) { std::copy_n(from.data() + at, count, to.data() + at); });
  });
  return 8.0 * static_cast<double>(n) / t.best;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) set_threads(std::atoi(argv[1]));
  const double bandwidth = measure_bandwidth();
  std::printf("%d threads, copying memory at %.1f GB/s (1 = that; above 1 the data stays in the cache)\n",
              max_threads(), bandwidth * 1e-9);
  bench_group_norm<float>("fp32", bandwidth);
  bench_group_norm<BF16>("bf16", bandwidth);
  bench_dropout<float>("fp32", bandwidth);
  bench_dropout<BF16>("bf16", bandwidth);
  bench_adamw<float>("fp32", bandwidth);
  bench_adamw<BF16>("bf16", bandwidth);
  bench_cast(bandwidth);
  return 0;
}
