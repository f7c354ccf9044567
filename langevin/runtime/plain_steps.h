// Steps that only move or blend values: in and out of the network, concatenation, upsampling, sums.
#pragma once

#include "langevin/kernels/layout.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// The call's image (N,C,H,W) into channels-last, or a channels-last buffer into the call's output.
class ImageStep final : public Step {
 public:
  enum class Direction { in, out };
  ImageStep(Direction direction, int buffer, int64_t channels, int64_t hw);
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override { place_ = buffers.place(buffer_); }
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  Direction direction_;
  int buffer_;
  int64_t channels_, hw_;
  Type type_ = Type::fp32;
  Place place_;
};

class ConcatStep final : public Step {
 public:
  struct Part {
    int buffer;
    int64_t channels;
  };
  ConcatStep(Part a, Part b, int dst, int64_t hw);
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  Part parts_[2];
  int dst_;
  int64_t hw_;
  Type type_ = Type::fp32;
  Place a_, b_, y_;
};

class UpsampleStep final : public Step {
 public:
  struct Size {
    int64_t h = 0, w = 0, c = 0, to_h = 0, to_w = 0;
  };
  UpsampleStep(Size size, int src, int dst);
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  Size size_;
  int src_, dst_;
  Type type_ = Type::fp32;
  Place x_, y_;
};

/// The mean over positions: (N,C,H,W) -> (N,C).
class MeanStep final : public Step {
 public:
  MeanStep(int src, int dst, int64_t channels, int64_t hw);
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  int src_, dst_;
  int64_t channels_, hw_;
  Type type_ = Type::fp32;
  std::vector<float> sums_;
  Place x_, y_;
};

/// dst = a x + b z + c (z may be absent), or silu(x), mish(x), or x + a row of the conditioning, or FiLM:
/// scale x + row, the scale `channels` floats before the row.
class ElementStep final : public Step {
 public:
  struct Spec {
    enum class Kind { blend, silu, mish, add_row, film } kind = Kind::blend;
    int64_t hw = 1, channels = 0;
    int x = -1, z = -1, dst = -1;
    double a = 1, c = 0;
    int64_t row = 0;  // add_row, film: where in a row
  };
  explicit ElementStep(Spec spec);
  int may_overwrite() const override { return spec_.x; }
  void prepare(Workshop& workshop) override { type_ = workshop.type; }
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  Spec spec_;
  Type type_ = Type::fp32;
  Place x_, z_, y_;
};

}  // namespace langevin::runtime
