#include "langevin/io/tensor_set.h"

#include <set>

#include "langevin/core/json_file.h"
#include "langevin/core/names.h"
#include "langevin/io/quote.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

constexpr size_t kLongestIndex = size_t{64} << 20;

/// A file beside the index, by a name that names nothing else.
fs::path shard_path(const fs::path& index, const std::string& name) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of("/\\") == std::string::npos && name.find('\0') == std::string::npos;
  check(plain, index.string(), "the shard {} is no name of a file beside the index", quote(name));
  const fs::path path = index.parent_path() / name;
  std::error_code ignored;
  check(fs::is_regular_file(path, ignored), index.string(),
        "the shard {} is missing; put every shard beside the index", quote(name));
  return path;
}

/// tensor -> shard
std::map<std::string, std::string> read_weight_map(const fs::path& index, const nlohmann::json& json) {
  const std::string source = index.string();
  check(json.is_object() && json.contains("weight_map") && json["weight_map"].is_object(), source,
        "has no weight_map; this is no index of shards");
  std::map<std::string, std::string> shard_of;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    check(shard.is_string(), source, "the shard of {} is not a file's name", quote(tensor));
    shard_of[tensor] = shard.get<std::string>();
  }
  check(!shard_of.empty(), source, "its weight_map names no tensor");
  return shard_of;
}

void check_total(const fs::path& index, const nlohmann::json& json, uint64_t bytes) {
  const auto metadata = json.find("metadata");
  if (metadata == json.end() || !metadata->is_object()) return;
  const auto total = metadata->find("total_size");
  if (total == metadata->end()) return;
  // Some programs write it as 1234.0.
  const bool same = total->is_number() && total->get<double>() == static_cast<double>(bytes);
  check(same, index.string(), "its total_size is {}, the tensors of its shards have {} bytes",
        one_line(total->dump()), bytes);
}

}  // namespace

TensorSet TensorSet::of_file(SafetensorsFile file, const std::string& prefix) {
  TensorSet set;
  set.source_ = file.source();
  for (const std::string& name : file.names()) {
    if (name.rfind(prefix, 0) == 0) set.tensors_[name.substr(prefix.size())] = file.at(name);
  }
  set.files_.push_back(std::move(file));
  return set;
}

TensorSet TensorSet::of_shards(const fs::path& index) {
  const nlohmann::json json = read_json(index, kLongestIndex);
  const std::map<std::string, std::string> shard_of = read_weight_map(index, json);
  TensorSet set;
  set.source_ = index.string();
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  uint64_t bytes = 0;
  for (const std::string& shard : shards) {
    SafetensorsFile file = SafetensorsFile::open(shard_path(index, shard));
    verify_checksum(file);
    for (const std::string& name : file.names()) {
      const auto expected = shard_of.find(name);
      check(expected != shard_of.end(), set.source_, "the shard {} holds {}, which the index does not know",
            quote(shard), quote(name));
      check(expected->second == shard, set.source_, "{} lies in the shard {}, the index says {}", quote(name),
            quote(shard), quote(expected->second));
      set.tensors_[name] = file.at(name);
    }
    bytes += file.data().size();
    set.files_.push_back(std::move(file));
  }
  for (const auto& [tensor, shard] : shard_of) {
    check(set.contains(tensor), set.source_, "the shard {} lacks {}, which the index says it holds",
          quote(shard), quote(tensor));
  }
  check_total(index, json, bytes);
  return set;
}

void TensorSet::rename(const std::function<std::string(const std::string& name)>& new_name) {
  std::map<std::string, TensorView> renamed;
  for (auto& [name, tensor] : tensors_) {
    const std::string now = new_name(name);
    check(renamed.emplace(now, std::move(tensor)).second, source_,
          "two tensors are {} under one name or "
          "another; remove one",
          quote(now));
  }
  tensors_ = std::move(renamed);
}

std::vector<std::string> TensorSet::names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  return names;
}

const TensorView& TensorSet::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  fail_no_tensor(source_, name, names());
}

HostArrayF TensorSet::to_float(const std::string& name) const {
  return langevin::to_float(at(name), fmt::format("{}: tensor {}", source_, quote(name)));
}

}  // namespace langevin
