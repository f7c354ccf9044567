#include "langevin/runtime/int8_step.h"

#include <algorithm>
#include <cstring>

#include "langevin/kernels/threads.h"

namespace langevin::runtime {
namespace {

/// Weights of several maps below each other, as they are joined into one.
std::vector<float> joined(Workshop& workshop, const std::vector<std::string>& names, const char* suffix,
                          int64_t each) {
  std::vector<float> all;
  for (const std::string& name : names) {
    const auto values = workshop.weights.floats(name + suffix, each);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

}  // namespace

Frame frame_of(const ProductSpec& s) { return {s.pad_before, s.pad_after, s.pad_before, s.pad_after}; }

int64_t row_of(const ProductSpec& s) {
  return s.kernel == 1 && s.pad_before + s.pad_after == 0 ? s.h * s.w : s.w;
}

int64_t framed_bytes(const ProductSpec& s) { return frame_of(s).height(s.h) * frame_of(s).width(s.w) * s.in; }

QuantiseStep::QuantiseStep(ByteTarget target, int64_t h, int64_t channels, int src, int dst)
    : target_(std::move(target)), h_(h), channels_(channels), src_(src), dst_(dst) {
  name = "quantise";
  positions = h * target_.w;
  reads = {src};
  writes = {dst};
}

void QuantiseStep::bind(const Buffers& buffers) {
  x_ = buffers.place(src_);
  y_ = buffers.place(dst_);
}

void QuantiseStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    quantise(Quantise<T>{reinterpret_cast<const T*>(x_.at(call.first)), chunk, h_, channels_,
                         target_.picture(y_.at(call.first))});
  });
}

Int8ProductStep::Int8ProductStep(ProductSpec spec, LayerCalibration input, int src, int dst, int residual)
    : spec_(std::move(spec)), input_(std::move(input)), src_(src), dst_(dst), residual_(residual) {
  name = "int8 " + product_name(spec_);
  positions = std::max(spec_.h * spec_.w, spec_.oh * spec_.ow);
  reads = {src};
  if (residual >= 0) reads.push_back(residual);
  writes = {dst};
}

void Int8ProductStep::prepare(Workshop& workshop) {
  const ProductSpec& s = spec_;
  Int8Spec plain;
  for (const std::string& part : s.names) plain.key += part + "|";
  plain.key += "int8";
  plain.chunk = chunk;
  plain.in = s.in;
  plain.h = frame_of(s).height(s.h);
  plain.w = frame_of(s).width(s.w);
  plain.out = s.out;
  plain.oh = s.oh;
  plain.ow = s.ow;
  plain.kernel = s.kernel;
  plain.stride = s.stride;
  plain.residual = residual_ >= 0;
  convolution_.prepare(workshop, plain, input_, [&] {
    const int64_t each = s.out / static_cast<int64_t>(s.names.size());
    return Int8Convolution::Parameters{
        joined(workshop, s.names, ".weight", each * s.in * s.kernel * s.kernel),
        s.bias ? joined(workshop, s.names, ".bias", each) : std::vector<float>{}};
  });
  sample_bytes_ = s.out * s.oh * s.ow * size_of(workshop.type);
  implementation = convolution_.implementation();
  writes.push_back(scratch_ = workshop.buffers.add_scratch(convolution_.scratch_bytes()));
}

void Int8ProductStep::bind(const Buffers& buffers) {
  dst_place_ = buffers.place(dst_);
  if (residual_ >= 0) residual_place_ = buffers.place(residual_);
  convolution_.bind(buffers.place(src_), dst_place_, buffers.place(scratch_));
}

void Int8ProductStep::run(const Call& call, const dnnl::stream& stream) {
  // oneDNN's faster code adds only what lies in place: a copy, still in the cache, costs less than the other.
  if (residual_ >= 0 && !in_place_) {
    std::byte* to = dst_place_.at(call.first);
    const std::byte* from = residual_place_.at(call.first);
    parallel_chunks(chunk * sample_bytes_, [&](int64_t begin, int64_t count) {
      std::memcpy(to + begin, from + begin, static_cast<size_t>(count));
    });
  }
  convolution_.run(stream, call.first);
}

}  // namespace langevin::runtime
