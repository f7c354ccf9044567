// Where the large tensors of the CPU lie. In the C library's heap small objects settle between the freed
// pieces of a training step, whose holes then fit the next request badly: a third of the process's memory was
// holes. Here large blocks lie among themselves, each in the lowest hole that holds it, and neighbouring
// holes become one: a step finds the memory that the step before left, and no page is cleared twice.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace langevin {

/// Blocks of memory, from any thread.
class MemoryPool {
 public:
  struct Block {
    std::byte* data = nullptr;
    size_t size = 0;
  };

  MemoryPool() = default;
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// At least `size` > 0 bytes, aligned to 4 KiB, holding anything. Throws std::bad_alloc.
  Block take(size_t size);
  void give_back(Block block);
  /// The block that begins at `data`; false where that is none of this pool's.
  bool give_back(void* data);
  /// Gives the pages that nobody uses back to the system.
  void trim();

  struct Use {
    size_t live = 0, mapped = 0;  // bytes
  };
  Use use() const;

 private:
  struct Region {
    std::byte* data = nullptr;
    size_t size = 0;
    std::map<size_t, size_t> holes;  // offset -> size
  };
  void return_locked(Block block);
  mutable std::mutex mutex_;
  std::vector<Region> regions_;              // oldest first
  std::unordered_map<void*, size_t> sizes_;  // of blocks in use
  size_t live_ = 0;
};

/// From here on, libtorch's CPU tensors of 16 KiB and more come from a pool of the process. Once is enough.
void use_memory_pool();

/// Gives free pages of the C library's heap and of that pool back: worth it after a network was made.
void trim_memory();

}  // namespace langevin
