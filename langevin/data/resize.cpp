#include "langevin/data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>
#include <vector>

#include "langevin/core/check.h"

namespace langevin {
namespace {

double sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

double support_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return 0.5;
    case Filter::triangle:
      return 1;
    case Filter::bicubic:
      return 2;
    case Filter::lanczos3:
      return 3;
  }
  return 1;
}

double kernel(Filter filter, double x) {
  const double d = std::abs(x);
  switch (filter) {
    case Filter::box:
      return x >= -0.5 && x < 0.5 ? 1 : 0;
    case Filter::triangle:
      return std::max(0.0, 1 - d);
    case Filter::bicubic:  // Keys, a = -1/2
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    case Filter::lanczos3:
      return d < 3 ? sinc(d) * sinc(d / 3) : 0;
  }
  return 0;
}

/// The weights of one direction: output j is the sum of weights[j][k] * input[first[j] + k].
struct Taps {
  std::vector<int> first;
  std::vector<std::vector<float>> weights;
};

Taps make_taps(int in, double start, double length, int out, Filter filter) {
  const double scale = length / out;
  const double stretch = std::max(1.0, scale);
  const double support = support_of(filter) * stretch;
  Taps taps;
  for (int j = 0; j < out; ++j) {
    const double centre = start + (j + 0.5) * scale;
    // Rounded bounds: pixels whose centre lies within the support.
    const int lo = std::clamp(static_cast<int>(std::floor(centre - support + 0.5)), 0, in - 1);
    const int hi = std::clamp(static_cast<int>(std::floor(centre + support + 0.5)), lo + 1, in);
    std::vector<double> w(static_cast<size_t>(hi - lo));
    double sum = 0;
    for (int i = lo; i < hi; ++i)
      sum += w[static_cast<size_t>(i - lo)] = kernel(filter, (i + 0.5 - centre) / stretch);
    if (sum == 0) w[0] = sum = 1;  // box between two centres, by rounding
    std::vector<float> narrow(w.size());
    std::transform(w.begin(), w.end(), narrow.begin(),
                   [sum](double v) { return static_cast<float>(v / sum); });
    taps.first.push_back(lo);
    taps.weights.push_back(std::move(narrow));
  }
  return taps;
}

/// Float rows, HWC.
struct Plane {
  int height, width, channels;
  std::vector<float> data;
  Plane(int h, int w, int c)
      : height(h),
        width(w),
        channels(c),
        data(static_cast<size_t>(h) * static_cast<size_t>(w) * static_cast<size_t>(c)) {}
  float* row(int y) {
    return data.data() + static_cast<size_t>(y) * static_cast<size_t>(width) * static_cast<size_t>(channels);
  }
  const float* row(int y) const { return const_cast<Plane*>(this)->row(y); }
};

/// One source row as floats; RGBA premultiplied.
void load_row(const Image& image, int y, float* out) {
  const uint8_t* in = image.pixels.data() + image.index(0, y, 0);
  const int n = image.width * image.channels;
  if (image.channels != 4) {
    for (int i = 0; i < n; ++i) out[i] = in[i];
    return;
  }
  for (int i = 0; i < n; i += 4) {
    const float alpha = static_cast<float>(in[i + 3]) / 255.0F;
    for (int c = 0; c < 3; ++c) out[i + c] = static_cast<float>(in[i + c]) * alpha;
    out[i + 3] = in[i + 3];
  }
}

void filter_row(const float* in, const Taps& taps, int channels, float* out) {
  for (size_t j = 0; j < taps.first.size(); ++j) {
    float sum[4] = {};
    const float* p = in + static_cast<ptrdiff_t>(taps.first[j]) * channels;
    for (float w : taps.weights[j]) {
      for (int c = 0; c < channels; ++c) sum[c] += w * p[c];
      p += channels;
    }
    for (int c = 0; c < channels; ++c) *out++ = sum[c];
  }
}

void add_scaled(float weight, const float* in, int n, float* out) {
  for (int i = 0; i < n; ++i) out[i] += weight * in[i];
}

Plane across_then_down(const Image& image, const Taps& across, const Taps& down, Extent target) {
  const int lo = *std::min_element(down.first.begin(), down.first.end());
  int hi = lo;
  for (size_t j = 0; j < down.first.size(); ++j)
    hi = std::max(hi, down.first[j] + static_cast<int>(down.weights[j].size()));
  Plane middle(hi - lo, target.width, image.channels);
  std::vector<float> row(static_cast<size_t>(image.width) * static_cast<size_t>(image.channels));
  for (int y = lo; y < hi; ++y) {
    load_row(image, y, row.data());
    filter_row(row.data(), across, image.channels, middle.row(y - lo));
  }
  Plane out(target.height, target.width, image.channels);
  for (int j = 0; j < target.height; ++j) {
    const auto& w = down.weights[static_cast<size_t>(j)];
    for (size_t k = 0; k < w.size(); ++k) {
      add_scaled(w[k], middle.row(down.first[static_cast<size_t>(j)] - lo + static_cast<int>(k)),
                 target.width * image.channels, out.row(j));
    }
  }
  return out;
}

