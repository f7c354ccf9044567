#include "langevin/runtime/int8_upsampled_step.h"

#include <algorithm>

#include "langevin/kernels/layout.h"

namespace langevin::runtime {

Int8UpsampledStep::Int8UpsampledStep(UpsampledSpec spec, LayerCalibration input, int src, int dst)
    : spec_(std::move(spec)), input_(std::move(input)), src_(src), dst_(dst) {
  name = "int8 conv2d " + spec_.name + " of the doubled picture";
  positions = 4 * spec_.h * spec_.w;
  reads = {src};
  writes = {dst};
}

void Int8UpsampledStep::prepare_parity(Workshop& workshop, int64_t row, int64_t column) {
  const UpsampledSpec& s = spec_;
  Parity& p = parities_[2 * row + column];
  p.target = ByteTarget(input_, s.w, {1 - row, row, 1 - column, column});
  Int8Spec plain;
  plain.key = fmt::format("{}|{}{}int8", s.name, row, column);
  plain.chunk = chunk;
  plain.in = s.in;
  plain.h = s.h + 1;
  plain.w = s.w + 1;
  plain.out = s.out;
  plain.oh = s.h;
  plain.ow = s.w;
  plain.kernel = 2;
  p.convolution.prepare(workshop, plain, input_, [&] {
    const auto bias = workshop.weights.floats(s.name + ".bias", s.out);
    return Int8Convolution::Parameters{
        parity_weights(workshop.weights.floats(s.name + ".weight", s.out * s.in * 9), s.out * s.in, row,
                       column),
        {bias.begin(), bias.end()}};
  });
  p.bytes = workshop.buffers.add_scratch(chunk * s.in * plain.h * plain.w);
  p.result = workshop.buffers.add_scratch(chunk * s.out * s.h * s.w * size_of(workshop.type));
  writes.push_back(p.bytes);
  writes.push_back(p.result);
}

void Int8UpsampledStep::prepare(Workshop& workshop) {
  type_ = workshop.type;
  int64_t scratch = 0;
  for (int64_t i = 0; i < 4; ++i) {
    prepare_parity(workshop, i / 2, i % 2);
    scratch = std::max(scratch, parities_[i].convolution.scratch_bytes());
  }
  implementation = parities_[0].convolution.implementation();
  writes.push_back(scratch_ = workshop.buffers.add_scratch(scratch));
}

void Int8UpsampledStep::bind(const Buffers& buffers) {
  x_ = buffers.place(src_);
  y_ = buffers.place(dst_);
  for (Parity& p : parities_) {
    p.bytes_place = buffers.place(p.bytes);
    p.result_place = buffers.place(p.result);
    p.convolution.bind(p.bytes_place, p.result_place, buffers.place(scratch_));
  }
}

void Int8UpsampledStep::run(const Call& call, const dnnl::stream& stream) {
  with_type(type_, [&](auto value) {
    using T = decltype(value);
    for (Parity& p : parities_) {
      quantise(Quantise<T>{reinterpret_cast<const T*>(x_.at(call.first)), chunk, spec_.h, spec_.in,
                           p.target.picture(p.bytes_place.base)});
      p.convolution.run(stream, call.first);
    }
    Interleave<T> all{{}, reinterpret_cast<T*>(y_.at(call.first)), chunk, spec_.h, spec_.w, spec_.out};
    for (int i = 0; i < 4; ++i) all.parts[i] = reinterpret_cast<const T*>(parities_[i].result_place.base);
    interleave(all);
  });
}

}  // namespace langevin::runtime
