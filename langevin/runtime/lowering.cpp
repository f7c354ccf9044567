#include "langevin/runtime/lowering.h"

#include <algorithm>
#include <map>
#include <set>

#include "langevin/runtime/attention_step.h"
#include "langevin/runtime/deconvolution_step.h"
#include "langevin/runtime/fusions.h"
#include "langevin/runtime/int8_step.h"
#include "langevin/runtime/int8_upsampled_step.h"
#include "langevin/runtime/norm_step.h"
#include "langevin/runtime/picture_steps.h"
#include "langevin/runtime/plain_steps.h"
#include "langevin/runtime/product_step.h"
#include "langevin/runtime/stream_chains.h"
#include "langevin/runtime/stream_step.h"
#include "langevin/runtime/token_steps.h"
#include "langevin/runtime/upsampled_step.h"
#include "langevin/runtime/winograd_step.h"

namespace langevin::runtime {
namespace {

class Lowering {
 public:
  Lowering(const Graph& graph, const Conditioning& conditioning, const LoweringOptions& options,
           Buffers& buffers)
      : graph_(graph),
        conditioning_(conditioning),
        type_(options.type),
        int8_(options.int8),
        buffers_(buffers),
        trunk_(graph.trunk()),
        chains_(options.stream ? stream_chains(graph) : StreamChains{}),
        joined_(find_fusions(graph, chains_, options.int8)),
        buffer_(graph.nodes.size(), -1) {}

  std::vector<std::unique_ptr<Step>> run() {
    for (int i = 0; i < count(); ++i) {
      if (trunk_[at(i)]) emit(i);
    }
    const Node& out = node(graph_.output);
    steps_.push_back(std::make_unique<ImageStep>(ImageStep::Direction::out, buffer(graph_.output),
                                                 channels(out), hw(out)));
    return std::move(steps_);
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  int count() const { return static_cast<int>(graph_.nodes.size()); }
  const Node& node(int i) const { return graph_.nodes[at(i)]; }
  static TokenShape token_shape(const Node& n) { return {hw(n), channels(n)}; }

  /// How the input of product i becomes bytes, null if it stays as it is.
  const LayerCalibration* calibration(int i) const {
    return int8_ == nullptr ? nullptr : int8_->find(node(i).name);
  }

  int buffer(int i) const {
    const int b = buffer_[at(joined_.origin(i))];
    check(b >= 0, "runtime", "{} {} reads what was not computed; this is an error of the runtime",
          runtime::to_string(node(i).op), node(i).name);
    return b;
  }
  int new_buffer(int i) {
    const Node& n = node(i);
    return buffer_[at(i)] = buffers_.add(element_count(n.shape) / n.shape[0] * size_of(type_));
  }

  void need(bool ok, const Node& n, const char* what) const {
    check(ok, "runtime", "{} {}: {} is not supported; use --backend torch", runtime::to_string(n.op), n.name,
          what);
  }

  void emit(int i) {
    const Node& n = node(i);
    if (joined_.same_as[at(i)] >= 0 || joined_.together.count(i) != 0 || chains_.inside.count(i) != 0 ||
        joined_.inside_gate.count(i) != 0)
      return;
    if (const auto chain = chains_.by_end.find(i); chain != chains_.by_end.end())
      return emit_stream(chain->second);
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      const bool row =
          n.op == Op::to_tokens ||
          (k == 1 && (n.op == Op::add_channels || n.op == Op::film || n.op == Op::group_norm_modulated));
      need(row != trunk_[at(n.inputs[k])], n,
           row ? "a row that depends on the image" : "an operand that does not depend on the image");
    }
    switch (n.op) {
      case Op::image:
        add(std::make_unique<ImageStep>(ImageStep::Direction::in, new_buffer(i), channels(n), hw(n)));
        break;
      case Op::conv2d:
      case Op::conv1d:
      case Op::linear:
      case Op::packed_linear:
        emit_product(i);
        break;
      case Op::context:
      case Op::to_tokens:
      case Op::layer_norm:
      case Op::add_positions:
      case Op::gelu:
      case Op::geglu:
      case Op::relu:
      case Op::clamp:
      case Op::slice:
        emit_tokens(i);
        break;
      case Op::conv_transpose1d: {
        const Node& x = node(n.inputs[0]);
        const int src = buffer(n.inputs[0]);
        add(std::make_unique<DeconvolutionStep>(
            DeconvolutionSpec{n.name, channels(x), x.shape[2], std::get<nn::ConvTranspose1d>(n.attributes)},
            src, new_buffer(i)));
        break;
      }
      case Op::group_norm:
      case Op::group_norm_modulated:
        emit_norm(i);
        break;
      case Op::attention:
        emit_attention(i);
        break;
      case Op::concat: {
        const int a = n.inputs[0], b = n.inputs[1];
        // Tokens behind each other are, for one sample, values beside each other.
        const auto width = [&](const Node& x) { return n.tokens ? token_shape(x).size() : channels(x); };
        add(std::make_unique<ConcatStep>(ConcatStep::Part{buffer(a), width(node(a))},
                                         ConcatStep::Part{buffer(b), width(node(b))}, new_buffer(i),
                                         n.tokens ? 1 : hw(n)));
        break;
      }
      case Op::conv2d_norm_relu:
      case Op::max_pool2d:
      case Op::mean_pool2d:
        emit_picture(i);
        break;
      case Op::mean_positions: {
        const int src = buffer(n.inputs[0]);
        add(std::make_unique<MeanStep>(src, new_buffer(i), channels(n), hw(node(n.inputs[0]))));
        break;
      }
      case Op::upsample_nearest: {
        const Shape& from = node(n.inputs[0]).shape;
        const int src = buffer(n.inputs[0]);
        add(std::make_unique<UpsampleStep>(
            UpsampleStep::Size{from[2], from[3], from[1], n.shape[2], n.shape[3]}, src, new_buffer(i)));
        break;
      }
      case Op::silu:
      case Op::mish:
      case Op::affine:
      case Op::add:
      case Op::add_channels:
      case Op::film:
        emit_element(i);
        break;
      default:
        need(false, n, "this operator on the image");
    }
  }

