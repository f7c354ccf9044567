#include "langevin/model/engine.h"

namespace langevin {

void check_labels(const ModelSpec& spec, const std::vector<int64_t>& labels, int64_t batch) {
  const int64_t classes = nn::class_count(spec.network);
  check(classes > 0 || labels.empty(), "class_labels", "the model was trained without classes");
  check(static_cast<int64_t>(labels.size()) == (classes > 0 ? batch : 0), "class_labels",
        "needs one per sample ({}), got {}", batch, labels.size());
  for (int64_t label : labels) {
    check(label >= 0 && label < classes, "class_labels", "there is no class {}; the model has {}", label,
          classes);
  }
}

namespace {

void check_conditions(const ModelSpec& spec, const Cond<HostArrayF>& cond, int64_t batch) {
  each_condition(
      [](const std::optional<nn::Condition>& taken, const std::optional<HostArrayF>& given,
         const char* name) {
        check(taken.has_value() || !given, name, "the model's network takes none");
        if (!taken) return;
        check(given.has_value() || !taken->required, taken->key, "is missing: the model's network needs {}",
              nn::wanted_shape(*taken));
        check(!given || nn::fits(*taken, given->shape()), taken->key, "is {}, the network needs {}",
              given ? to_string(given->shape()) : "", nn::wanted_shape(*taken));
      },
      nn::conditions(spec.network, batch), cond, ConditionNames{});
}

void check_denoiser(const ModelSpec& spec, const char* what) {
  check(!nn::is_autoencoder(spec.network), what,
        "the model is an autoencoder, not a denoiser; `langevin forward` encodes and decodes with it");
}

void check_autoencoder(const ModelSpec& spec, const char* what) {
  check(nn::is_autoencoder(spec.network), what, "the model is no autoencoder: it has no latents");
}

}  // namespace

NetworkGradient Engine::gradient(const HostArrayF& x, const std::vector<double>& t,
                                 const Cond<HostArrayF>& cond, const HostArrayF&) {
  check_forward(spec(), x, t, cond);
  fail("{}: computes no gradients; use --backend torch", name());
}

nn::LatentGaussian<HostArrayF> Engine::encode(const HostArrayF& pictures) {
  check_pictures(spec(), pictures);
  fail("{}: runs no autoencoders so far; use --backend torch", name());
}

HostArrayF Engine::decode(const HostArrayF& latents) {
  check_latents(spec(), latents);
  fail("{}: runs no autoencoders so far; use --backend torch", name());
}

void check_pictures(const ModelSpec& spec, const HostArrayF& pictures) {
  check_autoencoder(spec, "encode");
  const Shape want = nn::input_shape(spec.network, pictures.batch()), got = pictures.shape();
  // A convolutional one takes pictures of any size.
  const bool any_size = nn::autoencoder(spec.network) != nullptr;
  const bool fits = got.size() == 4 && pictures.batch() > 0 && got[1] == want[1] && (any_size || got == want);
  check(fits, "sample", "is {}, the network needs (N, {}, {})", to_string(got), want[1],
        any_size ? "H, W" : fmt::format("{}, {}", want[2], want[3]));
}

void check_latents(const ModelSpec& spec, const HostArrayF& latents) {
  check_autoencoder(spec, "decode");
  const Shape want = nn::latent_shape(spec.network, nn::input_shape(spec.network, 1)), got = latents.shape();
  check(got.size() == want.size() && latents.batch() > 0 && got[1] == want[1], "latent",
        "is {}, the network needs (N, {}{})", to_string(got), want[1], want.size() == 4 ? ", H, W" : "");
}

void check_forward(const ModelSpec& spec, const HostArrayF& x, const std::vector<double>& t,
                   const Cond<HostArrayF>& cond) {
  check_denoiser(spec, "forward");
  const Shape want = nn::input_shape(spec.network, x.batch());
  check(x.shape().size() == want.size() && x.shape()[1] == want[1] && x.batch() > 0, "forward",
        "sample is {}, the network needs {}", to_string(x.shape()), to_string(want));
  check(static_cast<int64_t>(t.size()) == x.batch(), "forward", "needs one timestep per sample ({}), got {}",
        x.batch(), t.size());
  check_labels(spec, cond.class_labels, x.batch());
  check_conditions(spec, cond, x.batch());
}

namespace {

void check_shape(const std::string& what, const HostArrayF& x, const Shape& shape) {
  check(x.shape() == shape, "sample", "{} is {}, the model needs {}", what, to_string(x.shape()),
        to_string(shape));
}

void check_inversion(const SampleRequest& request) {
  check(request.from.has_value() && !request.x_T && !request.inpaint, "sample",
        "inversion goes from a picture to noise, and takes neither noise nor a mask");
  const std::string& name = request.sampler.name;
  check(name == "ddim" || name == "euler" || name == "flow_euler", "sample",
        "inversion undoes the steps of ddim (euler or flow_euler on other grids), not of {}", name);
  check(sampler_eta(request.sampler) == 0 && request.sampler.s_churn == 0 &&
            !request.sampler.compat_diffusers && request.sampler.strength == 1,
        "sample", "inversion undoes whole walks without fresh noise: leave eta, churn and strength out");
}

}  // namespace

HostArrayF Engine::features(const HostArrayF&, const std::vector<double>&) {
  fail("{} gives no features: the model is no classifier", name());
}

void Engine::set_classifier(ModelFile) {
  fail("{} computes no gradients, which a classifier guides by; use --backend torch", name());
}

namespace {

/// Of an autoencoder: latents of its prior are drawn, there is no walk.
void check_prior(const ModelSpec& spec, const SampleRequest& r) {
  const Shape latent = nn::latent_shape(spec.network, nn::input_shape(spec.network, r.count));
  check(r.labels.empty() && r.guided_to.empty() && !r.from && !r.inpaint && !r.invert, "sample",
        "an autoencoder draws from its prior: it has no classes, and nothing to start from");
  if (r.x_T) check_shape("the latent", *r.x_T, latent);
}

}  // namespace

void check_request(const ModelSpec& spec, const SampleRequest& request) {
  if (nn::is_autoencoder(spec.network)) return check_prior(spec, request);
  check(nn::classifier(spec.network) == nullptr, "sample",
        "the model is a classifier, which makes nothing; give it with --classifier beside a model that does");
  check(request.guided_to.empty() || static_cast<int64_t>(request.guided_to.size()) == request.count,
        "sample", "needs one class per sample ({}) to guide to, got {}", request.count,
        request.guided_to.size());
  const Shape shape = nn::input_shape(spec.network, request.count);
  check(request.sampler.name != "ddpm" || request.sampler.variance != "learned_range" ||
            nn::learned_variance(spec.network),
        "sample", "the model has no learned variance; give --variance fixed_small or fixed_large");
  if (!request.labels.empty()) check_labels(spec, request.labels, request.count);
  check_conditions(spec, request.cond, request.count);
  check_guidance(request.guidance);
  check(request.guidance.null_label < nn::class_count(spec.network), "sample",
        "there is no class {} to go away from", request.guidance.null_label);
  if (request.x_T) check_shape("the starting noise", *request.x_T, shape);
  if (request.from) check_shape("the picture to start from", *request.from, shape);
  check(request.from || request.sampler.strength == 1, "sample",
        "a strength below 1 needs a picture to start from");
  if (request.inpaint) {
    check_shape("the known picture", request.inpaint->x0, shape);
    check_shape("the mask", request.inpaint->mask, shape);
    check_repaint(request.inpaint->repaint);
    check_alone(request.sampler.name);
  }
  if (request.invert) check_inversion(request);
}

HostArrayF sample_prior(Engine& engine, const SampleRequest& request, const Observer<HostArrayF>& observer) {
  const nn::NetworkConfig& network = engine.spec().network;
  HostArrayF z(nn::latent_shape(network, nn::input_shape(network, request.count)));
  z = request.x_T ? *request.x_T : initial_noise(z, request.seed, request.first_sample);
  HostArrayF x = engine.decode(z);
  if (observer) observer({0, 1, 0, x, x});
  return x;
}

int64_t sample_calls(const ModelSpec& spec, const SampleRequest& request) {
  if (nn::is_autoencoder(spec.network)) return 1;
  const PointGrid grid = sampler_points(request.sampler, target_of(spec));
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  if (request.invert) return steps * request.invert->iterations;
  if (request.inpaint && steps > 0) return repaint_calls(request.sampler, grid, request.inpaint->repaint);
  return sampler_calls(request.sampler, grid);
}

}  // namespace langevin
