// Sets that lie as one array: IDX, CIFAR, npy and npz end up here.
#include <algorithm>
#include <cstring>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/data/source.h"

namespace langevin {
namespace {

constexpr int64_t kMaxClasses = 1'000'000;

class TableSource final : public Source {
 public:
  explicit TableSource(std::vector<Table> parts) : parts_(std::move(parts)) {
    check(!parts_.empty(), "table_source", "needs at least one part");
    for (const Table& part : parts_) {
      validate(part);
      starts_.push_back(total_);
      total_ += part.count;
    }
  }
  int64_t size() const override { return total_; }
  std::vector<std::string> class_names() const override { return parts_[0].classes; }
  std::string kind() const override { return parts_[0].kind; }
  int64_t stored_bytes(int64_t) const override {
    return int64_t{parts_[0].height} * parts_[0].width * parts_[0].channels;
  }
  ImageInfo probe(int64_t) const override {
    ImageInfo info;
    info.height = parts_[0].height;
    info.width = parts_[0].width;
    info.channels = parts_[0].channels;
    return info;
  }
  int64_t label(int64_t i) const override {
    const auto [part, j] = find(i);
    return part->labels.empty() ? -1 : part->labels[static_cast<size_t>(j)];
  }
  std::string caption(int64_t) const override { return ""; }
  std::string name(int64_t i) const override {
    const auto [part, j] = find(i);
    return fmt::format("{}[{}]", part->name, j);
  }
  std::optional<PixelView> view(int64_t i) const override {
    const auto [part, j] = find(i);
    if (part->planar && part->channels > 1) return std::nullopt;
    return PixelView{pixels(*part, j), part->height, part->width, part->channels};
  }
  Example get(int64_t i) const override {
    const auto [part, j] = find(i);
    Example example{make_image(part->width, part->height, part->channels), label(i), "", name(i)};
    const auto from = pixels(*part, j);
    auto& to = example.image.pixels;
    if (!part->planar) {
      std::copy(from.begin(), from.end(), to.begin());
      return example;
    }
    const auto channels = static_cast<size_t>(part->channels);
    const size_t plane = from.size() / channels;
    for (size_t c = 0; c < channels; ++c) {
      for (size_t p = 0; p < plane; ++p) to[p * channels + c] = from[c * plane + p];
    }
    return example;
  }

 private:
  void validate(const Table& part) const {
    check(part.count >= 1, "table_source", "{} holds no picture", part.name);
    check(part.height == parts_[0].height && part.width == parts_[0].width &&
              part.channels == parts_[0].channels,
          "table_source", "{} and {} hold pictures of different size", parts_[0].name, part.name);
    const auto bytes = static_cast<size_t>(part.count) * static_cast<size_t>(stored_bytes(0));
    check(part.pixels.size() == bytes, "table_source", "{} needs {} bytes, has {}", part.name, bytes,
          part.pixels.size());
    check(part.labels.empty() == part.classes.empty() && part.classes == parts_[0].classes, "table_source",
          "{}: labels and classes disagree", part.name);
    check(part.labels.empty() || static_cast<int64_t>(part.labels.size()) == part.count, "table_source",
          "{} holds {} pictures but {} labels", part.name, part.count, part.labels.size());
    for (int64_t label : part.labels) {
      check(label >= 0 && label < static_cast<int64_t>(part.classes.size()), "table_source",
            "{}: label {} of {} classes", part.name, label, part.classes.size());
    }
  }
  std::pair<const Table*, int64_t> find(int64_t i) const {
    check(i >= 0 && i < total_, "Dataset::get", "example {} of {}", i, total_);
    const auto at = std::upper_bound(starts_.begin(), starts_.end(), i) - starts_.begin() - 1;
    return {&parts_[static_cast<size_t>(at)], i - starts_[static_cast<size_t>(at)]};
  }
  std::span<const uint8_t> pixels(const Table& part, int64_t j) const {
    const auto size = static_cast<size_t>(stored_bytes(0));
    return part.pixels.subspan(static_cast<size_t>(j) * size, size);
  }
  std::vector<Table> parts_;
  std::vector<int64_t> starts_;
  int64_t total_ = 0;
};

bool is_channels(int64_t n) { return n == 1 || n == 3 || n == 4; }

}  // namespace

std::shared_ptr<Source> table_source(std::vector<Table> parts) {
  return std::make_shared<TableSource>(std::move(parts));
}

Table table_of_shape(const Shape& shape, const std::string& name) {
  Table table;
  table.name = name;
  int64_t h = 0, w = 0, c = 1;
  if (shape.size() == 3) {
    h = shape[1], w = shape[2];
  } else if (shape.size() == 4 && is_channels(shape[3])) {
    h = shape[1], w = shape[2], c = shape[3];
  } else if (shape.size() == 4 && is_channels(shape[1])) {
    c = shape[1], h = shape[2], w = shape[3];
    table.planar = true;
  } else {
    fail("{}: shape {} is none of (N, H, W), (N, H, W, C), (N, C, H, W) with C 1, 3 or 4", name,
         to_string(shape));
  }
  if (shape[0] < 1 || h < 1 || w < 1) fail("{}: shape {} holds no picture", name, to_string(shape));
  if (h > 65535 || w > 65535) fail("{}: pictures of {}x{} are larger than 65535 a side", name, w, h);
  table.count = shape[0];
  table.height = static_cast<int>(h);
  table.width = static_cast<int>(w);
  table.channels = static_cast<int>(c);
  return table;
}

std::vector<std::string> numbered_classes(const std::vector<int64_t>& labels, const std::string& name) {
  int64_t top = -1;
  for (int64_t label : labels) {
    if (label < 0 || label >= kMaxClasses)
      fail("{}: label {} is not within 0..{}", name, label, kMaxClasses - 1);
    top = std::max(top, label);
  }
  std::vector<std::string> classes;
  for (int64_t i = 0; i <= top; ++i) classes.push_back(std::to_string(i));
  return classes;
}

Parts choose_parts(const std::string& split, Parts present, const std::string& where) {
  if (split == "all") return present;
  if (split == "auto") return present.train ? Parts{true, false} : present;
  const bool train = split == "train";
  if (!(train ? present.train : present.test)) {
    fail_usage("{} has no part named {}; leave data.split at auto", where, split);
  }
  return {train, !train};
}

}  // namespace langevin
