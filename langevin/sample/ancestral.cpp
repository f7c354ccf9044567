#include "langevin/sample/ancestral.h"

#include "langevin/core/check.h"

namespace langevin {

AncestralStep ancestral_step(double rho_t, double rho_s, double eta) {
  check(eta >= 0 && eta <= 1, "ancestral_step", "eta must be in [0, 1], got {}", eta);
  if (rho_s >= rho_t) return {rho_s, 0};
  const double up = eta * rho_s * std::sqrt((rho_t - rho_s) * (rho_t + rho_s)) / rho_t;
  return {std::sqrt(std::max(0.0, rho_s * rho_s - up * up)), up};
}

}  // namespace langevin
