#include "langevin/runtime/upsampled_step.h"

#include <algorithm>

#include "langevin/kernels/layout.h"

namespace langevin::runtime {
namespace {

using tag = dnnl::memory::format_tag;
using dnnl::memory;

/// Which of the two taps of parity `parity` a tap of the 3 falls on: even pixels see (left, own) as
/// (0, 1 + 2), odd ones (own, right) as (0 + 1, 2).
int64_t merged_tap(int64_t parity, int64_t tap) { return parity == 0 ? (tap + 1) / 2 : tap / 2; }

}  // namespace

std::vector<float> parity_weights(std::span<const float> w, int64_t maps, int64_t row, int64_t column) {
  std::vector<float> out(static_cast<size_t>(maps * 4), 0.0F);
  for (int64_t m = 0; m < maps; ++m) {
    for (int64_t i = 0; i < 9; ++i) {
      const int64_t to = 2 * merged_tap(row, i / 3) + merged_tap(column, i % 3);
      out[static_cast<size_t>(4 * m + to)] += w[static_cast<size_t>(9 * m + i)];
    }
  }
  return out;
}

UpsampledStep::UpsampledStep(UpsampledSpec spec, int src, int dst)
    : spec_(std::move(spec)), src_(src), dst_(dst) {
  name = "conv2d " + spec_.name + " of the doubled picture";
  input = {{spec_.name}, src, spec_.h * spec_.w, spec_.in};
  positions = 4 * spec_.h * spec_.w;
  reads = {src};
  writes = {dst};
}

void UpsampledStep::prepare_parity(Workshop& workshop, int64_t row, int64_t column) {
  const UpsampledSpec& s = spec_;
  Parity& p = parities_[2 * row + column];
  const memory::data_type type = dnnl_type(type_);
  const memory::desc src({chunk, s.in, s.h, s.w}, type, tag::nhwc),
      dst({chunk, s.out, s.h, s.w}, type, tag::nhwc), weights({s.out, s.in, 2, 2}, type, tag::any);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const memory::dims one{1, 1}, before{1 - row, 1 - column}, after{row, column};
  p.chosen = {
      dnnl::convolution_forward::desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                      src, weights, bias_.get_desc(), dst, one, before, after),
      attributes, workshop.engine};
  p.prepared.set(dnnl::convolution_forward(p.chosen));
  const memory::desc plain({s.out, s.in, 2, 2}, memory::data_type::f32, tag::oihw);
  const auto fill = [&](std::vector<float>& scratch) {
    scratch = parity_weights(workshop.weights.floats(s.name + ".weight", s.out * s.in * 9), s.out * s.in, row,
                             column);
    return static_cast<const float*>(scratch.data());
  };
  p.prepared.constant(DNNL_ARG_WEIGHTS,
                      workshop.weights.packed(fmt::format("{}|{}{}", s.name, row, column), plain,
                                              p.chosen.weights_desc(), workshop.engine, fill));
  p.prepared.constant(DNNL_ARG_BIAS, bias_);
  writes.push_back(p.buffer = workshop.buffers.add_scratch(static_cast<int64_t>(dst.get_size())));
}

void UpsampledStep::prepare(Workshop& workshop) {
  type_ = workshop.type;
  engine_ = workshop.engine;
  bias_ = memory({{spec_.out}, memory::data_type::f32, tag::x}, workshop.engine);
  const auto bias = workshop.weights.floats(spec_.name + ".bias", spec_.out);
  std::copy(bias.begin(), bias.end(), static_cast<float*>(bias_.get_data_handle()));
  size_t scratch = 0;
  for (int64_t i = 0; i < 4; ++i) {
    prepare_parity(workshop, i / 2, i % 2);
    scratch = std::max(scratch, parities_[i].chosen.scratchpad_desc().get_size());
  }
  implementation = parities_[0].chosen.impl_info_str();
  writes.push_back(scratch_ = workshop.buffers.add_scratch(static_cast<int64_t>(scratch)));
}

void UpsampledStep::bind(const Buffers& buffers) {
  y_ = buffers.place(dst_);
  for (Parity& p : parities_) {
    p.place = buffers.place(p.buffer);
    p.prepared.buffer(DNNL_ARG_SRC, p.chosen.src_desc(), engine_, buffers.place(src_));
    p.prepared.buffer(DNNL_ARG_DST, p.chosen.dst_desc(), engine_, p.place);
    p.prepared.buffer(DNNL_ARG_SCRATCHPAD, p.chosen.scratchpad_desc(), engine_, buffers.place(scratch_));
  }
}

void UpsampledStep::run(const Call& call, const dnnl::stream& stream) {
  for (Parity& p : parities_) p.prepared.run(stream, call.first);
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    Interleave<T> all{{}, reinterpret_cast<T*>(y_.at(call.first)), chunk, spec_.h, spec_.w, spec_.out};
    for (int i = 0; i < 4; ++i) all.parts[i] = reinterpret_cast<const T*>(parities_[i].place.base);
    interleave(all);
  });
}

}  // namespace langevin::runtime
