// langevin eval --metrics nll: what a model says of the data itself, in bits per dimension.
#include <cmath>

#include "langevin/cli/eval_task.h"
#include "langevin/core/atomic_file.h"
#include "langevin/data/loader.h"
#include "langevin/diffusion/discretised.h"
#include "langevin/eval/picture_source.h"
#include "langevin/io/svg.h"
#include "langevin/model/bound_estimate.h"
#include "langevin/model/ode_likelihood.h"
#include "langevin/model/vae_estimate.h"

namespace langevin::cli {
namespace {

/// The data as the model sees it, picture after picture in an order that is always the same.
class Pictures {
 public:
  Pictures(const EvalOptions& o, const ModelSpec& spec, Console& console) : spec_(spec) {
    const Shape input = nn::input_shape(spec.network, 1);
    check(input.size() == 4, o.subject, "is a model of sequences; nll is measured on pictures");
    data_ = open_real(o, {input[1], input[2], input[3]}, console);
    if (data_->summary().resized > 0)
      console.warn(fmt::format("{}: {} pictures were resized; the figure is of the resized ones", o.data,
                               data_->summary().resized));
    // For the page alone a few do.
    constexpr int64_t kPage = 256;
    const int64_t most = o.metrics.empty() ? kPage : o.real;
    std::vector<int64_t> indices;
    for (const uint32_t i : evaluation_order(data_->size())) {
      if (most == 0 || static_cast<int64_t>(indices.size()) < most) indices.push_back(i);
    }
    indices_ = indices;
    subset_ = subset(data_, std::move(indices));
    map_classes(o);
  }

  int64_t size() const { return subset_->size(); }
  const PreparedSet& data() const { return *data_; }
  bool given_class() const { return given_class_; }

  BoundBatch batch(int64_t first, int64_t count) const {
    LoaderOptions options;
    options.batch = count;
    options.shuffle = false;
    Batch read = make_batch(*subset_, data_->spec(), options, static_cast<uint64_t>(first));
    BoundBatch out{std::move(read.images), {}, {}};
    for (int64_t i = 0; i < count; ++i) {
      out.indices.push_back(indices_[static_cast<size_t>(first + i)]);
      if (nn::class_count(spec_.network) == 0) continue;
      out.labels.push_back(given_class_ ? classes_[static_cast<size_t>(read.labels[static_cast<size_t>(i)])]
                                        : null_label(spec_));
    }
    return out;
  }

 private:
  /// Of a model with classes: those of the data where it knows them all, else none.
  void map_classes(const EvalOptions& o) {
    if (nn::class_count(spec_.network) == 0) return;
    const auto names = data_->class_names();
    given_class_ = !names.empty();
    for (const std::string& name : names) {
      const auto found = std::find(spec_.labels.begin(), spec_.labels.end(), name);
      given_class_ = given_class_ && found != spec_.labels.end();
      classes_.push_back(found - spec_.labels.begin());
    }
    check(given_class_ || spec_.null_class, o.subject,
          "needs each picture's class, and {} has not the classes it knows", o.data);
  }

