// What the functions of this folder are where there is no nvcc, or a libtorch without CUDA.
#include "langevin/core/check.h"
#include "langevin/kernels/cuda/adamw.h"
#include "langevin/kernels/cuda/dropout.h"
#include "langevin/kernels/cuda/group_norm_silu.h"
#include "langevin/kernels/cuda/memory.h"
#include "langevin/kernels/cuda/noise.h"
#include "langevin/kernels/cuda/rows.h"

namespace langevin::cuda {
namespace {

[[noreturn]] void absent() {
  fail("built without CUDA: this needs nvcc and a libtorch with CUDA; see docs/gpu.md");
}

}  // namespace

int device_count() { return 0; }
std::string device_name() { absent(); }
void* allocate(size_t) { absent(); }
void release(void*) {}
void copy(void*, const void*, size_t, Stream) { absent(); }
void wait(Stream) { absent(); }

int64_t group_norm_workspace(const GroupNormShape&) { absent(); }
void group_norm_silu(const GroupNormShape&, const GroupNormForward<float>&, const DropoutMask&, Stream) {
  absent();
}
void group_norm_silu(const GroupNormShape&, const GroupNormForward<BF16>&, const DropoutMask&, Stream) {
  absent();
}
void group_norm_silu_backward(const GroupNormShape&, const GroupNormGradients<float>&, const DropoutMask&,
                              void*, Stream) {
  absent();
}
void group_norm_silu_backward(const GroupNormShape&, const GroupNormGradients<BF16>&, const DropoutMask&,
                              void*, Stream) {
  absent();
}

void apply_dropout(const float*, float*, int64_t, int64_t, const DropoutMask&, Stream) { absent(); }
void apply_dropout(const BF16*, BF16*, int64_t, int64_t, const DropoutMask&, Stream) { absent(); }

void fill_normal(float*, int64_t, int64_t, const NoiseKey&, Stream) { absent(); }
void fill_words(uint32_t*, int64_t, int64_t, const NoiseKey&, Stream) { absent(); }

void adamw_step(std::span<const AdamWArrays<float>>, const AdamWOptions&, Stream) { absent(); }
void adamw_step(std::span<const AdamWArrays<BF16>>, const AdamWOptions&, Stream) { absent(); }
template <class T>
int64_t sum_of_squares_workspace(std::span<const Values<T>>) {
  absent();
}
template int64_t sum_of_squares_workspace(std::span<const Values<float>>);
template int64_t sum_of_squares_workspace(std::span<const Values<BF16>>);
void sum_of_squares(std::span<const Values<float>>, double*, double*, Stream) { absent(); }
void sum_of_squares(std::span<const Values<BF16>>, double*, double*, Stream) { absent(); }

void add(const Add<float>&, Stream) { absent(); }
void add(const Add<BF16>&, Stream) { absent(); }
int64_t channel_sums_workspace(int64_t, int64_t, int64_t) { absent(); }
void channel_sums(const ChannelSums<float>&, Stream) { absent(); }
void channel_sums(const ChannelSums<BF16>&, Stream) { absent(); }
void timestep_features(const TimestepFeatures<float>&, Stream) { absent(); }
void timestep_features(const TimestepFeatures<BF16>&, Stream) { absent(); }

}  // namespace langevin::cuda
