#include "langevin/kernels/cuda/require.h"

#include "langevin/core/check.h"

namespace langevin::cuda {

void require(bool ok, const char* function, const char* expectation, std::initializer_list<double> got) {
  if (ok) return;
  std::string values;
  for (const double value : got) values += fmt::format("{}{:.15g}", values.empty() ? ", got " : ", ", value);
  fail("{}: {}{}", function, expectation, values);
}

}  // namespace langevin::cuda
