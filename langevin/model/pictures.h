// Between arrays in [-1, 1] and 8-bit pictures.
#pragma once

#include <vector>

#include "langevin/core/array.h"
#include "langevin/io/image.h"

namespace langevin {

/// x (B,C,H,W), C = 1, 3 or 4 -> B pictures: round(127.5 x + 127.5) clamped to 0..255. Two channels and more
/// than four show their first channel in gray.
std::vector<Image> to_images(const HostArrayF& x);

}  // namespace langevin
