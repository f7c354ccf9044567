#include "langevin/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "langevin/core/atomic_file.h"
#include "langevin/core/folder_lock.h"
#include "langevin/data/statistics.h"
#include "langevin/io/png.h"
#include "langevin/torch/device.h"
#include "langevin/train/bound_step.h"
#include "langevin/train/checkpoint.h"
#include "langevin/train/classifier_step.h"
#include "langevin/train/precision_choice.h"
#include "langevin/train/preview.h"
#include "langevin/train/schedule_lr.h"
#include "langevin/train/snapshots.h"
#include "langevin/train/training_step.h"
#include "langevin/train/vae_learner.h"
#include "langevin/train/validation.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t log_every = 50;     // steps between lines of the log
constexpr int64_t max_rollbacks = 3;  // in a row, before giving up
constexpr double first_preview = 20;  // seconds

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool classifies(const Recipe& recipe) { return recipe.task == "classifier"; }
bool encodes(const Recipe& recipe) { return recipe.task == "vae"; }

ModelSpec make_spec(const TrainJob& job, const PreparedSet& data) {
  ModelSpec spec;
  const auto& summary = data.summary();
  if (job.recipe.classes || classifies(job.recipe)) {
    for (const auto& [name, count] : summary.classes) spec.labels.push_back(name);
  }
  if (spec.labels.size() < 2 || encodes(job.recipe)) spec.labels.clear();  // one class says nothing
  const ImageSpec& image = data.spec();
  const auto classes = static_cast<int64_t>(spec.labels.size());
  check(classes > 0 || !classifies(job.recipe), summary.path,
        "a classifier needs examples of two classes or more; a subfolder of pictures is a class");
  spec.null_class = classes > 0 && job.recipe.label_dropout > 0 && !classifies(job.recipe);
  spec.network = make_network(job.recipe, image.channels, image.height, image.width, classes);
  spec.target = job.recipe.target;
  spec.schedule = job.recipe.schedule;
  spec.prediction = prediction_type(job.recipe.prediction);
  spec.licence = job.licence;
  spec.provenance = {
      {"data",
       {{"path", summary.path}, {"kind", summary.kind}, {"count", summary.count}, {"hash", summary.hash}}},
      {"preset", job.recipe.preset},
      {"seed", job.recipe.seed}};
  return spec;
}

TrainingObjective make_objective(const Recipe& recipe, const ModelSpec& spec) {
  TimeDraws times = recipe.times;
  times.whole_range = classifies(recipe);
  return {.target = target_of(spec),
          .loss = recipe.loss,
          .times = times,
          .bound = recipe.objective == "simple"
                       ? std::nullopt
                       : std::optional<BoundLoss>({recipe.objective == "hybrid", recipe.vlb_weight}),
          .label_dropout = recipe.label_dropout,
          .null_label = null_label(spec),
          .conditional = !spec.labels.empty(),
          .noisy = recipe.classifier_noisy || !classifies(recipe),
          .seed = static_cast<uint64_t>(recipe.seed),
          .batch = recipe.batch,
          .parts = recipe.accumulation,
          .recompute = recipe.recompute};
}

/// What is trained on, and what it is judged by; null: nothing.
struct DataParts {
  std::shared_ptr<const Dataset> training, held_out;
};

DataParts split_data(const Recipe& recipe, const std::shared_ptr<const PreparedSet>& data) {
  const double share = classifies(recipe) ? recipe.classifier_held_out : recipe.validate_share;
  if (share == 0) return {data, nullptr};
  const auto order = permutation(static_cast<uint32_t>(data->size()),
                                 // Step 0 are the orders of epochs.
                                 NoiseKey{static_cast<uint64_t>(recipe.seed), 0, Purpose::data_order, 1});
  const auto held = static_cast<int64_t>(share * static_cast<double>(data->size()));
  check(held > 0 || classifies(recipe), "validate.share", "{} of {} examples is none; give a larger share",
        share, data->size());
  std::vector<int64_t> back(order.begin(), order.begin() + held), rest(order.begin() + held, order.end());
  std::sort(back.begin(), back.end());
  std::sort(rest.begin(), rest.end());
  return {subset(data, std::move(rest)), held > 0 ? subset(data, std::move(back)) : nullptr};
}