  void add(std::unique_ptr<Step> step) { steps_.push_back(std::move(step)); }

  ProductSpec product_spec(const Node& n) const {
    const Node& x = node(n.inputs[0]);
    ProductSpec s;
    s.in = channels(x);
    s.out = channels(n);
    s.names = {n.name};
    s.bias = bias_of(n);
    if (n.op == Op::linear || n.op == Op::packed_linear) {
      s.h = s.oh = hw(n);
      if (const auto* c = std::get_if<nn::PackedLinear>(&n.attributes)) {
        s.packed = true;
        s.first = c->first;
        s.total = c->total;
      }
      return s;
    }
    const auto& c = std::get<nn::Conv>(n.attributes);
    s.sequence = n.op == Op::conv1d;
    s.h = x.shape[2];
    s.oh = n.shape[2];
    if (!s.sequence) {
      s.w = x.shape[3];
      s.ow = n.shape[3];
    }
    s.kernel = c.kernel;
    s.stride = c.stride;
    s.pad_before = c.pad_before;
    s.pad_after = c.pad_after;
    return s;
  }

  /// The product of q, k and v, or of this node alone.
  ProductSpec whole_product(int i) const {
    ProductSpec product = product_spec(node(i));
    const auto joined = joined_.together.find(i);
    if (joined == joined_.together.end()) return product;
    product.names.clear();
    for (int input : node(joined->second).inputs) product.names.push_back(node(input).name);
    product.out *= static_cast<int64_t>(product.names.size());
    return product;
  }

