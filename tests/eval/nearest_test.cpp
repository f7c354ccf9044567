// Memorisation: a copy is found and said to be one.
#include "langevin/eval/nearest.h"

#include <gtest/gtest.h>

#include <cmath>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin {
namespace {

Image random_picture(uint64_t stream) {
  Image picture = make_image(9, 7, 3);
  RandomStream random(NoiseKey{stream, 0, Purpose::test, 11});
  for (uint8_t& value : picture.pixels) value = static_cast<uint8_t>(random.below(256));
  return picture;
}

PictureSource source(int64_t count) {
  return {"pictures", count, [](int64_t first, int64_t n) {
            std::vector<Image> pictures;
            for (int64_t i = first; i < first + n; ++i)
              pictures.push_back(random_picture(static_cast<uint64_t>(i)));
            return pictures;
          }};
}

double distance(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    sum += std::pow(static_cast<double>(a.pixels[i]) - b.pixels[i], 2);
  return std::sqrt(sum / static_cast<double>(a.pixels.size()));
}

TEST(Nearest, IsWhatLookingAtAllFinds) {
  const PictureSource pictures = source(700);  // several batches
  std::vector<NearestQuery> queries{
      {random_picture(9001), -1}, {random_picture(300), -1}, {random_picture(300), 300}};
  const auto found = nearest_pictures(queries, pictures, {});
  for (size_t q = 0; q < queries.size(); ++q) {
    int64_t best = -1;
    double least = 1e9;
    for (int64_t i = 0; i < 700; ++i) {
      const double d = distance(queries[q].picture, random_picture(static_cast<uint64_t>(i)));
      if (d < least && i != queries[q].own) {
        least = d;
        best = i;
      }
    }
    EXPECT_EQ(found[q].place, best);
    EXPECT_NEAR(found[q].distance, least, 1e-9);
  }
  EXPECT_EQ(found[1].place, 300);
  EXPECT_EQ(found[1].distance, 0);
  EXPECT_GT(found[2].distance, 0);
}

TEST(Memorisation, TellsCopiesFromNewPictures) {
  const PictureSource pictures = source(400);
  std::vector<Image> fresh, copies;
  for (uint64_t i = 0; i < 60; ++i) {
    fresh.push_back(random_picture(10000 + i));
    copies.push_back(random_picture(i));
    copies.back().pixels[0] ^= 3;
  }
  const Memorisation good = memorisation(fresh, pictures, 100, {}),
                     bad = memorisation(copies, pictures, 100, {});
  EXPECT_LT(good.close_share, 0.2);
  EXPECT_NEAR(good.median / good.real_median, 1, 0.05);
  EXPECT_NEAR(bad.close_share, 1, 1e-9);
  EXPECT_LT(bad.median, 1);
  EXPECT_EQ(bad.real.size(), 100u);
}

TEST(Nearest, RefusesPicturesThatDoNotFit) {
  EXPECT_THROW(nearest_pictures({}, source(3), {}), Error);
  EXPECT_THROW(nearest_pictures({{make_image(9, 7, 1), -1}}, source(3), {}), Error);
  EXPECT_THROW(nearest_pictures({{random_picture(0), 0}}, source(1), {}), Error);
}

TEST(Quantile, OfAFewValues) {
  EXPECT_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(quantile({3, 1}, 0.25), 1.5);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}

}  // namespace
}  // namespace langevin
