// Pictures that the user hands over for editing: read, and brought to what the model makes.
#pragma once

#include <string>

#include "langevin/core/array.h"
#include "langevin/core/console.h"
#include "langevin/model/spec.h"

namespace langevin::cli {

/// A PNG, JPEG or WebP file as x_0 (1,C,H,W), `shape` being the model's (C,H,W). Another size becomes the
/// model's as training data does (data.fit = crop: its middle, resized), other channels are converted, with a
/// warning; Error instead with `strict`. Error where the file is no picture or the model makes none.
HostArrayF read_given_image(const std::string& file, const ModelSpec& spec, const Shape& shape, bool strict,
                            Console& console);

struct MaskedImage {
  HostArrayF x0, mask;  // (1,C,H,W); mask 1 where to fill in, else 0
};
/// A picture and a mask of the same size, both brought to the model's. White in the mask (128 and above, of
/// what is opaque) is to be filled in. Error also where sizes differ or nothing is white.
MaskedImage read_masked_image(const std::string& image, const std::string& mask, const ModelSpec& spec,
                              const Shape& shape, bool strict, Console& console);

}  // namespace langevin::cli