Plane down_then_across(const Image& image, const Taps& across, const Taps& down, Extent target) {
  Plane out(target.height, target.width, image.channels);
  std::vector<float> row(static_cast<size_t>(image.width) * static_cast<size_t>(image.channels)),
      sum(row.size());
  for (int j = 0; j < target.height; ++j) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    const auto& w = down.weights[static_cast<size_t>(j)];
    for (size_t k = 0; k < w.size(); ++k) {
      load_row(image, down.first[static_cast<size_t>(j)] + static_cast<int>(k), row.data());
      add_scaled(w[k], row.data(), image.width * image.channels, sum.data());
    }
    filter_row(sum.data(), across, image.channels, out.row(j));
  }
  return out;
}

uint8_t to_byte(float v) { return static_cast<uint8_t>(std::clamp(v, 0.0F, 255.0F) + 0.5F); }

Image to_image(const Plane& plane) {
  Image image = make_image(plane.width, plane.height, plane.channels);
  for (size_t i = 0; i < plane.data.size(); ++i) image.pixels[i] = to_byte(plane.data[i]);
  if (plane.channels != 4) return image;
  for (size_t i = 0; i < plane.data.size(); i += 4) {
    const float alpha = std::clamp(plane.data[i + 3], 0.0F, 255.0F);
    const float gain = alpha >= 0.5F ? 255.0F / alpha : 0.0F;  // colours under nothing are black
    for (size_t c = 0; c < 3; ++c) image.pixels[i + c] = to_byte(plane.data[i + c] * gain);
  }
  return image;
}

}  // namespace

Image resize(const Image& image, const Window& window, Extent target, Filter filter) {
  check_image(image, "resize");
  check(target.height >= 1 && target.height <= 65535 && target.width >= 1 && target.width <= 65535, "resize",
        "the target must be 1..65535 each way, got {}x{}", target.width, target.height);
  const double slack = 1e-6 * (image.height + image.width);  // windows come out of divisions
  check(window.height > 0 && window.width > 0 && window.top >= -slack && window.left >= -slack &&
            window.top + window.height <= image.height + slack &&
            window.left + window.width <= image.width + slack,
        "resize", "the window leaves the picture");
  const bool whole =
      window.top == 0 && window.left == 0 && window.height == image.height && window.width == image.width;
  if (whole && target == Extent{image.height, image.width}) return image;
  const Taps across = make_taps(image.width, window.left, window.width, target.width, filter);
  const Taps down = make_taps(image.height, window.top, window.height, target.height, filter);
  // The middle result is as tall as the picture or one row wide as it; the smaller keeps a thin giant
  // harmless.
  const bool tall = static_cast<double>(image.height) * target.width > 64.0 * image.width * target.height;
  return to_image(tall ? down_then_across(image, across, down, target)
                       : across_then_down(image, across, down, target));
}

Image resize(const Image& image, Extent target, Filter filter) {
  return resize(image, Window{0, 0, static_cast<double>(image.height), static_cast<double>(image.width)},
                target, filter);
}

Image crop(const Image& image, int top, int left, Extent size) {
  check_image(image, "crop");
  check(top >= 0 && left >= 0 && size.height >= 1 && size.width >= 1 && size.height <= image.height - top &&
            size.width <= image.width - left,
        "crop", "{}x{} at ({}, {}) leaves the picture of {}x{}", size.width, size.height, left, top,
        image.width, image.height);
  Image out = make_image(size.width, size.height, image.channels);
  const size_t row = static_cast<size_t>(size.width) * static_cast<size_t>(image.channels);
  for (int y = 0; y < size.height; ++y) {
    std::memcpy(&out.pixels[out.index(0, y, 0)], &image.pixels[image.index(left, top + y, 0)], row);
  }
  return out;
}

Image centre_crop(const Image& image, Extent size) {
  return crop(image, (image.height - size.height) / 2, (image.width - size.width) / 2, size);
}

Image flip_horizontal(const Image& image) {
  Image out = image;
  const size_t c = static_cast<size_t>(image.channels);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      std::memcpy(&out.pixels[out.index(x, y, 0)], &image.pixels[image.index(image.width - 1 - x, y, 0)], c);
    }
  }
  return out;
}

Window centred_window(Extent image, Extent target, double zoom) {
  const double scale = zoom * std::max(static_cast<double>(target.height) / image.height,
                                       static_cast<double>(target.width) / image.width);
  // Exact where the scale came from, so that an image of the target's size is left alone.
  const double height = std::min<double>(image.height, target.height / scale);
  const double width = std::min<double>(image.width, target.width / scale);
  return {(image.height - height) / 2, (image.width - width) / 2, height, width};
}

Extent cover(Extent image, Extent target, double zoom) {
  const double scale = zoom * std::max(static_cast<double>(target.height) / image.height,
                                       static_cast<double>(target.width) / image.width);
  auto scaled = [scale](int in, int least) {
    return std::max(least, static_cast<int>(std::min(std::lround(in * scale), 1L << 30)));
  };
  return {scaled(image.height, target.height), scaled(image.width, target.width)};
}

Colour parse_colour(const std::string& text) {
  auto digit = [&](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
    fail_usage("colour '{}' is not of the form #rrggbb", text);
  };
  if ((text.size() != 7 && text.size() != 4) || text[0] != '#')
    fail_usage("colour '{}' is not of the form #rrggbb", text);
  Colour colour{};
  const size_t width = (text.size() - 1) / 3;
  for (size_t c = 0; c < 3; ++c) {
    const int hi = digit(text[1 + c * width]), lo = digit(text[1 + c * width + width - 1]);
    colour[c] = static_cast<uint8_t>(hi * 16 + lo);
  }
  return colour;
}

}  // namespace langevin
