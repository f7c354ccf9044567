// The second half of open_dataset(): every picture is decoded once, in parallel, which tells good from bad,
// the sizes and the channels; what fits in memory is kept, packed.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/core/checksum.h"
#include "langevin/data/parallel.h"
#include "langevin/data/resize.h"
#include "langevin/data/source.h"

namespace langevin {
namespace {

constexpr size_t kNamed = 3;  // bad pictures a warning names

/// How a picture is brought into shape.
struct Recipe {
  DataOptions options;
  Colour background{};
  int channels = 0;  // 0: gray stays gray, all else becomes RGB
  std::optional<Extent> target;
};

int channels_after(const Recipe& recipe, int channels) {
  if (recipe.channels != 0) return recipe.channels;
  return channels == 1 ? 1 : 3;
}

/// Extents after apply(); Error starting with `name` where that cannot be.
Extent extent_after(const Recipe& recipe, Extent image, const std::string& name) {
  if (!recipe.target) return image;
  const std::string& fit = recipe.options.fit;
  if (fit == "none" && image != *recipe.target) {
    fail("{}: {}x{}, not {}x{} as asked with data.fit=none", name, image.width, image.height,
         recipe.target->width, recipe.target->height);
  }
  if (fit != "random-crop") return *recipe.target;
  const Extent covering = cover(image, *recipe.target, recipe.options.zoom);
  if (int64_t{covering.height} * covering.width > recipe.options.max_pixels ||
      std::max(covering.height, covering.width) > 65535) {
    fail("{}: {}x{} is too long and thin for data.fit=random-crop", name, image.width, image.height);
  }
  return covering;
}

Image apply(const Recipe& recipe, Image image, const std::string& name) {
  const int channels = channels_after(recipe, image.channels);
  if (channels != image.channels) image = to_channels(image, channels, recipe.background);
  const Extent from{image.height, image.width};
  const Extent to = extent_after(recipe, from, name);
  if (recipe.options.fit == "crop" && recipe.target) {
    return resize(image, centred_window(from, to, recipe.options.zoom), to);
  }
  return to == from ? image : resize(image, to);
}

Recipe make_recipe(const DataOptions& options) {
  Recipe recipe{options, parse_colour(options.background), static_cast<int>(options.channels), {}};
  if (options.size > 0) {
    recipe.target = Extent{static_cast<int>(options.size),
                           static_cast<int>(options.width > 0 ? options.width : options.size)};
  }
  return recipe;
}

/// What the scan learns about one picture.
struct Finding {
  Extent size, original;
  int channels = 0;
  Image image;          // empty unless kept
  std::string content;  // hash of the decoded pixels; empty if only the header was read
  std::string error;    // not empty: bad
};

/// Progress that appears only when a scan is long enough to be waited for.
class LateProgress {
 public:
  LateProgress(Console& console, int64_t total) : console_(console), total_(total) {}
  void step() {
    std::lock_guard lock(mutex_);
    ++done_;
    if (!bar_ && std::chrono::steady_clock::now() - start_ > std::chrono::seconds(1)) {
      bar_.emplace(console_, "reading pictures", "images", total_);
    }
    if (bar_) bar_->update(done_, done_);
  }

