#include "langevin/model/bound_estimate.h"

#include <algorithm>
#include <cmath>

#include "langevin/diffusion/bound.h"
#include "langevin/diffusion/reading.h"

namespace langevin {
namespace {

// NoiseKey::step within Purpose::likelihood.
constexpr uint32_t kPlaces = 0;      // where a picture's draws fall
constexpr uint32_t kPilot = 1;       // noise of the first look; + row
constexpr uint32_t kNoise = 100000;  // noise of a term; + its number

constexpr int64_t kPilotImages = 16;
constexpr int64_t kEnds = 16;               // of the integral that are tried, a cell apart
constexpr int64_t kCells = 64;              // of log SNR where time is continuous
constexpr double kLogSnr[2] = {-14, 13.3};  // as far as the integral goes (2107.00630, section 4.2)

/// Sums for a mean and its error.
struct Sums {
  double n = 0, sum = 0, squares = 0;
  void add(double x) { n += 1, sum += x, squares += x * x; }
  BoundTerm term(double scale) const {
    if (n == 0) return {std::nan(""), std::nan("")};
    const double mean = sum / n;
    const double variance = n > 1 ? std::max(0.0, squares / n - mean * mean) / (n - 1) : std::nan("");
    return {scale * mean, scale * std::sqrt(variance)};
  }
};

/// Weighted, for the curve.
struct WeightedSums {
  double w = 0, wx = 0, w2 = 0, w2x = 0, w2x2 = 0;
  int64_t count = 0;
  void add(double weight, double x) {
    w += weight, wx += weight * x, ++count;
    w2 += weight * weight, w2x += weight * weight * x, w2x2 += weight * weight * x * x;
  }
  double mean() const { return wx / w; }
  double error() const {
    const double m = mean();
    return std::sqrt(std::max(0.0, w2x2 - 2 * m * w2x + m * m * w2)) / w;
  }
};

/// What lies between decoder and prior, cut into cells: timesteps 1 to T-1 one by one, or intervals of log
/// SNR from high to low.
class Places {
 public:
  explicit Places(const Target& target) : target_(target) {
    if (target.schedule()) {
      cells_ = target.schedule()->T() - 1;
      return;
    }
    const NoisePath& path = target.path();
    hi_ = std::min(kLogSnr[1], 2 * path.at(path.t_min).lambda());
    lo_ = std::max(kLogSnr[0], 2 * path.at(path.t_max).lambda());
    cells_ = kCells;
  }

  bool discrete() const { return target_.schedule().has_value(); }
  int64_t count() const { return cells_; }
  /// Of a cell: 1 timestep, or its width in log SNR.
  double width() const { return discrete() ? 1 : (hi_ - lo_) / static_cast<double>(cells_); }
  double log_snr(int64_t cell, double fraction) const {
    if (discrete()) return target_.schedule()->log_snr(cell + 1);
    return hi_ - width() * (static_cast<double>(cell) + fraction);
  }
  double time(int64_t cell, double fraction) const {
    if (discrete()) return static_cast<double>(cell + 1);
    return target_.path().at_lambda(0.5 * log_snr(cell, fraction)).t;
  }
  /// Of the cleanest and of the noisiest end.
  double clean_time() const { return discrete() ? 0 : target_.path().at_lambda(0.5 * hi_).t; }
  double noisy_time() const {
    return discrete() ? target_.path().t_max : target_.path().at_lambda(0.5 * lo_).t;
  }

  /// p of the cells, from sizes seen in some of them.
  void learn(const std::vector<int64_t>& cells, const std::vector<double>& sizes) {
    std::vector<double> p(static_cast<size_t>(cells_));
    double sum = 0;
    size_t right = 0;
    for (int64_t c = 0; c < cells_; ++c) {
      while (right + 1 < cells.size() && cells[right] < c) ++right;
      const size_t left = right > 0 && cells[right] > c ? right - 1 : right;
      const double a = std::log1p(static_cast<double>(cells[left])),
                   b = std::log1p(static_cast<double>(cells[right]));
      const double part = b > a ? (std::log1p(static_cast<double>(c)) - a) / (b - a) : 0;
      p[static_cast<size_t>(c)] = sizes[left] + std::clamp(part, 0.0, 1.0) * (sizes[right] - sizes[left]);
      sum += p[static_cast<size_t>(c)];
    }
    // A tenth stays even: what the first look missed must not be missed for good.
    const auto n = static_cast<double>(cells_);
    cumulative_.assign(1, 0);
    for (double& share : p) {
      share = sum > 0 ? 0.9 * share / sum + 0.1 / n : 1 / n;
      cumulative_.push_back(cumulative_.back() + share);
    }
    p_ = std::move(p);
  }
  bool learnt() const { return !p_.empty(); }
  double probability(int64_t cell) const { return p_[static_cast<size_t>(cell)]; }

