#include "langevin/data/digits.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numbers>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"
#include "langevin/data/output_folder.h"
#include "langevin/data/parallel.h"
#include "langevin/data/text_render.h"
#include "langevin/data/worker_pool.h"
#include "langevin/io/idx.h"
#include "langevin/io/png.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;
constexpr const char* kind = "langevin data digits";
constexpr std::array<uint32_t, 10> digit_characters = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9'};

struct FaceId {
  fs::path path;
  int index = 0;
  std::string style;
};
struct Family {
  std::string name;
  std::vector<FaceId> faces;  // by style
};

std::string lower(std::string text) {
  for (char& c : text) c = (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// Faces whose digits are no digits to the eye, though the character map says so.
bool looks_like_symbols(const std::string& family) {
  const std::string name = lower(family);
  for (const char* word :
       {"symbol", "dingbat", "wingding", "webding", "barcode", "code 39", "code39", "code 128", "braille",
        "emoji", "icon", "awesome", "blank", "redact", "resort", "music", "qr"}) {
    if (name.find(word) != std::string::npos) return true;
  }
  return false;
}

// Families by name, each with its usable faces by style; a file that is no font is passed over.
std::vector<Family> find_families(const std::vector<fs::path>& places) {
  std::map<std::string, std::map<std::string, FaceId>> families;
  for (const fs::path& path : find_fonts(places, {".ttf", ".otf", ".ttc", ".otc", ".pfb"})) {
    int count = 1;
    for (int index = 0; index < count; ++index) {
      try {
        const OutlineFont font(path, index);
        count = std::min(font.face_count(), 64);
        if (looks_like_symbols(font.family()) || !font.has_text(digit_characters)) continue;
        families[font.family()].try_emplace(font.style(), FaceId{path, index, font.style()});
      } catch (const Error&) {
        continue;
      }
    }
  }
  std::vector<Family> result;
  for (auto& [name, faces] : families) {
    Family family{name, {}};
    for (auto& [style, face] : faces) family.faces.push_back(std::move(face));
    result.push_back(std::move(family));
  }
  return result;
}

// The faces that one thread has open, by (family, face).
class DigitPainter {
 public:
  DigitPainter(const std::vector<Family>& families, uint64_t seed, int size)
      : families_(families), seed_(seed), size_(size) {}

  Image paint(int64_t i) {
    RandomStream random({seed_, static_cast<uint64_t>(i), Purpose::dataset, 0});
    // The family first: a family with forty faces shall not drown the others.
    const size_t family = random.below(families_.size());
    const size_t face = random.below(families_[family].faces.size());
    GlyphStyle style;
    style.height = random.uniform(0.56, 0.80);
    style.aspect = random.uniform(0.85, 1.20);
    style.weight = random.uniform(-0.012, 0.055);
    style.shear = random.uniform(-0.12, 0.38);
    style.rotation = random.uniform(-10, 10) * std::numbers::pi / 180;
    style.dx = random.uniform(-0.35, 0.35);
    style.dy = random.uniform(-0.6, 0.6);
    return font(family, face).draw(digit_characters[static_cast<size_t>(i % 10)], style, size_);
  }

 private:
  const OutlineFont& font(size_t family, size_t face) {
    auto& open = open_[{family, face}];
    if (!open) {
      const FaceId& id = families_[family].faces[face];
      open = std::make_unique<OutlineFont>(id.path, id.index);
    }
    return *open;
  }
  const std::vector<Family>& families_;
  uint64_t seed_;
  int size_;
  std::map<std::pair<size_t, size_t>, std::unique_ptr<OutlineFont>> open_;
};

void check_options(const DigitsOptions& options) {
  if (options.count < 1 || options.count > 10'000'000) {
    fail_usage("digits: count must be 1..10000000, got {}", options.count);
  }
  if (options.size < 8 || options.size > 256)
    fail_usage("digits: size must be 8..256 pixels, got {}", options.size);
  if (options.format != "folder" && options.format != "idx") {
    fail_usage("digits: format must be folder or idx, got '{}'", options.format);
  }
  if (options.format == "idx" && options.count * options.size * options.size > int64_t{1} << 32) {
    fail_usage("digits: {} pictures of {} pixels are more than 4 GiB; use --format folder or fewer",
               options.count, options.size);
  }
}

using PictureSink = std::function<void(int64_t, const Image&)>;

void paint_all(const DigitsOptions& options, const std::vector<Family>& families, const PictureSink& sink,
               Console& console) {
  SharedProgress progress(console, "digits", "images", options.count);
  WorkerPool<DigitPainter> painters(
      [&] { return std::make_unique<DigitPainter>(families, options.seed, options.size); });
  parallel_for(options.count, options.threads, [&](int64_t i) {
    if (options.stopped && options.stopped()) fail("digits: stopped; nothing was made");
    sink(i, painters.with([&](DigitPainter& painter) { return painter.paint(i); }));
    progress.add_one();
  });
  progress.finish();
}

void write_folder(const DigitsOptions& options, const std::vector<Family>& families,
                  const OutputFolder& output, Console& console) {
  const size_t digits = std::to_string(options.count - 1).size();
  for (int digit = 0; digit < 10; ++digit) fs::create_directory(output.path() / std::to_string(digit));
  const auto write = [&](int64_t i, const Image& image) {
    output.write(fmt::format("{}/{:0{}}.png", i % 10, i, std::max<size_t>(digits, 5)), encode_png(image));
  };
  paint_all(options, families, write, console);
}

void write_idx_pair(const DigitsOptions& options, const std::vector<Family>& families, const fs::path& folder,
                    Console& console) {
  const int64_t pixels = int64_t{options.size} * options.size;
  IdxArray images{{options.count, options.size, options.size}, {}}, labels{{options.count}, {}};
  images.data.resize(static_cast<size_t>(options.count * pixels));
  labels.data.resize(static_cast<size_t>(options.count));
  const auto write = [&](int64_t i, const Image& image) {
    std::copy(image.pixels.begin(), image.pixels.end(), images.data.begin() + i * pixels);
    labels.data[static_cast<size_t>(i)] = static_cast<uint8_t>(i % 10);
  };
  paint_all(options, families, write, console);
  write_idx(folder / "train-images-idx3-ubyte", images);
  write_idx(folder / "train-labels-idx1-ubyte", labels);
}

}  // namespace

DigitsSummary make_digits(const DigitsOptions& options, Console& console) {
  check_options(options);
  const std::vector<Family> families =
      find_families(options.fonts.empty() ? system_font_folders() : options.fonts);
  if (families.empty()) {
    fail(
        "digits: no scalable font with the ten digits {}; install fonts-dejavu-core or name fonts with "
        "--fonts",
        options.fonts.empty() ? "in the system's font folders" : "among those named");
  }
  OutputFolder output(options.out, kind, options.force);
  DigitsSummary summary;
  for (const Family& family : families) {
    for (const FaceId& face : family.faces) summary.fonts.push_back(family.name + " " + face.style);
  }
  if (options.format == "idx") {
    write_idx_pair(options, families, output.path(), console);
  } else {
    write_folder(options, families, output, console);
  }
  summary.written = options.count;
  for (int64_t digit = 0; digit < 10; ++digit) {
    summary.per_digit[static_cast<size_t>(digit)] = (options.count + 9 - digit) / 10;
  }
  output.commit({{"count", options.count},
                 {"size", options.size},
                 {"seed", options.seed},
                 {"format", options.format},
                 {"fonts", summary.fonts}});
  return summary;
}

}  // namespace langevin
