// Where streamed weights lie: packed once, in the order in which each thread reads them through a whole call,
// so that what is asked for ahead of its use is right even across steps. On large pages where the system has
// them.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "langevin/runtime/pages.h"
#include "langevin/runtime/team.h"

namespace langevin::runtime {

class StreamWeights {
 public:
  /// Adds what one step reads, units in the order of its shares; nothing if `key` is known. `fill` writes a
  /// unit.
  void declare(const std::string& key, const std::vector<int64_t>& unit_bytes,
               std::function<void(int unit, std::byte* to)> fill);
  /// Lays out what was declared since the last time, in that order, for the shares of `team`, and fills it.
  void pack(const Team& team);
  /// Error unless `key` was packed. On 64 bytes.
  const std::byte* unit(const std::string& key, int unit) const;
  int64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::vector<int64_t> unit_bytes;
    std::function<void(int, std::byte*)> fill;
    std::vector<std::byte*> units;  // once packed
  };
  std::map<std::string, Entry> entries_;
  std::vector<Entry*> waiting_;
  Pages pages_;
  int64_t bytes_ = 0;
};

}  // namespace langevin::runtime