  struct Draw {
    int64_t cell;
    double fraction;
  };
  Draw draw(double u) const {
    const double at = u * cumulative_.back();
    const auto above = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
    const int64_t cell = std::clamp<int64_t>(above - cumulative_.begin() - 1, 0, cells_ - 1);
    const double fraction = (at - cumulative_[static_cast<size_t>(cell)]) / probability(cell);
    return {cell, std::clamp(fraction, 0.0, 1.0)};
  }

  /// Cells that the first look visits: evenly in log, and the ends.
  std::vector<int64_t> pilot() const {
    constexpr int64_t looks = 32;
    std::vector<int64_t> cells;
    for (int64_t i = 0; i < looks; ++i) {
      const double share = static_cast<double>(i) / (looks - 1);
      const auto last = static_cast<double>(cells_ - 1);
      const double place = discrete() ? std::expm1(share * std::log1p(last)) : share * last;
      cells.push_back(std::min(cells_ - 1, static_cast<int64_t>(std::lround(place))));
    }
    cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
    return cells;
  }

 private:
  const Target& target_;
  int64_t cells_ = 0;
  double lo_ = 0, hi_ = 0;
  std::vector<double> cumulative_, p_;
};

/// One term to be computed: of which picture, where, with which noise.
struct Row {
  int64_t image = 0;
  int64_t cell = -1;  // -1: the decoder
  double fraction = 0.5;
  double weight = 1;  // cells: width / probability
  uint32_t noise = 0;
  double nats = 0;
};

}  // namespace

struct BoundEstimate::State {
  State(const ModelSpec& model, BoundNetwork call, BoundOptions how)
      : spec(model),
        target(target_of(model)),
        network(std::move(call)),
        options(std::move(how)),
        places(target) {
    ends.resize(places.discrete() ? 1 : kEnds);
    curve.resize(static_cast<size_t>(bin_of(std::max<int64_t>(0, places.count() - 1)) + 1));
  }

  ModelSpec spec;
  Target target;
  BoundNetwork network;
  BoundOptions options;
  Places places;
  Bins bins{};
  /// Of one end of the integral; of timesteps there is one.
  struct End {
    Sums total, diffusion, decoder;
  };
  std::vector<End> ends;
  Sums prior;
  std::vector<WeightedSums> curve;
  int64_t images = 0, dimensions = 0, calls = 0;

  /// The curve's bin of a cell: of timesteps the first by themselves, then 16 an octave.
  int64_t bin_of(int64_t cell) const {
    if (!places.discrete() || cell < 16) return cell;
    return 16 + static_cast<int64_t>(16 * std::log2(static_cast<double>(cell) / 16));
  }

  std::vector<Row> rows_of_image(int64_t image, int64_t index) const {
    std::vector<Row> rows;
    if (places.discrete()) rows.push_back({.image = image, .noise = kNoise});
    if (options.draws == 0) {
      for (int64_t cell = 0; cell < places.count(); ++cell)
        rows.push_back({image, cell, 0.5, 1, kNoise + 1 + static_cast<uint32_t>(cell)});
      return rows;
    }
    RandomStream stream({options.seed, static_cast<uint64_t>(index), Purpose::likelihood, kPlaces});
    const double offset = stream.uniform();
    for (int64_t k = 0; k < options.draws && places.count() > 0; ++k) {
      const double u = (static_cast<double>(k) + offset) / static_cast<double>(options.draws);
      const Places::Draw drawn = places.draw(u);
      rows.push_back({image, drawn.cell, drawn.fraction, places.width() / places.probability(drawn.cell),
                      kNoise + 1 + static_cast<uint32_t>(k)});
    }
    return rows;
  }

