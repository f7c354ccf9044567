// The inner side of the door: compiled into liblangevin_torch.so.
#include "langevin/cli/wing.h"
#include "langevin/torch/device.h"
#include "langevin/torch/engine.h"
#include "langevin/torch/memory_pool.h"

namespace langevin {
namespace {

bool has_cuda() { return at::hasCUDA(); }

constexpr TorchWing wing{TorchWing::current, open_torch_engine, train, bench, has_cuda};

}  // namespace
}  // namespace langevin

extern "C" const langevin::TorchWing* langevin_torch_wing() {
  langevin::use_memory_pool();
  return &langevin::wing;
}
