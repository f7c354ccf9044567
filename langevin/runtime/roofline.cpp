#include "langevin/runtime/roofline.h"

#include <omp.h>

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "langevin/kernels/read_all.h"

namespace langevin {
namespace {

using Clock = std::chrono::steady_clock;

/// The fastest of the runs that fit into `seconds` (at least three).
template <class F>
double best_seconds(double seconds, F&& run) {
  run();  // the first one allocates
  double best = 1e30, total = 0;
  for (int i = 0; i < 3 || total < seconds; ++i) {
    const auto start = Clock::now();
    run();
    const double passed = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, passed);
    total += passed;
  }
  return best;
}

struct Case {
  int64_t n, c, hw;
};

/// (n, c, hw, hw) * (c, c, 3, 3), channels-last images, weights in the layout oneDNN likes best. int8 is u8
/// pictures and s8 weights.
double convolution_gflops(dnnl::memory::data_type type, const Case& size, double seconds) {
  using tag = dnnl::memory::format_tag;
  const auto [n, c, hw] = size;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto weight_type = type == dnnl::memory::data_type::u8 ? dnnl::memory::data_type::s8 : type;
  const dnnl::memory::desc image({n, c, hw, hw}, type, tag::nhwc),
      weights({c, c, 3, 3}, weight_type, tag::any);
  const dnnl::convolution_forward::desc description(dnnl::prop_kind::forward_inference,
                                                    dnnl::algorithm::convolution_direct, image, weights,
                                                    image, {1, 1}, {1, 1}, {1, 1});
  const dnnl::convolution_forward::primitive_desc primitive(description, engine);
  const dnnl::memory x(image, engine), w(primitive.weights_desc(), engine), y(image, engine);
  for (const auto* m : {&x, &w, &y})
    std::fill_n(static_cast<char*>(m->get_data_handle()), m->get_desc().get_size(), 0);
  const dnnl::convolution_forward convolution(primitive);
  const double best = best_seconds(seconds, [&] {
    convolution.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
    stream.wait();
  });
  return 2e-9 * static_cast<double>(n * hw * hw * c * c * 9) / best;
}

double matmul_gflops(dnnl::memory::data_type type, int64_t n, double seconds) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::memory::desc square({n, n}, type, dnnl::memory::format_tag::ab);
  const dnnl::matmul::primitive_desc primitive(dnnl::matmul::desc(square, square, square), engine);
  const dnnl::memory a(square, engine), b(square, engine), c(square, engine);
  for (const auto* m : {&a, &b, &c})
    std::fill_n(static_cast<char*>(m->get_data_handle()), square.get_size(), 0);
  const dnnl::matmul product(primitive);
  const double best = best_seconds(seconds, [&] {
    product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
  });
  return 2e-9 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / best;
}

}  // namespace

nlohmann::json to_json(const Roofline& r) {
  return {{"conv_fp32_gflops", r.conv_fp32},
          {"conv_bf16_gflops", r.conv_bf16},
          {"conv_int8_gflops", r.conv_int8},
          {"matmul_fp32_gflops", r.matmul_fp32},
          {"matmul_bf16_gflops", r.matmul_bf16},
          {"memory_gbytes_per_second", r.memory},
          {"threads", r.threads}};
}

double memory_gbytes(int64_t bytes, double seconds) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const int64_t words = std::max<int64_t>(1, bytes / 8);
  const size_t size = (static_cast<size_t>(8 * words) + kHugePage - 1) / kHugePage * kHugePage;
  const std::unique_ptr<void, decltype(&std::free)> owner(std::aligned_alloc(kHugePage, size), &std::free);
  if (owner == nullptr) throw std::bad_alloc();
  ::madvise(owner.get(), size, MADV_HUGEPAGE);  // or not
  auto* data = static_cast<uint64_t*>(owner.get());
  std::iota(data, data + words, uint64_t{1});
  volatile uint64_t sink = 0;
  const double best = best_seconds(seconds, [&] { sink = read_all(data, words); });
  (void)sink;
  return 8e-9 * static_cast<double>(words) / best;
}

Roofline measure_roofline(int threads, double seconds) {
  using type = dnnl::memory::data_type;
  if (threads > 0) omp_set_num_threads(threads);
  Roofline r;
  r.threads = omp_get_max_threads();
  const std::vector<Case> cases{{8, 128, 32}, {8, 256, 16}, {16, 256, 8}};
  const double each = seconds / 12;
  const auto best_of = [&](type of) {
    double best = 0;
    for (const Case& c : cases) best = std::max(best, convolution_gflops(of, c, each));
    return best;
  };
  r.conv_fp32 = best_of(type::f32);
  r.conv_int8 = best_of(type::u8);
  try {
    r.conv_bf16 = best_of(type::bf16);
  } catch (const dnnl::error&) {
    r.conv_bf16 = 0;  // this processor has no bf16 convolution
  }
  r.matmul_fp32 = matmul_gflops(type::f32, 1024, each);
  try {
    r.matmul_bf16 = matmul_gflops(type::bf16, 1024, each);
  } catch (const dnnl::error&) {
    r.matmul_bf16 = 0;
  }
  r.memory = memory_gbytes(int64_t{512} << 20, each);  // larger than caches
  return r;
}

}  // namespace langevin
