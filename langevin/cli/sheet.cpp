#include "langevin/cli/sheet.h"

#include <algorithm>

#include "langevin/core/check.h"
#include "langevin/io/grid.h"
#include "langevin/io/png.h"

namespace langevin::cli {

void check_sheet(const std::string& path, int64_t channels) {
  if (!path.ends_with(".png")) fail_usage("--grid: '{}' must end in .png", path);
  check(channels == 1 || channels == 3 || channels == 4, "--grid", "samples with {} channels are no pictures",
        channels);
}

void write_sheet(const std::string& path, const std::vector<Image>& images) {
  check(!images.empty(), "--grid", "there are no pictures to show");
  const int side = std::max(images[0].width, images[0].height);
  const int factor = std::clamp((63 + side) / side, 1, 4);
  std::vector<Image> cells;
  cells.reserve(images.size());
  for (const Image& image : images) cells.push_back(factor == 1 ? image : upscale_nearest(image, factor));
  write_png(path, make_grid(cells), {{"Software", "langevin"}});
}

}  // namespace langevin::cli
