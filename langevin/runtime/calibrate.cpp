#include "langevin/runtime/calibrate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "langevin/nn/cost.h"
#include "langevin/runtime/byte_range.h"

namespace langevin::runtime {
namespace {

constexpr int64_t kNarrow = 16;      // channels: below them int8 has nothing to win
constexpr int64_t kKeptRows = 1024;  // of every product, over all samples

HostArrayF call(RuntimeNetwork& network, const CalibrationBatch& batch) {
  return network(batch.x, batch.t, {batch.labels});
}

std::map<std::string, Shape> weight_shapes(const nn::NetworkConfig& config) {
  std::map<std::string, Shape> shapes;
  const nn::CostInterpreter cost = nn::cost_of(config);
  for (const nn::ParameterSpec& p : cost.parameters()) shapes[p.name] = p.shape;
  return shapes;
}

/// Multiplications and additions of every operator, for one sample; q, k and v count as q.
std::map<std::string, double> operations(const nn::NetworkConfig& config) {
  std::map<std::string, double> flops;
  const nn::CostInterpreter cost = nn::cost_of(config);
  for (const nn::CostRow& row : cost.rows()) flops[row.path] = row.flops;
  return flops;
}

/// What moves the output much and costs little stays in fp32: from the operator with the most squared error
/// for its operations on, while it has kUnfair times its share, and until fp32 has kMost of all operations.
void leave_sensitive(Calibration& calibration, const std::map<std::string, double>& flops) {
  constexpr double kUnfair = 3, kMost = 0.04;
  double all_errors = 0, all_flops = 0, left = 0;
  const auto cost = [&](const LayerCalibration* l) { return std::max(1.0, flops.at(l->name)); };
  std::vector<LayerCalibration*> order;
  for (LayerCalibration& layer : calibration.layers) {
    order.push_back(&layer);
    all_errors += layer.error * layer.error;
    all_flops += cost(&layer);
  }
  const auto unfairness = [&](const LayerCalibration* l) { return l->error * l->error / cost(l); };
  std::sort(order.begin(), order.end(),
            [&](const auto* a, const auto* b) { return unfairness(a) > unfairness(b); });
  for (LayerCalibration* layer : order) {
    if (unfairness(layer) * all_flops <= kUnfair * all_errors) break;
    if (left + cost(layer) > kMost * all_flops) continue;
    left += cost(layer);
    layer->int8 = false;
  }
}

/// Everything that products read while the batches pass.
class Watcher {
 public:
  struct Product {
    std::vector<std::string> names;
    SeenValues seen;
  };

  Watcher(int64_t samples, uint64_t seed)
      : kept_((kKeptRows + samples - 1) / std::max<int64_t>(1, samples)), seed_(seed) {}

  void look(const Step& step, const Buffers& buffers, const Call& call, int64_t first_sample) {
    const ProductInput& in = step.input;
    const auto found = index_.emplace(in.products.front(), products_.size());
    if (found.second) products_.push_back({in.products, SeenValues(in.channels)});
    const size_t product = found.first->second;
    const Place place = buffers.place(in.buffer);
    const auto* x = reinterpret_cast<const float*>(place.at(call.first));
    for (int64_t i = 0; i < step.chunk; ++i) {
      const auto sample = static_cast<uint64_t>(first_sample + call.first + i);
      products_[product].seen.add(
          x + i * in.positions * in.channels, in.positions, kept_,
          NoiseKey{seed_, sample, Purpose::calibration, static_cast<uint32_t>(product) + 16});
    }
  }
  const std::vector<Product>& products() const { return products_; }

 private:
  int64_t kept_;
  uint64_t seed_;
  std::map<std::string, size_t> index_;
  std::vector<Product> products_;
};

/// How far outputs are from those of fp32.
struct Distance {
  double difference = 0, size = 0;
  void add(std::span<const float> got, std::span<const float> want) {
    for (size_t i = 0; i < want.size(); ++i) {
      const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
      difference += d * d;
      size += static_cast<double>(want[i]) * static_cast<double>(want[i]);
    }
  }
  double relative() const { return size > 0 ? std::sqrt(difference / size) : 0; }
};

class Calibrator {
 public:
  Calibrator(RuntimeNetwork& network, const std::vector<CalibrationBatch>& batches,
             const CalibrationOptions& options)
      : network_(network), batches_(batches), options_(options) {
    for (const CalibrationBatch& b : batches) samples_ += b.x.batch();
    tried_ = static_cast<size_t>(
        std::clamp<int64_t>(options.tried / std::max<int64_t>(1, batches.empty() ? 1 : batches[0].x.batch()),
                            1, static_cast<int64_t>(batches.size())));
  }

