#include "langevin/io/grid.h"

#include "tests/io/image_samples.h"

namespace langevin {
namespace {

using namespace test;

TEST(Grid, PlacesPicturesRowByRow) {
  std::vector<Image> images;
  for (int i = 0; i < 5; ++i) images.push_back(noise_image(3, 2, 3, static_cast<unsigned>(i)));
  const Image grid = make_grid(images, 0, 1, {9, 8, 7});  // ceil(sqrt(5)) = 3 columns
  ASSERT_EQ(grid.width, 3 * 4 + 1);
  ASSERT_EQ(grid.height, 2 * 3 + 1);
  for (int y = 0; y < grid.height; ++y) {
    for (int x = 0; x < grid.width; ++x) {
      const int column = (x - 1) / 4, line = (y - 1) / 3, inner_x = (x - 1) % 4, inner_y = (y - 1) % 3;
      const int i = line * 3 + column;
      const bool inside = x >= 1 && y >= 1 && inner_x < 3 && inner_y < 2 && i < 5;
      for (int c = 0; c < 3; ++c) {
        EXPECT_EQ(grid.at(x, y, c), inside ? images[static_cast<size_t>(i)].at(inner_x, inner_y, c) : 9 - c);
      }
    }
  }
}

TEST(Grid, ColumnsAndChannels) {
  const std::vector<Image> grays(7, make_image(4, 4, 1, 50));
  const Image row = make_grid(grays, 100, 0, {0, 0, 0});
  EXPECT_EQ(row.width, 28);
  EXPECT_EQ(row.height, 4);
  EXPECT_EQ(row.channels, 1);
  EXPECT_EQ(make_grid(grays, 0, 0, {1, 2, 3}).channels, 3);
  EXPECT_EQ(make_grid({make_image(2, 2, 1), make_image(2, 2, 4)}).channels, 4);
  EXPECT_EQ(make_grid({grays[0]}, 0, 0).pixels, grays[0].pixels);
}

TEST(Grid, RefusesBadRequests) {
  EXPECT_THROW(make_grid({}), Error);
  EXPECT_THROW(make_grid({make_image(2, 2, 1), make_image(2, 3, 1)}), Error);
  EXPECT_THROW(make_grid({make_image(2, 2, 1)}, -1), Error);
  EXPECT_THROW(make_grid({make_image(2, 2, 1)}, 0, -1), Error);
  EXPECT_THROW(upscale_nearest(make_image(2, 2, 1), 0), Error);
  EXPECT_THROW(upscale_nearest(make_image(2000, 2000, 1), 4096), Error);
}

TEST(Grid, UpscaleRepeatsPixels) {
  const Image image = noise_image(3, 2, 4);
  const Image big = upscale_nearest(image, 5);
  ASSERT_EQ(big.width, 15);
  ASSERT_EQ(big.height, 10);
  for (int y = 0; y < 10; ++y) {
    for (int x = 0; x < 15; ++x) {
      for (int c = 0; c < 4; ++c) EXPECT_EQ(big.at(x, y, c), image.at(x / 5, y / 5, c));
    }
  }
  EXPECT_EQ(upscale_nearest(image, 1).pixels, image.pixels);
}

}  // namespace
}  // namespace langevin