 private:
  Console& console_;
  int64_t total_, done_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::optional<Progress> bar_;
};

struct Scan {
  std::vector<Finding> findings;
  bool kept = false;  // the good ones hold their image
};

int64_t bytes_of(const Finding& f, int channels) { return int64_t{f.size.height} * f.size.width * channels; }

std::string hash_of(std::span<const uint8_t> pixels) {
  Xxh3 hash;
  hash.update(std::as_bytes(pixels));
  return hash.hex();
}

Scan scan_headers(const Source& source, const Recipe& recipe, Console& console) {
  Scan scan;
  scan.findings.resize(static_cast<size_t>(source.size()));
  LateProgress progress(console, source.size());
  parallel_for(source.size(), recipe.options.threads, [&](int64_t i) {
    Finding& finding = scan.findings[static_cast<size_t>(i)];
    try {
      const ImageInfo info = source.probe(i);
      finding.original = {info.height, info.width};
      finding.channels = channels_after(recipe, info.channels);
      finding.size = extent_after(recipe, finding.original, source.name(i));
    } catch (const Error& error) {
      finding.error = error.what();
    }
    progress.step();
  });
  return scan;
}

Scan scan_pixels(const Source& source, const Recipe& recipe, Console& console) {
  Scan scan;
  scan.findings.resize(static_cast<size_t>(source.size()));
  const int64_t limit = recipe.options.memory << 20;
  std::atomic<int64_t> total{0};
  LateProgress progress(console, source.size());
  parallel_for(source.size(), recipe.options.threads, [&](int64_t i) {
    Finding& finding = scan.findings[static_cast<size_t>(i)];
    try {
      Image image = source.get(i).image;
      finding.original = {image.height, image.width};
      finding.content = hash_of(image.pixels);
      image = apply(recipe, std::move(image), source.name(i));
      finding.size = {image.height, image.width};
      finding.channels = image.channels;
      const int64_t bytes = bytes_of(finding, image.channels);
      if (total.fetch_add(bytes) + bytes <= limit) finding.image = std::move(image);
    } catch (const Error& error) {
      finding.error = error.what();
    }
    progress.step();
  });
  scan.kept = total <= limit;
  return scan;
}

/// Whether decoding to learn of bad pictures is called for, or pays since the result is kept.
Scan scan_source(const Source& source, const Recipe& recipe, Console& console) {
  if (recipe.options.verify) return scan_pixels(source, recipe, console);
  Scan scan = scan_headers(source, recipe, console);
  int64_t total = 0;
  for (const Finding& f : scan.findings) total += bytes_of(f, f.channels);
  return total <= (recipe.options.memory << 20) ? scan_pixels(source, recipe, console) : scan;
}

/// Bad pictures as the options want it: an error, or one warning; the good ones' indices.
std::vector<int64_t> sort_out(const Source& source, const std::vector<Finding>& findings,
                              const DataOptions& options, Console& console, DatasetSummary& summary) {
  std::vector<int64_t> good;
  for (size_t i = 0; i < findings.size(); ++i) {
    const std::string& error = findings[i].error;
    if (error.empty()) {
      good.push_back(static_cast<int64_t>(i));
      continue;
    }
    if (options.strict)
      fail("{}: {} (bad picture; remove it, or let data.strict=false skip it)", summary.path, error);
    const std::string name = source.name(static_cast<int64_t>(i));
    summary.skipped.emplace_back(name,
                                 error.starts_with(name + ": ") ? error.substr(name.size() + 2) : error);
  }
  std::string named;
  for (size_t k = 0; k < std::min(kNamed, summary.skipped.size()); ++k) {
    named += fmt::format("{}{}: {}", k == 0 ? "" : "; ", summary.skipped[k].first, summary.skipped[k].second);
  }
  if (summary.skipped.size() > kNamed) named += fmt::format("; and {} more", summary.skipped.size() - kNamed);
  if (good.empty()) fail("{}: none of the {} images is usable: {}", summary.path, findings.size(), named);
  if (!summary.skipped.empty()) {
    console.warn(fmt::format("skipped {} of {} images: {}", summary.skipped.size(), findings.size(), named));
  }
  return good;
}

ImageSpec common_spec(const Source& source, const std::string& path, const std::vector<Finding>& findings,
                      const std::vector<int64_t>& good, const Recipe& recipe) {
  const Finding& first = findings[static_cast<size_t>(good[0])];
  ImageSpec spec{recipe.channels, first.size.height, first.size.width};
  if (recipe.target) spec.height = recipe.target->height, spec.width = recipe.target->width;
  for (int64_t i : good) {
    const Finding& f = findings[static_cast<size_t>(i)];
    spec.channels = std::max<int64_t>(spec.channels, f.channels);
    if (!recipe.target && f.size != first.size) {
      fail("{}: sizes differ ({} {}x{}, {} {}x{}): give --set data.size=N", path, source.name(good[0]),
           first.size.width, first.size.height, source.name(i), f.size.width, f.size.height);
    }
  }
  return spec;
}

class Prepared final : public PreparedSet {
 public:
  Prepared(std::shared_ptr<const Source> source, std::vector<int64_t> good, Recipe recipe,
           DatasetSummary summary)
      : source_(std::move(source)),
        good_(std::move(good)),
        recipe_(std::move(recipe)),
        summary_(std::move(summary)) {
    recipe_.channels = static_cast<int>(summary_.spec.channels);
    recipe_.options.channels = recipe_.channels;
  }
  /// Moves the kept images into one buffer.
  void pack(std::vector<Finding>& findings) {
    uint64_t total = 0;
    for (int64_t i : good_) {
      const Finding& f = findings[static_cast<size_t>(i)];
      slots_.push_back({total, f.size});
      total += static_cast<uint64_t>(bytes_of(f, recipe_.channels));
    }
    packed_.reset(new uint8_t[total]);  // not cleared: pages come as the pictures that fill them go
    for (size_t k = 0; k < good_.size(); ++k) {
      Image image = std::move(findings[static_cast<size_t>(good_[k])].image);
      if (image.channels != recipe_.channels)
        image = to_channels(image, recipe_.channels, recipe_.background);
      std::memcpy(packed_.get() + slots_[k].offset, image.pixels.data(), image.pixels.size());
    }
    summary_.memory_bytes = static_cast<int64_t>(total);
  }
  /// The source's own pixels are what is wanted.
  void pass_through() { through_ = true; }

