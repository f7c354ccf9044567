#include "langevin/kernels/bytes.h"

#include <algorithm>

#include "langevin/kernels/group_norm_rows.h"
#include "langevin/kernels/threads.h"

namespace langevin {
namespace {

template <class T>
void quantise_all(const Quantise<T>& call) {
  const BytePicture& to = call.to;
  const int64_t hw = call.h * to.w, rows = std::max<int64_t>(1, kChunk / (to.w * call.c)),
                pieces = (call.h + rows - 1) / rows;
  parallel_for(call.n * pieces, threads_for(call.n * hw * call.c), [&](int64_t i, int) {
    const int64_t n = i / pieces, first = i % pieces * rows, last = std::min(call.h, first + rows);
    bytes::for_each_piece(
        to, n, call.h, call.c, first * to.w, last * to.w, [&](int64_t at, uint8_t* y, int64_t positions) {
          const auto c = static_cast<size_t>(call.c);
          group_norm_rows::apply({static_cast<size_t>(positions) * c, c},
                                 group_norm_rows::ApplyBytes<T>{call.x + (n * hw + at) * call.c, to.gain,
                                                                to.offset, nullptr, nullptr, y, false});
        });
  });
}

}  // namespace

void quantise(const Quantise<float>& call) { quantise_all(call); }
void quantise(const Quantise<BF16>& call) { quantise_all(call); }

}  // namespace langevin
