// Contact sheets: many pictures in one.
#pragma once

#include "langevin/io/image.h"

namespace langevin {

/// Pictures of one size, row by row; columns 0 means ceil(sqrt(n)). `padding` pixels of `background` lie
/// between and around the cells, and empty cells show it too. Channels are the most that any picture has, and
/// at least 3 when the background is not gray.
Image make_grid(const std::vector<Image>& images, int columns = 0, int padding = 2,
                Colour background = {255, 255, 255});

/// Every pixel becomes a square of factor x factor.
Image upscale_nearest(const Image& image, int factor);

}  // namespace langevin