  /// The buffer of bytes that int8 product i reads: its GroupNorm's, or of a step made here.
  int bytes_for(int i, const ProductSpec& product) {
    const auto stored = bytes_.find(i);
    if (stored != bytes_.end()) return stored->second;
    const int src = buffer(node(i).inputs[0]), dst = buffers_.add(framed_bytes(product));
    const ByteTarget target(*calibration(i), row_of(product), frame_of(product));
    add(std::make_unique<QuantiseStep>(target, product.h * product.w / target.w, product.in, src, dst));
    return dst;
  }

  void emit_doubled(int i) {
    const Node& n = node(i);
    const int small = buffer(n.inputs[0]);
    const UpsampledSpec spec{n.name, channels(node(n.inputs[0])), n.shape[2] / 2, n.shape[3] / 2, n.shape[1]};
    if (const LayerCalibration* int8 = calibration(i)) {
      add(std::make_unique<Int8UpsampledStep>(spec, *int8, small, new_buffer(i)));
    } else {
      add(std::make_unique<UpsampledStep>(spec, small, new_buffer(i)));
    }
  }

  void emit_product(int i) {
    const Node& n = node(i);
    if (joined_.doubled.count(i) != 0) return emit_doubled(i);
    const auto residual = joined_.residual.find(i);
    const int added = residual == joined_.residual.end() ? -1 : buffer(residual->second);
    ProductSpec product = product_spec(n);
    product.gelu = joined_.gelu.count(i) != 0;
    if (const LayerCalibration* int8 = calibration(i)) {
      const int bytes = bytes_for(i, product);
      add(std::make_unique<Int8ProductStep>(product, *int8, bytes, new_buffer(i), added));
      return;
    }
    const int src = buffer(n.inputs[0]);
    const WinogradSpec winograd{n.name, product.in, product.out, product.h, product.w};
    const bool square = n.op == Op::conv2d && product.kernel == 3 && product.stride == 1 &&
                        product.pad_before == 1 && product.pad_after == 1 && product.bias;
    if (square && suits_winograd(winograd, n.shape[0], type_)) {
      add(std::make_unique<WinogradStep>(winograd, src, new_buffer(i), added));
    } else {
      add(std::make_unique<ProductStep>(product, src, new_buffer(i), ProductStep::Other{added}));
    }
  }

  void emit_gate(int i) {
    const int product = joined_.gated.at(i);
    const int src = buffer(node(product).inputs[0]);
    ProductSpec half = product_spec(node(product));
    half.total = half.out;
    half.out /= 2;
    half.first = half.out;
    half.gelu = true;
    const int gate = buffers_.add(token_shape(node(i)).size() * size_of(type_));
    add(std::make_unique<ProductStep>(half, src, gate, ProductStep::Other{}));
    half.first = 0;
    half.gelu = false;
    add(std::make_unique<ProductStep>(half, src, new_buffer(i), ProductStep::Other{gate, true}));
  }

  void emit_tokens(int i) {
    const Node& n = node(i);
    const TokenShape shape = token_shape(n);
    if (n.op == Op::context) return add(std::make_unique<ContextStep>(new_buffer(i), shape));
    if (n.op == Op::to_tokens)
      return add(std::make_unique<RowStep>(new_buffer(i), conditioning_.offset(n.inputs[0]), shape.channels));
    if (n.op == Op::geglu) return emit_gate(i);
    const int src = buffer(n.inputs[0]), dst = new_buffer(i);
    using Activation = ActivationStep::Spec;
    switch (n.op) {
      case Op::layer_norm:
        return add(std::make_unique<LayerNormStep>(n.name, std::get<nn::LayerNorm>(n.attributes).eps, shape,
                                                   src, dst));
      case Op::add_positions:
        return add(std::make_unique<PositionsStep>(n.name, std::get<nn::Positions>(n.attributes).count, shape,
                                                   src, dst));
      case Op::slice: {
        const auto& s = std::get<Slice>(n.attributes);
        const TokenShape whole = token_shape(node(n.inputs[0]));
        const int64_t c = whole.channels;
        const SliceStep::Spec rows = n.tokens ? SliceStep::Spec{1, whole.size(), s.from * c, s.count * c}
                                              : SliceStep::Spec{whole.positions, c, s.from, s.count};
        return add(std::make_unique<SliceStep>(rows, whole.positions, src, dst));
      }
      case Op::clamp: {
        const auto& b = std::get<Bounds>(n.attributes);
        return add(std::make_unique<ActivationStep>(Activation{Activation::Kind::clamp, b.low, b.high}, shape,
                                                    src, dst));
      }
      default: {
        const auto kind = n.op == Op::gelu ? Activation::Kind::gelu : Activation::Kind::relu;
        return add(std::make_unique<ActivationStep>(Activation{kind}, shape, src, dst));
      }
    }
  }

