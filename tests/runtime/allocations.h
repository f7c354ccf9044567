// What a test program allocates with new, oneDNN included. Counting replaces the global operators, which have a
// source file of their own so that the compiler does not see through them.
#pragma once

#include <cstddef>

namespace langevin::test {

struct Allocations {
  bool counting = false;
  size_t count = 0, largest = 0;  // bytes
};
Allocations& allocations();

}  // namespace langevin::test
