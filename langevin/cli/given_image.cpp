#include "langevin/cli/given_image.h"

#include <algorithm>

#include "langevin/core/check.h"
#include "langevin/data/resize.h"
#include "langevin/io/image.h"
#include "langevin/io/mapped_file.h"
#include "langevin/model/pictures.h"

namespace langevin::cli {
namespace {

Image load(const std::string& file) {
  const MappedFile mapped(file);
  return decode_image(mapped.bytes(), file);
}

Extent extent_of(const Image& image) { return {image.height, image.width}; }

Extent model_extent(const Shape& shape) {
  return {static_cast<int>(shape.at(1)), static_cast<int>(shape.at(2))};
}

/// The middle of the picture at the model's size.
Image fitted(const Image& image, const Shape& shape, Filter filter) {
  const Extent from = extent_of(image), to = model_extent(shape);
  return from == to ? image : resize(image, centred_window(from, to, 1), to, filter);
}

/// Tells what is about to be changed, or refuses it.
void tell_changes(const Image& image, const std::string& file, const Shape& shape, bool strict,
                  Console& console) {
  const Extent from = extent_of(image), to = model_extent(shape);
  std::string what;
  if (!(from == to)) {
    what = fmt::format("is {} x {}, the model makes {} x {}", from.width, from.height, to.width, to.height);
  }
  const bool gray = image.channels == 1, model_gray = shape[0] == 1;
  if (gray != model_gray) {
    what += fmt::format("{} in {}, the model's pictures are in {}", what.empty() ? "is" : ";",
                        gray ? "gray" : "colour", model_gray ? "gray" : "colour");
  }
  if (what.empty()) return;
  check(!strict, file, "{}; --strict takes only what fits", what);
  console.warn(fmt::format("{}: {}; it was brought to that", file, what));
}

void check_pictures(const Shape& shape, const std::string& file) {
  check(shape.size() == 3 && (shape[0] == 1 || shape[0] == 3 || shape[0] == 4), file,
        "the model makes samples {}, which are no pictures", to_string(shape));
}

HostArrayF as_x0(const Image& image, const ModelSpec& spec, const Shape& shape) {
  return from_image(fitted(to_channels(image, static_cast<int>(shape[0])), shape, Filter::lanczos3), spec);
}

/// 1 where white, for every channel of the model.
HostArrayF as_mask(const Image& image, const Shape& shape) {
  const Image gray = fitted(to_channels(image, 1, {0, 0, 0}), shape, Filter::box);
  HostArrayF mask({1, shape[0], shape[1], shape[2]});
  const auto pixels = static_cast<int64_t>(gray.pixels.size());
  for (int64_t i = 0; i < mask.size(); ++i)
    mask[i] = gray.pixels[static_cast<size_t>(i % pixels)] >= 128 ? 1.0f : 0.0f;
  return mask;
}

}  // namespace

HostArrayF read_given_image(const std::string& file, const ModelSpec& spec, const Shape& shape, bool strict,
                            Console& console) {
  check_pictures(shape, file);
  const Image image = load(file);
  tell_changes(image, file, shape, strict, console);
  return as_x0(image, spec, shape);
}

MaskedImage read_masked_image(const std::string& image_file, const std::string& mask_file,
                              const ModelSpec& spec, const Shape& shape, bool strict, Console& console) {
  check_pictures(shape, image_file);
  const Image image = load(image_file), mask = load(mask_file);
  check(extent_of(image) == extent_of(mask), mask_file, "is {} x {}, {} is {} x {}; make them the same size",
        mask.width, mask.height, image_file, image.width, image.height);
  tell_changes(image, image_file, shape, strict, console);
  MaskedImage masked{as_x0(image, spec, shape), as_mask(mask, shape)};
  const auto fill = masked.mask.data();
  check(std::any_of(fill.begin(), fill.end(), [](float v) { return v != 0; }), mask_file,
        "has no white: nothing would be filled in");
  return masked;
}

}  // namespace langevin::cli
