#include "langevin/model/recipe.h"

namespace langevin {
namespace {

/// A network for tests and first tries: seconds, not minutes.
Recipe tiny() {
  Recipe r;
  r.preset = "tiny";
  r.network.channels = {16, 32};
  r.network.layers = 1;
  r.network.mid_attention = false;
  r.batch = 32;
  r.minutes = 1;
  return r;
}

/// Minutes on a laptop's processor for pictures of about 32 x 32: a network of a million parameters that sees
/// a hundred images and more a second, v-prediction on a cosine schedule, and a learning rate that falls to
/// zero over the time given, so that a short run ends settled.
Recipe small() {
  Recipe r;
  r.preset = "small";
  r.image_size = 32;
  r.network.channels = {32, 64, 64};
  r.network.layers = 1;
  r.schedule.kind = "cosine";
  r.times.spread = "stratified";
  r.optimizer.lr = 1.5e-3;
  r.optimizer.decay = "cosine";
  r.optimizer.final_lr = 0.01;
  r.batch = 32;
  r.minutes = 10;
  return r;
}

/// Ho et al. 2006.11239, appendix B, as google/ddpm-cifar10-32 has it: 35.7 million parameters.
Recipe ddpm_cifar10() {
  Recipe r;
  r.preset = "ddpm-cifar10";
  r.image_size = 32;
  r.flip = true;
  r.network.channels = {128, 256, 256, 256};
  r.network.layers = 2;
  r.network.attention = {1};
  r.network.head_dim = 0;
  r.network.groups = 32;
  r.network.dropout = 0.1;
  r.network.norm_eps = 1e-6;
  r.network.downsample_padding = 0;
  r.schedule.kind = "linear";
  r.prediction = "epsilon";
  r.classes = false;
  r.optimizer.lr = 2e-4;
  r.optimizer.betas = {0.9, 0.999};
  r.optimizer.weight_decay = 0;
  r.optimizer.warmup = 5000;
  r.ema_decay = 0.9999;
  r.batch = 128;
  r.steps = 800000;
  return r;
}

}  // namespace

std::vector<std::string> preset_names() { return {"tiny", "small", "ddpm-cifar10"}; }

Recipe preset(const std::string& name) {
  if (name == "tiny") return tiny();
  if (name == "small") return small();
  if (name == "ddpm-cifar10") return ddpm_cifar10();
  fail_usage("--preset: {}", unknown_name("preset", name, preset_names()));
}

}  // namespace langevin
