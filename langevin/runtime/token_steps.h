// Steps of transformers and what surrounds them that only move, blend or normalise values.
#pragma once

#include "langevin/nn/vocabulary.h"
#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// (chunk, positions, channels) of a value.
struct TokenShape {
  int64_t positions = 1, channels = 0;
  int64_t size() const { return positions * channels; }
};

/// The call's context (N,S,D) into a buffer.
class ContextStep final : public Step {
 public:
  ContextStep(int buffer, TokenShape shape);
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override { place_ = buffers.place(buffer_); }
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  int buffer_;
  TokenShape shape_;
  Type type_ = Type::fp32;
  Place place_;
};

/// Each sample's row of the conditioning, `width` values from `row` on, as one token.
class RowStep final : public Step {
 public:
  RowStep(int buffer, int64_t row, int64_t width);
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override { place_ = buffers.place(buffer_); }
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  int buffer_;
  int64_t row_, width_;
  Type type_ = Type::fp32;
  Place place_;
};

/// LayerNorm over the channels of each position.
class LayerNormStep final : public Step {
 public:
  LayerNormStep(std::string path, double eps, TokenShape shape, int src, int dst);
  int may_overwrite() const override { return src_; }
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override { prepared_.run(stream, call.first); }

 private:
  std::string path_;
  double eps_;
  TokenShape shape_;
  int src_, dst_, scratch_ = -1;
  dnnl::engine engine_;
  dnnl::layer_normalization_forward::primitive_desc chosen_;
  Prepared prepared_;
};

/// dst = f(src), elementwise, by oneDNN.
class ActivationStep final : public Step {
 public:
  struct Spec {
    enum class Kind { gelu, relu, clamp } kind = Kind::gelu;
    double low = 0, high = 0;  // of clamp
  };
  ActivationStep(Spec spec, TokenShape shape, int src, int dst);
  int may_overwrite() const override { return src_; }
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override { prepared_.run(stream, call.first); }

 private:
  Spec spec_;
  TokenShape shape_;
  int src_, dst_;
  dnnl::engine engine_;
  dnnl::memory::desc values_;
  Prepared prepared_;
};

/// dst = src + the first rows of a learned table of `count` rows.
class PositionsStep final : public Step {
 public:
  PositionsStep(std::string path, int64_t count, TokenShape shape, int src, int dst);
  int may_overwrite() const override { return src_; }
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  std::string path_;
  int64_t count_;
  TokenShape shape_;
  int src_, dst_;
  Type type_ = Type::fp32;
  std::vector<float> table_;
  std::vector<BF16> narrow_;
  Place x_, y_;
};

/// `count` values from `from` on of each row of `row` values, `rows` rows a sample.
class SliceStep final : public Step {
 public:
  struct Spec {
    int64_t rows = 1, row = 0, from = 0, count = 0;
  };
  SliceStep(Spec spec, int64_t positions, int src, int dst);
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  Spec spec_;
  int src_, dst_;
  Type type_ = Type::fp32;
  Place x_, y_;
};

}  // namespace langevin::runtime
