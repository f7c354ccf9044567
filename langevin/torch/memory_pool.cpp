#include "langevin/torch/memory_pool.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace langevin {
namespace {

constexpr size_t kLarge = size_t{16} << 10, kGrain = size_t{4} << 10, kRegion = size_t{512} << 20;

size_t rounded(size_t size, size_t grain) { return (size + grain - 1) / grain * grain; }

MemoryPool& pool() {
  static auto* p = new MemoryPool;  // never destroyed: tensors of static duration may outlive everything
  return *p;
}

/// libtorch's interface to all CPU memory. Newer versions ask an allocator that may change (allocate without
/// const) and that copies; older ones do not know these, and then nobody calls them.
struct PoolAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t size) const { return make(size); }
  c10::DataPtr allocate(size_t size) { return make(size); }
  void copy_data(void* to, const void* from, size_t size) const { std::memcpy(to, from, size); }

  /// libtorch may also take memory by its address alone, and gives it back through this.
  c10::DeleterFnPtr raw_deleter() const { return &release; }

 private:
  static void release(void* data) {
    if (data != nullptr && !pool().give_back(data)) c10::free_cpu(data);
  }
  c10::DataPtr make(size_t size) const {
    if (size < kLarge) {
      void* data = c10::alloc_cpu(size);
      return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
    }
    void* data = pool().take(size).data;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
};

}  // namespace

MemoryPool::~MemoryPool() {
  for (const Region& r : regions_) ::munmap(r.data, r.size);
}

MemoryPool::Block MemoryPool::take(size_t size) {
  const size_t wanted = rounded(size, kGrain);
  const std::lock_guard lock(mutex_);
  for (Region& r : regions_) {
    const auto hole =
        std::find_if(r.holes.begin(), r.holes.end(), [&](auto& h) { return h.second >= wanted; });
    if (hole == r.holes.end()) continue;
    const auto [offset, room] = *hole;
    r.holes.erase(hole);
    if (room > wanted) r.holes.emplace(offset + wanted, room - wanted);
    live_ += wanted;
    sizes_.emplace(r.data + offset, wanted);
    return {r.data + offset, wanted};
  }
  Region r;
  r.size = rounded(std::max(wanted, kRegion), kGrain);
  // Pages cost nothing until they are touched.
  void* data =
      ::mmap(nullptr, r.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  ::madvise(data, r.size, MADV_HUGEPAGE);  // or not: only speed
  r.data = static_cast<std::byte*>(data);
  if (r.size > wanted) r.holes.emplace(wanted, r.size - wanted);
  regions_.push_back(std::move(r));
  live_ += wanted;
  sizes_.emplace(regions_.back().data, wanted);
  return {regions_.back().data, wanted};
}

void MemoryPool::give_back(Block block) {
  const std::lock_guard lock(mutex_);
  return_locked(block);
}

bool MemoryPool::give_back(void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = sizes_.find(data);
  if (found == sizes_.end()) return false;
  return_locked({static_cast<std::byte*>(data), found->second});
  return true;
}

void MemoryPool::return_locked(Block block) {
  sizes_.erase(block.data);
  const auto region = std::find_if(regions_.begin(), regions_.end(), [&](const Region& r) {
    return block.data >= r.data && block.data < r.data + r.size;
  });
  auto& holes = region->holes;
  size_t offset = static_cast<size_t>(block.data - region->data), size = block.size;
  auto after = holes.lower_bound(offset);
  if (after != holes.end() && after->first == offset + size) {
    size += after->second;
    after = holes.erase(after);
  }
  if (after != holes.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      offset = before->first;
      size += before->second;
      holes.erase(before);
    }
  }
  holes.emplace(offset, size);
  live_ -= block.size;
}

void MemoryPool::trim() {
  const std::lock_guard lock(mutex_);
  for (Region& r : regions_) {
    for (const auto& [offset, size] : r.holes) ::madvise(r.data + offset, size, MADV_DONTNEED);
  }
}

MemoryPool::Use MemoryPool::use() const {
  const std::lock_guard lock(mutex_);
  Use use{live_, 0};
  for (const Region& r : regions_) use.mapped += r.size;
  return use;
}

void use_memory_pool() {
  static auto* allocator = new PoolAllocator;
  c10::SetCPUAllocator(allocator, 1);
}

void trim_memory() {
  pool().trim();
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace langevin
