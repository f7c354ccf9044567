#include "../device_array.h"

namespace langevin::test {

int repeats() { return 3; }
void use_order(int) {}  // the GPU's own, which is another one each time

}  // namespace langevin::test