LoaderOptions loader_options(const TrainJob& job) {
  LoaderOptions options;
  options.batch = job.recipe.batch;
  options.seed = static_cast<uint64_t>(job.recipe.seed);
  options.flip = job.data_options.flip;
  options.random_crop = job.data_options.fit == "random-crop";
  return options;
}

class Trainer {
 public:
  Trainer(TrainJob job, const fs::path& run, bool resume, Console& console, const StopSignal& stop)
      : job_(std::move(job)), run_(run), console_(console), stop_(stop) {
    if (resume) lock_.emplace(run_);
    device_ = choose_device(job_.recipe.device);
    job_.recipe.device = device_.is_cpu() ? "cpu" : "cuda";
    job_.recipe.threads = set_threads(job_.recipe.threads);
    data_ = open_dataset(job_.data, job_.data_options, console_);
    if (job_.recipe.target.kind == "edm" && job_.recipe.target.sigma_data == 0)
      job_.recipe.target.sigma_data = standard_deviation(*data_);
    job_.recipe.variance = learns_variance(job_.recipe) ? "learned" : "fixed";
    spec_ = make_spec(job_, *data_);
    parts_ = split_data(job_.recipe, data_);
    if (classifies(job_.recipe)) job_.recipe.sample_count = 0;  // it makes nothing
    const Precision precision = choose_precision(job_.recipe.precision, device_);
    job_.recipe.precision = to_string(precision);
    config_ = job_schema(job_).to_toml();
    network_.emplace(spec_.network, precision, device_, static_cast<uint64_t>(job_.recipe.seed), true);
    pass_.emplace(*network_);
    optimizer_.emplace(job_.recipe.optimizer, network_->store(), job_.recipe.ema_lengths);
    objective_.emplace(make_objective(job_.recipe, spec_));
    if (encodes(job_.recipe)) {
      vae_.emplace(job_.recipe, spec_, device_);
      vae_->keep(state_);
    }
    announce();
    if (job_.recipe.times.spread == "importance") state_.times.emplace(objective_->target.schedule()->T());
    if (resume) {
      const fs::path checkpoint = newest_checkpoint(run_, console_);
      check_same_network(checkpoint);
      load_checkpoint(checkpoint, network_->store(), *optimizer_, state_);
      if (vae_) vae_->restore(state_);
      console_.info(fmt::format("resuming at step {} from {}", state_.step, checkpoint.string()));
      remove_stale_temporaries(run_ / "checkpoints");
      remove_stale_temporaries(run_ / "ema");
      remove_later_snapshots(run_, optimizer_->updates());
    }
    if (!resume) {
      make_folders(run_);
      lock_.emplace(run_);
      check_run_folder(run_, false);  // another process may have been faster
    }
    make_folders(run_ / "samples");
    write_file(run_ / "config.toml", config_);
    log_.emplace(run_, resume, state_.step,
                 classifies(job_.recipe) ? "cross-entropy"
                 : encodes(job_.recipe)  ? "nats per dimension"
                                         : "mean squared error");
    if (parts_.held_out && !classifies(job_.recipe))
      validation_.emplace(job_.recipe, spec_, parts_.held_out, device_);
    if (!resume)
      save_checkpoint(run_, state_, spec_, network_->store(), *optimizer_, config_,
                      job_.recipe.checkpoint_keep);
  }

  TrainResult run() {
    start_ = Clock::now();
    seconds_before_ = saved_at_ = interval_start_ = state_.seconds;
    images_at_interval_ = state_.position;
    plan_preview();
    loader_.emplace(parts_.training, data_->spec(), loader_options(job_), state_.position);
    stream_.emplace(*pass_, [this](PartPlace place) {
      PreparedPart part = prepare_part(*objective_, loader_->next(), place, device_);
      part.position = loader_->position();
      return part;
    });
    const int64_t total = job_.recipe.steps;
    const double minutes_left =
        job_.recipe.minutes > 0 ? std::max(1e-3, job_.recipe.minutes - state_.seconds / 60) : 0;
    Progress progress(console_, "training", "img", total, minutes_left);
    std::string reason = finished();
    // Nothing left to do: the run was ended after its last checkpoint, and its last line was dropped on
    // resuming.
    if (!reason.empty() && state_.interval.steps > 0) write_log();
    if (!reason.empty()) result_loss_ = log_->last_loss();
    if (!reason.empty() && reason != "signal") {
      console_.info(
          fmt::format("nothing to do: the run has had its {} (step {}, {:.1f} minutes); give more --steps or "
                      "--minutes, counted from the run's beginning",
                      reason, state_.step, state_.seconds / 60));
    }
    while (reason.empty()) {
      step();
      stepped_ = true;
      progress.update(state_.step, static_cast<int64_t>(state_.position),
                      fmt::format("loss {:.4f}", shown_loss_));
      state_.seconds = elapsed();
      reason = finished();
      if (state_.step % log_every == 0 || !reason.empty()) write_log();
      if (reason.empty()) occasionally();
    }
    progress.finish();
    return end(reason);
  }