  /// The nats of each row; false when stopped.
  bool compute(const BoundBatch& batch, std::vector<Row>& rows) {
    for (size_t first = 0; first < rows.size(); first += static_cast<size_t>(options.batch)) {
      if (options.stopped && options.stopped()) return false;
      const size_t count = std::min(static_cast<size_t>(options.batch), rows.size() - first);
      compute_call(batch, std::span<Row>(rows).subspan(first, count));
      if (options.progress) options.progress(static_cast<int64_t>(first + count));
    }
    return true;
  }

  void compute_call(const BoundBatch& batch, std::span<Row> rows) {
    Shape shape = batch.x0.shape();
    shape[0] = static_cast<int64_t>(rows.size());
    HostArrayF eps(shape), x_t(shape), input(shape);
    std::vector<double> told;
    std::vector<int64_t> labels;
    std::vector<Reading> readings;
    for (size_t r = 0; r < rows.size(); ++r) {
      const Row& row = rows[r];
      const auto at = static_cast<int64_t>(r), image = row.image;
      const double t = row.cell < 0 ? places.clean_time() : places.time(row.cell, row.fraction);
      readings.push_back(reading(target, t));
      const Reading& read = readings.back();
      told.push_back(read.told);
      if (!batch.labels.empty()) labels.push_back(batch.labels[static_cast<size_t>(image)]);
      fill_normal(eps.sample(at),
                  {options.seed, static_cast<uint64_t>(batch.indices[static_cast<size_t>(image)]),
                   Purpose::likelihood, row.noise});
      const auto x0 = batch.x0.sample(image);
      const auto noise = eps.sample(at);
      auto noisy = x_t.sample(at), seen = input.sample(at);
      for (size_t j = 0; j < x0.size(); ++j) {
        noisy[j] = static_cast<float>(read.alpha * x0[j] + read.sigma * noise[j]);
        seen[j] = static_cast<float>(read.scale) * noisy[j];
      }
    }
    const HostArrayF output = network(input, told, labels);
    calls += shape[0];
    const bool learned = nn::learned_variance(spec.network);
    check(output.shape().size() == shape.size() && output.shape()[1] == (learned ? 2 : 1) * shape[1], "bound",
          "the network gave {} for {}", to_string(output.shape()), to_string(shape));
    for (size_t r = 0; r < rows.size(); ++r) {
      const auto at = static_cast<int64_t>(r);
      rows[r].nats = nats_of(batch.x0.sample(rows[r].image), x_t.sample(at), eps.sample(at),
                             output.sample(at), rows[r], readings[r]);
    }
  }

  double nats_of(std::span<const float> x0, std::span<const float> x_t, std::span<const float> eps,
                 std::span<const float> output, const Row& row, const Reading& read) const {
    const size_t n = x0.size();
    std::vector<float> said(n);
    const double of_x = places.discrete() ? read.x0_x : read.eps_x,
                 of_y = places.discrete() ? read.x0_y : read.eps_y;
    for (size_t j = 0; j < n; ++j) said[j] = static_cast<float>(of_x * x_t[j] + of_y * output[j]);
    if (!places.discrete()) {
      if (spec.clip) keep_in_range(x_t, read, said);
      return continuous_term(eps, said);
    }
    if (spec.clip) {
      for (float& x : said) x = std::clamp(x, static_cast<float>(bins.lo), static_cast<float>(bins.hi));
    }
    const ModelStep step{said, output.subspan(n), options.variance};
    return step_term(*target.schedule(), row.cell + 1, x0, step, bins);
  }

  /// eps such that x_0 lies in the range of the data.
  void keep_in_range(std::span<const float> x_t, const Reading& read, std::span<float> eps) const {
    if (!(read.alpha > 0) || !(read.sigma > 0)) return;
    for (size_t j = 0; j < eps.size(); ++j) {
      const double x0 = (x_t[j] - read.sigma * eps[j]) / read.alpha;
      const double kept = std::clamp(x0, bins.lo, bins.hi);
      if (kept != x0) eps[j] = static_cast<float>((x_t[j] - read.alpha * kept) / read.sigma);
    }
  }

