// What a variational autoencoder says of pictures: the ELBO (Kingma & Welling 2013, arXiv:1312.6114, eq. 3)
// and the importance-weighted bound of k samples, which rises to log p(x) with k (Burda et al. 2015,
// arXiv:1509.00519, eq. 8):
//
//   ELBO   = E_q log p(x|z) - KL(q(z|x) || p(z))
//   IWAE_k = E log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x)
//
// Pictures stream through; nothing grows with their number.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "langevin/diffusion/likelihood.h"
#include "langevin/model/bound_estimate.h"

namespace langevin {

/// Both ways of an autoencoder, whoever runs it.
struct VaeCoder {
  std::function<nn::LatentGaussian<HostArrayF>(const HostArrayF& pictures)> encode;
  std::function<HostArrayF(const HostArrayF& latents)> decode;
};

struct VaeOptions {
  Likelihood likelihood = Likelihood::gaussian;
  double log_scale = 0;
  bool of_bins = true;   // probabilities of 8-bit values; else the density (not logistic)
  int64_t samples = 16;  // k, 1 or more
  int64_t batch = 64;    // rows of a call
  uint64_t seed = 0;
  std::function<bool()> stopped = {};
  std::function<void(int64_t rows)> progress = {};
};

/// Of a latent's dimension; of a convolutional one, of a channel with all its places.
struct LatentDimension {
  double kl = 0;      // nats, the mean over pictures
  double active = 0;  // share of its places whose mean KL is above `collapsed_below`
};
inline constexpr double collapsed_below = 0.01;  // nats of a place (the decoder hears nothing of it)

struct VaeReport {
  int64_t images = 0, dimensions = 0, samples = 0;
  BoundTerm elbo, iwae, reconstruction, kl;  // bits per dimension, as costs: lower is better
  double mse = 0;  // of the reconstruction from one draw of z, as it is shown: within [-1, 1]
  std::vector<LatentDimension> latent;
  std::vector<int64_t> collapsed() const;  // dimensions without an active place
};
nlohmann::json to_json(const VaeReport& report);

class VaeEstimate {
 public:
  VaeEstimate(VaeCoder coder, VaeOptions options);
  /// False: stopped, and none of the batch counts.
  bool add(const BoundBatch& batch);
  VaeReport report() const;

 private:
  struct Sums {
    double n = 0, sum = 0, squares = 0;
    void add(double x) { n += 1, sum += x, squares += x * x; }
  };
  BoundTerm term(const Sums& sums) const;
  VaeCoder coder_;
  VaeOptions options_;
  Sums elbo_, iwae_, reconstruction_, kl_;
  double square_error_ = 0;
  int64_t images_ = 0, dimensions_ = 0;
  Shape latent_;                 // of one picture
  std::vector<double> kl_sums_;  // of each place
};

/// z = mean + e^(logvar / 2) eps, eps keyed by the examples and the number of the sample.
HostArrayF draw_latents(const nn::LatentGaussian<HostArrayF>& q, const std::vector<int64_t>& indices,
                        uint64_t seed, uint32_t sample);

}  // namespace langevin
