#include "langevin/cli/bench_model.h"

#include <unistd.h>

#include <cmath>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin::cli {

namespace fs = std::filesystem;

ScratchFolder::ScratchFolder() {
  std::string pattern = (fs::temp_directory_path() / "langevin-bench-XXXXXX").string();
  check(::mkdtemp(pattern.data()) != nullptr, pattern, "cannot be made; set TMPDIR to a folder with room");
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ModelFile write_random_model(const ModelSpec& spec, const fs::path& path) {
  const nn::CostInterpreter cost = nn::cost_of(spec.network);
  std::vector<HostArrayF> weights;
  for (const auto& p : cost.parameters()) {
    HostArrayF& values = weights.emplace_back(p.shape, 1.0F);
    if (p.shape.size() < 2) continue;
    fill_uniform(values.data(), {0, weights.size(), Purpose::weight_init, 0});
    const double fan_in = static_cast<double>(values.size()) / static_cast<double>(p.shape[0]);
    const auto bound = static_cast<float>(std::sqrt(3.0 / fan_in));
    for (float& value : values.data()) value = (2 * value - 1) * bound;
  }
  std::vector<TensorOut> tensors;
  for (size_t i = 0; i < weights.size(); ++i) {
    tensors.push_back(
        {cost.parameters()[i].name, DType::f32, weights[i].shape(), std::as_bytes(weights[i].data())});
  }
  write_model(path, spec, tensors);
  return open_model(path);
}

}  // namespace langevin::cli
