#include "langevin/eval/statistics_file.h"

#include <cstring>
#include <limits>

#include "langevin/core/checksum.h"
#include "langevin/core/json_file.h"
#include "langevin/core/names.h"
#include "langevin/io/safetensors.h"

namespace langevin {
namespace {

constexpr const char* kKey = "langevin_statistics";
constexpr int kVersion = 1;

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// Values as they lie in a file.
template <class T>
std::vector<T> raw(const SafetensorsFile& file, const std::string& name, DType dtype, const Shape& shape) {
  const TensorView& view = file.at(name);
  check(view.dtype == dtype && view.shape == shape, file.source(), "{} must be {} of {}, got {} of {}", name,
        to_string(dtype), to_string(shape), to_string(view.dtype), to_string(view.shape));
  std::vector<T> values(view.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

struct Packed {
  std::vector<int64_t> counts, class_counts;
  std::vector<double> means, scatters, class_p, class_p_log_p;
};

Packed packed(const FeatureTally& tally) {
  Packed out;
  const int64_t d = tally.dim();
  for (const Moments& part : tally.parts()) {
    out.counts.push_back(part.count());
    out.means.insert(out.means.end(), part.mean().begin(), part.mean().end());
    for (int64_t i = 0; i < d; ++i) {
      const auto row = part.scatter().begin() + i * d;
      out.scatters.insert(out.scatters.end(), row + i, row + d);
    }
  }
  for (const ClassSums& sums : tally.class_sums()) {
    out.class_counts.push_back(sums.count);
    out.class_p.insert(out.class_p.end(), sums.p.begin(), sums.p.end());
    out.class_p_log_p.push_back(sums.p_log_p);
  }
  return out;
}

template <class T>
TensorOut tensor(const std::string& name, DType dtype, Shape shape, const std::vector<T>& values) {
  return {name, dtype, std::move(shape), std::as_bytes(std::span(values))};
}

/// The description, with every value of the type that it must have.
struct Found {
  StatisticsKey key;
  std::string data, network;
};

Found description(const SafetensorsFile& file) {
  const auto entry = file.metadata().find(kKey);
  check(entry != file.metadata().end(), file.source(), "holds no statistics of a data set");
  const nlohmann::json json = parse_json(entry->second, file.source());
  Found found;
  try {
    check(json.at("version").get<int>() == kVersion, file.source(),
          "is of another version of this program; remove it, it will be made again");
    found.key = {
        json.at("data_hash"), json.at("network_hash"), json.at("count"), {json.at("parts"), json.at("kept")}};
    found.data = json.at("data");
    found.network = json.at("network");
  } catch (const nlohmann::json::exception&) {
    fail("{}: holds no statistics of a data set that this program understands", file.source());
  }
  return found;
}

}  // namespace

void write_statistics(const std::filesystem::path& path, const FeatureTally& tally, const StatisticsKey& key,
                      const StatisticsNames& names) {
  const Packed p = packed(tally);
  const auto parts = static_cast<int64_t>(p.counts.size()), d = tally.dim(),
             sums = static_cast<int64_t>(p.class_counts.size());
  const HostArrayF kept = tally.kept();
  std::vector<TensorOut> tensors{tensor("counts", DType::i64, {parts}, p.counts),
                                 tensor("means", DType::f64, {parts, d}, p.means),
                                 tensor("scatters", DType::f64, {parts, d * (d + 1) / 2}, p.scatters)};
  if (kept.size() > 0) tensors.push_back({"kept", DType::f32, kept.shape(), std::as_bytes(kept.data())});
  if (sums > 0) {
    const auto classes = static_cast<int64_t>(p.class_p.size()) / sums;
    tensors.push_back(tensor("class_counts", DType::i64, {sums}, p.class_counts));
    tensors.push_back(tensor("class_p", DType::f64, {sums, classes}, p.class_p));
    tensors.push_back(tensor("class_p_log_p", DType::f64, {sums}, p.class_p_log_p));
  }
  const nlohmann::json json{{"version", kVersion},
                            {"data", names.data},
                            {"network", names.network},
                            {"data_hash", key.data_hash},
                            {"network_hash", key.network_hash},
                            {"count", key.count},
                            {"parts", key.limits.parts},
                            {"kept", key.limits.kept}};
  write_safetensors(path, tensors,
                    {{kKey, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)}});
}

FeatureTally read_statistics(const std::filesystem::path& path, const StatisticsKey& key,
                             const StatisticsNames& names) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const Found found = description(file);
  check(found.key.data_hash == key.data_hash, path.string(),
        "holds statistics of other data, {} ({}), not of {} ({}) as it is prepared here",
        one_line(found.data), one_line(found.key.data_hash), names.data, key.data_hash);
  check(found.key.network_hash == key.network_hash, path.string(),
        "holds statistics by another feature network, {}, not by {}", one_line(found.network), names.network);
  check(found.key.count == key.count && found.key.limits.parts == key.limits.parts &&
            found.key.limits.kept == key.limits.kept,
        path.string(), "holds statistics of {} pictures with {} kept, not of {} with {}", found.key.count,
        found.key.limits.kept, key.count, key.limits.kept);
  verify_checksum(file);
  const Shape& shape = file.at("means").shape;
  check(shape.size() == 2 && shape[0] == key.limits.parts && shape[1] >= 1 && shape[1] <= 1 << 15,
        path.string(), "means of {} are none of {} parts", to_string(shape), key.limits.parts);
  const int64_t parts = shape[0], d = shape[1], triangle = d * (d + 1) / 2;
  const auto counts = raw<int64_t>(file, "counts", DType::i64, {parts});
  const auto means = raw<double>(file, "means", DType::f64, {parts, d});
  const auto scatters = raw<double>(file, "scatters", DType::f64, {parts, triangle});
  std::vector<Moments> moments;
  for (int64_t part = 0; part < parts; ++part) {
    std::vector<double> scatter(at(d * d), 0.0);
    auto next = scatters.begin() + part * triangle;
    for (int64_t i = 0; i < d; ++i) {
      std::copy_n(next, d - i, scatter.begin() + i * d + i);
      next += d - i;
    }
    moments.emplace_back(counts[at(part)],
                         std::vector<double>(means.begin() + part * d, means.begin() + (part + 1) * d),
                         std::move(scatter));
  }
  std::vector<ClassSums> sums;
  if (file.contains("class_p")) {
    const Shape& classes = file.at("class_p").shape;
    check(classes.size() == 2 && classes[0] == parts, path.string(), "class_p of {}", to_string(classes));
    const auto p = raw<double>(file, "class_p", DType::f64, classes);
    const auto logs = raw<double>(file, "class_p_log_p", DType::f64, {parts});
    const auto numbers = raw<int64_t>(file, "class_counts", DType::i64, {parts});
    for (int64_t part = 0; part < parts; ++part) {
      sums.push_back({numbers[at(part)],
                      {p.begin() + part * classes[1], p.begin() + (part + 1) * classes[1]},
                      logs[at(part)]});
    }
  }
  return {std::move(moments), std::move(sums),
          file.contains("kept") ? file.to_float("kept") : HostArrayF(Shape{0, d})};
}

std::string statistics_name(const StatisticsKey& key) {
  Xxh3 hash;
  hash.update(fmt::format("{}|{}|{}|{}|{}|{}", kVersion, key.data_hash, key.network_hash, key.count,
                          key.limits.parts, key.limits.kept));
  return hash.hex() + ".safetensors";
}

}  // namespace langevin