  /// The decoder of continuous time, which looks at z_0 alone, where the integral begins with `cell`.
  double decoder_of(std::span<const float> x0, int64_t index, int64_t cell) const {
    const PathPoint at = target.path().at(places.time(cell, 0));
    std::vector<float> z(x0.size());
    fill_normal(std::span<float>(z),
                {options.seed, static_cast<uint64_t>(index), Purpose::likelihood, kNoise});
    for (size_t j = 0; j < z.size(); ++j) z[j] = static_cast<float>(at.alpha * x0[j] + at.sigma * z[j]);
    return continuous_decoder(x0, z, at.alpha, at.sigma, bins);
  }

  double prior_of(std::span<const float> x0) const {
    const PathPoint at = target.path().at(places.noisy_time());
    const double r = std::hypot(at.alpha, at.sigma);
    return prior_term(at.alpha / r, at.sigma / r, x0);
  }

  /// Where terms are large, from a few pictures.
  bool look(const BoundBatch& batch) {
    if (options.draws == 0 || places.learnt() || places.count() == 0) return true;
    const std::vector<int64_t> cells = places.pilot();
    const int64_t n = std::min(kPilotImages, batch.x0.batch());
    std::vector<Row> rows;
    for (size_t c = 0; c < cells.size(); ++c) {
      for (int64_t i = 0; i < n; ++i)
        rows.push_back({i, cells[c], 0.5, 1, kPilot + static_cast<uint32_t>(c)});
    }
    const auto progress = std::exchange(options.progress, {});
    const bool done = compute(batch, rows);
    options.progress = progress;
    if (!done) return false;
    std::vector<double> sizes(cells.size());
    for (size_t r = 0; r < rows.size(); ++r)
      sizes[r / static_cast<size_t>(n)] += rows[r].nats * rows[r].nats / static_cast<double>(n);
    for (double& size : sizes) size = std::sqrt(size);
    places.learn(cells, sizes);
    return true;
  }

