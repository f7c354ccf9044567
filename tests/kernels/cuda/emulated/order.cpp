#include "../device_array.h"
#include "langevin/kernels/cuda/emulation.h"

namespace langevin::test {

int repeats() { return 2; }

void use_order(int repeat) {
  using cuda::emulation::Order;
  cuda::emulation::set_order(repeat == 0 ? Order::forward : Order::shuffled);
}

}  // namespace langevin::test
