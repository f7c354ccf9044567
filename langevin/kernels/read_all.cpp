#include "langevin/kernels/read_all.h"

#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/read_all.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/kernels/simd-inl.h"
#include "langevin/kernels/threads.h"

HWY_BEFORE_NAMESPACE();
namespace langevin::HWY_NAMESPACE {

uint64_t read_words(const uint64_t* words, int64_t n) {
  const hn::ScalableTag<uint64_t> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d), b = a, c = a, e = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = hn::Xor(a, hn::LoadU(d, words + i));
    b = hn::Xor(b, hn::LoadU(d, words + i + lanes));
    c = hn::Xor(c, hn::LoadU(d, words + i + 2 * lanes));
    e = hn::Xor(e, hn::LoadU(d, words + i + 3 * lanes));
  }
  HWY_ALIGN uint64_t parts[HWY_MAX_BYTES / 8] = {};
  hn::Store(hn::Xor(hn::Xor(a, b), hn::Xor(c, e)), d, parts);
  uint64_t all = 0;
  for (int64_t k = 0; k < lanes; ++k) all ^= parts[k];
  for (; i < n; ++i) all ^= words[i];
  return all;
}

}  // namespace langevin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin {

HWY_EXPORT(read_words);

uint64_t read_all(const uint64_t* words, int64_t n) {
  const int64_t pieces = threads_for(n), each = (n + pieces - 1) / pieces;
  std::vector<uint64_t> parts(static_cast<size_t>(pieces));
  parallel_for(pieces, static_cast<int>(pieces), [&](int64_t p, int) {
    const int64_t begin = std::min(n, p * each), count = std::min(each, n - begin);
    parts[static_cast<size_t>(p)] = HWY_DYNAMIC_DISPATCH(read_words)(words + begin, count);
  });
  uint64_t all = 0;
  for (const uint64_t part : parts) all ^= part;
  return all;
}

uint64_t reference::read_all(const uint64_t* words, int64_t n) {
  uint64_t all = 0;
  for (int64_t i = 0; i < n; ++i) all ^= words[i];
  return all;
}

}  // namespace langevin
#endif  // HWY_ONCE
