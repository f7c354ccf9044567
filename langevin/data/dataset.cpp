#include "langevin/data/dataset.h"

#include <utility>

#include "langevin/core/check.h"

namespace langevin {
namespace {

class InMemory final : public Dataset {
 public:
  InMemory(std::vector<Example> examples, std::vector<std::string> classes)
      : examples_(std::move(examples)), classes_(std::move(classes)) {
    for (const Example& e : examples_) {
      check_image(e.image, "in_memory");
      const bool known = classes_.empty() || e.label < static_cast<int64_t>(classes_.size());
      check(e.label >= -1 && known, "in_memory", "{} has label {}, but there are {} classes", e.name, e.label,
            classes_.size());
    }
  }
  int64_t size() const override { return static_cast<int64_t>(examples_.size()); }
  Example get(int64_t i) const override { return at(i); }
  std::vector<std::string> class_names() const override { return classes_; }
  int64_t label(int64_t i) const override { return at(i).label; }
  std::string caption(int64_t i) const override { return at(i).caption; }
  std::string name(int64_t i) const override { return at(i).name; }
  std::optional<PixelView> view(int64_t i) const override {
    const Image& image = at(i).image;
    return PixelView{image.pixels, image.height, image.width, image.channels};
  }

 private:
  const Example& at(int64_t i) const {
    check(i >= 0 && i < size(), "Dataset::get", "example {} of {}", i, size());
    return examples_[static_cast<size_t>(i)];
  }
  std::vector<Example> examples_;
  std::vector<std::string> classes_;
};

class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> base, std::vector<int64_t> indices)
      : base_(std::move(base)), indices_(std::move(indices)) {
    for (int64_t i : indices_) {
      check(i >= 0 && i < base_->size(), "subset", "example {} of {}", i, base_->size());
    }
  }
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  Example get(int64_t i) const override { return base_->get(at(i)); }
  std::vector<std::string> class_names() const override { return base_->class_names(); }
  int64_t label(int64_t i) const override { return base_->label(at(i)); }
  std::string caption(int64_t i) const override { return base_->caption(at(i)); }
  std::string name(int64_t i) const override { return base_->name(at(i)); }
  std::optional<PixelView> view(int64_t i) const override { return base_->view(at(i)); }

 private:
  int64_t at(int64_t i) const {
    check(i >= 0 && i < size(), "Dataset::get", "example {} of {}", i, size());
    return indices_[static_cast<size_t>(i)];
  }
  std::shared_ptr<const Dataset> base_;
  std::vector<int64_t> indices_;
};

}  // namespace

std::string to_string(const ImageSpec& spec) {
  return fmt::format("{} x {} x {}", spec.channels, spec.height, spec.width);
}

std::shared_ptr<Dataset> in_memory(std::vector<Example> examples, std::vector<std::string> class_names) {
  return std::make_shared<InMemory>(std::move(examples), std::move(class_names));
}

std::shared_ptr<Dataset> subset(std::shared_ptr<const Dataset> base, std::vector<int64_t> indices) {
  return std::make_shared<Subset>(std::move(base), std::move(indices));
}

std::vector<int64_t> all_labels(const Dataset& dataset) {
  std::vector<int64_t> labels(static_cast<size_t>(dataset.size()));
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = dataset.label(static_cast<int64_t>(i));
  return labels;
}

}  // namespace langevin
