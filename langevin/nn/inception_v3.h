// Inception-v3 (Szegedy et al. 2015, arXiv:1512.00567) as FID uses it: the network of 2015-12-05 whose
// weights pytorch-fid carries, with its departures from the paper: averages that leave the padding out, and a
// maximum in place of the average in the last block. It is called on pictures in [-1, 1] and looks at them
// only; the timestep plays no part.
//
// Names of parameters are those of pytorch-fid (torchvision's): Mixed_5b.branch5x5_1.conv.weight,
// .bn.running_var, fc.
#pragma once

#include <initializer_list>

#include "langevin/nn/picture_cost.h"

namespace langevin::nn {

inline constexpr int64_t inception_size = 299;      // pixels, height and width
inline constexpr int64_t inception_classes = 1008;  // of which 1000 mean something
inline constexpr int64_t inception_features = 2048;

namespace inception_detail {

template <class B>
using Value = typename B::Value;

inline ConvNorm square(int64_t out, int64_t kernel, int64_t stride = 1, int64_t pad = 0) {
  return {out, kernel, kernel, stride, pad, pad};
}
/// 1 x n and n x 1, of the same size as what they see.
inline ConvNorm wide(int64_t out, int64_t n) { return {out, 1, n, 1, 0, n / 2}; }
inline ConvNorm tall(int64_t out, int64_t n) { return {out, n, 1, 1, n / 2, 0}; }

inline constexpr Pool halving{3, 2, 0}, same_size{3, 1, 1};

template <class B>
struct NamedConv {
  const char* name;
  ConvNorm conv;
};

/// One convolution after the other.
template <class B>
Value<B> branch(B& b, Value<B> x, std::initializer_list<NamedConv<B>> convolutions) {
  for (const auto& c : convolutions) x = b.conv2d_norm_relu(x, c.name, c.conv);
  return x;
}

template <class B>
Value<B> beside(B& b, std::initializer_list<Value<B>> parts) {
  auto part = parts.begin();
  Value<B> x = *part;
  for (++part; part != parts.end(); ++part) x = b.concat(x, *part);
  return x;
}

/// Figure 5 of the paper, with two 3 x 3 for one 5 x 5 in the third branch.
template <class B>
Value<B> block_a(B& b, const Value<B>& x, int64_t pooled) {
  return beside<B>(b,
                   {branch<B>(b, x, {{"branch1x1", square(64, 1)}}),
                    branch<B>(b, x, {{"branch5x5_1", square(48, 1)}, {"branch5x5_2", square(64, 5, 1, 2)}}),
                    branch<B>(b, x,
                              {{"branch3x3dbl_1", square(64, 1)},
                               {"branch3x3dbl_2", square(96, 3, 1, 1)},
                               {"branch3x3dbl_3", square(96, 3, 1, 1)}}),
                    branch<B>(b, b.mean_pool2d(x, same_size), {{"branch_pool", square(pooled, 1)}})});
}

/// Figure 10: half the height and width.
template <class B>
Value<B> block_b(B& b, const Value<B>& x) {
  return beside<B>(b, {branch<B>(b, x, {{"branch3x3", square(384, 3, 2)}}),
                       branch<B>(b, x,
                                 {{"branch3x3dbl_1", square(64, 1)},
                                  {"branch3x3dbl_2", square(96, 3, 1, 1)},
                                  {"branch3x3dbl_3", square(96, 3, 2)}}),
                       b.max_pool2d(x, halving)});
}

/// Figure 6, n = 7.
template <class B>
Value<B> block_c(B& b, const Value<B>& x, int64_t narrow) {
  return beside<B>(b, {branch<B>(b, x, {{"branch1x1", square(192, 1)}}),
                       branch<B>(b, x,
                                 {{"branch7x7_1", square(narrow, 1)},
                                  {"branch7x7_2", wide(narrow, 7)},
                                  {"branch7x7_3", tall(192, 7)}}),
                       branch<B>(b, x,
                                 {{"branch7x7dbl_1", square(narrow, 1)},
                                  {"branch7x7dbl_2", tall(narrow, 7)},
                                  {"branch7x7dbl_3", wide(narrow, 7)},
                                  {"branch7x7dbl_4", tall(narrow, 7)},
                                  {"branch7x7dbl_5", wide(192, 7)}}),
                       branch<B>(b, b.mean_pool2d(x, same_size), {{"branch_pool", square(192, 1)}})});
}

/// Half the height and width again.
template <class B>
Value<B> block_d(B& b, const Value<B>& x) {
  return beside<B>(b, {branch<B>(b, x, {{"branch3x3_1", square(192, 1)}, {"branch3x3_2", square(320, 3, 2)}}),
                       branch<B>(b, x,
                                 {{"branch7x7x3_1", square(192, 1)},
                                  {"branch7x7x3_2", wide(192, 7)},
                                  {"branch7x7x3_3", tall(192, 7)},
                                  {"branch7x7x3_4", square(192, 3, 2)}}),
                       b.max_pool2d(x, halving)});
}

/// Figure 7; `last` takes the maximum where the other one averages.
template <class B>
Value<B> block_e(B& b, const Value<B>& x, bool last) {
  const Value<B> h = branch<B>(b, x, {{"branch3x3_1", square(384, 1)}});
  const Value<B> both = beside<B>(b, {branch<B>(b, h, {{"branch3x3_2a", wide(384, 3)}}),
                                      branch<B>(b, h, {{"branch3x3_2b", tall(384, 3)}})});
  const Value<B> d =
      branch<B>(b, x, {{"branch3x3dbl_1", square(448, 1)}, {"branch3x3dbl_2", square(384, 3, 1, 1)}});
  const Value<B> doubled = beside<B>(b, {branch<B>(b, d, {{"branch3x3dbl_3a", wide(384, 3)}}),
                                         branch<B>(b, d, {{"branch3x3dbl_3b", tall(384, 3)}})});
  const Value<B> pooled = last ? b.max_pool2d(x, same_size) : b.mean_pool2d(x, same_size);
  return beside<B>(b, {branch<B>(b, x, {{"branch1x1", square(320, 1)}}), both, doubled,
                       branch<B>(b, pooled, {{"branch_pool", square(192, 1)}})});
}

}  // namespace inception_detail

/// The features (N,2048) that FID compares, of (N,3,H,W), H and W at least 75.
template <class B>
typename B::Value inception_v3_features(B& b, const typename B::Value& picture) {
  using namespace inception_detail;
  auto x = branch<B>(b, picture,
                     {{"Conv2d_1a_3x3", square(32, 3, 2)},
                      {"Conv2d_2a_3x3", square(32, 3)},
                      {"Conv2d_2b_3x3", square(64, 3, 1, 1)}});
  x = branch<B>(b, b.max_pool2d(x, halving),
                {{"Conv2d_3b_1x1", square(80, 1)}, {"Conv2d_4a_3x3", square(192, 3)}});
  x = b.max_pool2d(x, halving);
  const auto in_scope = [&b](const char* name, auto block) {
    const auto scope = b.scope(name);
    return block();
  };
  x = in_scope("Mixed_5b", [&] { return block_a<B>(b, x, 32); });
  x = in_scope("Mixed_5c", [&] { return block_a<B>(b, x, 64); });
  x = in_scope("Mixed_5d", [&] { return block_a<B>(b, x, 64); });
  x = in_scope("Mixed_6a", [&] { return block_b<B>(b, x); });
  x = in_scope("Mixed_6b", [&] { return block_c<B>(b, x, 128); });
  x = in_scope("Mixed_6c", [&] { return block_c<B>(b, x, 160); });
  x = in_scope("Mixed_6d", [&] { return block_c<B>(b, x, 160); });
  x = in_scope("Mixed_6e", [&] { return block_c<B>(b, x, 192); });
  x = in_scope("Mixed_7a", [&] { return block_d<B>(b, x); });
  x = in_scope("Mixed_7b", [&] { return block_e<B>(b, x, false); });
  x = in_scope("Mixed_7c", [&] { return block_e<B>(b, x, true); });
  return b.mean_positions(x);
}

/// Logits (N,1008).
template <class B>
typename B::Value inception_v3(B& b, const typename B::Value& picture) {
  return b.linear(inception_v3_features(b, picture), "fc", {.out = inception_classes});
}

/// Its parameters, and what a call on pictures of that shape costs.
PictureCost inception_v3_cost(const Shape& picture = {1, 3, inception_size, inception_size});

}  // namespace langevin::nn
