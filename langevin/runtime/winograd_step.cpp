#include "langevin/runtime/winograd_step.h"

#include <algorithm>

#include "langevin/kernels/processor.h"
#include "langevin/kernels/rows.h"

namespace langevin::runtime {
namespace {

using tag = dnnl::memory::format_tag;
using dnnl::memory;

dnnl::primitive_attr own_scratch() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

int64_t bytes(const memory::desc& desc) { return static_cast<int64_t>(desc.get_size()); }

}  // namespace

bool suits_winograd(const WinogradSpec& s, int64_t samples, Type type) {
  constexpr int64_t kLanes = 16, kExtent = 12, kPixels = 1024;
  return type == Type::fp32 && s.in % kLanes == 0 && s.out % kLanes == 0 && std::min(s.h, s.w) >= kExtent &&
         samples * s.h * s.w >= kPixels && has_avx512();
}

WinogradStep::WinogradStep(WinogradSpec spec, int src, int dst, int residual)
    : spec_(std::move(spec)), src_(src), dst_(dst), residual_(residual) {
  name = "conv2d " + spec_.name;
  input = {{spec_.name}, src, spec_.h * spec_.w, spec_.in};
  positions = spec_.h * spec_.w;
  reads = {src};
  if (residual >= 0) reads.push_back(residual);
  writes = {dst};
}

void WinogradStep::prepare(Workshop& workshop) {
  const WinogradSpec& s = spec_;
  const auto type = memory::data_type::f32;
  engine_ = workshop.engine;
  plain_src_ = {{chunk, s.in, s.h, s.w}, type, tag::nhwc};
  plain_dst_ = {{chunk, s.out, s.h, s.w}, type, tag::nhwc};
  const memory::desc src({chunk, s.in, s.h, s.w}, type, tag::any),
      dst({chunk, s.out, s.h, s.w}, type, tag::any), weights({s.out, s.in, 3, 3}, type, tag::any),
      bias({s.out}, type, tag::x);
  const memory::dims one{1, 1};
  chosen_ = {{dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_winograd, src, weights, bias,
              dst, one, one, one},
             own_scratch(),
             engine_};
  implementation = chosen_.impl_info_str();
  convolve_.set(dnnl::convolution_forward(chosen_));
  const memory::desc plain({s.out, s.in, 3, 3}, type, tag::oihw);
  convolve_.constant(
      DNNL_ARG_WEIGHTS,
      workshop.weights.packed(s.name + "|", plain, chosen_.weights_desc(), engine_, [&](std::vector<float>&) {
        return workshop.weights.floats(s.name + ".weight", s.out * s.in * 9).data();
      }));
  // oneDNN takes a pointer to what it may write; a bias is only read.
  convolve_.constant(
      DNNL_ARG_BIAS,
      memory(bias, engine_, const_cast<float*>(workshop.weights.floats(s.name + ".bias", s.out).data())));

  into_.set(dnnl::reorder(dnnl::reorder::primitive_desc(engine_, plain_src_, engine_, chosen_.src_desc())));
  dnnl::primitive_attr after;
  if (in_place_) {  // the other term lies where the result goes
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    after.set_post_ops(sum);
  }
  out_of_.set(
      dnnl::reorder(dnnl::reorder::primitive_desc(engine_, chosen_.dst_desc(), engine_, plain_dst_, after)));
  blocked_src_ = workshop.buffers.add_scratch(bytes(chosen_.src_desc()));
  blocked_dst_ = workshop.buffers.add_scratch(bytes(chosen_.dst_desc()));
  scratch_ = workshop.buffers.add_scratch(std::max<int64_t>(64, bytes(chosen_.scratchpad_desc())));
  for (int buffer : {blocked_src_, blocked_dst_, scratch_}) writes.push_back(buffer);
}

void WinogradStep::bind(const Buffers& buffers) {
  dst_place_ = buffers.place(dst_);
  if (residual_ >= 0) residual_place_ = buffers.place(residual_);
  into_.buffer(DNNL_ARG_FROM, plain_src_, engine_, buffers.place(src_));
  into_.buffer(DNNL_ARG_TO, chosen_.src_desc(), engine_, buffers.place(blocked_src_));
  convolve_.buffer(DNNL_ARG_SRC, chosen_.src_desc(), engine_, buffers.place(blocked_src_));
  convolve_.buffer(DNNL_ARG_DST, chosen_.dst_desc(), engine_, buffers.place(blocked_dst_));
  convolve_.buffer(DNNL_ARG_SCRATCHPAD, chosen_.scratchpad_desc(), engine_, buffers.place(scratch_));
  out_of_.buffer(DNNL_ARG_FROM, chosen_.dst_desc(), engine_, buffers.place(blocked_dst_));
  out_of_.buffer(DNNL_ARG_TO, plain_dst_, engine_, dst_place_);
}

void WinogradStep::run(const Call& call, const dnnl::stream& stream) {
  into_.run(stream, call.first);
  convolve_.run(stream, call.first);
  out_of_.run(stream, call.first);
  if (residual_ < 0 || in_place_) return;
  auto* y = reinterpret_cast<float*>(dst_place_.at(call.first));
  const auto* other = reinterpret_cast<const float*>(residual_place_.at(call.first));
  blend(Blend<float>{y, other, y, chunk * spec_.out * spec_.h * spec_.w});
}

}  // namespace langevin::runtime
