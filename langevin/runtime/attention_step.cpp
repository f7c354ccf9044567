#include "langevin/runtime/attention_step.h"

#include <algorithm>
#include <cmath>

#include "langevin/kernels/rows.h"

namespace langevin::runtime {
namespace {

using dnnl::memory;
constexpr int64_t kScores = 1 << 18;  // floats of scores that stay in the cache: 1 MiB

/// (samples, heads, length, d) inside rows of `row` values.
memory::desc heads_of(int64_t samples, int64_t heads, int64_t length, int64_t d, int64_t row,
                      memory::data_type type) {
  return {{samples, heads, length, d}, type, {length * row, d, row, 1}};
}

dnnl::matmul::primitive_desc product(const Workshop& workshop, const memory::desc& a, const memory::desc& b,
                                     const memory::desc& c) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return {dnnl::matmul::desc(a, b, c), attributes, workshop.engine};
}

}  // namespace

AttentionStep::AttentionStep(AttentionSpec spec, int dst) : spec_(spec), dst_(dst) {
  name = "attention";
  positions = std::max(spec_.queries, spec_.keys);
  reads = {spec_.q.buffer, spec_.k.buffer, spec_.v.buffer};
  writes = {dst};
}

void AttentionStep::prepare(Workshop& workshop) {
  const AttentionSpec& s = spec_;
  type_ = workshop.type;
  engine_ = workshop.engine;
  const int64_t scores_a_sample = s.heads * s.queries * s.keys;
  at_once_ = std::clamp<int64_t>(kScores / scores_a_sample, 1, chunk);
  while (chunk % at_once_ != 0) --at_once_;

  const memory::data_type type = dnnl_type(workshop.type);
  const int64_t d = s.channels / s.heads, out_d = s.out_channels / s.heads;
  const memory::dims square{at_once_, s.heads, s.queries, s.keys};
  const memory::desc q = heads_of(at_once_, s.heads, s.queries, d, s.q.row, type),
                     k = heads_of(at_once_, s.heads, s.keys, d, s.k.row, type).permute_axes({0, 1, 3, 2}),
                     v = heads_of(at_once_, s.heads, s.keys, out_d, s.v.row, type),
                     out = heads_of(at_once_, s.heads, s.queries, out_d, s.out_channels, type);
  scores_chosen_ = product(workshop, q, k, {square, memory::data_type::f32, memory::format_tag::abcd});
  mix_chosen_ = product(workshop, {square, type, memory::format_tag::abcd}, v, out);
  implementation = std::string(scores_chosen_.impl_info_str()) + ", " + mix_chosen_.impl_info_str();
  scores_.set(dnnl::matmul(scores_chosen_));
  mix_.set(dnnl::matmul(mix_chosen_));
  scores_buffer_ = workshop.buffers.add_scratch(4 * at_once_ * scores_a_sample);
  weights_buffer_ = type_ == Type::fp32 ? scores_buffer_  // the softmax is made in place
                                        : workshop.buffers.add_scratch(2 * at_once_ * scores_a_sample);
  scratch_ = workshop.buffers.add_scratch(static_cast<int64_t>(
      std::max(scores_chosen_.scratchpad_desc().get_size(), mix_chosen_.scratchpad_desc().get_size())));
  for (int buffer : {scores_buffer_, weights_buffer_, scratch_}) writes.push_back(buffer);
}

void AttentionStep::bind(const Buffers& buffers) {
  const AttentionSpec& s = spec_;
  const int64_t size = size_of(type_);
  scores_place_ = buffers.place(scores_buffer_);
  weights_place_ = buffers.place(weights_buffer_);
  // A chunk is handled in parts: within it, samples lie side by side whatever the buffer's stride.
  const auto place = [&](const TokenView& view, int64_t length) {
    return PartedPlace{buffers.place(view.buffer), length * view.row * size};
  };
  scores_.parts(DNNL_ARG_SRC, scores_chosen_.src_desc(), engine_, place(s.q, s.queries), s.q.offset * size);
  scores_.parts(DNNL_ARG_WEIGHTS, scores_chosen_.weights_desc(), engine_, place(s.k, s.keys),
                s.k.offset * size);
  scores_.buffer(DNNL_ARG_DST, scores_chosen_.dst_desc(), engine_, scores_place_);
  scores_.buffer(DNNL_ARG_SCRATCHPAD, scores_chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
  mix_.buffer(DNNL_ARG_SRC, mix_chosen_.src_desc(), engine_, weights_place_);
  mix_.parts(DNNL_ARG_WEIGHTS, mix_chosen_.weights_desc(), engine_, place(s.v, s.keys), s.v.offset * size);
  mix_.parts(DNNL_ARG_DST, mix_chosen_.dst_desc(), engine_, place({dst_, 0, s.out_channels}, s.queries), 0);
  mix_.buffer(DNNL_ARG_SCRATCHPAD, mix_chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
}

// The softmax gives what is so small exactly nothing; every query sees the first key.
void AttentionStep::hide(float* scores) const {
  constexpr float kHidden = -1e30F;
  const AttentionSpec& s = spec_;
  for (int64_t row = 0; row < at_once_ * s.heads * s.queries; ++row) {
    const int64_t seen = std::clamp<int64_t>(row % s.queries + *s.ahead + 1, 1, s.keys);
    std::fill(scores + row * s.keys + seen, scores + (row + 1) * s.keys, kHidden);
  }
}

void AttentionStep::run(const Call& call, const dnnl::stream& stream) {
  const AttentionSpec& s = spec_;
  const auto scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.channels) / static_cast<double>(s.heads)));
  for (int64_t part = 0; part < chunk; part += at_once_) {
    scores_.run(stream, call.first, part);
    if (spec_.ahead) hide(reinterpret_cast<float*>(scores_place_.base));
    with_type(type_, [&](auto value) {
      using T = decltype(value);
      softmax_rows(Softmax<T>{reinterpret_cast<float*>(scores_place_.base),
                              reinterpret_cast<T*>(weights_place_.base), at_once_ * s.heads * s.queries,
                              s.keys, scale});
    });
    mix_.run(stream, call.first, part);
  }
}

}  // namespace langevin::runtime
