#include "langevin/runtime/stream_product.h"

#include <algorithm>
#include <array>

namespace langevin::runtime {
namespace {

constexpr int64_t kSmall = 8192;  // weights: so few are kept in fp32, which costs nothing
constexpr size_t kSources = 8;    // of one product

/// The weights of one product, as they stand in the file.
struct Packing {
  StreamType type = StreamType::fp32;
  const float* from = nullptr;
  int64_t kernel = 1, in_stride = 1, out_stride = 1;
  std::vector<int64_t> sources;  // channels of each
  std::vector<StreamOutputs> outputs;
};

void pack_unit(const Packing& p, int unit, std::byte* to) {
  const StreamOutputs& o = p.outputs[static_cast<size_t>(unit)];
  for (int64_t j = o.begin; j < o.end; j += kStreamBlock) {
    for (int64_t tap = 0; tap < p.kernel; ++tap) {
      const float* from = p.from + j * p.out_stride + tap;
      for (const int64_t in : p.sources) {
        pack_stream_slice(p.type, {from, in, std::min(kStreamBlock, o.end - j), p.in_stride, p.out_stride},
                          to);
        from += in * p.in_stride;
        to += stream_slice_bytes(p.type, in);
      }
    }
  }
}

StreamType stream_type(Type asked, int64_t weights) {
  if (asked == Type::fp32 || weights <= kSmall) return StreamType::fp32;
  return asked == Type::bf16 ? StreamType::bf16 : StreamType::int8;
}

}  // namespace

std::vector<float> copied(std::span<const float> values) { return {values.begin(), values.end()}; }

int64_t StreamProductSpec::in() const {
  int64_t sum = 0;
  for (const StreamSource& s : sources) sum += s.channels;
  return sum;
}

// The cut whose slowest thread has the fewest blocks of outputs to do, the finest of them.
std::vector<StreamOutputs> cut_outputs(int64_t out, int64_t groups, int threads) {
  const int64_t pieces = groups > 0 ? groups : (out + kStreamBlock - 1) / kStreamBlock;
  const int64_t piece = groups > 0 ? out / groups : kStreamBlock;
  int64_t best = pieces, least = 0;
  for (int64_t together = 1; together <= pieces; ++together) {
    const int64_t units = (pieces + together - 1) / together;
    if (units > Team::kUnits) continue;
    const int64_t blocks = (std::min(out, together * piece) + kStreamBlock - 1) / kStreamBlock;
    const int64_t slowest = (units + threads - 1) / threads * blocks;
    if (least != 0 && slowest >= least) continue;
    least = slowest;
    best = together;
  }
  std::vector<StreamOutputs> cut;
  for (int64_t begin = 0; begin < out; begin += best * piece)
    cut.push_back({begin, std::min(out, begin + best * piece)});
  return cut;
}

StreamProduct::StreamProduct(StreamProductSpec spec, Type asked, int64_t samples)
    : spec_(std::move(spec)),
      type_(stream_type(asked, spec_.in() * spec_.out * spec_.kernel)),
      samples_(samples) {
  check(!spec_.sources.empty() && spec_.sources.size() <= kSources, "runtime", "{} joins {} values",
        spec_.name, spec_.sources.size());
  make_pairs();
}

void StreamProduct::make_pairs() {
  const StreamProductSpec& s = spec_;
  for (int64_t tap = 0; tap < s.kernel; ++tap) {
    for (size_t source = 0; source < s.sources.size(); ++source) {
      Pairs& pairs = pairs_.emplace_back();
      pairs.source = static_cast<int64_t>(source);
      const bool spread = s.kind == StreamProductSpec::Kind::transposed;
      for (int64_t n = 0; n < samples_; ++n) {
        // A convolution gathers, a transposed one scatters.
        for (int64_t at = 0; at < (spread ? s.length : s.out_length); ++at) {
          const int64_t there = at * s.stride + tap - s.padding;
          if (there < 0 || there >= (spread ? s.out_length : s.length)) continue;
          pairs.rows.push_back(static_cast<int32_t>(n * s.length + (spread ? at : there)));
          pairs.columns.push_back(static_cast<int32_t>(n * s.out_length + (spread ? there : at)));
        }
      }
    }
  }
  for (const Pairs& p : pairs_)
    taps_.push_back({p.source, static_cast<int64_t>(p.rows.size()), p.rows.data(), p.columns.data()});
}

void StreamProduct::declare(StreamWeights& stream, Weights& weights,
                            const std::vector<StreamOutputs>& outputs) {
  const StreamProductSpec& s = spec_;
  const int64_t in = s.in();
  if (s.bias) bias_ = copied(weights.floats(s.name + ".bias", s.out));
  Packing packing;
  packing.type = type_;
  packing.from = weights.floats(s.name + ".weight", in * s.out * s.kernel).data();
  packing.kernel = s.kernel;
  const bool turned =
      s.kind == StreamProductSpec::Kind::transposed;  // (in, out, kernel), else (out, in, kernel)
  packing.in_stride = turned ? s.out * s.kernel : s.kernel;
  packing.out_stride = turned ? s.kernel : in * s.kernel;
  packing.outputs = outputs;
  int64_t a_block = 0;
  for (const StreamSource& source : s.sources) {
    packing.sources.push_back(source.channels);
    a_block += s.kernel * stream_slice_bytes(type_, source.channels);
  }
  std::vector<int64_t> bytes;
  for (const StreamOutputs& o : outputs) bytes.push_back(o.blocks() * a_block);
  stream.declare(s.name, bytes, [packing](int unit, std::byte* to) { pack_unit(packing, unit, to); });
}

void StreamProduct::bind(const Buffers& buffers, const StreamWeights& stream, size_t units) {
  inputs_.clear();
  for (const StreamSource& s : spec_.sources)
    inputs_.push_back(reinterpret_cast<const float*>(buffers.place(s.buffer).base));
  units_.clear();
  for (size_t u = 0; u < units; ++u) units_.push_back(stream.unit(spec_.name, static_cast<int>(u)));
}

int64_t StreamProduct::source_bytes(size_t source) const {
  const int64_t rows = samples_ * spec_.length;
  const int64_t bytes = rows * (quantised_stride(source) * 2 + static_cast<int64_t>(sizeof(float)));
  return (bytes + 63) / 64 * 64;
}

int64_t StreamProduct::input_bytes() const {
  int64_t sum = 0;
  if (type_ != StreamType::int8) return 0;
  for (size_t s = 0; s < spec_.sources.size(); ++s) sum += source_bytes(s);
  return sum;
}

StreamRows StreamProduct::rows_of(size_t source, std::byte* own) const {
  const int64_t channels = spec_.sources[source].channels;
  if (type_ != StreamType::int8) return {inputs_[source], channels, channels, nullptr};
  for (size_t s = 0; s < source; ++s) own += source_bytes(s);
  const int64_t stride = quantised_stride(source);
  const auto* scales = reinterpret_cast<const float*>(own + samples_ * spec_.length * stride * 2);
  return {own, channels, stride, scales};
}

void StreamProduct::take_input(std::byte* own) const {
  if (type_ != StreamType::int8) return;
  for (size_t s = 0; s < spec_.sources.size(); ++s) {
    const StreamRows rows = rows_of(s, own);
    QuantisedRows call;
    call.x = inputs_[s];
    call.rows = samples_ * spec_.length;
    call.in = call.x_stride = rows.in;
    call.q = static_cast<int16_t*>(const_cast<void*>(rows.x));
    call.q_stride = rows.stride;
    call.scales = const_cast<float*>(rows.scales);
    quantise_rows(call);
  }
}

void StreamProduct::run(int unit, const StreamOutputs& o, std::byte* own, float* y, int64_t stride) const {
  const int64_t columns = samples_ * spec_.out_length;
  for (int64_t c = 0; c < columns; ++c) {
    float* column = y + c * stride;
    if (!bias_.empty()) {
      std::copy_n(bias_.begin() + o.begin, o.count(), column);
    } else {
      std::fill_n(column, o.count(), 0.0F);
    }
    std::fill(column + o.count(), column + o.blocks() * kStreamBlock, 0.0F);
  }
  std::array<StreamRows, kSources> sources;
  for (size_t s = 0; s < spec_.sources.size(); ++s) sources[s] = rows_of(s, own);
  StreamUnit call;
  call.type = type_;
  call.weights = units_[static_cast<size_t>(unit)];
  call.blocks = o.blocks();
  call.taps = static_cast<int64_t>(taps_.size());
  call.tap = taps_.data();
  call.sources = sources.data();
  call.y = y;
  call.stride = stride;
  stream_product(call);
}

}  // namespace langevin::runtime
