#include "langevin/core/check.h"
#include "langevin/kernels/stream_finish.h"
#include "langevin/kernels/stream_product.h"
#include "support.h"

namespace langevin {
namespace {

using test::each_target;
using test::expect_near;
using test::normals;

/// Storage on 64 bytes.
template <class T>
class Aligned {
 public:
  explicit Aligned(int64_t n) : room_(static_cast<size_t>(n) * sizeof(T) + 64) {}
  T* data() {
    auto at = reinterpret_cast<std::uintptr_t>(room_.data());
    return reinterpret_cast<T*>((at + 63) / 64 * 64);
  }

 private:
  std::vector<std::byte> room_;
};

struct Problem {
  StreamType type = StreamType::fp32;
  int64_t taps = 1, blocks = 1;
  std::vector<int64_t> ins;  // of each source
  int64_t rows = 1, columns = 1;
};

/// Random weights (tap, source, in, outputs), inputs and pairs, and the unit that they make.
class Made {
 public:
  explicit Made(const Problem& p) : p_(p), y(p.columns * stride()) {
    const int64_t outputs = p.blocks * kStreamBlock;
    int64_t bytes = 0;
    for (int64_t in : p.ins) bytes += p.blocks * p.taps * stream_slice_bytes(p.type, in);
    packed_ = std::make_unique<Aligned<std::byte>>(bytes);
    std::byte* to = packed_->data();
    uint64_t stream = 1;
    for (size_t s = 0; s < p.ins.size(); ++s) {
      x.push_back(normals<float>(p.rows * p.ins[s], stream++));
      for (int64_t t = 0; t < p.taps; ++t) weights.push_back(normals<float>(p.ins[s] * outputs, stream++));
    }
    for (int64_t b = 0; b < p.blocks; ++b) {
      for (int64_t t = 0; t < p.taps; ++t) {
        for (size_t s = 0; s < p.ins.size(); ++s) {
          pack_stream_slice(p.type,
                            {weight(s, t).data() + b * kStreamBlock, p.ins[s], kStreamBlock, outputs, 1}, to);
          to += stream_slice_bytes(p.type, p.ins[s]);
        }
      }
    }
    make_taps();
    make_sources();
    unit.type = p.type;
    unit.weights = packed_->data();
    unit.blocks = p.blocks;
    unit.taps = static_cast<int64_t>(taps_.size());
    unit.tap = taps_.data();
    unit.sources = sources_.data();
    unit.y = y.data();
    unit.stride = stride();
  }

  int64_t stride() const { return p_.blocks * kStreamBlock + 16; }
  const std::vector<float>& weight(size_t source, int64_t tap) const {
    return weights[source * static_cast<size_t>(p_.taps) + static_cast<size_t>(tap)];
  }

  std::vector<float> start() { return normals<float>(p_.columns * stride(), 99); }
  template <class Product>
  std::vector<float> run(const Product& product) {
    const auto from = start();
    std::copy(from.begin(), from.end(), y.data());
    product(unit);
    return {y.data(), y.data() + from.size()};
  }

  /// From the weights as they were before packing, in double.
  std::vector<float> exact() {
    std::vector<float> sums = start();
    for (const StreamTap& tap : taps_) {
      const auto source = static_cast<size_t>(tap.source);
      const int64_t t = (&tap - taps_.data()) / static_cast<int64_t>(p_.ins.size()), in = p_.ins[source];
      for (int64_t pair = 0; pair < tap.pairs; ++pair) {
        for (int64_t o = 0; o < p_.blocks * kStreamBlock; ++o) {
          double sum = 0;
          for (int64_t i = 0; i < in; ++i)
            sum += static_cast<double>(
                       weight(source, t)[static_cast<size_t>(i * p_.blocks * kStreamBlock + o)]) *
                   static_cast<double>(x[source][static_cast<size_t>(tap.rows[pair] * in + i)]);
          sums[static_cast<size_t>(tap.columns[pair] * stride() + o)] += static_cast<float>(sum);
        }
      }
    }
    return sums;
  }

  Problem p_;
  std::vector<std::vector<float>> x, weights;
  Aligned<float> y;
  StreamUnit unit;

