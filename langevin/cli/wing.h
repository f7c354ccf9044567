// The door between the command and the libtorch wing: a table of functions that liblangevin_torch.so fills
// in. The command loads that library only when a verb needs it, so that all others start in milliseconds.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"
#include "langevin/model/engine.h"
#include "langevin/model/model_file.h"
#include "langevin/train/bench.h"
#include "langevin/train/trainer.h"

namespace langevin {

struct TorchWing {
  static constexpr int current = 3;  // counts up with every change of this struct
  int version = 0;
  std::unique_ptr<Engine> (*open_engine)(ModelFile model, const EngineOptions& options) = nullptr;
  TrainResult (*train)(const TrainJob& job, const std::filesystem::path& run, bool resume, Console& console,
                       const StopSignal& stop) = nullptr;
  nlohmann::json (*bench)(const BenchRequest& request, Console& console, const StopSignal& stop) = nullptr;
  bool (*has_cuda)() = nullptr;  // a GPU that this libtorch can compute on
};

/// Whether the wing lies where it would be loaded from.
bool has_torch_wing();

/// Loads the wing, once a process. `capability` is what vector instructions libtorch may use: auto (the best
/// this processor has), default, avx2 or avx512; it counts only in the first call, and a value that the user
/// has put into ATEN_CPU_CAPABILITY goes before auto. Error: the library is absent (built without libtorch),
/// does not load or is of another version; the processor has not what was asked for.
const TorchWing& torch_wing(const std::string& capability);

/// What `capability` comes to: `auto` is what the user put into ATEN_CPU_CAPABILITY, else the best. A run
/// records it, so that its continuation computes with the same instructions.
std::string resolve_capability(const std::string& capability);

/// What `auto` stands for on this processor; "default" where libtorch knows no better.
std::string best_capability();

}  // namespace langevin