  Calibration run() {
    network_.use({});
    Watcher watcher(samples_, options_.seed);
    watch(watcher);
    Calibration all = choose(watcher);
    total_ = static_cast<int64_t>(2 * batches_.size() + all.layers.size() * tried_);
    for (LayerCalibration& layer : all.layers) {
      network_.use({{layer}, {}, "", 0, 0});
      layer.error = distance(tried_).relative();
    }
    leave_sensitive(all, operations(network_.config()));
    network_.use(all);
    all.errors = errors_by_time();
    return all;
  }

 private:
  /// Batches spread evenly over those given.
  size_t spread(size_t i, size_t of) const { return i * batches_.size() / of; }
  void advance() {
    ++done_;
    if (options_.progress) options_.progress(done_, std::max(total_, done_));
  }

  void watch(Watcher& watcher) {
    int64_t first = 0;
    for (const CalibrationBatch& batch : batches_) {
      Plan& plan = network_.plan(batch.x.shape());
      plan.watch([&](const Step& step, const Call& at) { watcher.look(step, plan.buffers(), at, first); });
      exact_.push_back(call(network_, batch));
      plan.watch({});
      first += batch.x.batch();
      advance();
    }
  }

  Calibration choose(const Watcher& watcher) {
    const auto shapes = weight_shapes(network_.config());
    Calibration all;
    for (const Watcher::Product& product : watcher.products()) {
      ProductWeights weights;
      int64_t out = 0;
      for (const std::string& name : product.names) {
        const Shape& shape = shapes.at(name + ".weight");
        out += shape[0];
        weights.taps = element_count(shape) / (shape[0] * shape[1]);
        weights.blocks.push_back(network_.weights().floats(name + ".weight", element_count(shape)));
      }
      if (std::min(out, product.seen.channels()) < kNarrow) continue;
      all.layers.push_back(best_bytes(product.seen, weights));
      all.layers.back().name = product.names.front();
    }
    return all;
  }

  Distance distance(size_t count) {
    Distance sum;
    for (size_t i = 0; i < count; ++i) {
      const size_t at = spread(i, count);
      sum.add(call(network_, batches_[at]).data(), exact_[at].data());
      advance();
    }
    return sum;
  }

  std::vector<CalibrationError> errors_by_time();

  RuntimeNetwork& network_;
  const std::vector<CalibrationBatch>& batches_;
  const CalibrationOptions& options_;
  std::vector<HostArrayF> exact_;  // outputs in fp32
  size_t tried_ = 1;
  int64_t samples_ = 0, done_ = 0, total_ = 0;
};

/// Ten groups of samples by t.
std::vector<CalibrationError> Calibrator::errors_by_time() {
  constexpr size_t kGroups = 10;
  struct Sample {
    double t;
    Distance distance;
  };
  std::vector<Sample> all;
  for (size_t b = 0; b < batches_.size(); ++b) {
    const HostArrayF got = call(network_, batches_[b]);
    for (int64_t i = 0; i < got.batch(); ++i) {
      all.push_back({batches_[b].t[static_cast<size_t>(i)], {}});
      all.back().distance.add(got.sample(i), exact_[b].sample(i));
    }
    advance();
  }
  std::sort(all.begin(), all.end(), [](const Sample& a, const Sample& b) { return a.t < b.t; });
  std::vector<CalibrationError> errors;
  const size_t groups = std::min(kGroups, all.size());
  for (size_t g = 0; g < groups; ++g) {
    const size_t begin = g * all.size() / groups, end = (g + 1) * all.size() / groups;
    Distance sum;
    for (size_t i = begin; i < end; ++i) {
      sum.difference += all[i].distance.difference;
      sum.size += all[i].distance.size;
    }
    errors.push_back({all[begin].t, all[end - 1].t, sum.relative()});
  }
  return errors;
}

}  // namespace

Calibration calibrate(RuntimeNetwork& network, const std::vector<CalibrationBatch>& batches,
                      const CalibrationOptions& options) {
  check(!batches.empty(), "calibrate", "needs at least one batch");
  return Calibrator(network, batches, options).run();
}

}  // namespace langevin::runtime
