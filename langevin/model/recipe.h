// A recipe: everything a training run is configured with. Registered once as dotted keys (core/config.h), so
// that config.toml, --set and --keys say the same. Free of libtorch: the command line reads it in
// milliseconds.
#pragma once

#include <string>
#include <vector>

#include "langevin/core/config.h"
#include "langevin/diffusion/loss.h"
#include "langevin/diffusion/target.h"
#include "langevin/diffusion/time_draws.h"
#include "langevin/model/spec.h"

namespace langevin {

struct NetworkRecipe {
  std::vector<int64_t> channels{64, 128, 128};  // a stage each; every further one halves height and width
  int64_t layers = 2;                           // residual blocks a stage
  std::vector<int64_t> attention{};             // stages with self-attention, counted from 0
  bool mid_attention = true;
  int64_t head_dim = 32;  // 0: one head
  int64_t groups = 0;     // of GroupNorm; 0: the largest number up to 32 that divides
  double dropout = 0;
  bool scale_shift = false;
  double norm_eps = 1e-5;
  int64_t downsample_padding = 1;
  bool flip_sin_to_cos = false;
  double freq_shift = 1;
};

struct OptimizerRecipe {
  std::string name = "adamw";
  double lr = 1e-3;
  std::vector<double> betas{0.9, 0.99};
  double eps = 1e-8;
  double weight_decay = 0.01;
  double momentum = 0.9;  // sgd
  int64_t warmup = 100;   // steps from 0 to lr
  std::string decay = "constant";
  double final_lr = 0.0;   // of cosine, as a fraction of lr
  double clip_norm = 1.0;  // 0: off
};

/// Of --task vae (nn/autoencoder_kl.h, nn/vae_dense.h); a convolutional one takes its stages from `network`.
struct VaeRecipe {
  std::string network = "conv";           // or dense
  int64_t channels = 4;                   // conv: of the latent
  int64_t latent = 16;                    // dense: dimensions of the latent
  std::vector<int64_t> hidden{512, 256};  // dense
  std::string likelihood = "logistic";
  double beta = 1;
  int64_t warmup = 500;          // steps over which beta rises from 0
  std::string perceptual;        // MODEL, a classifier; empty: none
  double perceptual_weight = 1;  //
  double adversarial = 0;        // weight of the critic of patches; 0: none
  int64_t adversarial_start = 1000;
};

struct Recipe {
  std::string preset = "small";
  std::string task = "diffusion";  // or classifier (nn/classifier.h), vae
  VaeRecipe vae;
  bool classifier_noisy = true;      // trained on x_t at every t
  double classifier_held_out = 0.1;  // share of examples that it is judged by
  int64_t image_size = 0;            // what the preset suggests for data.size; 0: the pictures as they are
  bool flip = false;                 // and for data.flip
  NetworkRecipe network;
  TargetConfig target;                      // sigma_data 0: measured on the data
  ScheduleConfig schedule;                  // of target ddpm alone,
  std::string prediction = "v_prediction";  // this
  std::string variance = "auto";            // of a reverse step: this,
  std::string objective = "simple";         // this,
  double vlb_weight = 1e-3;                 // this
  LossWeightConfig loss;                    // and this
  TimeDraws times;
  double label_dropout = 0.1;  // share of samples trained without their class, for guidance; 0: never
  bool classes = true;         // use the data's classes if it has any
  OptimizerRecipe optimizer;
  double ema_decay = 0.999;
  bool ema_warmup = true;
  std::vector<double> ema_lengths;   // of power-function averages (ema_profile.h); empty: none
  int64_t ema_snapshots = 32;        // kept at most
  int64_t ema_snapshot_every = 100;  // updates between the first ones
  std::string ema_snapshot_precision = "fp32";
  int64_t batch = 64;
  int64_t accumulation = 1;
  bool recompute = false;
  int64_t steps = 0;   // 0: by minutes alone
  double minutes = 0;  // 0: by steps alone; both 0: the preset's default
  int64_t seed = 0;
  std::string precision = "auto";
  std::string device = "auto";
  int64_t threads = 0;
  std::string capability = "auto";
  int64_t max_bad_steps = 10;  // non-finite gradients in a row before rolling back
  double checkpoint_minutes = 5;
  int64_t checkpoint_steps = 0;
  int64_t checkpoint_keep = 3;
  double sample_minutes = 0;
  int64_t sample_count = 16;
  int64_t sample_steps = 25;
  double sample_guidance = 1.5;
  double validate_share = 0;     // of examples held out; 0: none are
  int64_t validate_every = 500;  // steps
  int64_t validate_images = 128;
  int64_t validate_draws = 8;
};

/// Registers every key of the recipe.
Schema recipe_schema(Recipe& recipe);

std::vector<std::string> preset_names();
/// A recipe with the preset's values; UsageError on an unknown name.
Recipe preset(const std::string& name);

/// Whether the network learns the variance of a reverse step: what diffusion.variance says, where it is auto
/// by the objective.
bool learns_variance(const Recipe& recipe);
/// The network for images of channels x height x width and `classes` classes (0: unconditional; 2 or more of
/// a classifier). Error names what does not fit.
nn::NetworkConfig make_network(const Recipe& recipe, int64_t channels, int64_t height, int64_t width,
                               int64_t classes);
/// What the recipe trains on; a sigma_data that is not measured yet counts as 1.
Target recipe_target(const Recipe& recipe);
/// Checks what single ranges cannot (lists that belong together, prediction and schedule, ...). UsageError.
void check_recipe(const Recipe& recipe);

}  // namespace langevin
