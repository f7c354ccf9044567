// softmax(q k^T / sqrt(d)) v, a few samples at a time so that the scores stay in the cache.
#pragma once

#include <optional>

#include "langevin/runtime/primitive.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// Where q, k or v stands: channels `offset` .. of rows that are `row` values long, L rows a sample.
struct TokenView {
  int buffer = -1;
  int64_t offset = 0, row = 0;
};

struct AttentionSpec {
  int64_t heads = 1;
  int64_t queries = 0, keys = 0;           // tokens
  int64_t channels = 0, out_channels = 0;  // of q and k; of v and the result; heads divides both
  std::optional<int64_t> ahead = {};       // the query at t sees keys at s <= t + ahead; absent: all
  TokenView q, k, v;
};

class AttentionStep final : public Step {
 public:
  AttentionStep(AttentionSpec spec, int dst);
  void prepare(Workshop& workshop) override;
  void bind(const Buffers& buffers) override;
  void run(const Call& call, const dnnl::stream& stream) override;

 private:
  void hide(float* scores) const;
  AttentionSpec spec_;
  int dst_, scores_buffer_ = -1, weights_buffer_ = -1, scratch_ = -1;
  int64_t at_once_ = 1;  // samples whose scores are in memory together
  Type type_ = Type::fp32;
  dnnl::engine engine_;
  dnnl::matmul::primitive_desc scores_chosen_, mix_chosen_;
  Prepared scores_, mix_;
  Place scores_place_, weights_place_;
};

}  // namespace langevin::runtime