 private:
  // Tap t meets column c with row c + t, if there is one: a convolution's pairs, some outside.
  void make_taps() {
    for (int64_t t = 0; t < p_.taps; ++t) {
      auto& [rows, columns] = pairs_.emplace_back();
      for (int64_t c = 0; c < p_.columns; ++c) {
        if (c + t >= p_.rows) continue;
        rows.push_back(static_cast<int32_t>(c + t));
        columns.push_back(static_cast<int32_t>(c));
      }
    }
    for (const auto& [rows, columns] : pairs_) {
      for (size_t s = 0; s < p_.ins.size(); ++s)
        taps_.push_back(
            {static_cast<int64_t>(s), static_cast<int64_t>(rows.size()), rows.data(), columns.data()});
    }
  }
  void make_sources() {
    for (size_t s = 0; s < p_.ins.size(); ++s) {
      const int64_t in = p_.ins[s];
      if (p_.type != StreamType::int8) {
        sources_.push_back({x[s].data(), in, in, nullptr});
        continue;
      }
      const int64_t stride = (in + 31) / 32 * 32;
      auto& q = quantised_.emplace_back(std::make_unique<Aligned<int16_t>>(p_.rows * stride));
      auto& scales = scales_.emplace_back(static_cast<size_t>(p_.rows));
      reference::quantise_rows({x[s].data(), p_.rows, in, in, q->data(), stride, scales.data()});
      sources_.push_back({q->data(), in, stride, scales.data()});
    }
  }

  std::unique_ptr<Aligned<std::byte>> packed_;
  struct Pairs {
    std::vector<int32_t> rows, columns;
  };
  std::vector<Pairs> pairs_;
  std::vector<StreamTap> taps_;
  std::vector<StreamRows> sources_;
  std::vector<std::unique_ptr<Aligned<int16_t>>> quantised_;
  std::vector<std::vector<float>> scales_;
};

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
    size += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(difference / size);
}

const std::vector<Problem>& problems() {
  static const std::vector<Problem> all = [] {
    std::vector<Problem> made;
    for (const StreamType type : {StreamType::fp32, StreamType::bf16, StreamType::int8}) {
      made.push_back({type, 1, 1, {1}, 1, 1});
      made.push_back({type, 1, 2, {7}, 1, 1});
      made.push_back({type, 5, 1, {33}, 4, 4});
      made.push_back({type, 3, 2, {16, 9}, 12, 10});
      made.push_back({type, 2, 1, {130}, 16, 16});
      made.push_back({type, 1, 3, {600, 41, 2}, 19, 17});
      made.push_back({type, 4, 1, {2050}, 9, 9});
      for (int64_t columns = 2; columns <= 9; ++columns) made.push_back({type, 1, 1, {24}, columns, columns});
    }
    return made;
  }();
  return all;
}

TEST(StreamProduct, IsTheReferencesUnderEveryInstructionSet) {
  for (const Problem& p : problems()) {
    Made made(p);
    const auto want = made.run([](const StreamUnit& u) { reference::stream_product(u); });
    each_target([&](const std::string& target) {
      const auto got = made.run([](const StreamUnit& u) { stream_product(u); });
      EXPECT_LT(relative_error(got, want), 2e-6) << target << " in " << p.ins[0] << " columns " << p.columns;
      for (size_t i = 0; i < got.size(); ++i) {  // nothing beyond the outputs is touched
        const bool beyond = static_cast<int64_t>(i) % made.stride() >= p.blocks * kStreamBlock;
        ASSERT_TRUE(!beyond || got[i] == want[i]) << target;
      }
    });
  }
}

TEST(StreamProduct, DiffersFromTheExactOneByTheRoundingOfItsWeights) {
  for (const Problem& p : problems()) {
    if (p.ins[0] < 16) continue;
    Made made(p);
    const double error =
        relative_error(made.run([](const StreamUnit& u) { stream_product(u); }), made.exact());
    // bf16: 2^-9 / sqrt(3) a weight. int8: a level is largest / 127, the error of one uniform within half of
    // it.
    EXPECT_LT(error, p.type == StreamType::fp32 ? 1e-6 : p.type == StreamType::bf16 ? 2.5e-3 : 1.2e-2);
    EXPECT_GT(error, p.type == StreamType::fp32 ? 0 : 1e-4);
  }
}

TEST(StreamProduct, IntegersDoNotOverflow) {
  // All weights and inputs at their largest: the sum is known.
  for (const int64_t in : {512, 1024, 5000}) {
    std::vector<float> w(static_cast<size_t>(in * kStreamBlock), -3.0F), x(static_cast<size_t>(in), 0.5F),
        scale(1);
    Aligned<std::byte> packed(stream_slice_bytes(StreamType::int8, in));
    pack_stream_slice(StreamType::int8, {w.data(), in, kStreamBlock, kStreamBlock, 1}, packed.data());
    const int64_t stride = (in + 31) / 32 * 32;
    Aligned<int16_t> q(stride);
    Aligned<float> y(kStreamBlock);
    const int32_t zero = 0;
    const StreamTap tap{0, 1, &zero, &zero};
    each_target([&](const std::string& target) {
      quantise_rows({x.data(), 1, in, in, q.data(), stride, scale.data()});
      const StreamRows rows{q.data(), in, stride, scale.data()};
      std::fill_n(y.data(), kStreamBlock, 0.0F);
      stream_product({StreamType::int8, packed.data(), 1, 1, &tap, &rows, y.data(), kStreamBlock});
      for (int64_t j = 0; j < kStreamBlock; ++j)
        EXPECT_NEAR(y.data()[j] / (-1.5F * static_cast<float>(in)), 1, 1e-4) << target;
    });
  }
}

TEST(QuantiseRows, AreTheReferences) {
  for (const int64_t in : {1, 17, 64, 1000, 3000}) {
    const int64_t rows = 3, stride = (in + 1) / 2 * 2 + 32;
    auto x = normals<float>(rows * in, 5);
    std::fill_n(x.begin() + in, in, 0.0F);  // a row of zeros
    std::vector<int16_t> want(static_cast<size_t>(rows * stride)), got(want.size(), int16_t{7});
    std::vector<float> want_scales(3), scales(3);
    reference::quantise_rows({x.data(), rows, in, in, want.data(), stride, want_scales.data()});
    each_target([&](const std::string& target) {
      quantise_rows({x.data(), rows, in, in, got.data(), stride, scales.data()});
      expect_near(scales, want_scales, 0, 1e-6F, target);
      for (size_t i = 0; i < got.size(); ++i) ASSERT_LE(std::abs(got[i] - want[i]), 1) << target << i;
      for (int64_t i = in; i < stride; ++i) ASSERT_EQ(got[static_cast<size_t>(i)], 0);
    });
  }
}

TEST(QuantiseRows, WhatIsNotFiniteStaysSo) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const int64_t at : {0, 30}) {
      std::vector<float> x(31, 1.0F), scale(1);
      std::vector<int16_t> q(64);
      x[static_cast<size_t>(at)] = bad;
      each_target([&](const std::string& target) {
        quantise_rows({x.data(), 1, 31, 31, q.data(), 64, scale.data()});
        EXPECT_FALSE(std::isfinite(scale[0])) << target;
      });
    }
  }
}

