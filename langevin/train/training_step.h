// The gradient of one part of a training step: Algorithm 1 of Ho et al. 2006.11239, lines 2 to 5.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "langevin/data/loader.h"
#include "langevin/diffusion/time_draws.h"
#include "langevin/diffusion/training.h"
#include "langevin/model/recipe.h"
#include "langevin/train/training_pass.h"

namespace langevin {

/// A loss of the variational bound (bound_step.h) in place of L_simple.
struct BoundLoss {
  bool hybrid = true;    // L_simple + weight L_vlb, else L_vlb alone
  double weight = 1e-3;  // of L_vlb, in bits per dimension, in the hybrid
};

/// What does not change from step to step.
struct TrainingObjective {
  Target target;
  LossWeightConfig loss = {};
  TimeDraws times = {};
  std::optional<BoundLoss> bound = {};  // of ddpm alone
  double label_dropout = 0;
  int64_t null_label = -1;
  bool conditional = false;
  bool noisy = true;  // false: a classifier sees clean pictures
  uint64_t seed = 0;
  int64_t batch = 1, parts = 1;
  bool recompute = false;  // the inside of blocks, in the backward pass
};

struct PartResult {
  double loss = 0;                   // weighted mean
  std::vector<double> shares;        // B, of the times that are drawn below each sample's (time_draws.h)
  std::vector<double> errors;        // B, unweighted mean squares, or cross-entropies
  std::vector<double> correct = {};  // B of a classifier: 1 where it found the class, else 0
  uint64_t position = 0;             // of the data behind this part
  // Of a loss of the bound alone:
  std::vector<int64_t> drawn = {};  // B, timesteps
  std::vector<double> losses = {};  // B, what their loss was
  std::vector<double> bounds = {};  // B, estimates of the whole bound in bits per dimension; of a vae too
  std::vector<double> kl = {}, mse = {};  // B, of a vae: nats; of its reconstruction
};

/// A batch at the times drawn for it.
struct NoisedBatch {
  at::Tensor input, answer;     // (B,C,H,W): what the network sees, and should answer
  at::Tensor told;              // (B)
  std::vector<double> weights;  // B, of the squared errors
  std::vector<double> shares;   // B
};
NoisedBatch noised_batch(const TrainingObjective& objective, const Batch& batch, int64_t step, int64_t part,
                         at::Device device);

/// The time of each sample, and its class, which may be dropped for guidance.
std::vector<DrawnTime> draw_times(const TrainingObjective& objective, const Batch& batch, int64_t step,
                                  int64_t part);
std::vector<int64_t> draw_labels(const TrainingObjective& objective, const Batch& batch);

/// (B) on any device, in double.
std::vector<double> to_doubles(const at::Tensor& values);

/// Which part of which step.
struct PartPlace {
  int64_t step = 0, part = 0;
  bool operator==(const PartPlace&) const = default;
};

/// All that a part's forward and backward read, on the network's device.
struct PreparedPart {
  PartPlace place;
  PassInputs inputs;
  CallContext context;
  std::vector<double> shares = {};  // B, of the times that are drawn below each sample's (time_draws.h)
  uint64_t position = 0;            // of the data behind this part, if whoever made it says so
};
PreparedPart prepare_part(const TrainingObjective& objective, const Batch& batch, PartPlace place,
                          at::Device device);

/// Parts one after the other. With our kernels on a GPU the next one is prepared while it works on the last,
/// which it would otherwise wait for.
class PartStream {
 public:
  using Make = std::function<PreparedPart(PartPlace)>;
  PartStream(TrainingPass& pass, Make make) : pass_(pass), make_(std::move(make)) {}

  /// Forward and backward of the part at `place`, which is the `next` of the call before; gradients are added
  /// to the leaves, where `collect` takes them.
  PartResult operator()(PartPlace place, PartPlace next, const std::function<void()>& collect);

 private:
  TrainingPass& pass_;
  Make make_;
  std::optional<PreparedPart> ahead_;
};

}  // namespace langevin
