#include "langevin/kernels/cast.h"

#include <bit>
#include <limits>

#include "support.h"

namespace langevin {
namespace {

using test::each_target;
using test::same_bits;

TEST(Cast, RoundsToNearestTiesToEven) {
  const auto bits = [](uint32_t pattern) { return to_bf16(std::bit_cast<float>(pattern)).bits; };
  EXPECT_EQ(bits(0x3f800000), 0x3f80);  // 1
  EXPECT_EQ(bits(0x3f807fff), 0x3f80);
  EXPECT_EQ(bits(0x3f808000), 0x3f80);  // tie, down to even
  EXPECT_EQ(bits(0x3f808001), 0x3f81);
  EXPECT_EQ(bits(0x3f818000), 0x3f82);  // tie, up to even
  EXPECT_EQ(bits(0x7f7fffff), 0x7f80);  // the largest float is beyond the largest bfloat16
  EXPECT_EQ(bits(0xff800000), 0xff80);  // -infinity
  EXPECT_EQ(bits(0x80000000), 0x8000);  // -0
  EXPECT_EQ(bits(0x7f800001), 0x7fc0);  // a NaN whose payload is below: quiet, not infinity
  EXPECT_EQ(bits(0xffffffff), 0xffff);
}

TEST(Cast, EveryBfloat16SurvivesTheRoundTrip) {
  std::vector<BF16> all(65536), back(65536);
  for (uint32_t i = 0; i < 65536; ++i) all[i].bits = static_cast<uint16_t>(i);
  std::vector<float> wide(65536);
  each_target([&](const std::string& target) {
    cast(all.data(), wide.data(), 65536);
    cast(wide.data(), back.data(), 65536);
    for (uint32_t i = 0; i < 65536; ++i) {
      const bool signalling = (i & 0x7fff) > 0x7f80 && (i & 0x40) == 0;
      ASSERT_EQ(std::bit_cast<uint32_t>(wide[i]), i << 16) << target;
      ASSERT_EQ(back[i].bits, signalling ? i | 0x40 : i) << target;
    }
  });
}

TEST(Cast, MatchesTheReferenceOnRandomBitPatterns) {
  const int64_t n = 100003;
  std::vector<float> x(static_cast<size_t>(n));
  RandomStream random(NoiseKey{3, 1, Purpose::test, 0});
  for (float& value : x) value = std::bit_cast<float>(random.next_u32());
  std::vector<BF16> plain(x.size());
  reference::cast(x.data(), plain.data(), n);
  each_target([&](const std::string& target) {
    for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{19}, n}) {
      std::vector<BF16> fast(x.size());
      cast(x.data(), fast.data(), count);
      for (int64_t i = 0; i < n; ++i) {
        const auto j = static_cast<size_t>(i);
        ASSERT_EQ(fast[j].bits, i < count ? plain[j].bits : 0) << target << " " << i;
      }
    }
  });
}

}  // namespace
}  // namespace langevin
