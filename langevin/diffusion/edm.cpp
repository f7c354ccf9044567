#include "langevin/diffusion/edm.h"

namespace langevin {

EdmCoefs edm_coefs(double sigma, double sigma_data) {
  check(sigma > 0 && sigma_data > 0 && std::isfinite(sigma), "edm_coefs",
        "sigma and sigma_data must be above 0, got {} and {}", sigma, sigma_data);
  const double root = std::hypot(sigma, sigma_data);
  return {sigma_data * sigma_data / (root * root), sigma * sigma_data / root, 1 / root, std::log(sigma) / 4};
}

double edm_loss_weight(double sigma, double sigma_data) {
  const double out = edm_coefs(sigma, sigma_data).out;
  return 1 / (out * out);
}

}  // namespace langevin
