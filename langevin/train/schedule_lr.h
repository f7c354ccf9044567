// Learning rate and EMA decay as functions of where a run stands.
#pragma once

#include <cstdint>

#include "langevin/model/recipe.h"

namespace langevin {

/// Linear warm-up from 0 over `warmup` steps, then constant, or a cosine from lr to final_lr * lr as
/// `progress` goes from 0 to 1 (Loshchilov & Hutter 1608.03983, eq. 5). step counts from 0.
double learning_rate(const OptimizerRecipe& recipe, int64_t step, double progress);

/// Decay of the moving average at update `update` (from 0): min(decay, (1 + update) / (10 + update)) with
/// warm-up, so that early samples are not noise.
double ema_decay(double decay, bool warmup, int64_t update);

}  // namespace langevin
