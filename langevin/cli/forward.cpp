// langevin forward: one call of a model's network on given tensors, for checking it against another program.
#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"
#include "langevin/cli/forward_inputs.h"
#include "langevin/nn/network.h"

namespace langevin::cli {
namespace {

struct ForwardOptions {
  std::string model, in, out;
  BackendOptions backend;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin forward runs/a --in inputs.safetensors --out output.safetensors\n"
    "  langevin forward downloads/vae --in pictures.safetensors --out latents.safetensors\n"
    "FILE --in holds `sample` (N,C,H,W), `timestep` (one number or N) and what the network is conditioned "
    "on:\n"
    "`class_labels` (N), `encoder_hidden_states` (N,S,D), `text_embeds` and `time_ids` (N,D), "
    "`timestep_cond` "
    "(N,D).\nFILE --out gets `output` (N,C,H,W), the network's own output.\n"
    "A network of sequences takes `sample` (N,T,C), T its horizon, and gives `output` so; it is conditioned "
    "on\n`global_cond` (N,D) or `cond` (N,S,D).\n"
    "A classifier gives its logits (N,K) as `output`, and the `features` (N,D) that its last layer sees.\n"
    "An autoencoder makes `mean` and `logvar` of `sample`, and `decoded` of `latent`.";

/// What is written: names and values.
using Outputs = std::vector<std::pair<std::string, HostArrayF>>;

Outputs call(Engine& engine, const ForwardInputs& in) {
  HostArrayF output = engine.forward(in.x, in.t, in.cond);
  Outputs out;
  out.emplace_back("output", output.shape().size() == 3 ? transposed(output) : std::move(output));
  if (nn::classifier(engine.spec().network) != nullptr)
    out.emplace_back("features", engine.features(in.x, in.t));
  return out;
}

Outputs call(Engine& engine, const AutoencoderInputs& in) {
  Outputs out;
  if (in.sample) {
    nn::LatentGaussian<HostArrayF> z = engine.encode(*in.sample);
    out.emplace_back("mean", std::move(z.mean));
    out.emplace_back("logvar", std::move(z.logvar));
  }
  if (in.latent) out.emplace_back("decoded", engine.decode(*in.latent));
  return out;
}

/// Everything is read and checked before the engine is started.
template <class Inputs>
std::pair<Outputs, std::string> run(const Inputs& in, ModelFile& model, const BackendOptions& backend,
                                    Console& console) {
  const auto engine = open_engine(std::move(model), backend, console);
  return {call(*engine, in), engine->name()};
}

void write_outputs(const std::string& path, const Outputs& outputs) {
  std::vector<TensorOut> tensors;
  for (const auto& [name, value] : outputs)
    tensors.push_back({name, DType::f32, value.shape(), std::as_bytes(value.data())});
  write_safetensors(path, tensors, {});
}

}  // namespace

void forward_verb(const Arguments& arguments) {
  ForwardOptions o;
  CLI::App app("One call of a model's network, for checking it against another program.", "langevin forward");
  app.add_option("model", o.model, "run folder, checkpoint, model file or folder of another project")
      ->required();
  app.add_option("--in", o.in, "FILE.safetensors with sample, timestep and the conditions")->required();
  app.add_option("--out", o.out, "FILE.safetensors to write")->required();
  add_backend(app, o.backend);
  add_common(app, o.common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  check_backend(o.backend);

  Console console(o.common.level());
  ModelFile model = open_named_model(o.model, console);
  const SafetensorsFile in = SafetensorsFile::open(o.in);
  verify_checksum(in);
  if (const std::string unknown = unknown_inputs(in); !unknown.empty()) console.warn(unknown);

  const ModelSpec& spec = model.spec;
  const bool encodes = nn::is_autoencoder(spec.network);
  const auto [outputs, engine] = encodes ? run(read_autoencoder_inputs(in, spec), model, o.backend, console)
                                         : run(read_forward_inputs(in, spec), model, o.backend, console);
  write_outputs(o.out, outputs);
  if (o.common.json) {
    nlohmann::json json{{"model", o.model}, {"out", o.out}, {"engine", engine}};
    for (const auto& [name, value] : outputs) json["tensors"][name] = value.shape();
    if (!encodes) json["shape"] = outputs.at(0).second.shape();
    return print_json(json);
  }
  for (const auto& [name, value] : outputs)
    console.info(fmt::format("{}: {} {} by {}", o.out, name, to_string(value.shape()), engine));
}

}  // namespace langevin::cli
