// JSON of strangers: one value, no key twice, bounded in size and depth, and what Python writes beside JSON.
#include "langevin/core/json_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "langevin/core/check.h"

namespace langevin {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_json(text, "test");
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).rfind("test: ", 0), 0U) << e.what();
    return e.what();
  }
  return "";
}

TEST(JsonFile, ReadsValues) {
  const auto json = parse_json(R"({"a": [1, 2.5, null, true], "b": {"a": "ä\""}})", "test");
  EXPECT_EQ(json["a"][1], 2.5);
  EXPECT_EQ(json["b"]["a"], "ä\"");
}

// {"lambda_min_clipped": -Infinity} stands in many a scheduler_config.json.
TEST(JsonFile, ReadsPythonsNumbersAsTexts) {
  const auto json =
      parse_json(R"({"a": -Infinity, "b": [Infinity, NaN], "c": "NaN \" Infinity", "NaN": 1})", "test");
  EXPECT_EQ(json["a"], "-Infinity");
  EXPECT_EQ(json["b"][0], "Infinity");
  EXPECT_EQ(json["b"][1], "NaN");
  EXPECT_EQ(json["c"], "NaN \" Infinity");
  EXPECT_EQ(json["NaN"], 1);
}

TEST(JsonFile, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "{} {}", "{\"a\":}", "[1,]", "'a'", "\xff", "{\"\xff\":1}",
                           "{\"a\":1e999}", "nan", "-", "\"a\\"}) {
    EXPECT_NE(error_of(text).find("not valid JSON"), std::string::npos) << text << ": " << error_of(text);
  }
}

TEST(JsonFile, RefusesAKeyThatStandsTwice) {
  EXPECT_NE(error_of(R"({"a": 1, "b": {"a": 1}, "a": 2})").find("'a' stands there twice"), std::string::npos);
  EXPECT_NE(error_of(R"([{"x": {"k": 1, "k": 1}}])").find("'k' stands there twice"), std::string::npos);
  EXPECT_EQ(error_of(R"([{"a": 1}, {"a": 1}])"), "");
}

TEST(JsonFile, BoundsDepthAndSize) {
  EXPECT_NE(error_of(std::string(100'000, '[')).find("deeper than 64"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  EXPECT_NE(error_of(deep).find("deeper than 64"), std::string::npos);
  const auto path = std::filesystem::path(testing::TempDir()) / "json_file_test.json";
  std::ofstream(path) << "{\"a\": 1}";
  EXPECT_EQ(read_json(path)["a"], 1);
  EXPECT_THROW(read_json(path, 7), Error);
  std::filesystem::remove(path);
  EXPECT_THROW(read_json(path), Error);
}

}  // namespace
}  // namespace langevin