struct Finish {
  int64_t samples, length, channels, groups;
  StreamActivation activation;
  bool scale, shift, residual;
  int64_t film_stride;
};

TEST(StreamFinish, IsTheReferences) {
  using enum StreamActivation;
  const std::vector<Finish> cases{
      {1, 4, 64, 4, mish, true, true, false, 0},   {2, 3, 33, 3, mish, false, true, true, 33},
      {1, 1, 7, 1, silu, false, false, true, 0},   {3, 16, 40, 0, none, false, false, false, 0},
      {2, 8, 256, 2, none, true, true, true, 300}, {1, 5, 8, 8, mish, false, false, false, 0}};
  for (const Finish& c : cases) {
    const int64_t rows = c.samples * c.length, stride = c.channels + 5;
    auto y = normals<float>(rows * stride, 1, 0.3F, 2);
    const auto gamma = normals<float>(c.channels, 2), beta = normals<float>(c.channels, 3),
               film = normals<float>(2 * c.samples * 300, 4), residual = normals<float>(rows * stride, 5);
    std::vector<float> want(static_cast<size_t>(rows * stride), 9), got(want),
        scratch(static_cast<size_t>(3 * c.channels));
    StreamFinish f;
    f.y = y.data();
    f.samples = c.samples;
    f.length = c.length;
    f.channels = c.channels;
    f.stride = stride;
    f.groups = c.groups;
    f.gamma = gamma.data();
    f.beta = beta.data();
    f.activation = c.activation;
    f.scale = c.scale ? film.data() : nullptr;
    f.shift = c.shift ? film.data() + c.samples * 300 : nullptr;
    f.film_stride = c.film_stride;
    f.residual = c.residual ? residual.data() : nullptr;
    f.residual_stride = stride;
    f.out_stride = stride;
    f.scratch = scratch.data();
    f.out = want.data();
    reference::stream_finish(f);
    f.out = got.data();
    each_target([&](const std::string& target) {
      stream_finish(f);
      expect_near(got, want, 2e-5F, 1e-5F, target);
    });
  }
}

TEST(StreamFinish, GroupsThatDoNotDivideAreRefused) {
  StreamFinish f;
  f.channels = 10;
  f.groups = 3;
  EXPECT_THROW(stream_finish(f), Error);
}

}  // namespace
}  // namespace langevin
