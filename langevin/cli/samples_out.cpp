#include "langevin/cli/samples_out.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/io/npz.h"
#include "langevin/io/png.h"
#include "langevin/io/safetensors.h"
#include "langevin/model/pictures.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;

std::string file_name(int64_t index) { return fmt::format("{:06}.png", index); }

/// "000012.png": the names that this file gives, and no others.
bool is_sample_name(const std::string& name) {
  return name.size() >= 10 && name.ends_with(".png") &&
         std::all_of(name.begin(), name.end() - 4, [](char c) { return c >= '0' && c <= '9'; });
}

class PngFolder final : public SampleOutput {
 public:
  explicit PngFolder(const OutputPlan& plan) : plan_(plan), next_(plan.first) {
    const int64_t channels = plan.shape[0];
    check(channels == 1 || channels == 3 || channels == 4, plan.path.string(),
          "samples with {} channels are no pictures; give --out FILE.npz or FILE.safetensors", channels);
    make_room();
  }
  void add(const HostArrayF& x0, std::span<const int64_t> labels) override {
    for (int64_t i = 0; i < x0.batch(); ++i, ++next_) {
      nlohmann::json parameters = plan_.parameters;
      parameters["index"] = next_;
      if (!labels.empty()) {
        const auto label = static_cast<size_t>(labels[static_cast<size_t>(i)]);
        parameters["class_index"] = label;
        if (label < plan_.spec.labels.size()) parameters["class"] = plan_.spec.labels[label];
      }
      const PngText text{
          {"Software", "langevin"},
          {"langevin", parameters.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)}};
      write_png(plan_.path / file_name(next_), to_image(x0.sample(i), plan_.shape, plan_.spec), text);
    }
  }
  void finish() override {}
  std::string left_behind(int64_t done) const override {
    return fmt::format("{} pictures are in {}", done, plan_.path.string());
  }

 private:
  /// Pictures of two runs in one folder would pass for one set.
  void make_room() const {
    make_folders(plan_.path);
    if (plan_.part) {
      for (int64_t i = plan_.first; i < plan_.first + plan_.count && !plan_.force; ++i) {
        check(!fs::exists(plan_.path / file_name(i)), plan_.path.string(),
              "holds {} of this shard already; --force writes over it", file_name(i));
      }
      return;
    }
    if (!plan_.force) {
      check(fs::is_empty(plan_.path), plan_.path.string(),
            "is not empty; give another --out, or --force to replace the samples there");
      return;
    }
    std::vector<fs::path> old;
    for (const auto& entry : fs::directory_iterator(plan_.path)) {
      if (is_sample_name(entry.path().filename().string())) old.push_back(entry.path());
    }
    for (const fs::path& path : old) fs::remove(path);
  }
  OutputPlan plan_;
  int64_t next_;
};

void check_absent(const OutputPlan& plan) {
  check(plan.force || !fs::exists(plan.path), plan.path.string(),
        "exists already; give another --out, or --force to replace it");
}

/// arr_0 (N,H,W,C) 8 bits, arr_1 (N) the labels: what the evaluation suites of other projects read.
class NpzFile final : public SampleOutput {
 public:
  explicit NpzFile(const OutputPlan& plan) : plan_(plan) {
    check_absent(plan);
    writer_ = std::make_unique<NpzWriter>(plan.path);
    writer_->begin_array("arr_0", DType::u8, {plan.count, plan.shape[1], plan.shape[2], plan.shape[0]});
  }
  void add(const HostArrayF& x0, std::span<const int64_t> labels) override {
    for (int64_t i = 0; i < x0.batch(); ++i) {
      const std::vector<uint8_t> bytes = to_bytes(x0.sample(i), plan_.shape, plan_.spec);
      writer_->append(std::as_bytes(std::span(bytes)));
    }
    labels_.insert(labels_.end(), labels.begin(), labels.end());
  }
  void finish() override {
    writer_->end_array();
    if (plan_.labelled) {
      writer_->begin_array("arr_1", DType::i64, {plan_.count});
      writer_->append(std::as_bytes(std::span(labels_)));
      writer_->end_array();
    }
    writer_->commit();
  }
  std::string left_behind(int64_t) const override {
    return "nothing was written, the file would not be whole";
  }

 private:
  OutputPlan plan_;
  std::unique_ptr<NpzWriter> writer_;
  std::vector<int64_t> labels_;
};

/// x_0 (N,C,H,W) float32 and class_labels (N). Held in memory: the format wants one piece.
class SafetensorsOutput final : public SampleOutput {
 public:
  explicit SafetensorsOutput(const OutputPlan& plan) : plan_(plan) {
    check_absent(plan);
    try {
      x0_.reserve(static_cast<size_t>(plan.count * element_count(plan.shape)));
    } catch (const std::exception&) {
      fail(
          "{}: {} samples are more than memory holds, and this format is written in one piece; give FILE.npz "
          "or a "
          "folder, or make parts with --shard",
          plan.path.string(), plan.count);
    }
  }
  void add(const HostArrayF& x0, std::span<const int64_t> labels) override {
    x0_.insert(x0_.end(), x0.data().begin(), x0.data().end());
    labels_.insert(labels_.end(), labels.begin(), labels.end());
  }
  void finish() override {
    const Shape& s = plan_.shape;
    std::vector<TensorOut> tensors{
        {"x_0", DType::f32, {plan_.count, s[0], s[1], s[2]}, std::as_bytes(std::span(x0_))}};
    if (plan_.labelled) {
      tensors.push_back({"class_labels", DType::i64, {plan_.count}, std::as_bytes(std::span(labels_))});
    }
    write_safetensors(plan_.path, tensors, {{"sampling", plan_.parameters.dump()}});
  }
  std::string left_behind(int64_t) const override {
    return "nothing was written, the file would not be whole";
  }

 private:
  OutputPlan plan_;
  std::vector<float> x0_;
  std::vector<int64_t> labels_;
};

}  // namespace

std::unique_ptr<SampleOutput> open_output(const OutputPlan& plan) {
  const std::string extension = plan.path.extension().string();
  if (extension == ".npz") return std::make_unique<NpzFile>(plan);
  if (extension == ".safetensors") return std::make_unique<SafetensorsOutput>(plan);
  static constexpr std::array<std::string_view, 10> kFiles{".npy", ".png", ".jpg", ".jpeg", ".webp",
                                                           ".gif", ".tar", ".zip", ".pt",   ".h5"};
  if (std::find(kFiles.begin(), kFiles.end(), extension) != kFiles.end())
    fail_usage("--out: takes a folder, FILE.npz or FILE.safetensors, not {}", plan.path.string());
  check(!fs::exists(plan.path) || fs::is_directory(plan.path), plan.path.string(),
        "is a file; --out takes a folder, FILE.npz or FILE.safetensors");
  return std::make_unique<PngFolder>(plan);
}

}  // namespace langevin::cli