 private:
  double elapsed() const { return seconds_before_ + seconds_since(start_); }

  double progress_share() const {
    const Recipe& r = job_.recipe;
    double share = 0;
    if (r.steps > 0) share = static_cast<double>(state_.step) / static_cast<double>(r.steps);
    if (r.minutes > 0) share = std::max(share, elapsed() / (60 * r.minutes));
    return share;
  }

  std::string finished() const {
    const Recipe& r = job_.recipe;
    if (r.steps > 0 && state_.step >= r.steps) return "steps";
    if (r.minutes > 0 && elapsed() >= 60 * r.minutes && state_.step > 0) return "minutes";
    return stop_.requested() ? "signal" : "";
  }

  void announce() {
    const auto& summary = data_->summary();
    console_.info(fmt::format("data: {} pictures of {}{}", summary.count, to_string(data_->spec()),
                              spec_.labels.empty() ? "" : fmt::format(", {} classes", spec_.labels.size())));
    if (summary.resized > 0) {
      console_.info(fmt::format("{} of them had another size; brought to {} x {} by data.fit={}",
                                summary.resized, summary.spec.height, summary.spec.width,
                                job_.data_options.fit));
    }
    console_.info(fmt::format("network: {:.2f} million parameters; {}, {}, {} threads",
                              static_cast<double>(network_->store().parameter_count()) / 1e6,
                              job_.recipe.device, job_.recipe.precision, job_.recipe.threads));
  }

  void check_same_network(const fs::path& checkpoint) const {
    const ModelFile file = open_model(checkpoint);
    nn::NetworkConfig before = file.spec.network, now = spec_.network;
    for (nn::NetworkConfig* network : {&before, &now}) {  // the latents' scale is measured on the way
      if (nn::is_autoencoder(*network)) nn::set_latent_scale(*network, {});
    }
    check(nn::to_json(before) == nn::to_json(now), checkpoint.string(),
          "the checkpoint's network differs from the one configured; network.* and the data's size and "
          "classes cannot "
          "change on --resume");
    check(
        to_json(file.spec.target) == to_json(spec_.target), checkpoint.string(),
        "the run began with another training target ({}); diffusion.target and its numbers cannot change on "
        "--resume",
        to_json(file.spec.target).dump());
    if (spec_.target.kind == "ddpm") check_same_schedule(checkpoint, file.spec);
    const bool had_second_moments =
        file.weights.file().contains("v." + network_->store().parameters().front().name);
    check(had_second_moments == (job_.recipe.optimizer.name == "adamw"), checkpoint.string(),
          "the run began with another optimizer; optimizer.name cannot change on --resume");
    warn_of_changes(file.weights.file());
    const auto was = file.spec.provenance.value("/data/hash"_json_pointer, std::string());
    if (!was.empty() && was != data_->summary().hash) {
      console_.warn(
          fmt::format("{} is not the data this run began with; it goes on, but not bit for bit", job_.data));
    }
  }

  void check_same_schedule(const fs::path& checkpoint, const ModelSpec& was) const {
    nlohmann::json before, now;
    to_json(before, was.schedule);
    to_json(now, spec_.schedule);
    check(before == now, checkpoint.string(),
          "the run began with another schedule; schedule.* cannot change on --resume");
    check(was.prediction == spec_.prediction, checkpoint.string(),
          "the run predicts {}; diffusion.prediction cannot change on --resume", to_string(was.prediction));
  }

