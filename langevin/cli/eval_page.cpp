#include "langevin/cli/eval_page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "langevin/core/rng.h"
#include "langevin/data/loader.h"
#include "langevin/io/grid.h"
#include "langevin/io/svg.h"
#include "langevin/model/pictures.h"

namespace langevin::cli {
namespace {

constexpr int kShown = 36;     // pictures of a sheet, six a row
constexpr int kWidth = 400;    // pixels of a sheet on the page
constexpr int kWhole = 820;    // and of what takes its whole width
constexpr int64_t kStrip = 9;  // pictures of a strip

const std::map<std::string, const char*>& meanings() {
  static const std::map<std::string, const char*> table{
      {"fid",
       "How far the samples are from the real pictures as a whole, in looks and in variety. 0 is no "
       "difference."},
      {"kid",
       "The same question asked in another way, which is fair to small numbers of pictures. 0 is best."},
      {"inception_score",
       "How clearly each sample belongs to one class, and how evenly the classes are used. Higher is "
       "better."},
      {"precision", "The share of samples that look like some real picture: quality. 1 is best."},
      {"recall", "The share of real pictures that the samples cover: variety. 1 is best."},
      {"density", "How deep among real pictures the samples lie: quality. About 1 is as deep as real ones."},
      {"coverage", "The share of real pictures with a sample close by: variety. 1 is best."},
  };
  return table;
}

std::string sheet(std::vector<Image> pictures, const std::string& what, int width) {
  if (pictures.size() > kShown) pictures.resize(kShown);
  return picture_html(make_grid(pictures, 6, 1), what, width);
}

/// x_t as a picture: of unit variance for data of unit variance.
Image shown(const HostArrayF& x_t, const PathPoint& point, const ModelSpec& spec) {
  return to_images(lincomb(1 / std::hypot(point.alpha, point.sigma), x_t), spec).at(0);
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.4g}", *value) : std::string("–");
}

Chart histogram(const Memorisation& found) {
  double most = 0;
  for (const auto* all : {&found.samples, &found.real}) {
    for (const NearestPicture& n : *all) most = std::max(most, n.distance);
  }
  constexpr size_t kBins = 24;
  Chart chart{.title = "Distance to the nearest real picture",
              .x_label = "root mean square difference of pixel values (0 to 255)",
              .y_label = "share of the pictures"};
  chart.height = 320;
  for (const auto& [name, all] :
       {std::pair{"samples", &found.samples}, {"real pictures to others", &found.real}}) {
    std::vector<double> counts(kBins, 0.0), centres;
    for (const NearestPicture& n : *all) {
      const double place = most > 0 ? n.distance / most * kBins : 0;
      counts[std::min(kBins - 1, static_cast<size_t>(place))] += 1 / static_cast<double>(all->size());
    }
    for (size_t b = 0; b < kBins; ++b) centres.push_back((static_cast<double>(b) + 0.5) / kBins * most);
    chart.series.push_back({name, centres, counts});
  }
  return chart;
}

}  // namespace

PageSection pictures_section(const std::vector<Image>& samples, const std::vector<Image>& real) {
  return {"What was made",
          "Left: the first samples, as they came. Right: real pictures, picked at random. A good model's "
          "left side is hard to tell from the right one, and is as varied.",
          "<div class=\"side\">" + figure_html(sheet(samples, "samples", kWidth), "samples") +
              figure_html(sheet(real, "real pictures", kWidth), "real pictures") + "</div>\n"};
}

PageSection figures_section(const std::vector<Figure>& figures, const FeatureNetworkInfo& network,
                            int64_t samples, int64_t real) {
  std::string rows = row_html({"", "value", "±", "real against real", "", "what it says"}, true);
  std::string warnings;
  for (const Figure& f : figures) {
    const double floor = f.floor.value_or(-1), error = f.standard_error.value_or(-1);
    const double most = 1.15 * std::max({f.value + std::max(0.0, error), floor, 1e-12});
    const auto meaning = meanings().find(f.name);
    rows += row_html({html_escaped(f.name), number(f.value), number(f.standard_error), number(f.floor),
                      error_bar_svg(f.value, error, floor, most),
                      meaning == meanings().end() ? "" : html_escaped(meaning->second)});
    for (const std::string& warning : f.warnings)
      warnings += fmt::format("<p class=\"warning\">{}</p>\n", html_escaped(warning));
  }
  return {"Figures",
          fmt::format("{} samples were compared with {} real pictures. A program cannot see; it compares "
                      "what a network that recognises pictures ({}) finds in each. The figures depend on "
                      "that network, so compare them only with figures by the same one. ± is one standard "
                      "error. “Real against real” is what real pictures get when they are judged in the same "
                      "way: the best that can be asked for; in the drawings it is the upright line.",
                      samples, real, network.name),
          warnings + "<div class=\"wide\"><table>\n" + rows + "</table></div>\n"};
}

