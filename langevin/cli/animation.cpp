#include "langevin/cli/animation.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/io/gif.h"
#include "langevin/io/grid.h"
#include "langevin/model/pictures.h"
#include "langevin/sample/sampler.h"

namespace langevin::cli {
namespace {

constexpr int64_t kSamples = 64, kFrames = 60, kForwardFrames = 30;
constexpr int64_t kPixels = int64_t{1} << 19;  // of one frame: 60 of them stay near 100 MB
constexpr int kFrameMs = 60, kHoldMs = 2500, kCleanMs = 800;

int64_t how_many(const Shape& shape, int64_t count) {
  return std::clamp<int64_t>(kPixels / std::max<int64_t>(1, shape[1] * shape[2]), 1,
                             std::min(kSamples, count));
}

/// x_t in the range of pictures: of unit variance for data of unit variance, which on timesteps it is.
HostArrayF shown(const HostArrayF& x_t, const PathPoint& point) {
  return lincomb(1 / std::hypot(point.alpha, point.sigma), x_t);
}

Image compose(const std::vector<Image>& sheet) {
  const Image grid = make_grid(sheet, 0, 1);
  return upscale_nearest(grid, std::clamp(400 / std::max(grid.width, grid.height), 1, 4));
}

}  // namespace

Animation::Animation(const ModelSpec& spec, const Shape& shape, int64_t count, int64_t steps, bool forward)
    : spec_(spec),
      path_(target_of(spec).path()),
      shape_(shape),
      shown_(how_many(shape, count)),
      steps_(steps),
      frames_(std::min(steps, kFrames)),
      forward_(forward) {
  check(shape[0] == 1 || shape[0] == 3 || shape[0] == 4, "--animate",
        "samples with {} channels are no pictures", shape[0]);
  reverse_.assign(static_cast<size_t>(frames_) + 1, Sheet(static_cast<size_t>(shown_)));
}

void Animation::keep(Sheet& sheet, int64_t first, const HostArrayF& x) const {
  for (int64_t i = 0; i < x.batch() && first + i < shown_; ++i) {
    sheet[static_cast<size_t>(first + i)] = to_image(x.sample(i), shape_, spec_);
  }
}

void Animation::observe(int64_t first, const StepInfo<HostArrayF>& info) {
  if (first >= shown_) return;
  if (forward_ && info.step == 0)
    x_T_.push_back(shown(rows(info.x_t, 0, std::min(shown_ - first, info.x_t.batch())), path_.at(info.t)));
  // Frame f shows the step floor(f steps / frames): each step belongs to at most one frame.
  const int64_t frame = (info.step * frames_ + steps_ - 1) / steps_;
  if (frame < frames_ && frame * steps_ / frames_ == info.step) {
    keep(reverse_[static_cast<size_t>(frame)], first, shown(info.x_t, path_.at(info.t)));
  }
}

void Animation::finish_batch(int64_t first, const HostArrayF& x0) {
  if (first >= shown_) return;
  keep(reverse_.back(), first, x0);
  if (forward_) x0_.push_back(rows(x0, 0, std::min(shown_ - first, x0.batch())));
}

/// From clean data to the noisiest level: evenly in time, on EDM's path as Karras' grid has it.
std::vector<PathPoint> Animation::forward_points() const {
  SamplerConfig grid = usual_sampler(path_);
  grid.steps = kForwardFrames - 1;
  if (path_.is_discrete()) {
    std::vector<PathPoint> points{path_.at(-1)};
    for (int64_t f = 1; f < kForwardFrames; ++f)
      points.push_back(path_.at(std::floor(path_.t_max * static_cast<double>(f) / (kForwardFrames - 1))));
    return points;
  }
  PointGrid points = sampler_points(grid, path_);
  std::reverse(points.begin(), points.end());
  return points;
}

std::vector<Animation::Sheet> Animation::forward_frames() const {
  if (!forward_) return {};
  const std::vector<PathPoint> points = forward_points();
  std::vector<Sheet> frames(points.size(), Sheet(static_cast<size_t>(shown_)));
  int64_t first = 0;
  for (size_t batch = 0; batch < x0_.size(); ++batch) {
    for (size_t f = 0; f < points.size(); ++f) {
      // The noise that x_0 came from, not fresh noise: the forward process ends where the reverse one begins.
      const PathPoint& p = points[f];
      keep(frames[f], first, shown(lincomb(p.alpha, x0_[batch], p.sigma, x_T_[batch]), p));
    }
    first += x0_[batch].batch();
  }
  return frames;
}

void Animation::write(const std::filesystem::path& path) const {
  const std::vector<Sheet> forward = forward_frames();
  std::vector<const Sheet*> sheets;
  for (const Sheet& sheet : forward) sheets.push_back(&sheet);
  for (const Sheet& sheet : reverse_) sheets.push_back(&sheet);

  // Later frames hold the colours of the pictures: they count more than noise does.
  std::vector<Image> looked_at{compose(*sheets.front())};
  for (size_t part = 4; part <= 8; ++part)
    looked_at.push_back(compose(*sheets[(sheets.size() - 1) * part / 8]));
  const Image& any = looked_at.front();

  AtomicFile file(path);
  GifWriter gif([&](std::span<const std::byte> bytes) { file.write(bytes); }, any.width, any.height,
                gif_palette(looked_at), true);
  for (size_t i = 0; i < sheets.size(); ++i) {
    const bool last = i + 1 == sheets.size(), clean = i == 0 && !forward.empty();
    gif.add(compose(*sheets[i]), last ? kHoldMs : clean ? kCleanMs : kFrameMs);
  }
  gif.finish();
  file.commit();
}

}  // namespace langevin::cli
