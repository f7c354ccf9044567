// Counter-based randomness (contract 5): every draw is a pure function of (seed, sample, purpose, step,
// element). Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
//
// Sample i of seed s therefore has the same noise whatever the batch size, thread count, device, layout or
// number of samples asked for. Normal deviates use this file's own polynomials (no libm, no FMA contraction),
// so they are the same bits on every IEEE-754 machine.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace langevin {

/// What a draw is for. Values are part of the file format of checkpoints: append, never renumber.
enum class Purpose : uint8_t {
  initial_noise = 0,   // x_T of a sampler
  sampler_noise = 1,   // fresh noise in a sampler's step
  training_noise = 2,  // eps of q(x_t | x_0) in training
  timestep = 3,        // draws of t in training: uniform: step 0, sample = position in the training stream;
                       // stratified: step 1, sample = training step
  weight_init = 4,     // sample = index of the parameter
  data_order = 5,      // sample = epoch
  augment = 6,         // crops and flips; sample = position in the training stream
  dropout = 7,         // step = training step, sample = layer and place in the stream (kernels/dropout.h)
  label_dropout = 8,   // dropping the condition, for guidance; sample = position in the training stream
  test = 9,
  dataset = 10,      // rendering of synthetic data sets
  calibration = 11,  // noise, timesteps and places looked at when a network is calibrated for int8
  edit_noise = 12,   // noise of a given picture and of ways back up in editing
  likelihood = 13,   // estimates of the bound and of the likelihood; sample = index of the example
  latent = 14,       // latents of a variational autoencoder; sample = place in the training stream, or index
};

/// The key of one sample's stream.
struct NoiseKey {
  uint64_t seed = 0;
  uint64_t sample = 0;  // below 2^56
  Purpose purpose = Purpose::test;
  uint32_t step = 0;
};

/// Philox4x32 with 10 rounds. Checked against Random123's published known-answer vectors.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Block `block` (four 32-bit words) of a key's stream: counter = (block, step, sample low, sample high |
/// purpose), key = seed.
std::array<uint32_t, 4> random_block(const NoiseKey& key, uint32_t block);

/// out[j] = standard normal number j of the key's stream (Box-Muller over pairs of words), |out[j]| < 6.77,
/// within 1e-6 of the exact value. Block b gives elements 4b..4b+3: r(w0) cos(w1), r(w0) sin(w1), r(w2)
/// cos(w3), r(w2) sin(w3). At most 2^34 elements; Error if key.sample >= 2^56.
void fill_normal(std::span<float> out, const NoiseKey& key);
void fill_normal(std::span<double> out, const NoiseKey& key);  // the same numbers, widened

/// out[j] = uniform in the open interval (0, 1).
void fill_uniform(std::span<float> out, const NoiseKey& key);

/// Sequential draws from one key's stream, for decisions rather than tensors.
class RandomStream {
 public:
  explicit RandomStream(const NoiseKey& key) : key_(key) {}
  uint32_t next_u32();
  double uniform();  // in (0, 1), 32 bits of resolution
  double uniform(double lo, double hi);
  uint64_t below(uint64_t n);  // in [0, n), unbiased; n >= 1
  double normal();

 private:
  NoiseKey key_;
  uint32_t block_ = 0;
  unsigned used_ = 4;
  std::array<uint32_t, 4> words_{};
};

/// A permutation of 0..n-1, Fisher-Yates over the key's stream: the order of an epoch.
std::vector<uint32_t> permutation(uint32_t n, const NoiseKey& key);

}  // namespace langevin