Image nearest_sheet(const std::vector<Image>& samples, const Memorisation& found, const PictureSource& real) {
  // Small pictures are shown enlarged; as many stand in a row as the page is wide.
  const int width = samples.at(0).width, factor = std::clamp(64 / width, 1, 4);
  const auto wide = static_cast<size_t>(std::clamp(kWhole / ((width + 1) * factor), 1, 16));
  const size_t most = 2 * wide;
  std::vector<size_t> order(found.samples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return found.samples[a].distance < found.samples[b].distance; });
  const size_t pairs = std::min(most, order.size()), columns = std::min(wide, pairs);
  std::vector<Image> cells;
  for (size_t first = 0; first < pairs; first += columns) {
    for (size_t k = 0; k < columns; ++k)
      cells.push_back(first + k < pairs
                          ? samples[order[first + k]]
                          : make_image(samples[0].width, samples[0].height, samples[0].channels, 255));
    for (size_t k = 0; k < columns; ++k)
      cells.push_back(first + k < pairs
                          ? real.get(found.samples[order[first + k]].place, 1).at(0)
                          : make_image(samples[0].width, samples[0].height, samples[0].channels, 255));
  }
  return make_grid(cells, static_cast<int>(columns), 1);
}

PageSection nearest_section(const Memorisation& found, const Image& sheet) {
  const std::string verdict = found.close_share > 0.25
                                  ? "Many samples are closer to a real picture than real pictures are to "
                                    "each other: the model has memorised a part of its data."
                                  : "The samples are about as far from real pictures as these are from each "
                                    "other: no sign that pictures were memorised.";
  return {
      "Was it memorised?",
      "In each pair of rows: samples above, and below each of them the real picture that is nearest to it, "
      "the closest pairs first. Copies would look the same.",
      figure_html(picture_html(sheet, "samples and their nearest real pictures", kWhole),
                  fmt::format("median distance {:.3g}; of real pictures to others {:.3g}; {:.0f} % of the "
                              "samples are closer than 95 % of the real pictures are (5 % is expected)",
                              found.median, found.real_median, 100 * found.close_share)) +
          fmt::format("<p>{}</p>\n", verdict) + render_svg(histogram(found))};
}

PageSection forward_section(const ModelSpec& spec, const HostArrayF& x0) {
  const Target target = target_of(spec);
  const NoisePath& path = target.path();
  const bool ratio = spec.target.kind == "edm";
  Chart signal{.title = "Signal that is left",
               .x_label = ratio ? "sigma" : "time t, from clean to noise",
               .y_label = "alpha bar = alpha²"};
  Chart snr{.title = "Signal-to-noise ratio", .x_label = signal.x_label, .y_label = "alpha² / sigma²"};
  signal.log_x = snr.log_x = ratio;
  snr.log_y = true;
  Series left, share;
  for (const double t : even_times(path, 200)) {
    const PathPoint p = path.at(t);
    // EDM adds noise without taking signal away: what is left is a share of both.
    const double total = p.alpha * p.alpha + p.sigma * p.sigma;
    left.x.push_back(t);
    left.y.push_back(spec.target.kind == "ddpm" ? p.alpha * p.alpha : p.alpha * p.alpha / total);
    share.x.push_back(t);
    share.y.push_back(p.alpha * p.alpha / (p.sigma * p.sigma));
  }
  if (spec.target.kind != "ddpm") signal.y_label = "alpha² / (alpha² + sigma²)";
  signal.series = {left};
  snr.series = {share};
  signal.height = snr.height = 260;
  signal.width = snr.width = 420;
  std::vector<Image> strip{to_images(rows(x0, 0, 1), spec).at(0)};
  const HostArrayF x = rows(x0, 0, 1), eps = noise_like(x, NoiseKey{0, 0, Purpose::training_noise, 3});
  for (const double t : even_times(path, kStrip - 1)) {
    const PathPoint p = path.at(t);
    strip.push_back(shown(lincomb(p.alpha, x, p.sigma, eps), p, spec));
  }
  return {"From picture to noise",
          "The model was trained by adding noise to real pictures, step by step, until nothing is left of "
          "them. The curves say how fast.",
          figure_html(picture_html(make_grid(strip, static_cast<int>(strip.size()), 1),
                                   "a picture on its way to noise", kWhole),
                      "a real picture at rising levels of noise") +
              "<div class=\"side\"><figure>" + render_svg(signal) + "</figure><figure>" + render_svg(snr) +
              "</figure></div>\n"};
}