  /// Names what differs from the run's own configuration and makes other numbers than it would have.
  void warn_of_changes(const SafetensorsFile& checkpoint) const {
    const auto config = checkpoint.metadata().find("config");
    check(config != checkpoint.metadata().end(), checkpoint.source(), "the checkpoint has no configuration");
    TrainJob before = job_, now = job_;
    job_schema(before).load_toml(config->second, checkpoint.source());
    for (TrainJob* job : {&before, &now}) {  // where a run ends, what it keeps and shows changes no weight
      Recipe& r = job->recipe;
      if (r.optimizer.decay == "constant") r.steps = 0, r.minutes = 0;
      r.checkpoint_minutes = r.sample_minutes = r.sample_guidance = 0;
      r.ema_snapshots = r.ema_snapshot_every = 0;
      r.ema_snapshot_precision.clear();
      r.checkpoint_steps = r.checkpoint_keep = r.sample_count = r.sample_steps = r.max_bad_steps = 0;
      r.preset.clear();
      job->data.clear();  // its hash is what counts
      job->licence.clear();
      job->data_options.threads = job->data_options.memory = 0;
    }
    const auto a = job_schema(before).to_json().flatten(), b = job_schema(now).to_json().flatten();
    std::string changed;
    for (const auto& [key, value] : b.items()) {
      if (a.contains(key) && a[key] == value) continue;
      std::string name = key.substr(1);
      std::replace(name.begin(), name.end(), '/', '.');
      changed += (changed.empty() ? "" : ", ") + name;
    }
    if (changed.empty()) return;
    console_.warn(fmt::format(
        "not as the run was configured: {}; it goes on, but not bit for bit as without the change", changed));
  }

  /// Of what is not recorded for a GPU, nor prepared ahead.
  PartResult alone(const Batch& batch, int64_t part) {
    if (vae_) return vae_->part(*network_, batch, state_.step);
    if (classifies(job_.recipe)) return classifier_part(*network_, *objective_, batch, state_.step, part);
    return bound_part(*network_, *objective_, state_.times ? &*state_.times : nullptr, batch, state_.step,
                      part);
  }

  /// Forward and backward; the optimizer has taken the gradients.
  PartResult part_of_step(int64_t part) {
    const Recipe& r = job_.recipe;
    const auto collect = [&] { optimizer_->collect(r.accumulation == 1); };
    if (classifies(r) || objective_->bound || vae_) {
      PartResult result = alone(loader_->next(), part);
      result.position = loader_->position();
      collect();
      return result;
    }
    const bool last = part + 1 == r.accumulation;
    const PartPlace next = last ? PartPlace{state_.step + 1, 0} : PartPlace{state_.step, part + 1};
    return (*stream_)({state_.step, part}, next, collect);
  }

  void step() {
    const Recipe& r = job_.recipe;
    double loss = 0;
    uint64_t position = state_.position;
    std::vector<PartResult> parts;
    for (int64_t part = 0; part < r.accumulation; ++part) {
      parts.push_back(part_of_step(part));
      const PartResult& result = parts.back();
      position = result.position;
      loss += result.loss / static_cast<double>(r.accumulation);
      for (size_t i = 0; i < result.errors.size(); ++i) {
        state_.interval.add_sample(result.shares[i], result.errors[i]);
        if (!result.correct.empty()) state_.interval.add_answer(result.shares[i], result.correct[i]);
      }
      for (const double bits : result.bounds) state_.interval.add_bound(bits);
      for (const double kl : result.kl) state_.interval.kl += std::isfinite(kl) ? kl : 0;
      for (const double mse : result.mse) state_.interval.mse += std::isfinite(mse) ? mse : 0;
    }
    // All parts of a step draw from the same distribution, however many there are.
    for (const PartResult& result : parts) {
      for (size_t i = 0; state_.times && i < result.drawn.size(); ++i)
        state_.times->add(result.drawn[i], result.losses[i]);
    }
    const double part_share = 1.0 / static_cast<double>(r.accumulation);
    const double norm = optimizer_->gradient_norm(part_share);
    if (std::isfinite(loss)) {  // a NaN would swallow the whole interval, and JSON cannot hold it
      state_.interval.loss += loss;
      ++state_.interval.steps;
      shown_loss_ = std::isnan(shown_loss_) ? loss : 0.95 * shown_loss_ + 0.05 * loss;
    }
    if (vae_) vae_->step(r.accumulation, std::isfinite(norm));
    if (std::isfinite(norm)) {
      state_.interval.gradient_norm += norm;
      ++state_.interval.gradient_steps;
      const double limit = r.optimizer.clip_norm;
      const double clip = limit > 0 && norm > limit ? limit / norm : 1.0;
      optimizer_->step(learning_rate(r.optimizer, state_.step, progress_share()), part_share * clip,
                       ema_decay(r.ema_decay, r.ema_warmup, optimizer_->updates()));
      state_.bad_steps = 0;
      if (snapshot_due(r, optimizer_->updates())) snapshot();
    } else {
      optimizer_->discard();
      ++state_.skipped;
      ++state_.bad_steps;
    }
    state_.position = position;
    ++state_.step;
    if (state_.skipped == 1 && state_.bad_steps == 1) {
      console_.warn(fmt::format("step {}: the gradient is not finite; the step is skipped", state_.step));
    }
    if (state_.bad_steps >= r.max_bad_steps) roll_back();
  }

