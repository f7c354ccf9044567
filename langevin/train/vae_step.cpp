#include "langevin/train/vae_step.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEps = 1e-8;

double dimensions_of(const at::Tensor& x) {
  return static_cast<double>(x.numel()) / static_cast<double>(x.size(0));
}

at::Tensor logistic_nats(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& log_scale) {
  const Bins bins;
  const double half = bins.step() / 2;
  const at::Tensor inverse = (-log_scale).exp();
  const at::Tensor from = (x - half - mean) * inverse, to = (x + half - mean) * inverse;
  const at::Tensor lowest = x<bins.lo + half, highest = x> bins.hi - half;
  const at::Tensor zero = at::zeros_like(from);
  // -log (sigmoid(to) - sigmoid(from)), as log_bin_logistic has it.
  const at::Tensor left = at::where(lowest, zero, at::softplus(from)),
                   right = at::where(highest, zero, at::softplus(-to));
  const at::Tensor inner = -at::log(-at::expm1(-bins.step() * inverse));
  return left + right + at::where(lowest.logical_or(highest), zero, zero + inner);
}

}  // namespace

void LearnedScale::step(double lr) {
  ++updates;
  m = kBeta1 * m + (1 - kBeta1) * gradient;
  v = kBeta2 * v + (1 - kBeta2) * gradient * gradient;
  const auto n = static_cast<double>(updates);
  const double mean = m / (1 - std::pow(kBeta1, n)), square = v / (1 - std::pow(kBeta2, n));
  log_scale = std::clamp(log_scale - lr * mean / (std::sqrt(square) + kEps), -7.0, 2.0);
  gradient = 0;
}

double kl_weight(const VaeObjective& o, int64_t step) {
  if (o.warmup <= 0) return o.beta;
  return o.beta * std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(o.warmup));
}

at::Tensor reconstruction_nats(Likelihood likelihood, const at::Tensor& x, const at::Tensor& mean,
                               const at::Tensor& log_scale) {
  const at::Tensor distance = x - mean, scale = log_scale.to(x.scalar_type());
  const double step = std::log(Bins{}.step());
  switch (likelihood) {
    case Likelihood::gaussian:
      return (0.5 * distance.pow(2) * (-2 * scale).exp() + scale +
              (0.5 * std::log(2 * std::numbers::pi) - step))
          .flatten(1)
          .sum(1);
    case Likelihood::laplace:
      return (distance.abs() * (-scale).exp() + scale + (std::numbers::ln2 - step)).flatten(1).sum(1);
    case Likelihood::logistic:
      return logistic_nats(x, mean, scale).flatten(1).sum(1);
  }
  fail("reconstruction_nats: unknown likelihood {}", static_cast<int>(likelihood));
}

at::Tensor reparameterised(const nn::LatentGaussian<at::Tensor>& q, const at::Tensor& eps) {
  return q.mean + (0.5 * q.logvar).exp() * eps;
}

at::Tensor kl_nats(const nn::LatentGaussian<at::Tensor>& q) {
  return (0.5 * (q.mean.pow(2) + q.logvar.expm1() - q.logvar)).flatten(1).sum(1);
}

VaePartResult vae_part(TorchNetwork& network, const VaeObjective& o, double log_scale, PatchCritic* critic,
                       const Batch& batch, int64_t step) {
  const at::Device device = network.store().device();
  const at::Tensor x = to_torch(batch.images, device).value;
  const CallContext context{true, o.seed, static_cast<uint32_t>(step), batch.first, o.recompute};
  const auto q = network.encode(x, context);
  const at::Tensor eps =
      noise_like(TorchArray{q.mean.detach()}, NoiseKey{o.seed, batch.first, Purpose::latent, 0}).value;
  const at::Tensor decoded = network.decode(reparameterised(q, eps), context);
  const at::Tensor scale =
      at::full({}, log_scale, at::TensorOptions(at::kDouble).device(device)).set_requires_grad(true);
  const at::Tensor nats = reconstruction_nats(o.likelihood, x, decoded, scale), kl = kl_nats(q);
  const double dimensions = dimensions_of(x);
  // As it is shown: the middle of a likelihood may lie beyond the range of data, whose last bins are open.
  const at::Tensor shown = decoded.clamp(-1, 1);
  at::Tensor loss = (nats + kl_weight(o, step) * kl).mean() / dimensions;
  if (o.features && o.perceptual > 0) {
    at::Tensor wanted;
    {
      const at::NoGradGuard no_grad;
      wanted = o.features(x);
    }
    loss = loss + o.perceptual * (o.features(shown) - wanted).pow(2).mean();
  }
  if (critic != nullptr && step >= o.adversarial_start) {
    // The critic's own leaves must hear nothing of this: only the direction is taken from it.
    const at::Tensor direction = critic->direction(shown.detach());
    loss = loss + o.adversarial * (shown * direction).sum();
  }
  loss.backward();
  if (critic != nullptr) critic->learn(x, shown.detach());

  VaePartResult result;
  result.loss = loss.item<double>();
  result.scale_gradient = scale.grad().item<double>();
  const double bits = 1 / (dimensions * std::numbers::ln2);
  result.bits = to_doubles((nats + kl) * bits);
  result.kl = to_doubles(kl);
  result.mse = to_doubles((x - shown).pow(2).flatten(1).mean(1));
  return result;
}

MeasuredVae measure_vae(TorchNetwork& network, Likelihood likelihood, const HostArrayF& pictures,
                        uint64_t seed) {
  const at::NoGradGuard no_grad;
  const at::Device device = network.store().device();
  const at::Tensor x = to_torch(pictures, device).value;
  const auto q = network.encode(x, {});
  const at::Tensor mean = q.mean.to(at::kDouble), variance = q.logvar.to(at::kDouble).exp();
  MeasuredVae out;
  out.latent_mean = mean.mean().item<double>();
  const double square = (mean.pow(2) + variance).mean().item<double>();
  out.latent_stddev = std::sqrt(std::max(1e-12, square - out.latent_mean * out.latent_mean));
  const at::Tensor eps = noise_like(TorchArray{q.mean}, NoiseKey{seed, 0, Purpose::latent, 1}).value;
  const HostArrayF decoded = to_host({network.decode(reparameterised(q, eps), {})});
  out.log_scale = fit_log_scale(likelihood, pictures.data(), decoded.data());
  return out;
}

}  // namespace langevin
