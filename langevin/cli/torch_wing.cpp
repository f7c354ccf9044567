// The inner side of the door: compiled into liblangevin_torch.so.
#include "langevin/cli/wing.h"
#include "langevin/torch/engine.h"

namespace langevin {
namespace {

constexpr TorchWing wing{TorchWing::current, open_torch_engine, train, bench};

}  // namespace
}  // namespace langevin

extern "C" const langevin::TorchWing* langevin_torch_wing() { return &langevin::wing; }
