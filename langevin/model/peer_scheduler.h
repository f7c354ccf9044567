// Schedulers of diffusers: their configuration becomes a schedule, what the network predicts, and how the
// model is sampled where nobody says otherwise.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "langevin/model/spec.h"

namespace langevin {

/// Reads a scheduler_config.json into `spec`. `class_name` is the class that a pipeline uses; "": the one the
/// file names. Error naming `source` and the class, key or value that is not honoured.
void apply_peer_scheduler(const nlohmann::json& config, const std::string& source,
                          const std::string& class_name, ModelSpec& spec);

}  // namespace langevin