  void snapshot() {
    spec_.provenance["steps"] = state_.step + 1;  // the step that this update ends
    save_snapshot(run_, job_.recipe, spec_, network_->store(), *optimizer_);
  }

  /// Weights, moments and EMA return to the last checkpoint; the stream of data goes on, so other batches
  /// follow.
  void roll_back() {
    if (state_.step - state_.last_rollback > 100 * job_.recipe.max_bad_steps) state_.rollbacks_in_a_row = 0;
    state_.last_rollback = state_.step;
    check(++state_.rollbacks_in_a_row <= max_rollbacks, run_.string(),
          "training diverges: {} non-finite gradients in a row, again after {} returns to a checkpoint; "
          "lower optimizer.lr",
          state_.bad_steps, max_rollbacks);
    const fs::path checkpoint = newest_checkpoint(run_, console_);
    console_.warn(
        fmt::format("step {}: {} non-finite gradients in a row; weights, moments and EMA return to {}",
                    state_.step, state_.bad_steps, checkpoint.string()));
    TrainState then = state_;
    load_checkpoint(checkpoint, network_->store(), *optimizer_, then);
    state_.times = std::move(then.times);
    if (vae_) vae_->restore(then);
    remove_later_snapshots(run_, optimizer_->updates());
    ++state_.rollbacks;
    state_.bad_steps = 0;
  }

  /// One line of the log. The last line of a run may cover less than a whole interval: it is marked, and a
  /// resumed run drops it and goes on with the interval, so that its log is that of a run never stopped.
  void write_log() {
    const bool partial = state_.step % log_every != 0;
    const double seconds = elapsed();
    const double passed = std::max(1e-9, seconds - interval_start_);
    result_loss_ = state_.interval.mean_loss();
    nlohmann::json line{
        {"step", state_.step},
        {"images", state_.position},
        {"seconds", seconds},
        {"images_per_second", static_cast<double>(state_.position - images_at_interval_) / passed},
        {"lr", learning_rate(job_.recipe.optimizer, state_.step - 1, progress_share())},
        {"skipped", state_.skipped},
        {"rollbacks", state_.rollbacks}};
    if (partial) line["partial"] = true;
    if (validation_ && !partial && state_.step % job_.recipe.validate_every == 0) validate(line);
    log_->write(state_.interval, line);
    if (partial) return;
    state_.interval = {};
    interval_start_ = seconds;
    images_at_interval_ = state_.position;
  }

  void validate(nlohmann::json& line) {
    if (vae_) vae_->describe(spec_, optimizer_->ema(), *parts_.training);
    const auto found = validation_->measure(optimizer_->ema(), spec_, state_.step, console_, stop_);
    if (found) line["validation"] = to_json(*found);
  }

  void occasionally() {
    const Recipe& r = job_.recipe;
    const bool by_steps = r.checkpoint_steps > 0 && state_.step % r.checkpoint_steps == 0;
    const bool by_time = r.checkpoint_minutes > 0 && state_.seconds - saved_at_ >= 60 * r.checkpoint_minutes;
    if (by_steps || by_time) save();
    if (r.sample_count > 0 && state_.seconds >= next_preview_) {
      preview();
      plan_preview();
    }
  }

