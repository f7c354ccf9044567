#include "langevin/train/snapshots.h"

namespace langevin {
namespace fs = std::filesystem;

bool snapshot_due(const Recipe& recipe, int64_t updates) {
  return !recipe.ema_lengths.empty() && updates > 0 &&
         updates % snapshot_interval(updates, recipe.ema_snapshot_every, recipe.ema_snapshots) == 0;
}

void save_snapshot(const fs::path& run, const Recipe& recipe, const ModelSpec& spec,
                   const ParameterStore& store, Optimizer& optimizer) {
  const bool bf16 = recipe.ema_snapshot_precision == "bf16";
  const int64_t updates = optimizer.updates();
  std::vector<TensorOut> tensors;
  std::vector<at::Tensor> memory;  // until they are written
  for (size_t i = 0; i < optimizer.ema_lengths().size(); ++i) {
    for (const Parameter& p : store.parameters()) {
      const at::Tensor values = ParameterStore::view_in(optimizer.power_ema(i), p).contiguous().cpu();
      memory.push_back(bf16 ? values.to(at::kBFloat16) : values);
      const at::Tensor& t = memory.back();
      tensors.push_back({fmt::format("{}.{}", i, p.name),
                         bf16 ? DType::bf16 : DType::f32,
                         p.shape,
                         {static_cast<const std::byte*>(t.data_ptr()), t.nbytes()}});
    }
  }
  write_safetensors(
      snapshot_path(run, updates), tensors,
      {{spec_key, to_json(spec).dump()}, {ema_key, snapshot_metadata(updates, optimizer.ema_lengths())}});
  const int64_t interval = snapshot_interval(updates, recipe.ema_snapshot_every, recipe.ema_snapshots);
  std::error_code ignored;  // a file that cannot be removed costs space, not the run
  for (const auto& [at, path] : list_snapshots(run)) {
    if (at < updates && at % interval != 0) fs::remove(path, ignored);
  }
}

void remove_later_snapshots(const fs::path& run, int64_t updates) {
  std::error_code ignored;
  for (const auto& [at, path] : list_snapshots(run)) {
    if (at > updates) fs::remove(path, ignored);
  }
}

}  // namespace langevin
