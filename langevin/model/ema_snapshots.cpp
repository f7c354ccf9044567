#include "langevin/model/ema_snapshots.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "langevin/core/json_file.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

constexpr double kEpsilonF32 = 6e-8, kEpsilonBf16 = 1.1e-3;  // rms of rounding to nearest, relative
constexpr const char* kPrefix = "update-";
constexpr size_t kSnapshots = 1024;

std::string tensor_name(size_t length, const std::string& name) { return fmt::format("{}.{}", length, name); }

void read_metadata(EmaSnapshot& snapshot) {
  const std::string source = snapshot.path.string();
  const auto& metadata = snapshot.file.metadata();
  check(metadata.count(ema_key) != 0 && metadata.count(spec_key) != 0, source,
        "is no snapshot of averaged weights (metadata keys '{}' and '{}')", ema_key, spec_key);
  const auto parse = [&](const char* key) {
    return parse_json(metadata.at(key), fmt::format("{}: the metadata key '{}'", source, key));
  };
  snapshot.spec = spec_from_json(parse(spec_key), source);
  try {
    const nlohmann::json ema = parse(ema_key);
    snapshot.updates = ema.at("updates").get<int64_t>();
    snapshot.lengths = ema.at("lengths").get<std::vector<double>>();
  } catch (const nlohmann::json::exception&) {
    fail("{}: the metadata key '{}' must hold 'updates' and 'lengths'", source, ema_key);
  }
  check(snapshot.updates >= 1 && !snapshot.lengths.empty() && snapshot.lengths.size() <= 16, source,
        "needs 1 to 16 lengths after 1 update or more, got {} after {}", snapshot.lengths.size(),
        snapshot.updates);
  for (double length : snapshot.lengths) ema_exponent(length);
}

void check_tensors(const EmaSnapshot& snapshot) {
  const std::string source = snapshot.path.string();
  std::set<std::string> wanted;
  const nn::CostInterpreter cost = nn::cost_of(snapshot.spec.network);
  for (size_t k = 0; k < snapshot.lengths.size(); ++k) {
    for (const auto& p : cost.parameters()) {
      const std::string name = tensor_name(k, p.name);
      wanted.insert(name);
      check(snapshot.file.contains(name), source, "tensor '{}' is missing", name);
      const TensorView& view = snapshot.file.at(name);
      check(view.shape == p.shape && is_floating(view.dtype), source,
            "tensor '{}' is {} {}, the network needs floating-point numbers {}", name, to_string(view.dtype),
            to_string(view.shape), to_string(p.shape));
    }
  }
  for (const std::string& name : snapshot.file.names()) {
    check(wanted.count(name) != 0, source, "tensor '{}' belongs to no average described", name);
  }
}

/// Of one network all, in order; Error names the file that does not belong.
std::vector<EmaSnapshot> open_all(const fs::path& run, int64_t updates) {
  std::vector<EmaSnapshot> all;
  const auto listed = list_snapshots(run);
  check(listed.size() <= kSnapshots, (run / "ema").string(), "holds {} snapshots, more than {}",
        listed.size(), kSnapshots);
  check(listed.empty() || updates <= listed.back().first, (run / "ema").string(),
        "ends with update {}, {} is asked for", listed.empty() ? 0 : listed.back().first, updates);
  for (const auto& [at, path] : listed) {
    if (updates > 0 && at > updates) continue;
    all.push_back(open_snapshot(path));
    const EmaSnapshot &first = all.front(), &last = all.back();
    check(last.updates == at, path.string(), "holds update {}, its name says {}", last.updates, at);
    check(nn::to_json(last.spec.network) == nn::to_json(first.spec.network), path.string(),
          "is of another network than {}; move one of the two away", first.path.string());
  }
  check(!all.empty(), (run / "ema").string(),
        "there are no snapshots of averaged weights{}; train with --set ema.lengths=[0.05,0.1]",
        updates > 0 ? fmt::format(" up to update {}", updates) : "");
  return all;
}

