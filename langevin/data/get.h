// `langevin data get NAME`: the classic small sets, downloaded with resume, mirrors and checksums.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "langevin/core/console.h"

namespace langevin {

/// A file of a set. At least one of the two hashes is known; SHA-256 is preferred.
struct RemoteFile {
  std::string name;    // file name, appended to a mirror's base URL
  int64_t bytes = 0;   // exact size; also the cap while downloading
  std::string sha256;  // lower-case hex, or empty
  std::string md5;     // lower-case hex, or empty
};

struct RemoteSet {
  std::string name;                  // "mnist"
  std::string description, licence;  // one line each
  std::vector<std::string> mirrors;  // base URLs, each ending in "/", tried in turn
  std::vector<RemoteFile> files;
};

/// mnist, fashion-mnist, cifar10, cifar100: where they are, how large, and their published checksums.
std::vector<RemoteSet> remote_sets();

struct GetOptions {
  std::string name;                  // of remote_sets()
  std::filesystem::path out;         // folder; made if absent
  std::vector<std::string> mirrors;  // base URLs instead of the set's own
  int connect_timeout_s = 20;
  int stall_timeout_s = 30;  // gives a mirror up below 1 KB/s for so long
};

struct GetSummary {
  std::vector<std::filesystem::path> files;  // all files of the set, complete and checked
  int64_t downloaded = 0;                    // bytes that came over the network
  int64_t resumed = 0;                       // bytes of earlier tries that were used
  int64_t kept = 0;                          // files that were there and right
};

/// Brings every file of the set to `out`. A file appears under its name only when complete and its checksum
/// right; what an interrupted transfer brought stays as NAME.part and is continued. UsageError: unknown set.
/// Error: no mirror had the right file (one line naming each mirror's reason), no network, disk full.
GetSummary get_dataset(const GetOptions& options, Console& console);

/// The same for any set (tests, private mirrors).
GetSummary get_remote(const RemoteSet& set, const GetOptions& options, Console& console);

}  // namespace langevin
