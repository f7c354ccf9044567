#include "langevin/runtime/pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

namespace langevin::runtime {
namespace {

// Of a mapping only what is touched becomes memory, a page at a time.
constexpr size_t kAlign = 64, kHugePage = size_t{2} << 20, kSlab = size_t{64} << 20;

size_t rounded(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

Pages::Pages(Pages&& other) noexcept
    : slabs_(std::exchange(other.slabs_, {})), used_(std::exchange(other.used_, 0)) {}

Pages::~Pages() {
  for (const Slab& s : slabs_) ::munmap(s.data, s.size);
}

std::byte* Pages::take(size_t bytes) {
  const size_t wanted = rounded(std::max<size_t>(bytes, 1), kAlign);
  if (wanted < bytes) throw std::bad_alloc();
  if (slabs_.empty() || slabs_.back().size - used_ < wanted) {
    const size_t size = rounded(std::max(wanted, kSlab), kHugePage);
    slabs_.reserve(slabs_.size() + 1);
    void* data =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    ::madvise(data, size, MADV_HUGEPAGE);  // or not: only speed
    slabs_.push_back({static_cast<std::byte*>(data), size});
    used_ = 0;
  }
  return slabs_.back().data + std::exchange(used_, used_ + wanted);
}

}  // namespace langevin::runtime
