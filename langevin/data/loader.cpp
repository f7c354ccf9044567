#include "langevin/data/loader.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/data/parallel.h"

namespace langevin {
namespace {

constexpr uint64_t kMaxPosition = uint64_t{1} << 56;  // what a NoiseKey can count

using Order = std::shared_ptr<const std::vector<uint32_t>>;

/// The orders of the epochs in use; made once for all workers.
class Orders {
 public:
  Orders(int64_t size, uint64_t seed) : size_(static_cast<uint32_t>(size)), seed_(seed) {}
  Order of(uint64_t epoch) {
    std::lock_guard lock(mutex_);
    for (const auto& [known, order] : recent_) {
      if (known == epoch) return order;
    }
    auto order = std::make_shared<const std::vector<uint32_t>>(
        permutation(size_, NoiseKey{seed_, epoch, Purpose::data_order, 0}));
    recent_[turn_++ % recent_.size()] = {epoch, order};
    return order;
  }

 private:
  uint32_t size_;
  uint64_t seed_;
  std::mutex mutex_;
  size_t turn_ = 0;
  std::array<std::pair<uint64_t, Order>, 2> recent_{{{~uint64_t{0}, nullptr}, {~uint64_t{0}, nullptr}}};
};

/// Where sample `position` is cut and whether it is mirrored. The draws stand in a fixed order, so that one
/// option does not change what another does.
struct Augment {
  int64_t top = 0, left = 0;
  bool flip = false;
};

Augment augment(const LoaderOptions& options, const PixelView& picture, const ImageSpec& spec,
                uint64_t position) {
  const int64_t down = picture.height - spec.height, across = picture.width - spec.width;
  check(down >= 0 && across >= 0, "make_batch", "a picture of {}x{} is smaller than {}x{}", picture.width,
        picture.height, spec.width, spec.height);
  Augment out{down / 2, across / 2, false};
  if (!options.flip && !options.random_crop) return out;
  RandomStream random(NoiseKey{options.seed, position, Purpose::augment, 0});
  const bool mirror = random.uniform() < 0.5;
  const auto top = static_cast<int64_t>(random.below(static_cast<uint64_t>(down) + 1));
  const auto left = static_cast<int64_t>(random.below(static_cast<uint64_t>(across) + 1));
  out.flip = options.flip && mirror;
  if (options.random_crop) out.top = top, out.left = left;
  return out;
}

/// byte -> pixel / 127.5 - 1, rounded once.
const std::array<float, 256>& byte_to_float() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> t{};
    for (size_t i = 0; i < t.size(); ++i) t[i] = static_cast<float>(static_cast<double>(i) / 127.5 - 1.0);
    return t;
  }();
  return table;
}

/// One row of `kChannels` interleaved bytes into as many planes.
template <int kChannels>
void split_row(const uint8_t* in, int64_t width, int64_t plane, float* out) {
  const auto& table = byte_to_float();
  for (int64_t x = 0; x < width; ++x) {
    for (int c = 0; c < kChannels; ++c) out[c * plane + x] = table[in[x * kChannels + c]];
  }
}

void check_spec(const ImageSpec& spec) {
  check(spec.channels >= 1 && spec.height >= 1 && spec.width >= 1, "Loader", "bad picture size {}",
        to_string(spec));
}

Batch fill_batch(const Dataset& dataset, const ImageSpec& spec, const LoaderOptions& options, Orders& orders,
                 uint64_t position) {
  const auto n = static_cast<uint64_t>(dataset.size());
  Batch batch;
  batch.first = position;
  batch.images = HostArrayF({options.batch, spec.channels, spec.height, spec.width});
  Order order;
  uint64_t order_of = 0;
  for (int64_t b = 0; b < options.batch; ++b) {
    const uint64_t k = position + static_cast<uint64_t>(b), epoch = k / n;
    if (options.shuffle && (!order || order_of != epoch)) order = orders.of(epoch), order_of = epoch;
    const auto i = static_cast<int64_t>(options.shuffle ? (*order)[k % n] : k % n);
    Example decoded;
    std::optional<PixelView> picture = dataset.view(i);
    if (picture) {
      batch.labels.push_back(dataset.label(i));
      if (options.captions) batch.captions.push_back(dataset.caption(i));
    } else {
      decoded = dataset.get(i);
      const Image& image = decoded.image;
      picture = PixelView{image.pixels, image.height, image.width, image.channels};
      batch.labels.push_back(decoded.label);
      if (options.captions) batch.captions.push_back(std::move(decoded.caption));
    }
    batch.indices.push_back(i);
    const Augment how = augment(options, *picture, spec, k);
    to_float_chw(*picture, spec, how.top, how.left, how.flip, batch.images.sample(b));
  }
  return batch;
}

}  // namespace