  void save() {
    state_.seconds = elapsed();
    spec_.provenance["steps"] = state_.step;
    spec_.provenance["images"] = state_.position;
    if (vae_) {
      vae_->keep(state_);
      vae_->describe(spec_, optimizer_->ema(), *parts_.training);
    }
    save_checkpoint(run_, state_, spec_, network_->store(), *optimizer_, config_,
                    job_.recipe.checkpoint_keep);
    save_model(run_, spec_, network_->store(), *optimizer_);
    log_->draw();
    saved_at_ = state_.seconds;
  }

  void plan_preview() {
    const double minutes = job_.recipe.sample_minutes, now = state_.seconds;
    next_preview_ = minutes > 0 ? now + 60 * minutes : std::max(first_preview, 2 * now);
  }

  void preview() {
    if (!preview_) preview_.emplace(job_.recipe, spec_, device_);
    const std::optional<Image> drawn = preview_->draw(optimizer_->ema(), stop_);
    if (!drawn) return;  // the run ends at once; a resumed one draws again
    const Image& grid = *drawn;
    const auto png = encode_png(grid, {{"step", std::to_string(state_.step)}});
    write_file(run_ / "samples" / fmt::format("step-{:010d}.png", state_.step), png);
    log_->image(state_.step, grid.width, grid.height, grid.channels, png);
  }

  TrainResult end(const std::string& reason) {
    const double seconds = elapsed();
    if (stepped_ || !fs::exists(run_ / "model.safetensors")) save();
    if (stepped_ && !job_.recipe.ema_lengths.empty() && optimizer_->updates() > 0 &&
        !snapshot_due(job_.recipe, optimizer_->updates()))
      save_snapshot(run_, job_.recipe, spec_, network_->store(), *optimizer_);
    if (stepped_ && job_.recipe.sample_count > 0 && reason != "signal") preview();
    std::optional<ClassifierScore> score;
    if (parts_.held_out && classifies(job_.recipe) && reason != "signal") score = judge();
    std::optional<VaeReport> vae;
    if (vae_ && reason != "signal") {
      vae_->describe(spec_, optimizer_->ema(), *parts_.training);
      vae = judge_vae(spec_, optimizer_->ema(), parts_.held_out ? *parts_.held_out : *parts_.training, 256, 1,
                      static_cast<uint64_t>(job_.recipe.seed), stop_);
    }
    return {.run = run_,
            .model = run_ / "model.safetensors",
            .steps = state_.step,
            .images = state_.position,
            .seconds = seconds,
            .loss = result_loss_,
            .skipped = state_.skipped,
            .rollbacks = state_.rollbacks,
            .ended_by = reason,
            .score = score,
            .vae = std::move(vae)};
  }

  /// The averaged weights on the examples held out.
  ClassifierScore judge() {
    TorchNetwork network(spec_.network, Precision::fp32, device_, 0, false);
    network.store().flat().copy_(optimizer_->ema());
    return score_classifier(network, *objective_, spec_, *parts_.held_out, stop_);
  }

  TrainJob job_;
  fs::path run_;
  std::optional<FolderLock> lock_;
  Console& console_;
  const StopSignal& stop_;
  at::Device device_ = at::kCPU;
  std::shared_ptr<PreparedSet> data_;
  DataParts parts_;
  ModelSpec spec_;
  std::string config_;
  std::optional<TorchNetwork> network_;
  std::optional<TrainingPass> pass_;
  std::optional<Optimizer> optimizer_;
  std::optional<TrainingObjective> objective_;
  std::optional<Loader> loader_;
  std::optional<PartStream> stream_;
  std::optional<RunLog> log_;
  std::optional<Preview> preview_;
  std::optional<VaeLearner> vae_;
  std::optional<Validation> validation_;
  TrainState state_;
  Clock::time_point start_;
  double seconds_before_ = 0, saved_at_ = 0, next_preview_ = 0, interval_start_ = 0;
  uint64_t images_at_interval_ = 0;
  bool stepped_ = false;  // in this process
  double shown_loss_ = std::nan(""), result_loss_ = 0;
};

}  // namespace

TrainResult train(const TrainJob& job, const fs::path& run, bool resume, Console& console,
                  const StopSignal& stop) {
  check_recipe(job.recipe);
  check_run_folder(run, resume);
  return with_own_errors([&] { return Trainer(job, run, resume, console, stop).run(); });
}

}  // namespace langevin
