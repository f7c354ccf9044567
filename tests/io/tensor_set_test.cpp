// Tensors in one file or in shards: the index is a stranger's word, each claim is checked against the shards.
#include "langevin/io/tensor_set.h"

#include <nlohmann/json.hpp>

#include "scratch.h"

namespace langevin {
namespace {

using namespace scratch;
using nlohmann::json;

class TensorSetTest : public testing::Test {
 protected:
  void SetUp() override {
    write("one.safetensors", {"a", "b"});
    write("two.safetensors", {"c"});
    index_ = {{"metadata", {{"total_size", 24}}},
              {"weight_map", {{"a", "one.safetensors"}, {"b", "one.safetensors"}, {"c", "two.safetensors"}}}};
  }
  void write(const std::string& file, const std::vector<std::string>& names) {
    std::vector<TensorOut> tensors;
    for (const std::string& name : names)
      tensors.push_back({name, DType::f32, {2}, std::as_bytes(std::span(values_))});
    write_safetensors(folder_ / file, tensors, {});
  }
  TensorSet open() { return open(index_.dump()); }
  TensorSet open(const std::string& text) {
    put(folder_ / "model.safetensors.index.json", text);
    return TensorSet::of_shards(folder_ / "model.safetensors.index.json");
  }

  Folder folder_;
  std::vector<float> values_{1, 2};
  json index_;
};

TEST_F(TensorSetTest, JoinsShards) {
  const TensorSet set = open();
  EXPECT_EQ(set.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(set.to_float("c")[1], 2.0F);
  EXPECT_ERROR(set.at("d"), "it has no tensor 'd'");
  index_["metadata"]["total_size"] = 24.0;
  EXPECT_EQ(open().names().size(), 3U);
  index_.erase("metadata");
  EXPECT_EQ(open().names().size(), 3U);
}

TEST_F(TensorSetTest, RefusesAnIndexThatLies) {
  const auto with = [&](const json& patch) {
    json changed = index_;
    changed.merge_patch(patch);
    return changed.dump();
  };
  EXPECT_ERROR(open(with({{"weight_map", {{"c", "../two.safetensors"}}}})), "no name of a file beside");
  EXPECT_ERROR(open(with({{"weight_map", {{"c", "/etc/passwd"}}}})), "no name of a file beside");
  EXPECT_ERROR(open(with({{"weight_map", {{"c", ".."}}}})), "no name of a file beside");
  EXPECT_ERROR(open(with({{"weight_map", {{"c", ""}}}})), "no name of a file beside");
  EXPECT_ERROR(open(with({{"weight_map", {{"c", std::string("two\0.safetensors", 16)}}}})),
               "no name of a file beside");
  EXPECT_ERROR(open(with({{"weight_map", {{"c", "three.safetensors"}}}})),
               "the shard 'three.safetensors' is missing");
  EXPECT_ERROR(open(with({{"weight_map", {{"c", 2}}}})), "the shard of 'c' is not a file's name");
  EXPECT_ERROR(open(with({{"weight_map", {{"c", "one.safetensors"}}}})), "lacks 'c'");
  EXPECT_ERROR(open(with({{"weight_map", {{"b", "two.safetensors"}}}})), "the index says 'two.safetensors'");
  EXPECT_ERROR(open(with({{"weight_map", {{"b", nullptr}}}})), "which the index does not know");
  EXPECT_ERROR(open(with({{"weight_map", {{"d", "two.safetensors"}}}})), "lacks 'd'");
  EXPECT_ERROR(open(with({{"metadata", {{"total_size", 25}}}})), "total_size is 25, the tensors");
  EXPECT_ERROR(open(with({{"metadata", {{"total_size", "24"}}}})), "total_size is \"24\"");
  EXPECT_ERROR(open(with({{"metadata", {{"total_size", -1}}}})), "total_size is -1");
  EXPECT_ERROR(open(R"({"weight_map": {}})"), "names no tensor");
  EXPECT_ERROR(open(R"({"weight_map": []})"), "has no weight_map");
  EXPECT_ERROR(open("[]"), "has no weight_map");
  EXPECT_ERROR(open("{"), "not valid JSON");
  EXPECT_ERROR(open(R"({"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}})"), "twice");
}

TEST_F(TensorSetTest, ATensorInTwoShardsIsRefused) {
  write("two.safetensors", {"a", "c"});
  EXPECT_ERROR(open(), "'a' lies in the shard 'two.safetensors', the index says 'one.safetensors'");
}

TEST_F(TensorSetTest, ADamagedShardIsNamed) {
  Bytes bytes = get(folder_ / "two.safetensors");
  bytes.back() ^= std::byte{1};
  put(folder_ / "two.safetensors", bytes);
  EXPECT_ERROR(open(), "two.safetensors: checksum does not match");
  put(folder_ / "two.safetensors", std::span(bytes).first(9));
  EXPECT_ERROR(open(), "two.safetensors: ");
}

TEST_F(TensorSetTest, AShardThatIsNoFileIsRefused) {
  fs::remove(folder_ / "two.safetensors");
  fs::create_directory(folder_ / "two.safetensors");
  EXPECT_ERROR(open(), "the shard 'two.safetensors' is missing");
}

TEST_F(TensorSetTest, DamageToTheIndexNeverCrashes) {
  const Bytes bytes = as_bytes(index_.dump());
  int refused = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed)
    refused += error_of([&] { open(as_string(mutate(bytes, seed))); }) != "";
  EXPECT_GT(refused, 1900);
}

TEST_F(TensorSetTest, APrefixIsPartOfTheFilesNamesAlone) {
  write("checkpoint.safetensors", {"ema.a", "ema.b", "m.a", "a"});
  TensorSet set = TensorSet::of_file(SafetensorsFile::open(folder_ / "checkpoint.safetensors"), "ema.");
  EXPECT_EQ(set.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(set.file().contains("m.a"));
  set.rename([](const std::string& name) { return name == "a" ? "x" : name; });
  EXPECT_EQ(set.names(), (std::vector<std::string>{"b", "x"}));
  EXPECT_ERROR(set.rename([](const std::string&) { return "same"; }), "two tensors are 'same'");
}

}  // namespace
}  // namespace langevin