  const ImageSpec& spec() const override { return summary_.spec; }
  const DatasetSummary& summary() const override { return summary_; }
  const DataOptions& options() const override { return recipe_.options; }
  int64_t size() const override { return static_cast<int64_t>(good_.size()); }
  std::vector<std::string> class_names() const override { return source_->class_names(); }
  int64_t label(int64_t i) const override { return source_->label(at(i)); }
  std::string caption(int64_t i) const override { return source_->caption(at(i)); }
  std::string name(int64_t i) const override { return source_->name(at(i)); }
  std::optional<PixelView> view(int64_t i) const override {
    const int64_t j = at(i);
    if (through_) return source_->view(j);
    if (!packed_) return std::nullopt;
    const Slot& slot = slots_[static_cast<size_t>(i)];
    const int64_t size = int64_t{slot.size.height} * slot.size.width * recipe_.channels;
    return PixelView{{packed_.get() + slot.offset, static_cast<size_t>(size)},
                     slot.size.height,
                     slot.size.width,
                     recipe_.channels};
  }
  Example get(int64_t i) const override {
    const int64_t j = at(i);
    if (const auto pixels = view(i)) {
      Image image{static_cast<int>(pixels->width),
                  static_cast<int>(pixels->height),
                  recipe_.channels,
                  {pixels->pixels.begin(), pixels->pixels.end()}};
      return {std::move(image), label(i), caption(i), name(i)};
    }
    Example example = source_->get(j);
    example.image = apply(recipe_, std::move(example.image), example.name);
    check(recipe_.target || (example.image.height == spec().height && example.image.width == spec().width),
          "Dataset::get", "{} has become {}x{} since the set was opened", example.name, example.image.width,
          example.image.height);
    return example;
  }

 private:
  struct Slot {
    uint64_t offset;
    Extent size;
  };
  int64_t at(int64_t i) const {
    check(i >= 0 && i < size(), "Dataset::get", "example {} of {}", i, size());
    return good_[static_cast<size_t>(i)];
  }
  std::shared_ptr<const Source> source_;
  std::vector<int64_t> good_;
  Recipe recipe_;
  DatasetSummary summary_;
  std::unique_ptr<uint8_t[]> packed_;
  std::vector<Slot> slots_;
  bool through_ = false;
};

/// True where the source shows, without decoding, just the pixels the recipe would give.
bool passes_through(const Source& source, const Recipe& recipe) {
  if (!source.view(0)) return false;
  const ImageInfo info = source.probe(0);
  const Extent size{info.height, info.width};
  return channels_after(recipe, info.channels) == info.channels &&
         (!recipe.target || (*recipe.target == size && recipe.options.zoom == 1.0));
}

/// `contents`: hashes by the source's number.
void count_up(const Source& source, const std::vector<int64_t>& good,
              const std::vector<std::string>& contents, DatasetSummary& summary) {
  std::vector<ExamplePrint> prints;
  for (const std::string& name : source.class_names()) summary.classes.emplace_back(name, 0);
  for (int64_t i : good) {
    prints.push_back(
        {source.name(i), source.label(i), source.stored_bytes(i), contents[static_cast<size_t>(i)]});
    const ExamplePrint& print = prints.back();
    summary.source_bytes += print.size;
    summary.captions += source.caption(i).empty() ? 0 : 1;
    if (print.label >= 0) ++summary.classes[static_cast<size_t>(print.label)].second;
  }
  summary.count = static_cast<int64_t>(good.size());
  summary.hash = fingerprint(prints);
}

}  // namespace

std::shared_ptr<PreparedSet> prepare(std::shared_ptr<const Source> source, const DataOptions& options,
                                     const std::string& path, Console& console) {
  const Recipe recipe = make_recipe(options);
  DatasetSummary summary;
  summary.path = path;
  summary.kind = source->kind();
  if (source->size() > INT64_C(0xffffffff))
    fail("{}: {} examples are more than 2^32 - 1", path, source->size());
  std::vector<int64_t> good;
  if (passes_through(*source, recipe)) {
    for (int64_t i = 0; i < source->size(); ++i) good.push_back(i);
    const ImageInfo info = source->probe(0);
    summary.spec = {info.channels, info.height, info.width};
    std::vector<std::string> contents(good.size());
    parallel_for(source->size(), options.threads, [&](int64_t i) {
      contents[static_cast<size_t>(i)] = hash_of(source->view(i).value().pixels);
    });
    count_up(*source, good, contents, summary);
    summary.memory_bytes = summary.source_bytes;
    auto set = std::make_shared<Prepared>(source, std::move(good), recipe, std::move(summary));
    set->pass_through();
    return set;
  }
  Scan scan = scan_source(*source, recipe, console);
  good = sort_out(*source, scan.findings, options, console, summary);
  summary.spec = common_spec(*source, path, scan.findings, good, recipe);
  int64_t bytes = 0;
  for (int64_t i : good) {
    const Finding& f = scan.findings[static_cast<size_t>(i)];
    bytes += bytes_of(f, static_cast<int>(summary.spec.channels));
    summary.resized +=
        f.original != Extent{static_cast<int>(summary.spec.height), static_cast<int>(summary.spec.width)};
    summary.mixed_sizes |= f.original != scan.findings[static_cast<size_t>(good[0])].original;
  }
  std::vector<std::string> contents;
  for (Finding& f : scan.findings) contents.push_back(std::move(f.content));
  count_up(*source, good, contents, summary);
  auto set = std::make_shared<Prepared>(source, std::move(good), recipe, std::move(summary));
  if (scan.kept && bytes <= (options.memory << 20)) set->pack(scan.findings);
  return set;
}

}  // namespace langevin
