// What the file tests share: a folder that goes away, raw files, damage with a fixed seed, peak memory.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin::scratch {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

class Folder {
 public:
  Folder() {
    const fs::path memory = "/dev/shm";  // thousands of small files: quicker without a disk
    const fs::path parent = fs::is_directory(memory) ? memory : fs::temp_directory_path();
    std::string name = (parent / "langevin-io-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error("cannot make a scratch folder");
    path_ = name;
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline void put(const fs::path& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good());
}
inline void put(const fs::path& path, std::string_view text) { put(path, std::as_bytes(std::span(text))); }

inline Bytes get(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes as_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Bytes that do not compress and differ everywhere.
inline Bytes random_bytes(size_t size, uint64_t seed) {
  RandomStream stream({.seed = seed});
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(stream.next_u32());
  return bytes;
}

// One to eight random changes: bytes replaced, bits flipped, pieces cut out, doubled or zeroed.
inline Bytes mutate(const Bytes& original, uint64_t seed) {
  RandomStream stream({.seed = seed, .sample = 1});
  Bytes bytes = original;
  for (uint64_t n = 1 + stream.below(8); n > 0 && !bytes.empty(); --n) {
    const auto at = static_cast<std::ptrdiff_t>(stream.below(bytes.size()));
    const auto length = static_cast<std::ptrdiff_t>(
        1 + stream.below(std::min<uint64_t>(64, bytes.size() - static_cast<size_t>(at))));
    switch (stream.below(5)) {
      case 0:
        bytes[static_cast<size_t>(at)] = static_cast<std::byte>(stream.next_u32());
        break;
      case 1:
        bytes[static_cast<size_t>(at)] ^= static_cast<std::byte>(1u << stream.below(8));
        break;
      case 2:
        bytes.erase(bytes.begin() + at, bytes.begin() + at + length);
        break;
      case 3: {
        const Bytes piece(bytes.begin() + at, bytes.begin() + at + length);
        bytes.insert(bytes.begin() + at, piece.begin(), piece.end());
        break;
      }
      default:
        std::fill(bytes.begin() + at, bytes.begin() + at + length,
                  std::byte{stream.below(2) == 0 ? uint8_t{0} : uint8_t{255}});
    }
  }
  return bytes;
}

// The message of the langevin::Error that f throws; "" when it throws none. Any other exception fails the
// test.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << "an error is one line: " << message;
    EXPECT_FALSE(message.empty());
    return message;
  }
  return "";
}

// While it lives no file of this process grows beyond `bytes`: a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

inline int64_t peak_memory() {  // bytes
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

#define EXPECT_ERROR(statement, part)                                                    \
  do {                                                                                   \
    const std::string message = langevin::scratch::error_of([&] { (void)(statement); }); \
    EXPECT_NE(message.find(part), std::string::npos) << "message: \"" << message << '"'; \
  } while (false)

}  // namespace langevin::scratch
