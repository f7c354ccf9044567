// Schedulers of diffusers: their configuration becomes a schedule, what the network predicts, and how the
// model is sampled where nobody says otherwise.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "langevin/model/spec.h"

namespace langevin {

/// Reads a scheduler_config.json into `spec`. `class_name` is the class that a pipeline uses; "": the one the
/// file names. Lines for the user: keys of other classes, which have no effect here nor there. Error naming
/// `source` and the class, key or value that is not honoured.
std::vector<std::string> apply_peer_scheduler(const nlohmann::json& config, const std::string& source,
                                              const std::string& class_name, ModelSpec& spec);

/// The scheduler_config.json of a model, with its `_class_name`: DDPMScheduler where it is sampled so by
/// default, else DDIMScheduler.
nlohmann::json peer_scheduler(const ModelSpec& spec);

}  // namespace langevin