  const ModelSpec& spec_;
  std::shared_ptr<PreparedSet> data_;
  std::shared_ptr<Dataset> subset_;
  std::vector<int64_t> indices_, classes_;
  bool given_class_ = false;
};

std::string with_error(const BoundTerm& t) {
  return std::isfinite(t.standard_error) ? fmt::format("{:.4f} +- {:.4f}", t.bits, t.standard_error)
                                         : fmt::format("{:.4f}", t.bits);
}

/// L_t against t, or the integrand against log SNR.
Chart curve_of(const BoundReport& report, bool discrete) {
  Chart chart{.title = discrete ? "Terms of the variational bound" : "Integrand of the variational bound",
              .x_label = discrete ? "t" : "log SNR",
              .y_label = "bits per dimension" + std::string(discrete ? "" : " and unit of log SNR"),
              .log_x = discrete,
              .log_y = true};
  Series mean{"L_t", {}, {}}, above{"+ standard error", {}, {}};
  for (const BoundPoint& p : report.curve) {
    const double x = discrete ? p.t : p.log_snr;
    mean.x.push_back(x);
    mean.y.push_back(p.bits);
    above.x.push_back(x);
    above.y.push_back(p.bits + p.standard_error);
  }
  chart.series = {std::move(mean), std::move(above)};
  return chart;
}

PageSection likelihood_section(const BoundReport& report, bool discrete) {
  Chart chart = curve_of(report, discrete);
  chart.height = 320;
  std::string rows = row_html({"", "bits per value", "what it is"}, true);
  rows +=
      row_html({"in all", with_error(report.total), "at most so many bits are needed; a raw picture has 8"});
  rows += row_html({"prior", with_error(report.prior), "what pure noise still tells of the picture"});
  rows += row_html({"diffusion", with_error(report.diffusion),
                    "all steps from noise to picture: the area under the curve"});
  rows += row_html({"decoder", with_error(report.decoder), "the last step, to whole numbers"});
  return {
      "How well does it know the data?",
      fmt::format(
          "A model that knows what pictures look like could store them in little space. This is how many "
          "bits it "
          "needs for one value of a pixel, measured on {} real pictures, and at which levels of noise they "
          "are spent. Fewer is better.",
          report.images),
      render_svg(chart) + "<div class=\"wide\"><table>\n" + rows + "</table></div>\n"};
}

PageSection latent_section(const VaeReport& r) {
  std::string rows;
  for (size_t i = 0; i < r.latent.size(); ++i) {
    rows += fmt::format("<tr><td>{}</td><td>{:.4g}</td><td>{}</td></tr>\n", i, r.latent[i].kl,
                        r.latent[i].active == 0 ? "collapsed" : "");
  }
  return {
      "Bits",
      fmt::format(
          "This model writes a picture as a short code and draws it from there. It needs at most {:.2f} bits "
          "for each value of a real picture ({} looked at); a byte without any model takes 8. Below: what "
          "each "
          "part of the code tells, in nats; one that tells nothing has collapsed.",
          r.iwae.bits, r.images),
      fmt::format("<p>ELBO {}, importance-weighted {} bits per dimension.</p>\n", with_error(r.elbo),
                  with_error(r.iwae)) +
          "<table><tr><th>dimension</th><th>KL</th><th></th></tr>\n" + rows + "</table>\n"};
}

struct Measured {
  nlohmann::json json;
  std::string text;
  std::string partial;
};

Measured measure_bound(EvalTask& task, Engine& engine, const Pictures& pictures) {
  const EvalOptions& o = task.options;
  BoundOptions options;
  options.draws = o.draws;
  options.batch = o.sampling.batch.value_or(64);
  options.seed = o.sampling.seed;
  options.variance = ddpm_variance_type(o.sampling.sampler.variance.value_or("fixed_small"));
  options.stopped = [&] { return task.stop.requested(); };
  Progress bar(task.console, "bound", "images", pictures.size());
  const ModelSpec& spec = engine.spec();
  int64_t done = 0;
  int64_t rows = 1;  // of a picture
  options.progress = [&](int64_t now) { bar.update(done + now / rows, done + now / rows); };
  BoundEstimate bound(
      spec,
      [&](const HostArrayF& x, const std::vector<double>& told, const std::vector<int64_t>& labels) {
        return engine.forward(x, told, {.class_labels = labels});
      },
      options);
  rows = bound.rows_of(1);
  Measured measured;
  for (; done < pictures.size();) {
    const int64_t count = std::min(options.batch, pictures.size() - done);
    if (!bound.add(pictures.batch(done, count))) break;
    done += count;
    bar.update(done, done);
  }
  bar.finish();
  const BoundReport report = bound.report();
  if (done < pictures.size()) {
    measured.partial = fmt::format("stopped after {} of {} pictures", done, pictures.size());
    if (done == 0) fail("{}: there is no figure", measured.partial);
  }
  const bool discrete = spec.target.kind == "ddpm";
  if (!o.plot.empty()) write_file(o.plot, render_svg(curve_of(report, discrete)));
  if (!o.html.empty()) task.page.push_back(likelihood_section(report, discrete));
  measured.json = to_json(report);
  measured.json["given"] = pictures.given_class() ? "class" : "nothing";
  measured.json["draws"] = o.draws;
  measured.json["variance"] =
      nn::learned_variance(spec.network) ? "learned_range" : to_string(options.variance);
  if (!o.plot.empty()) measured.json["plot"] = o.plot;
  measured.text = fmt::format(
      "bound     {} bits/dim on {} pictures{}{}\n"
      "  prior      {}\n  diffusion  {}\n  decoder    {}\n",
      with_error(report.total), report.images, pictures.given_class() ? ", given the class" : "",
      measured.partial.empty() ? "" : "; PARTIAL", with_error(report.prior), with_error(report.diffusion),
      with_error(report.decoder));
  return measured;
}

Measured measure_ode(EvalTask& task, Engine& engine, const Pictures& pictures) {
  const EvalOptions& o = task.options;
  const int64_t count = std::min(pictures.size(), o.ode_images), each = std::min<int64_t>(32, count);
  const Target target = target_of(engine.spec());
  OdeOptions options;
  options.tolerance = o.tolerance;
  options.stopped = [&] { return task.stop.requested(); };
  Progress bar(task.console, "ode", "images", count);
  double sum = 0, squares = 0;
  int64_t done = 0, calls = 0, dimensions = 1;
  Measured measured;
  while (done < count) {
    BoundBatch batch = pictures.batch(done, std::min(each, count - done));
    dimensions = batch.x0.sample_size();
    const OdeNats found = ode_nats(engine, target, {std::move(batch.x0), batch.labels, batch.indices},
                                   o.sampling.seed, options);
    if (found.stopped) break;
    for (const double nats : found.nats) {
      const double bits = bits_per_dim(nats, dimensions);
      sum += bits;
      squares += bits * bits;
    }
    calls += found.calls;
    done += static_cast<int64_t>(found.nats.size());
    bar.update(done, done);
  }
  bar.finish();
  if (done < count) {
    measured.partial = fmt::format("stopped after {} of {} pictures of the ODE", done, count);
    if (done == 0) return measured;
  }
  const auto n = static_cast<double>(done);
  const double mean = sum / n;
  const BoundTerm term{mean, std::sqrt(std::max(0.0, squares / n - mean * mean) / std::max(1.0, n - 1))};
  measured.json = {{"bits_per_dim", term.bits},
                   {"standard_error", term.standard_error},
                   {"images", done},
                   {"tolerance", o.tolerance},
                   {"calls", calls},
                   {"calls_per_image", static_cast<double>(calls) / n}};
  measured.text =
      fmt::format("ode       {} bits/dim on {} pictures, {:.0f} calls each{}\n", with_error(term), done,
                  static_cast<double>(calls) / n, measured.partial.empty() ? "" : "; PARTIAL");
  return measured;
}

std::string latent_text(const VaeReport& r) {
  const auto collapsed = r.collapsed();
  std::string text = fmt::format(
      "latent    {} of {} dimensions used{}\n  KL in nats:", r.latent.size() - collapsed.size(),
      r.latent.size(), collapsed.empty() ? "" : fmt::format("; collapsed: {}", fmt::join(collapsed, ", ")));
  for (const LatentDimension& d : r.latent) text += fmt::format(" {:.3g}", d.kl);
  return text + "\n";
}

/// Of an autoencoder: the ELBO, and the importance-weighted bound of --samples draws.
Measured measure_vae(EvalTask& task, Engine& engine, const Pictures& pictures) {
  const EvalOptions& o = task.options;
  const ModelSpec& spec = engine.spec();
  check(spec.vae.has_value(), o.subject,
        "says nothing of p(x|z): only autoencoders trained here do (langevin train --task vae)");
  VaeOptions options;
  options.likelihood = likelihood_from_name(spec.vae->likelihood);
  options.log_scale = spec.vae->log_scale;
  options.samples = o.iwae;
  options.seed = o.sampling.seed;
  options.stopped = [&] { return task.stop.requested(); };
  Progress bar(task.console, "elbo", "images", pictures.size());
  int64_t done = 0;
  options.progress = [&](int64_t rows) { bar.update(done + rows / o.iwae, done + rows / o.iwae); };
  VaeEstimate estimate({[&](const HostArrayF& x) { return engine.encode(x); },
                        [&](const HostArrayF& z) { return engine.decode(z); }},
                       options);
  Measured measured;
  while (done < pictures.size()) {
    const int64_t count = std::min(o.sampling.batch.value_or(64), pictures.size() - done);
    if (!estimate.add(pictures.batch(done, count))) break;
    done += count;
    bar.update(done, done);
  }
  bar.finish();
  if (done < pictures.size()) {
    measured.partial = fmt::format("stopped after {} of {} pictures", done, pictures.size());
    if (done == 0) fail("{}: there is no figure", measured.partial);
  }
  const VaeReport r = estimate.report();
  measured.json = to_json(r);
  measured.json["likelihood"] = spec.vae->likelihood;
  measured.text = fmt::format(
      "ELBO      {} bits/dim on {} pictures{}\n  reconstruction  {}\n  KL              {}\n"
      "IWAE      {} bits/dim with {} samples\n",
      with_error(r.elbo), r.images, measured.partial.empty() ? "" : "; PARTIAL", with_error(r.reconstruction),
      with_error(r.kl), with_error(r.iwae), r.samples);
  measured.text += latent_text(r);
  if (!o.html.empty()) task.page.push_back(latent_section(r));
  return measured;
}

void measure(EvalTask& task) {
  const EvalOptions& o = task.options;
  if (!is_model(o.subject)) {
    check(o.metrics.empty(), o.subject, "is no model; nll is what a model says of data");
    return;
  }
  ModelFile model = open_named_model(o.subject, task.console);
  const ModelSpec spec = model.spec;
  BackendOptions backend = o.sampling.backend;
  const bool encodes = nn::is_autoencoder(spec.network);
  if (encodes && (o.ode || !o.plot.empty()))
    fail_usage("--ode and --plot are of diffusion models, {} is none", o.subject);
  if (o.ode) {
    if (backend.backend == "runtime") fail_usage("--ode needs gradients: --backend torch");
    backend.backend = "torch";
  }
  const Pictures pictures(o, spec, task.console);
  if (!o.plot.empty()) check_writable(o.plot);
  const auto engine = open_engine(std::move(model), backend, task.console);
  Measured bound = encodes ? measure_vae(task, *engine, pictures) : measure_bound(task, *engine, pictures);
  task.partial = bound.partial;
  task.text = bound.text;
  task.json["nll"] = std::move(bound.json);
  task.json["nll"]["engine"] = engine->name();
  task.json["nll"]["data_hash"] = pictures.data().summary().hash;
  if (!o.ode || task.stop.requested()) return;
  Measured ode = measure_ode(task, *engine, pictures);
  if (task.partial.empty()) task.partial = ode.partial;
  task.text += ode.text;
  if (!ode.json.is_null()) task.json["nll"]["ode"] = std::move(ode.json);
}

void declare(CLI::App& app, EvalOptions& o) {
  const char* group = "Likelihood (nll)";
  app.add_option("--draws", o.draws, "timesteps drawn a picture (default 8); 0: all of them")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}))
      ->group(group);
  app.add_option("--plot", o.plot, "FILE.svg: the bound's terms against t")->group(group);
  app.add_option("--samples", o.iwae, "draws of the latent a picture, of an autoencoder (IWAE; default 64)")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->group(group);
  app.add_flag("--ode", o.ode, "the probability flow's exact likelihood too, on --backend torch")
      ->group(group);
  app.add_option("--ode-images", o.ode_images, "pictures it is measured on (default 64)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32))
      ->group(group);
  app.add_option("--tolerance", o.tolerance, "of a step of the ODE (default 1e-4)")
      ->check(CLI::Range(1e-9, 0.1))
      ->group(group);
}

}  // namespace

MetricGroup likelihood_group() {
  MetricGroup group;
  group.metrics = {{"nll",
                    "bits per dimension: the variational bound, --ode the exact likelihood; of an "
                    "autoencoder ELBO and IWAE",
                    false, true}};
  group.declare = declare;
  group.measure = measure;
  return group;
}

}  // namespace langevin::cli
