// The plain loops that kernels which store bytes are held against.
#include <algorithm>
#include <cmath>

#include "langevin/kernels/bytes.h"

namespace langevin {

uint8_t byte_of(double value, const BytePicture& to, int64_t c) {
  const double exact = value * static_cast<double>(to.gain[c]) + static_cast<double>(to.offset[c]);
  return static_cast<uint8_t>(std::clamp(std::nearbyint(exact), 0.0, 255.0));
}

namespace reference {
namespace {

template <class T>
void quantise_all(const Quantise<T>& call) {
  const BytePicture& to = call.to;
  uint8_t* y = to.y;
  for (int64_t n = 0; n < call.n; ++n) {
    for (int64_t row = -to.frame.top; row < call.h + to.frame.bottom; ++row) {
      for (int64_t column = -to.frame.left; column < to.w + to.frame.right; ++column) {
        const bool inside = row >= 0 && row < call.h && column >= 0 && column < to.w;
        for (int64_t c = 0; c < call.c; ++c, ++y) {
          const int64_t at = ((n * call.h + row) * to.w + column) * call.c + c;
          *y = inside ? byte_of(static_cast<double>(to_float(call.x[at])), to, c) : to.zero[c];
        }
      }
    }
  }
}

}  // namespace

void quantise(const Quantise<float>& call) { quantise_all(call); }
void quantise(const Quantise<BF16>& call) { quantise_all(call); }

}  // namespace reference
}  // namespace langevin