void to_float_chw(const PixelView& picture, const ImageSpec& spec, int64_t top, int64_t left, bool flip,
                  std::span<float> out) {
  check(picture.channels == spec.channels && top >= 0 && left >= 0 && top + spec.height <= picture.height &&
            left + spec.width <= picture.width,
        "to_float_chw", "{} at ({}, {}) does not lie in a picture of {} x {} x {}", to_string(spec), top,
        left, picture.channels, picture.height, picture.width);
  check(static_cast<int64_t>(out.size()) == spec.size() &&
            static_cast<int64_t>(picture.pixels.size()) == picture.channels * picture.height * picture.width,
        "to_float_chw", "buffers of {} bytes and {} floats do not fit", picture.pixels.size(), out.size());
  const int64_t plane = spec.height * spec.width;
  for (int64_t y = 0; y < spec.height; ++y) {
    const uint8_t* in = picture.pixels.data() + ((top + y) * picture.width + left) * picture.channels;
    float* to = out.data() + y * spec.width;
    switch (spec.channels) {
      case 1:
        split_row<1>(in, spec.width, plane, to);
        break;
      case 3:
        split_row<3>(in, spec.width, plane, to);
        break;
      case 4:
        split_row<4>(in, spec.width, plane, to);
        break;
      default:
        fail("to_float_chw: {} channels", spec.channels);
    }
    for (int64_t c = 0; flip && c < spec.channels; ++c)
      std::reverse(to + c * plane, to + c * plane + spec.width);
  }
}

int64_t example_at(uint64_t position, int64_t dataset_size, uint64_t seed) {
  check(dataset_size >= 1 && dataset_size <= INT64_C(0xffffffff), "example_at", "a set of {}", dataset_size);
  const auto n = static_cast<uint64_t>(dataset_size);
  return permutation(static_cast<uint32_t>(n),
                     NoiseKey{seed, position / n, Purpose::data_order, 0})[position % n];
}

Batch make_batch(const Dataset& dataset, const ImageSpec& spec, const LoaderOptions& options,
                 uint64_t position) {
  check(dataset.size() >= 1 && options.batch >= 1, "make_batch", "a set of {}, a batch of {}", dataset.size(),
        options.batch);
  check_spec(spec);
  Orders orders(dataset.size(), options.seed);
  return fill_batch(dataset, spec, options, orders, position);
}

/// A ring of slots. Batch number t (from the start) belongs to slot t mod depth and is begun only when batch
/// t - depth has been taken, so whoever holds t owns the slot.
struct Loader::State {
  struct Slot {
    std::optional<Batch> batch;
    std::exception_ptr error;
  };
  std::shared_ptr<const Dataset> dataset;
  ImageSpec spec;
  LoaderOptions options;
  uint64_t start = 0;
  std::unique_ptr<Orders> orders;
  std::vector<Slot> slots;
  uint64_t begun = 0, taken = 0;  // batches
  bool stop = false;
  std::mutex mutex;
  std::condition_variable room, ready;
  std::vector<std::thread> workers;

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      room.wait(lock, [&] { return stop || begun < taken + slots.size(); });
      if (stop) return;
      const uint64_t ticket = begun++;
      lock.unlock();
      Slot made;
      try {
        made.batch = fill_batch(*dataset, spec, options, *orders,
                                start + ticket * static_cast<uint64_t>(options.batch));
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      slots[ticket % slots.size()] = std::move(made);
      ready.notify_all();
    }
  }
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, const ImageSpec& spec, const LoaderOptions& options,
               uint64_t start_position)
    : state_(std::make_unique<State>()) {
  if (options.batch < 1) fail_usage("batch must be at least 1, got {}", options.batch);
  if (options.threads < 0 || options.prefetch < 0)
    fail_usage("the loader's threads and prefetch must not be negative");
  check(dataset != nullptr && dataset->size() >= 1, "Loader", "the set is empty");
  check(dataset->size() <= INT64_C(0xffffffff), "Loader", "{} examples are more than 2^32 - 1",
        dataset->size());
  check(start_position < kMaxPosition, "Loader", "position {} is not below 2^56", start_position);
  check_spec(spec);
  State& s = *state_;
  int64_t threads = options.threads;
  if (threads == 0) threads = dataset->view(0) ? 1 : std::min<int64_t>(8, resolve_threads(0));
  s.dataset = std::move(dataset);
  s.spec = spec;
  s.options = options;
  s.start = start_position;
  s.orders = std::make_unique<Orders>(s.dataset->size(), options.seed);
  s.slots.resize(static_cast<size_t>(options.prefetch > 0 ? options.prefetch : threads + 2));
  for (int64_t t = 0; t < threads; ++t) s.workers.emplace_back([&s] { s.work(); });
}

namespace {
LoaderOptions with_augmentation(LoaderOptions options, const DataOptions& data) {
  options.flip = data.flip;
  options.random_crop = data.fit == "random-crop";
  if (options.threads == 0) options.threads = data.threads;
  return options;
}
}  // namespace

Loader::Loader(std::shared_ptr<const PreparedSet> dataset, LoaderOptions options, uint64_t start_position)
    : Loader(dataset, dataset->spec(), with_augmentation(std::move(options), dataset->options()),
             start_position) {}

Loader::~Loader() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->room.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

Batch Loader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  State::Slot& slot = s.slots[s.taken % s.slots.size()];
  s.ready.wait(lock, [&] { return slot.batch || slot.error; });
  if (slot.error) std::rethrow_exception(slot.error);
  Batch batch = std::move(*slot.batch);
  slot.batch.reset();
  ++s.taken;
  lock.unlock();
  s.room.notify_one();
  return batch;
}

uint64_t Loader::position() const {
  std::lock_guard lock(state_->mutex);
  return state_->start + state_->taken * static_cast<uint64_t>(state_->options.batch);
}

int64_t Loader::epoch_size() const { return state_->dataset->size(); }

}  // namespace langevin
