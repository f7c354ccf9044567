#include "langevin/runtime/plain_steps.h"

#include <algorithm>

#include "langevin/kernels/rows.h"

namespace langevin::runtime {
namespace {

template <class T>
T* values(const Place& place, const Call& call) {
  return reinterpret_cast<T*>(place.at(call.first));
}

template <class T>
T rounded(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    return to_bf16(x);
  }
}

}  // namespace

ImageStep::ImageStep(Direction direction, int buffer, int64_t channels, int64_t hw)
    : direction_(direction), buffer_(buffer), channels_(channels), hw_(hw) {
  name = direction == Direction::in ? "image" : "output";
  positions = hw;
  (direction == Direction::in ? writes : reads) = {buffer};
}

void ImageStep::run(const Call& call, const dnnl::stream&) {
  const int64_t at = call.first * channels_ * hw_;
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    T* own = values<T>(place_, call);
    if (direction_ == Direction::in) {
      to_channels_last(call.image + at, own, chunk, channels_, hw_);
    } else {
      from_channels_last(own, call.output + at, chunk, channels_, hw_);
    }
  });
}

ConcatStep::ConcatStep(Part a, Part b, int dst, int64_t hw) : parts_{a, b}, dst_(dst), hw_(hw) {
  name = "concat";
  positions = hw;
  reads = {a.buffer, b.buffer};
  writes = {dst};
}

void ConcatStep::bind(const Buffers& buffers) {
  a_ = buffers.place(parts_[0].buffer);
  b_ = buffers.place(parts_[1].buffer);
  y_ = buffers.place(dst_);
}

void ConcatStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    concat_channels(Concat<T>{values<T>(a_, call), values<T>(b_, call), values<T>(y_, call),
                              parts_[0].channels, parts_[1].channels, chunk * hw_});
  });
}

UpsampleStep::UpsampleStep(Size size, int src, int dst) : size_(size), src_(src), dst_(dst) {
  name = "upsample_nearest";
  positions = size.to_h * size.to_w;
  reads = {src};
  writes = {dst};
}

void UpsampleStep::bind(const Buffers& buffers) {
  x_ = buffers.place(src_);
  y_ = buffers.place(dst_);
}

void UpsampleStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    upsample_nearest(Upsample<T>{values<T>(x_, call), values<T>(y_, call), chunk, size_.h, size_.w, size_.c,
                                 size_.to_h, size_.to_w});
  });
}

MeanStep::MeanStep(int src, int dst, int64_t channels, int64_t hw)
    : src_(src), dst_(dst), channels_(channels), hw_(hw) {
  name = "mean_positions";
  positions = hw;
  reads = {src};
  writes = {dst};
}

void MeanStep::prepare(Workshop& workshop) {
  type_ = workshop.type;
  sums_.resize(static_cast<size_t>(channels_));
}

void MeanStep::bind(const Buffers& buffers) {
  x_ = buffers.place(src_);
  y_ = buffers.place(dst_);
}

void MeanStep::run(const Call& call, const dnnl::stream&) {
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    const T* x = values<T>(x_, call);
    T* y = values<T>(y_, call);
    const float share = 1.0F / static_cast<float>(hw_);
    for (int64_t n = 0; n < chunk; ++n, y += channels_) {
      std::fill(sums_.begin(), sums_.end(), 0.0F);
      for (int64_t p = 0; p < hw_; ++p, x += channels_) {
        for (int64_t c = 0; c < channels_; ++c) sums_[static_cast<size_t>(c)] += to_float(x[c]);
      }
      for (int64_t c = 0; c < channels_; ++c) y[c] = rounded<T>(sums_[static_cast<size_t>(c)] * share);
    }
  });
}

ElementStep::ElementStep(Spec spec) : spec_(spec) {
  constexpr const char* names[] = {"blend", "silu", "mish", "add_channels", "film"};
  name = names[static_cast<size_t>(spec.kind)];
  positions = spec.hw;
  reads = {spec.x};
  if (spec.z >= 0) reads.push_back(spec.z);
  writes = {spec.dst};
}

void ElementStep::bind(const Buffers& buffers) {
  x_ = buffers.place(spec_.x);
  if (spec_.z >= 0) z_ = buffers.place(spec_.z);
  y_ = buffers.place(spec_.dst);
}

void ElementStep::run(const Call& call, const dnnl::stream&) {
  const Spec& s = spec_;
  const int64_t count = chunk * s.hw * s.channels;
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    const T* x = values<T>(x_, call);
    T* y = values<T>(y_, call);
    switch (s.kind) {
      case Spec::Kind::silu:
        return silu(x, y, count);
      case Spec::Kind::mish:
        return mish(x, y, count);
      case Spec::Kind::add_row:
      case Spec::Kind::film: {
        const float* scale = s.kind == Spec::Kind::film ? call.row(s.row - s.channels) : nullptr;
        return add_channels(
            AddChannels<T>{x, scale, call.row(s.row), y, chunk, s.hw, s.channels, call.row_stride});
      }
      case Spec::Kind::blend:
        return blend(Blend<T>{x, s.z >= 0 ? values<T>(z_, call) : nullptr, y, count, static_cast<float>(s.a),
                              1.0F, static_cast<float>(s.c)});
    }
  });
}

}  // namespace langevin::runtime
