// Reading memory and doing nothing with it: the pace that no kernel can exceed.
#pragma once

#include <cstdint>

namespace langevin {

/// Exclusive or of n 64-bit words, read once each with the widest vectors, on all threads.
uint64_t read_all(const uint64_t* words, int64_t n);

namespace reference {
uint64_t read_all(const uint64_t* words, int64_t n);
}

}  // namespace langevin