  /// The values that node i lays beside each other, itself if it is made.
  void add_sources(int i, std::vector<StreamSource>& sources) const {
    if (chains_.inside.count(i) == 0) return sources.push_back({buffer(i), channels(node(i))});
    for (int input : node(i).inputs) add_sources(input, sources);
  }

  StreamProductSpec stream_product(int i) const {
    using Kind = StreamProductSpec::Kind;
    const Node& n = node(i);
    StreamProductSpec s;
    s.name = n.name;
    add_sources(n.inputs[0], s.sources);
    s.out = channels(n);
    s.length = hw(node(n.inputs[0]));
    s.out_length = hw(n);
    s.bias = bias_of(n);
    if (const auto* c = std::get_if<nn::Conv>(&n.attributes)) {
      s.kind = Kind::convolution;
      s.kernel = c->kernel;
      s.stride = c->stride;
      s.padding = c->pad_before;
    } else if (const auto* t = std::get_if<nn::ConvTranspose1d>(&n.attributes)) {
      s.kind = Kind::transposed;
      s.kernel = t->kernel;
      s.stride = t->stride;
      s.padding = t->padding;
    }
    return s;
  }

  void emit_stream(const StreamChain& chain) {
    StreamSpec s;
    s.product = stream_product(chain.product);
    if (chain.norm >= 0) {
      s.norm = node(chain.norm).name;
      s.group_norm = std::get<nn::GroupNorm>(node(chain.norm).attributes);
      if (s.group_norm.silu) s.activation = StreamActivation::silu;
    }
    if (chain.activation >= 0)
      s.activation = node(chain.activation).op == Op::mish ? StreamActivation::mish : StreamActivation::silu;
    if (chain.film >= 0) {
      const int64_t row = conditioning_.offset(node(chain.film).inputs[1]);
      const bool scaled = node(chain.film).op == Op::film;
      if (scaled) s.scale_row = row;
      s.shift_row = scaled ? row + s.product.out : row;
    }
    if (chain.side >= 0) s.side = stream_product(chain.side);
    if (chain.residual >= 0) s.residual = buffer(chain.residual);
    s.dst = new_buffer(chain.end);
    add(std::make_unique<StreamStep>(std::move(s)));
  }

  void emit_norm(int i) {
    const Node& n = node(i);
    NormSpec s{n.name, std::get<nn::GroupNorm>(n.attributes), hw(n), channels(n)};
    if (n.op == Op::group_norm_modulated) s.modulation_row = conditioning_.offset(n.inputs[1]);
    const auto row = joined_.added_row.find(i);
    if (row != joined_.added_row.end()) s.added_row = conditioning_.offset(row->second);
    const int src = buffer(n.inputs[0]);
    const auto product = joined_.stores_for.find(i);
    if (product == joined_.stores_for.end()) {
      add(std::make_unique<NormStep>(std::move(s), src, new_buffer(i)));
      return;
    }
    const ProductSpec reader = product_spec(node(product->second));
    s.bytes = ByteTarget(*calibration(product->second), row_of(reader), frame_of(reader));
    const int bytes = bytes_[product->second] = buffers_.add(framed_bytes(reader));
    add(std::make_unique<NormStep>(std::move(s), src, bytes));
  }