  void note(const BoundBatch& batch, const std::vector<Row>& rows) {
    const int64_t n = batch.x0.batch();
    dimensions = batch.x0.sample_size();
    const auto draws = static_cast<double>(std::max<int64_t>(1, options.draws));
    std::vector<std::vector<double>> middle(ends.size(), std::vector<double>(static_cast<size_t>(n)));
    std::vector<double> last(static_cast<size_t>(n));
    for (const Row& row : rows) {
      const auto image = static_cast<size_t>(row.image);
      if (row.cell < 0) {
        last[image] = row.nats;
        continue;
      }
      const double part = row.weight * row.nats / draws;
      for (size_t e = 0; e < ends.size() && static_cast<int64_t>(e) <= row.cell; ++e)
        middle[e][image] += part;
      curve[static_cast<size_t>(bin_of(row.cell))].add(row.weight, row.nats);
    }
    for (int64_t i = 0; i < n; ++i) {
      const auto image = static_cast<size_t>(i);
      const double first = prior_of(batch.x0.sample(i));
      prior.add(first);
      for (size_t e = 0; e < ends.size(); ++e) {
        const double end =
            places.discrete() ? last[image]
                              : decoder_of(batch.x0.sample(i), batch.indices[image], static_cast<int64_t>(e));
        // Timesteps all count; of the integral what lies beyond its end does not.
        const double mid = middle[e][image];
        ends[e].diffusion.add(mid);
        ends[e].decoder.add(end);
        ends[e].total.add(first + mid + end);
      }
    }
    images += n;
  }
};

BoundEstimate::BoundEstimate(const ModelSpec& spec, BoundNetwork network, BoundOptions options) {
  check(!nn::is_autoencoder(spec.network), "nll", "the model is an autoencoder, not a denoiser");
  check(nn::classifier(spec.network) == nullptr, "nll", "the model is a classifier, not a denoiser");
  check(nn::input_shape(spec.network, 1).size() == 4, "nll",
        "the model is one of sequences, not of pictures");
  check(spec.normaliser_offset == 127.5 && spec.normaliser_scale == 127.5, "nll",
        "bits are counted on 8-bit values in [-1, 1]; the model's scale is {} and its offset {}",
        spec.normaliser_scale, spec.normaliser_offset);
  check(options.draws >= 0 && options.batch >= 1, "nll",
        "needs draws of 0 or more and a batch, got {} and {}", options.draws, options.batch);
  state_ = std::make_unique<State>(spec, std::move(network), std::move(options));
  check(state_->options.draws > 0 || state_->places.discrete(), "nll",
        "a model of continuous time has no finite number of terms; give the draws of a picture");
  check(!state_->places.discrete() || !(state_->target.schedule()->sigma(0) <= 0), "nll",
        "the first level has no noise");
}

BoundEstimate::~BoundEstimate() = default;

int64_t BoundEstimate::rows_of(int64_t n) const {
  const int64_t each = state_->options.draws == 0 ? state_->places.count() : state_->options.draws;
  return n * (each + (state_->places.discrete() ? 1 : 0));
}

bool BoundEstimate::add(const BoundBatch& batch) {
  check(batch.x0.batch() > 0 && static_cast<int64_t>(batch.indices.size()) == batch.x0.batch() &&
            (batch.labels.empty() || batch.labels.size() == batch.indices.size()),
        "BoundEstimate", "{} pictures, {} numbers and {} labels do not belong together", batch.x0.batch(),
        batch.indices.size(), batch.labels.size());
  if (!state_->look(batch)) return false;
  std::vector<Row> rows;
  for (int64_t i = 0; i < batch.x0.batch(); ++i) {
    for (const Row& row : state_->rows_of_image(i, batch.indices[static_cast<size_t>(i)]))
      rows.push_back(row);
  }
  if (!state_->compute(batch, rows)) return false;
  state_->note(batch, rows);
  return true;
}

BoundReport BoundEstimate::report() const {
  const State& s = *state_;
  BoundReport report;
  report.images = s.images;
  report.dimensions = s.dimensions;
  report.calls = s.calls;
  const double bits = s.dimensions > 0 ? bits_per_dim(1, s.dimensions) : 0;
  const auto& end = *std::min_element(s.ends.begin(), s.ends.end(),
                                      [](const auto& a, const auto& b) { return a.total.sum < b.total.sum; });
  report.total = end.total.term(bits);
  report.prior = s.prior.term(bits);
  report.diffusion = end.diffusion.term(bits);
  report.decoder = end.decoder.term(bits);
  if (!s.places.discrete()) report.end_log_snr = s.places.log_snr(&end - s.ends.data(), 0);
  for (int64_t cell = 0; cell < s.places.count();) {
    const int64_t bin = s.bin_of(cell);
    int64_t end = cell;
    while (end < s.places.count() && s.bin_of(end) == bin) ++end;
    const WeightedSums& sums = s.curve[static_cast<size_t>(bin)];
    const int64_t middle = (cell + end - 1) / 2;
    if (sums.count > 0) {
      BoundPoint point{.t = s.places.time(middle, 0.5), .log_snr = s.places.log_snr(middle, 0.5)};
      point.first = s.places.discrete() ? static_cast<double>(cell + 1) : s.places.log_snr(cell, 0);
      point.last = s.places.discrete() ? static_cast<double>(end) : s.places.log_snr(end - 1, 1);
      point.bits = bits * sums.mean();
      point.standard_error = bits * sums.error();
      point.count = sums.count;
      report.curve.push_back(point);
    }
    cell = end;
  }
  return report;
}

nlohmann::json to_json(const BoundReport& r) {
  const auto finite = [](double value) { return std::isfinite(value) ? nlohmann::json(value) : nullptr; };
  const auto term = [&](const BoundTerm& t) {
    return nlohmann::json{{"bits_per_dim", finite(t.bits)}, {"standard_error", finite(t.standard_error)}};
  };
  nlohmann::json json = term(r.total);
  json["images"] = r.images;
  json["dimensions"] = r.dimensions;
  json["calls"] = r.calls;
  json["prior"] = term(r.prior);
  json["diffusion"] = term(r.diffusion);
  json["decoder"] = term(r.decoder);
  if (r.end_log_snr != 0) json["end_log_snr"] = r.end_log_snr;
  json["terms"] = nlohmann::json::array();
  for (const BoundPoint& p : r.curve) {
    json["terms"].push_back({{"t", p.t},
                             {"log_snr", finite(p.log_snr)},
                             {"first", p.first},
                             {"last", p.last},
                             {"bits_per_dim", finite(p.bits)},
                             {"standard_error", finite(p.standard_error)},
                             {"count", p.count}});
  }
  return json;
}

}  // namespace langevin
