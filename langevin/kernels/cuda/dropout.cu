#include "langevin/kernels/cuda/dropout.h"

#include "langevin/kernels/cuda/mask.h"

namespace langevin::cuda {
namespace {

constexpr int kThreads = 256;

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const T* x, T* y, int64_t n, int64_t elements, Mask mask) {
  const int64_t vectors = elements / V;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n * vectors) return;
  const int64_t row = i / vectors, first = i % vectors * V;
  float values[V];
  load<V>(x + row * elements + first, values);
  drop<V>(mask, row, first, values);
  store<V>(values, y + row * elements + first);
}

template <class T>
void apply(const T* x, T* y, int64_t n, int64_t elements, const DropoutMask& dropout, Stream stream) {
  const char* const function = "apply_dropout";
  const std::initializer_list<double> sizes{static_cast<double>(n), static_cast<double>(elements)};
  require(n >= 0 && elements >= 0 && elements <= int64_t{1} << 34, function,
          "n and elements must be in range (elements at most 2^34)", sizes);
  const Mask mask = mask_of(dropout, n);
  const bool wide = elements % kVector == 0 && vectors_at(x) && vectors_at(y);
  const int64_t vectors = n * elements / (wide ? kVector : 1), blocks = (vectors + kThreads - 1) / kThreads;
  require(blocks < int64_t{1} << 31, function, "so many rows of elements are too many for one call", sizes);
  if (wide) {
    launch(function, dropout_kernel<T, kVector>, blocks, kThreads, 0, stream, x, y, n, elements, mask);
  } else {
    launch(function, dropout_kernel<T, 1>, blocks, kThreads, 0, stream, x, y, n, elements, mask);
  }
}

}  // namespace

void apply_dropout(const float* x, float* y, int64_t n, int64_t elements, const DropoutMask& mask,
                   Stream stream) {
  apply(x, y, n, elements, mask, stream);
}
void apply_dropout(const BF16* x, BF16* y, int64_t n, int64_t elements, const DropoutMask& mask,
                   Stream stream) {
  apply(x, y, n, elements, mask, stream);
}

}  // namespace langevin::cuda
