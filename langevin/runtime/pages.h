// Memory in large pages where the system has them: packing the weights of a network touches every page once,
// and with small ones that costs more than the packing.
#pragma once

#include <cstddef>
#include <vector>

namespace langevin::runtime {

/// Pieces that live as long as this does.
class Pages {
 public:
  Pages() = default;
  ~Pages();
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&&) = delete;
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  /// `bytes` >= 0, aligned to 64. Throws std::bad_alloc.
  std::byte* take(size_t bytes);

 private:
  struct Slab {
    std::byte* data = nullptr;
    size_t size = 0;
  };
  std::vector<Slab> slabs_;
  size_t used_ = 0;  // of the last slab
};

}  // namespace langevin::runtime
