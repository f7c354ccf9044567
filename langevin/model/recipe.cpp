#include "langevin/model/recipe.h"

#include <algorithm>

#include "langevin/diffusion/likelihood.h"
#include "langevin/diffusion/timesteps.h"
#include "langevin/diffusion/training.h"
#include "langevin/model/ema_profile.h"

namespace langevin {
namespace {

void network_fields(Schema& s, NetworkRecipe& n) {
  s.field("network.channels", n.channels,
          "channels of each stage; every further stage halves height and width", {1, 8192});
  s.field("network.layers", n.layers, "residual blocks a stage", {1, 16});
  s.field("network.attention", n.attention, "stages with self-attention, counted from 0", {0, 15});
  s.field("network.mid_attention", n.mid_attention, "self-attention in the middle block");
  s.field("network.head_dim", n.head_dim, "channels of an attention head; 0 = one head", {0, 8192});
  s.field("network.groups", n.groups,
          "groups of GroupNorm; 0 = the largest number up to 32 that divides every stage", {0, 8192});
  s.field("network.dropout", n.dropout, "dropout inside residual blocks", {0, 0.99});
  s.field("network.scale_shift", n.scale_shift,
          "the time embedding scales and shifts the second norm instead of being added");
  s.field("network.norm_eps", n.norm_eps, "epsilon of GroupNorm", {1e-12, 1});
  s.field("network.downsample_padding", n.downsample_padding,
          "1 = symmetric, 0 = right and bottom only, as DDPM's own", {0, 1});
  s.field("network.flip_sin_to_cos", n.flip_sin_to_cos, "order of the timestep features: cosine first");
  s.field("network.freq_shift", n.freq_shift, "offset in the frequencies of the timestep features", {0, 1});
}

void optimizer_fields(Schema& s, OptimizerRecipe& o) {
  s.field("optimizer.name", o.name, "optimizer", {"adamw", "sgd"});
  s.field("optimizer.lr", o.lr, "peak learning rate", {0, 100});
  s.field("optimizer.betas", o.betas, "decay of AdamW's two moments", {0, 0.999999});
  s.field("optimizer.eps", o.eps, "AdamW's epsilon", {1e-16, 1});
  s.field("optimizer.weight_decay", o.weight_decay, "decoupled weight decay", {0, 10});
  s.field("optimizer.momentum", o.momentum, "of sgd", {0, 0.9999});
  s.field("optimizer.warmup", o.warmup, "steps over which the learning rate rises from 0", {0, 1e9});
  s.field("optimizer.decay", o.decay, "learning rate after the warm-up, over the whole run",
          {"constant", "cosine"});
  s.field("optimizer.final_lr", o.final_lr, "where cosine ends, as a fraction of lr", {0, 1});
  s.field("optimizer.clip_norm", o.clip_norm, "largest norm of the gradient; 0 = no clipping", {0, 1e9});
}

void target_fields(Schema& s, Recipe& r) {
  s.field("diffusion.target", r.target.kind,
          "what the network is trained on: ddpm (keys schedule., loss., diffusion.prediction), edm or flow",
          target_kinds());
  add_fields(s, r.schedule, "schedule.");
  s.field("diffusion.prediction", r.prediction, "what the network predicts (ddpm)", prediction_types());
  s.field("diffusion.variance", r.variance,
          "variance of a reverse step (ddpm): fixed, or learned by a second half of output channels "
          "(arXiv:2102.09672); auto = learned where loss.objective is hybrid or vlb",
          {"auto", "fixed", "learned"});
  s.field("diffusion.timesteps", r.times.spread,
          "how t is drawn: each alone (uniform), a batch evenly (stratified), or by how much its loss varies "
          "(importance, with loss.objective vlb or hybrid, arXiv:2102.09672)",
          {"uniform", "stratified", "importance"});
  s.field("loss.objective", r.objective,
          "simple = mean square error; vlb = the variational bound in bits per dimension; hybrid = simple + "
          "loss.vlb_weight vlb, which trains the variance alone",
          {"simple", "hybrid", "vlb"});
  s.field("loss.vlb_weight", r.vlb_weight, "of the bound in hybrid", {0, 1e6});
  s.field("edm.sigma_data", r.target.sigma_data,
          "standard deviation of the data; 0 = measured at the start (arXiv:2206.00364)", {0, 1e6});
  s.field("edm.sigma_min", r.target.sigma_min, "lowest noise that is sampled", {1e-9, 1e9});
  s.field("edm.sigma_max", r.target.sigma_max, "highest noise that is sampled", {1e-9, 1e9});
  s.field("edm.mean", r.times.edm_mean, "mean of log sigma in training", {-50, 50});
  s.field("edm.stddev", r.times.edm_stddev, "its standard deviation, above 0", {0, 50});
  s.field("flow.times", r.times.flow_times, "density of t in training (arXiv:2403.03206)", flow_densities());
  s.field("flow.mean", r.times.flow_mean, "logit_normal: mean of log(t / (1 - t))", {-50, 50});
  s.field("flow.stddev", r.times.flow_stddev, "logit_normal: its standard deviation, above 0", {0, 50});
  s.field("flow.time_scale", r.target.time_scale, "the network is told t times this", {1e-6, 1e9});
}

void run_fields(Schema& s, Recipe& r) {
  s.field("train.batch", r.batch, "images a step (and per accumulated part)", {1, 65536});
  s.field("train.accumulation", r.accumulation, "batches whose gradients are summed before a step",
          {1, 65536});
  s.field("train.recompute", r.recompute,
          "compute the inside of blocks again for the gradient: less memory, more time, the same numbers but "
          "for rounding");
  s.field("train.steps", r.steps,
          "optimizer steps after which training ends; 0 = ends by train.minutes alone", {0, 1e12});
  s.field("train.minutes", r.minutes,
          "minutes of training after which it ends; 0 = ends by train.steps alone", {0, 1e7});
  s.field("train.seed", r.seed, "seed of weights, order, noise and augmentation", {0, 9.2e18});
  s.field("train.precision", r.precision,
          "auto: bf16 where the processor or GPU multiplies it faster, else fp32", {"auto", "fp32", "bf16"});
  s.field("train.device", r.device, "auto = cuda when this build and machine have it",
          {"auto", "cpu", "cuda"});
  s.field("train.threads", r.threads, "threads of computation; 0 = one a core", {0, 4096});
  s.field("train.capability", r.capability,
          "vector instructions libtorch may use; auto = the best this machine has (results differ in the "
          "last bits)",
          {"auto", "default", "avx2", "avx512"});
  s.field("train.max_bad_steps", r.max_bad_steps,
          "non-finite gradients in a row before returning to the last checkpoint", {1, 1e6});
  s.field("ema.decay", r.ema_decay, "decay of the weights' moving average; 0 = no average", {0, 0.9999999});
  s.field("ema.warmup", r.ema_warmup,
          "shorten the average early on: min(decay, (1 + n) / (10 + n)) after n updates");
  s.field("ema.lengths", r.ema_lengths,
          "relative lengths of averages kept for `langevin ema`, such as [0.05, 0.1]; each takes the memory "
          "of the weights (arXiv:2312.02696)",
          {0.001, max_ema_length});
  s.field("ema.snapshots", r.ema_snapshots, "snapshots of these averages kept, evenly over the run; at most",
          {2, 1000});
  s.field("ema.snapshot_every", r.ema_snapshot_every,
          "updates between snapshots, doubled whenever there would be too many", {1, 1e9});
  s.field("ema.snapshot_precision", r.ema_snapshot_precision, "of snapshots on the disk; bf16 halves them",
          {"fp32", "bf16"});
  s.field("checkpoint.minutes", r.checkpoint_minutes,
          "minutes between checkpoints; 0 = only by steps and at the end", {0, 1e7});
  s.field("checkpoint.every", r.checkpoint_steps, "steps between checkpoints; 0 = by minutes", {0, 1e12});
  s.field("checkpoint.keep", r.checkpoint_keep, "newest checkpoints kept", {1, 1e6});
  s.field("sample.minutes", r.sample_minutes,
          "minutes between sample grids; 0 = whenever the time trained has doubled", {0, 1e7});
  s.field("sample.count", r.sample_count, "pictures in a sample grid; 0 = none", {0, 1024});
  s.field("sample.steps", r.sample_steps,
          "steps of the sample grids (DDIM; heun for edm, flow_euler for flow)", {1, 1e6});
  s.field("validate.share", r.validate_share,
          "share of examples held out, on which the bound is measured in training; 0 = none", {0, 0.9});
  s.field("validate.every", r.validate_every, "steps between that, whole intervals of the log", {50, 1e9});
  s.field("validate.images", r.validate_images, "examples looked at each time", {1, 1e6});
  s.field("validate.draws", r.validate_draws, "timesteps drawn for each", {1, 1e6});
  s.field("sample.guidance", r.sample_guidance, "guidance of the sample grids, where there are classes",
          {0, 100});
}

void vae_fields(Schema& s, VaeRecipe& v) {
  s.field("vae.network", v.network,
          "conv = AutoencoderKL with network.channels, network.layers; dense = layers on all values at once",
          {"conv", "dense"});
  s.field("vae.channels", v.channels, "conv: channels of the latent", {1, 4096});
  s.field("vae.latent", v.latent, "dense: dimensions of the latent", {1, 65536});
  s.field("vae.hidden", v.hidden, "dense: widths from the picture to the latent", {1, 65536});
  s.field("vae.likelihood", v.likelihood, "of a picture given its latent; its scale is learned",
          likelihood_names());
  s.field("vae.beta", v.beta, "weight of the KL to the prior; 1 = the bound itself", {0, 1e6});
  s.field("vae.warmup", v.warmup, "steps over which it rises from 0", {0, 1e9});
  s.field("loss.perceptual", v.perceptual, "MODEL, a classifier whose features a reconstruction should keep");
  s.field("loss.perceptual_weight", v.perceptual_weight, "of their mean square error", {0, 1e6});
  s.field("loss.adversarial", v.adversarial,
          "weight of a critic of patches, for sharp reconstructions; 0 = none", {0, 1e6});
  s.field("loss.adversarial_start", v.adversarial_start, "step from which it is heard", {0, 1e9});
}

}  // namespace

Schema recipe_schema(Recipe& r) {
  Schema s;
  s.field("preset", r.preset, "preset that the values started from", preset_names());
  s.field(
      "train.task", r.task,
      "what is trained: a diffusion model, a classifier for guidance by one, or a variational autoencoder",
      {"diffusion", "classifier", "vae"});
  s.field("classifier.noisy", r.classifier_noisy,
          "train on pictures at every level of noise, as guidance needs; false = on clean ones");
  s.field("classifier.held_out", r.classifier_held_out, "share of examples kept back to judge it by",
          {0, 0.9});
  vae_fields(s, r.vae);
  s.field("diffusion.classes", r.classes, "train a class-conditional model if the data has classes");
  network_fields(s, r.network);
  target_fields(s, r);
  s.field("diffusion.label_dropout", r.label_dropout,
          "share of samples trained without their class, for guidance; 0 = no null class", {0, 1});
  add_fields(s, r.loss, "loss.");
  optimizer_fields(s, r.optimizer);
  run_fields(s, r);
  return s;
}

bool learns_variance(const Recipe& r) {
  return r.variance == "learned" || (r.variance == "auto" && r.objective != "simple");
}

namespace {

nn::NetworkConfig make_vae(const Recipe& recipe, int64_t channels, int64_t height, int64_t width) {
  const VaeRecipe& v = recipe.vae;
  if (v.network == "dense") {
    nn::VaeDenseConfig c;
    c.in_channels = channels;
    c.sample_height = height;
    c.sample_width = width;
    c.latent_channels = v.latent;
    c.hidden = v.hidden;
    return nn::validated(c);
  }
  const NetworkRecipe& n = recipe.network;
  nn::AutoencoderKLConfig c;
  c.sample_height = height;
  c.sample_width = width;
  c.in_channels = c.out_channels = channels;
  c.latent_channels = v.channels;
  c.block_out_channels = n.channels;
  c.down_block_types.assign(n.channels.size(), "DownEncoderBlock2D");
  c.up_block_types.assign(n.channels.size(), "UpDecoderBlock2D");
  c.layers_per_block = n.layers;
  c.mid_block_add_attention = n.mid_attention;
  c.norm_num_groups = n.groups > 0 ? n.groups : 32;
  const auto divides = [&] {
    return std::all_of(n.channels.begin(), n.channels.end(),
                       [&](int64_t width_of) { return width_of % c.norm_num_groups == 0; });
  };
  while (n.groups == 0 && !divides()) --c.norm_num_groups;
  c.scaling_factor = 1;
  const int64_t factor = int64_t{1} << (n.channels.size() - 1);
  check(height % factor == 0 && width % factor == 0, "network.channels",
        "{} stages halve {} times: pictures of {} x {} must be multiples of {}; give fewer stages or --set "
        "data.size=N",
        n.channels.size(), n.channels.size() - 1, height, width, factor);
  return nn::validated(c);
}

}  // namespace

nn::NetworkConfig make_network(const Recipe& recipe, int64_t channels, int64_t height, int64_t width,
                               int64_t classes) {
  if (recipe.task == "vae") return make_vae(recipe, channels, height, width);
  const NetworkRecipe& n = recipe.network;
  nn::UNet2DConfig c;
  c.sample_height = height;
  c.sample_width = width;
  c.in_channels = channels;
  c.out_channels = learns_variance(recipe) ? 2 * channels : channels;
  c.block_out_channels = n.channels;
  const size_t stages = n.channels.size();
  c.down_block_types.assign(stages, "DownBlock2D");
  c.up_block_types.assign(stages, "UpBlock2D");
  for (int64_t stage : n.attention) {
    c.down_block_types[static_cast<size_t>(stage)] = "AttnDownBlock2D";
    c.up_block_types[stages - 1 - static_cast<size_t>(stage)] = "AttnUpBlock2D";
  }
  c.layers_per_block = n.layers;
  c.add_attention = n.mid_attention;
  c.attention_head_dim = n.head_dim;
  c.norm_num_groups = n.groups;
  c.norm_eps = n.norm_eps;
  c.dropout = n.dropout;
  c.scale_shift = n.scale_shift;
  c.downsample_padding = n.downsample_padding;
  c.flip_sin_to_cos = n.flip_sin_to_cos;
  c.freq_shift = n.freq_shift;
  const bool classifies = recipe.task == "classifier";
  c.num_class_embeds = classes == 0 || classifies ? 0 : classes + (recipe.label_dropout > 0 ? 1 : 0);
  const int64_t smallest = std::min(height, width);
  check(smallest >= 8, "data",
        "images of {} x {} are too small: 8 is the least height and width; give --set data.size=N", height,
        width);
  check(smallest >> (stages - 1) >= 1, "network.channels",
        "{} stages halve an image of {} x {} below one pixel; give fewer stages or --set data.size=N", stages,
        height, width);
  if (classifies)
    return nn::validated(
        nn::ClassifierConfig{.encoder = c, .num_classes = classes, .noisy = recipe.classifier_noisy});
  return nn::validated(c);
}

Target recipe_target(const Recipe& recipe) {
  TargetConfig config = recipe.target;
  if (config.sigma_data == 0) config.sigma_data = 1;  // not measured yet
  return Target(config, recipe.schedule, prediction_type(recipe.prediction));
}

namespace {

/// The bound and its variance are those of timesteps.
void check_objective(const Recipe& r) {
  const bool learned = learns_variance(r);
  if (r.task != "diffusion" && (r.objective != "simple" || learned))
    fail_usage("{}: belongs to train.task = diffusion, not {}",
               r.objective != "simple" ? "loss.objective" : "diffusion.variance", r.task);
  const auto needs_timesteps = [&](bool asked, const char* key, const std::string& value) {
    if (asked && r.target.kind != "ddpm")
      fail_usage("{}: {} needs diffusion.target = ddpm, not {}", key, value, r.target.kind);
  };
  needs_timesteps(r.objective != "simple", "loss.objective", r.objective);
  needs_timesteps(learned, "diffusion.variance", r.variance);
  needs_timesteps(r.times.spread == "importance", "diffusion.timesteps", "importance");
  if (r.times.spread == "importance" && r.objective == "simple")
    fail_usage("diffusion.timesteps: importance goes with loss.objective vlb or hybrid");
  if (learned && r.objective == "simple")
    fail_usage("diffusion.variance: learned is trained by loss.objective hybrid or vlb, not by simple");
  if (!learned && r.objective == "hybrid")
    fail_usage("loss.objective: hybrid trains a variance; use --set diffusion.variance=learned, or vlb");
  if (r.objective == "vlb" && r.loss.kind != "none")
    fail_usage("loss.kind: the bound weighs its timesteps itself; use none with loss.objective = vlb");
}

}  // namespace

void check_recipe(const Recipe& r) {
  check_objective(r);
  if (r.task != "vae" && (!r.vae.perceptual.empty() || r.vae.adversarial > 0))
    fail_usage("loss.{}: belongs to train.task = vae", r.vae.adversarial > 0 ? "adversarial" : "perceptual");
  const auto stages = static_cast<int64_t>(r.network.channels.size());
  if (stages < 1 || stages > 8) fail_usage("network.channels: needs 1 to 8 stages, got {}", stages);
  for (int64_t stage : r.network.attention) {
    if (stage >= stages) {
      fail_usage("network.attention: there is no stage {}; network.channels has stages 0 to {}", stage,
                 stages - 1);
    }
  }
  if (r.optimizer.betas.size() != 2)
    fail_usage("optimizer.betas: needs two values, got {}", r.optimizer.betas.size());
  if (r.target.kind == "ddpm" && r.schedule.zero_terminal_snr && r.prediction == "epsilon") {
    fail_usage(
        "diffusion.prediction: epsilon says nothing about x_0 where the signal is 0 "
        "(schedule.zero_terminal_snr); "
        "use v_prediction or sample");
  }
  if (r.ema_lengths.size() > 8)
    fail_usage("ema.lengths: at most 8 averages are kept, got {}", r.ema_lengths.size());
  try {  // what no size of picture could make right
    const int64_t side = int64_t{8} << stages;
    make_network(r, 3, side, side, r.task == "classifier" ? 2 : 0);
    const Target target = recipe_target(r);
    training_level(target, time_at(target, r.times, 0.5), r.loss);
  } catch (const Error& e) {
    throw UsageError(e.what());
  }
  if (r.steps == 0 && r.minutes == 0) fail_usage("training needs an end: give --steps or --minutes");
}

}  // namespace langevin
