// The tensors of a model by name, wherever they lie: in one file, behind a prefix of their names, or in the
// shards that an index (`*.safetensors.index.json`) tells of. Files stay mapped; nothing is copied.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "langevin/io/safetensors.h"

namespace langevin {

class TensorSet {
 public:
  TensorSet() = default;
  /// The tensors of `file` whose names begin with `prefix`, without it.
  static TensorSet of_file(SafetensorsFile file, const std::string& prefix = "");
  /// {"metadata": {"total_size": bytes}, "weight_map": {tensor: file beside the index}}. Error naming the
  /// index and what is wrong: no such JSON, a file name that leads out of the folder, a shard that is absent
  /// or damaged, a tensor that is not in its shard or lies in another one too, a wrong total.
  static TensorSet of_shards(const std::filesystem::path& index);

  /// Error if two tensors come to bear one name.
  void rename(const std::function<std::string(const std::string& name)>& new_name);

  /// What is no part of the network; nothing happens where there is no such tensor.
  void remove(const std::string& name) { tensors_.erase(name); }

  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  std::vector<std::string> names() const;  // sorted
  /// Error naming the file and the nearest name there is.
  const TensorView& at(const std::string& name) const;
  HostArrayF to_float(const std::string& name) const;  // as SafetensorsFile::to_float

  const std::string& source() const { return source_; }  // for messages
  /// The file itself, with what it holds beside these tensors; of shards the first.
  const SafetensorsFile& file() const { return files_.at(0); }

 private:
  std::string source_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, TensorView> tensors_;
};

}  // namespace langevin