/// What each tensor of the result is a sum of.
struct Term {
  const EmaSnapshot* snapshot;
  size_t length;
  double weight;
};

HostArrayF weighted(const std::vector<Term>& terms, const std::string& name, const Shape& shape) {
  std::vector<double> sum(static_cast<size_t>(element_count(shape)), 0.0);
  for (const Term& term : terms) {
    const HostArrayF values = term.snapshot->file.to_float(tensor_name(term.length, name));
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += term.weight * static_cast<double>(values.data()[i]);
  }
  HostArrayF out(shape);
  for (size_t i = 0; i < sum.size(); ++i) out.data()[i] = static_cast<float>(sum[i]);
  return out;
}

}  // namespace

fs::path snapshot_path(const fs::path& run, int64_t updates) {
  return run / "ema" / fmt::format("{}{:010d}.safetensors", kPrefix, updates);
}

std::vector<std::pair<int64_t, fs::path>> list_snapshots(const fs::path& run) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run / "ema", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0 || entry.path().extension() != ".safetensors") continue;
    const std::string digits = entry.path().stem().string().substr(std::string(kPrefix).size());
    int64_t updates = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), updates);
    if (error == std::errc() && end == digits.data() + digits.size())
      found.emplace_back(updates, entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

int64_t snapshot_interval(int64_t updates, int64_t first, int64_t count) {
  check(first >= 1 && count >= 1, "snapshot_interval", "needs first and count of at least 1, got {} and {}",
        first, count);
  int64_t interval = first;
  while (updates / interval > count) interval *= 2;
  return interval;
}

std::string snapshot_metadata(int64_t updates, const std::vector<double>& lengths) {
  return nlohmann::json{{"updates", updates}, {"lengths", lengths}}.dump();
}

EmaSnapshot open_snapshot(const fs::path& path) {
  SafetensorsFile file = SafetensorsFile::open(path);
  verify_checksum(file);
  EmaSnapshot snapshot{path, 0, {}, {}, std::move(file)};
  read_metadata(snapshot);
  check_tensors(snapshot);
  return snapshot;
}

EmaSynthesis synthesise_ema(const fs::path& run, double length, int64_t updates, const fs::path& out) {
  const double exponent = ema_exponent(length);
  const std::vector<EmaSnapshot> all = open_all(run, updates);
  const EmaSnapshot& newest = all.back();
  EmaSynthesis result{updates > 0 ? updates : newest.updates, static_cast<int64_t>(all.size()), length, {}};

  std::vector<EmaProfile> have;
  std::vector<Term> terms;
  double epsilon = 0;
  for (const EmaSnapshot& snapshot : all) {
    const bool bf16 = snapshot.file.at(snapshot.file.names().front()).dtype == DType::bf16;
    epsilon = std::max(epsilon, bf16 ? kEpsilonBf16 : kEpsilonF32);
    for (size_t k = 0; k < snapshot.lengths.size(); ++k) {
      have.push_back({ema_exponent(snapshot.lengths[k]), snapshot.updates});
      terms.push_back({&snapshot, k, 0});
    }
  }
  result.fit = fit_profile(have, {exponent, result.updates}, rounding_ridge(epsilon));
  for (size_t i = 0; i < terms.size(); ++i) terms[i].weight = result.fit.weights[i];

  ModelSpec spec = newest.spec;
  spec.provenance["ema"] = {{"length", length},
                            {"updates", result.updates},
                            {"snapshots", result.snapshots},
                            {"profile_error", result.fit.error}};
  std::vector<HostArrayF> memory;
  std::vector<TensorOut> tensors;
  const nn::CostInterpreter cost = nn::cost_of(spec.network);
  memory.reserve(cost.parameters().size());
  for (const auto& p : cost.parameters()) {
    memory.push_back(weighted(terms, p.name, p.shape));
    tensors.push_back({p.name, DType::f32, p.shape, std::as_bytes(memory.back().data())});
  }
  write_model(out, spec, tensors);
  return result;
}

}  // namespace langevin
