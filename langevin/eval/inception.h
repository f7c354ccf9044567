// The network of the published FIDs: Inception-v3 with pytorch-fid's weights (nn/inception_v3.h).
#pragma once

#include <filesystem>
#include <memory>

#include "langevin/eval/feature_network.h"
#include "langevin/io/tensor_set.h"

namespace langevin {

/// A .safetensors with pytorch-fid's tensors under its names. Error naming the file and the tensor that is
/// missing, of another shape, or belongs to no part of the network (counters of batches seen are passed
/// over).
TensorSet open_inception(const std::filesystem::path& weights);

/// As pytorch-fid sees pictures: RGB (gray three times), 299 x 299 by bilinear interpolation without
/// antialiasing,
/// [-1, 1]. Probabilities, of 1008 classes, are those of the last layer without its bias, as in the Inception
/// Score's first code. Runs in fp32 on `threads` (0: one a core) of the processor.
std::unique_ptr<FeatureNetwork> inception_network(const std::filesystem::path& weights, int64_t threads);

/// One channel of `picture` as h x w values: between the centres of pixels a line, beyond the outermost their
/// value.
void bilinear(const Image& picture, int channel, int64_t h, int64_t w, std::span<float> out);

}  // namespace langevin
