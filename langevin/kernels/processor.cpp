#include "langevin/kernels/processor.h"

#include <hwy/highway.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace langevin {
namespace {

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers ask(unsigned leaf, unsigned part) {
  Registers r;
  __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d);
  return r;
}

bool detect_fast_bf16() {
  constexpr unsigned kAmxBf16 = 1U << 22, kAvx512Bf16 = 1U << 5, kTileState = 1U << 18;
  // Leaf 7: tiles in edx; leaf 13: whether the system saves them (the bit of their data in XCR0).
  const bool tiles = (ask(7, 0).d & kAmxBf16) != 0 && (ask(13, 0).a & kTileState) != 0;
  return tiles || (__builtin_cpu_is("amd") && (ask(7, 1).a & kAvx512Bf16) != 0 && has_avx512());
}
#else
bool detect_fast_bf16() { return false; }
#endif

}  // namespace

bool has_avx512() { return (hwy::SupportedTargets() & HWY_AVX3) != 0; }

bool has_fast_bf16() {
  static const bool fast = detect_fast_bf16();
  return fast;
}

}  // namespace langevin