  void emit_picture(int i) {
    const Node& n = node(i);
    const Shape& from = node(n.inputs[0]).shape;
    const PictureExtents extents{from[1], from[2], from[3], n.shape[1], n.shape[2], n.shape[3]};
    const int src = buffer(n.inputs[0]);
    if (const auto* conv = std::get_if<nn::ConvNorm>(&n.attributes)) {
      add(std::make_unique<ConvNormStep>(n.name, extents, *conv, src, new_buffer(i)));
      return;
    }
    const auto kind = n.op == Op::max_pool2d ? PoolStep::Kind::max : PoolStep::Kind::mean;
    add(std::make_unique<PoolStep>(kind, extents, std::get<nn::Pool>(n.attributes), src, new_buffer(i)));
  }

  void emit_attention(int i) {
    const Node& n = node(i);
    const Node &q = node(n.inputs[0]), &k = node(n.inputs[1]), &v = node(n.inputs[2]);
    AttentionSpec s;
    s.heads = std::get<nn::MaskedAttention>(n.attributes).heads;
    s.ahead = std::get<nn::MaskedAttention>(n.attributes).ahead;
    s.queries = q.shape[1];
    s.keys = k.shape[1];
    s.channels = q.shape[2];
    s.out_channels = v.shape[2];
    if (joined_.together.count(n.inputs[0]) != 0) {
      const ProductSpec product = whole_product(n.inputs[0]);
      const int joined = buffers_.add(hw(q) * product.out * size_of(type_));
      if (const LayerCalibration* int8 = calibration(n.inputs[0])) {
        const int bytes = bytes_for(n.inputs[0], product);
        add(std::make_unique<Int8ProductStep>(product, *int8, bytes, joined, -1));
      } else {
        add(std::make_unique<ProductStep>(product, buffer(q.inputs[0]), joined, ProductStep::Other{}));
      }
      s.q = {joined, 0, product.out};
      s.k = {joined, q.shape[2], product.out};
      s.v = {joined, 2 * q.shape[2], product.out};
    } else {
      s.q = {buffer(n.inputs[0]), 0, q.shape[2]};
      s.k = {buffer(n.inputs[1]), 0, k.shape[2]};
      s.v = {buffer(n.inputs[2]), 0, v.shape[2]};
    }
    add(std::make_unique<AttentionStep>(s, new_buffer(i)));
  }

  void emit_element(int i) {
    const Node& n = node(i);
    ElementStep::Spec s;
    s.hw = hw(n);
    s.channels = channels(n);
    s.x = buffer(n.inputs[0]);
    if (n.op == Op::silu) s.kind = ElementStep::Spec::Kind::silu;
    if (n.op == Op::mish) s.kind = ElementStep::Spec::Kind::mish;
    if (n.op == Op::add) s.z = buffer(n.inputs[1]);
    if (n.op == Op::affine) {
      s.a = std::get<Affine>(n.attributes).scale;
      s.c = std::get<Affine>(n.attributes).offset;
    }
    if (n.op == Op::add_channels) {
      s.kind = ElementStep::Spec::Kind::add_row;
      s.row = conditioning_.offset(n.inputs[1]);
    }
    if (n.op == Op::film) {
      s.kind = ElementStep::Spec::Kind::film;
      s.row = conditioning_.offset(n.inputs[1]) + channels(n);
    }
    s.dst = new_buffer(i);
    add(std::make_unique<ElementStep>(s));
  }

  const Graph& graph_;
  const Conditioning& conditioning_;
  Type type_;
  const Calibration* int8_;
  Buffers& buffers_;
  std::vector<bool> trunk_;
  StreamChains chains_;
  Fusions joined_;
  std::map<int, int> bytes_;  // int8 product -> the buffer of bytes stored for it
  std::vector<int> buffer_;   // by node
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace

std::vector<std::unique_ptr<Step>> lower(const Graph& graph, const Conditioning& conditioning,
                                         const LoweringOptions& options, Buffers& buffers) {
  return Lowering(graph, conditioning, options, buffers).run();
}

}  // namespace langevin::runtime