PageSection reverse_section(Engine& engine, SampleRequest request, int64_t calls) {
  constexpr int64_t kRows = 4;
  const ModelSpec& spec = engine.spec();
  const NoisePath path = target_of(spec).path();
  request.count = std::min(kRows, request.count);
  if (!request.labels.empty()) request.labels.resize(static_cast<size_t>(request.count));
  std::vector<std::vector<Image>> strips(static_cast<size_t>(request.count));
  int64_t next = 0;
  const auto keep = [&](const HostArrayF& x, const PathPoint& at) {
    for (int64_t i = 0; i < x.batch(); ++i)
      strips[static_cast<size_t>(i)].push_back(shown(rows(x, i, 1), at, spec));
  };
  const HostArrayF x0 = engine.sample(request, [&](const StepInfo<HostArrayF>& info) {
    if (info.step * (kStrip - 1) >= next * calls) {
      keep(info.x_t, path.at(info.t));
      ++next;
    }
    return true;
  });
  keep(x0, PathPoint{0, 1, 0});
  std::vector<Image> cells;
  size_t columns = strips.at(0).size();
  for (auto& strip : strips) cells.insert(cells.end(), strip.begin(), strip.end());
  return {"From noise to picture",
          "Sampling goes the other way: it begins with pure noise and takes away, in steps, what the network "
          "says is noise.",
          figure_html(
              picture_html(make_grid(cells, static_cast<int>(columns), 1), "noise becoming pictures", kWhole),
              fmt::format("{} samples, left to right, in {} calls of the network", request.count, calls))};
}

PageSection loss_section(const std::vector<TimeLoss>& losses, bool by_sigma) {
  Chart chart{.title = "Error of the network at each level of noise",
              .x_label = by_sigma ? "sigma" : "time t, from clean to noise",
              .y_label = "mean square error"};
  chart.log_x = by_sigma;
  chart.log_y = true;
  chart.height = 320;
  Series mean{.name = "mean"}, low{.name = "- 2 standard errors"}, high{.name = "+ 2 standard errors"};
  for (const TimeLoss& l : losses) {
    for (Series* s : {&mean, &low, &high}) s->x.push_back(l.t);
    mean.y.push_back(l.loss);
    low.y.push_back(std::max(l.loss - 2 * l.standard_error, l.loss * 1e-3));
    high.y.push_back(l.loss + 2 * l.standard_error);
  }
  chart.series = {mean, low, high};
  return {"Where the model errs",
          "The network is shown real pictures at every level of noise, and its answer is compared with the "
          "right one. The "
          "curve is the mean square error, on a scale of its own at each level: compare it with the same "
          "curve of another "
          "model.",
          render_svg(chart)};
}

RealBatch real_batch(const PreparedSet& data, const ModelSpec& spec, int64_t count) {
  LoaderOptions options;
  options.batch = std::min(count, data.size());
  const Batch batch = make_batch(data, data.spec(), options, 0);
  RealBatch real{batch.images, {}, true};
  if (nn::class_count(spec.network) == 0) return real;
  const std::vector<std::string> names = data.class_names();
  for (const int64_t label : batch.labels) {
    const auto found =
        label < 0 ? spec.labels.end()
                  : std::find(spec.labels.begin(), spec.labels.end(), names.at(static_cast<size_t>(label)));
    real.labels.push_back(found == spec.labels.end() ? null_label(spec) : found - spec.labels.begin());
    real.usable = real.usable && real.labels.back() >= 0;
  }
  return real;
}

}  // namespace langevin::cli
