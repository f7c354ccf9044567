// What a model can do once it is loaded, whichever backend runs it: one network call, and sampling. The
// command line and other programs see only this.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "langevin/model/model_file.h"
#include "langevin/sample/ddim_inversion.h"
#include "langevin/sample/guidance.h"
#include "langevin/sample/single_step.h"
#include "langevin/sample/threshold.h"

namespace langevin {

/// RePaint's: x_0 and a mask (count, C, H, W). Where the mask is 0 the samples are x_0, else they are new.
struct Inpainting {
  HostArrayF x0, mask;
  RepaintOptions repaint;
};

/// A batch to sample. Row i is sample `first_sample` + i of `seed`: the same pictures in any batch.
struct SampleRequest {
  SamplerConfig sampler;
  ThresholdConfig threshold;
  GuidanceConfig guidance;  // of classes; null_label -1: away from the model's null class
  uint64_t seed = 0;
  uint64_t first_sample = 0;
  int64_t count = 1;
  std::vector<int64_t> labels;     // empty: unconditional; else one per sample
  std::vector<int64_t> guided_to;  // classes of the engine's classifier, one per sample; empty: none
  double classifier_scale = 0;     // how strongly
  Cond<HostArrayF> cond;  // of `count` rows, without class labels; of networks that are conditioned so
  std::optional<HostArrayF> x_T;      // start from exactly this noise (count, C, H, W)
  std::optional<HostArrayF> from;     // (count, C, H, W): start from this x_0, noised to sampler.strength
  std::optional<Inpainting> inpaint;  // keep a part of a picture
  std::optional<InversionOptions> invert;  // the other way: of `from` the noise that ddim makes it of
};

/// One call with a gradient: the output, and the direction given times its Jacobian by x, both (B,...).
struct NetworkGradient {
  HostArrayF output, product;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual const ModelSpec& spec() const = 0;
  virtual std::string name() const = 0;  // "torch (cpu, fp32, 2 threads)"
  /// The network's raw output. x (B,C,H,W), or (B,C,L) of sequences; t (B); the conditions that the network
  /// takes.
  virtual HostArrayF forward(const HostArrayF& x, const std::vector<double>& t,
                             const Cond<HostArrayF>& cond) = 0;
  /// Of a classifier, Error of another model: the features (B,D) that its last layer sees.
  virtual HostArrayF features(const HostArrayF& x, const std::vector<double>& t);
  /// Opens the classifier that sample() is guided by where it is asked to. Error: an engine without
  /// gradients, a classifier that does not fit (model/classifier.h).
  virtual void set_classifier(ModelFile classifier);
  /// The same, with `direction`^T d output / d x; `direction` is shaped like the output. Of an engine that
  /// has gradients, else Error.
  virtual NetworkGradient gradient(const HostArrayF& x, const std::vector<double>& t,
                                   const Cond<HostArrayF>& cond, const HostArrayF& direction);
  /// x_0 (count,C,H,W) or (count,C,L); with `invert` x_T in its place. `observer` (may be empty) sees copies
  /// on the host; false stops.
  virtual HostArrayF sample(const SampleRequest& request, const Observer<HostArrayF>& observer) = 0;
  /// Of an autoencoder, and of an engine that runs them; else Error. Pictures (B,C,H,W) -> the Gaussian of
  /// their latents (nn::latent_shape), and latents -> pictures.
  virtual nn::LatentGaussian<HostArrayF> encode(const HostArrayF& pictures);
  virtual HostArrayF decode(const HostArrayF& latents);
};

/// What every backend refuses before it computes; Error names the expectation and what was given.
void check_labels(const ModelSpec& spec, const std::vector<int64_t>& labels, int64_t batch);
void check_forward(const ModelSpec& spec, const HostArrayF& x, const std::vector<double>& t,
                   const Cond<HostArrayF>& cond);
void check_request(const ModelSpec& spec, const SampleRequest& request);
/// Of encode and decode.
void check_pictures(const ModelSpec& spec, const HostArrayF& pictures);
void check_latents(const ModelSpec& spec, const HostArrayF& latents);

/// Of an autoencoder: z ~ N(0, I), or request.x_T, decoded. The observer sees the picture as the only step.
HostArrayF sample_prior(Engine& engine, const SampleRequest& request, const Observer<HostArrayF>& observer);

/// Calls of the network, guidance counted once, and so of the observer, in one sample(). Error as the sampler
/// and its grid say.
int64_t sample_calls(const ModelSpec& spec, const SampleRequest& request);

struct EngineOptions {
  std::string device = "auto";     // auto | cpu | cuda
  std::string precision = "fp32";  // fp32 | bf16 | int8 (the runtime alone)
  int64_t threads = 0;             // 0: one a core
};

}  // namespace langevin
