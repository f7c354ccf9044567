// A small network and a few training steps of it, on any device.
#pragma once

#include <algorithm>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/train/optimizer.h"
#include "langevin/train/training_step.h"

namespace langevin::test {

inline nn::NetworkConfig small_network(double dropout) {
  nn::UNet2DConfig c;
  c.sample_height = c.sample_width = 8;
  c.block_out_channels = {16, 32};
  c.down_block_types = {"DownBlock2D", "AttnDownBlock2D"};
  c.up_block_types = {"AttnUpBlock2D", "UpBlock2D"};
  c.layers_per_block = 1;
  c.norm_num_groups = 8;
  c.num_class_embeds = 3;
  c.dropout = dropout;
  return nn::validated(c);
}

struct Trained {
  std::vector<double> losses;
  at::Tensor weights, ema;  // on the CPU
};

/// A few training steps, as the trainer makes them.
inline Trained train(at::Device device, Precision precision, double dropout, int steps, bool record = true) {
  TorchNetwork network(small_network(dropout), precision, device, 1, true);
  TrainingPass pass(network, record);
  OptimizerRecipe recipe;
  Optimizer optimizer(recipe, network.store());
  TrainingObjective objective{.target = Target({}, ScheduleConfig{}, PredictionType::epsilon),
                              .conditional = true};
  Batch batch;
  batch.images = noise_like(HostArrayF({4, 3, 8, 8}), NoiseKey{});
  batch.labels = {0, 1, 2, 1};
  PartStream parts(pass, [&](PartPlace place) {
    const PreparedPart part = prepare_part(objective, batch, place, device);
    batch.first += 4;
    return part;
  });
  Trained run;
  for (int step = 0; step < steps; ++step) {
    run.losses.push_back(parts({step, 0}, {step + 1, 0}, [&] { optimizer.collect(true); }).loss);
    const double norm = optimizer.gradient_norm(1.0);
    optimizer.step(1e-3, std::min(1.0, 1.0 / norm), 0.9);
  }
  run.weights = network.store().flat().clone().cpu();
  run.ema = optimizer.ema().clone().cpu();
  return run;
}

}  // namespace langevin::test
