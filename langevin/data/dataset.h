// Image data sets: size() and get(i), nothing else is asked of a source. What the trainer reads is a
// PreparedSet (open.h), whose pictures all fit one ImageSpec.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "langevin/io/image.h"

namespace langevin {

/// One element of a data set.
struct Example {
  Image image;          // 8 bits a channel, interleaved rows (HWC)
  int64_t label = -1;   // index into class_names(); -1: none
  std::string caption;  // "" : none
  std::string name;     // where it is from, for messages: "cats/a.png", "train-images-idx3-ubyte.gz[17]"
};

/// What every picture of a prepared set looks like after augmentation.
struct ImageSpec {
  int64_t channels = 0, height = 0, width = 0;
  int64_t size() const { return channels * height * width; }
  bool operator==(const ImageSpec&) const = default;
};
std::string to_string(const ImageSpec& spec);  // "3 x 32 x 32"

/// Pixels somewhere in memory, HWC, 8 bits; valid as long as the data set they are from.
struct PixelView {
  std::span<const uint8_t> pixels;
  int64_t height = 0, width = 0, channels = 0;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// Example i of 0 <= i < size(); the same every time, and callable from many threads at once. Error names
  /// the example and what is wrong with it.
  virtual Example get(int64_t i) const = 0;
  /// Empty when there are no labels; then every label is -1.
  virtual std::vector<std::string> class_names() const { return {}; }

  // What can be said without decoding; the defaults go through get().
  virtual int64_t label(int64_t i) const { return get(i).label; }
  virtual std::string caption(int64_t i) const { return get(i).caption; }
  virtual std::string name(int64_t i) const { return get(i).name; }
  /// The pixels of example i where they lie decoded in memory, else nullopt: the loader's fast path.
  virtual std::optional<PixelView> view(int64_t) const { return std::nullopt; }
};

/// A set held in memory, mostly for tests.
std::shared_ptr<Dataset> in_memory(std::vector<Example> examples, std::vector<std::string> class_names = {});

/// Decorator: examples `indices` of `base`, in that order (repeats allowed). Error if one is out of range.
std::shared_ptr<Dataset> subset(std::shared_ptr<const Dataset> base, std::vector<int64_t> indices);

/// Every label of the set, in order.
std::vector<int64_t> all_labels(const Dataset& dataset);

}  // namespace langevin
