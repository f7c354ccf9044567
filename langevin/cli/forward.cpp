// langevin forward: one call of a model's network on given tensors, for checking it against another program.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"
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
    "FILE --in holds `sample` (N,C,H,W), `timestep` (one number or N) and, if the model has classes, "
    "`class_labels` "
    "(N).\nFILE --out gets `output` (N,C,H,W), the network's own output.\n"
    "A network of sequences takes `sample` (N,T,C), T its horizon, and gives `output` so; `global_cond` "
    "(N,D) is "
    "what it is conditioned on.";

template <class T>
void append_as_double(const TensorView& tensor, std::vector<double>& values) {
  T value;
  for (size_t at = 0; at + sizeof(T) <= tensor.bytes.size(); at += sizeof(T)) {
    std::memcpy(&value, tensor.bytes.data() + at, sizeof(T));
    values.push_back(static_cast<double>(value));
  }
}

/// A tensor of any number type as doubles.
std::vector<double> numbers(const SafetensorsFile& file, const std::string& name) {
  const TensorView& tensor = file.at(name);
  std::vector<double> values;
  switch (tensor.dtype) {
    case DType::f64:
      append_as_double<double>(tensor, values);
      return values;
    case DType::i64:
      append_as_double<int64_t>(tensor, values);
      return values;
    case DType::i32:
      append_as_double<int32_t>(tensor, values);
      return values;
    case DType::i16:
      append_as_double<int16_t>(tensor, values);
      return values;
    case DType::i8:
      append_as_double<int8_t>(tensor, values);
      return values;
    case DType::u8:
      append_as_double<uint8_t>(tensor, values);
      return values;
    default:
      break;
  }
  const HostArrayF floats = file.to_float(name);
  return {floats.data().begin(), floats.data().end()};
}

/// `name` for each of `batch` samples: a single number counts for all.
std::vector<double> per_sample(const SafetensorsFile& file, const std::string& name, int64_t batch) {
  std::vector<double> values = numbers(file, name);
  if (values.size() == 1) values.assign(static_cast<size_t>(batch), values[0]);
  check(static_cast<int64_t>(values.size()) == batch, file.source(),
        "{} has {} values, sample has a batch of {}", name, values.size(), batch);
  return values;
}

std::vector<int64_t> read_labels(const SafetensorsFile& file, const ModelSpec& spec, int64_t batch) {
  const int64_t classes = nn::class_count(spec.network);
  if (classes == 0) {
    check(!file.contains("class_labels"), file.source(),
          "has class_labels, but the model was trained without classes");
    return {};
  }
  std::vector<int64_t> labels;
  for (double value : per_sample(file, "class_labels", batch)) {
    check(value >= 0 && value < static_cast<double>(classes) && value == std::floor(value), file.source(),
          "class_labels must be whole numbers from 0 to {}, got {}", classes - 1, value);
    labels.push_back(static_cast<int64_t>(value));
  }
  return labels;
}

/// `global_cond`, where the file has one; the engine knows what the network needs.
std::optional<HostArrayF> read_global_cond(const SafetensorsFile& file, const ModelSpec& spec) {
  if (!file.contains("global_cond")) return std::nullopt;
  check(nn::global_cond_dim(spec.network) > 0, file.source(),
        "has global_cond, but the model's network takes none");
  return file.to_float("global_cond");
}

/// (N,A,B) -> (N,B,A): between the peers' sequences (N,T,C) and the networks' (N,C,T).
HostArrayF transposed(const HostArrayF& x) {
  const int64_t rows = x.shape()[1], columns = x.shape()[2];
  HostArrayF y({x.shape()[0], columns, rows});
  for (int64_t i = 0; i < x.batch(); ++i) {
    const auto from = x.sample(i);
    const auto to = y.sample(i);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c)
        to[static_cast<size_t>(c * rows + r)] = from[static_cast<size_t>(r * columns + c)];
    }
  }
  return y;
}

/// `sample` as the network takes it.
HostArrayF read_sample(const SafetensorsFile& file, const nn::NetworkConfig& network) {
  HostArrayF sample = file.to_float("sample");
  const Shape wanted = nn::input_shape(network, 1);
  const bool sequence = wanted.size() == 3;
  const size_t channels = sequence ? 2 : 1;
  check(sample.shape().size() == wanted.size() && sample.batch() > 0 && sample.shape()[channels] == wanted[1],
        file.source(), "sample must be {} for this model, got {}",
        sequence ? fmt::format("(N, T, {})", wanted[1]) : fmt::format("(N, {}, H, W)", wanted[1]),
        to_string(sample.shape()));
  return sequence ? transposed(sample) : sample;
}

}  // namespace

void forward_verb(const Arguments& arguments) {
  ForwardOptions o;
  CLI::App app("One call of a model's network, for checking it against another program.", "langevin forward");
  app.add_option("model", o.model, "run folder, checkpoint or model file")->required();
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
  const HostArrayF sample = read_sample(in, model.spec.network);
  const std::vector<double> t = per_sample(in, "timestep", sample.batch());
  const Cond<HostArrayF> cond{read_labels(in, model.spec, sample.batch()), read_global_cond(in, model.spec)};

  const auto engine = open_engine(std::move(model), o.backend, console);
  HostArrayF output = engine->forward(sample, t, cond);
  if (output.shape().size() == 3) output = transposed(output);
  write_safetensors(o.out, {{"output", DType::f32, output.shape(), std::as_bytes(output.data())}}, {});
  if (o.common.json) {
    return print_json(
        {{"model", o.model}, {"out", o.out}, {"shape", output.shape()}, {"engine", engine->name()}});
  }
  console.info(fmt::format("{}: output {} by {}", o.out, to_string(output.shape()), engine->name()));
}

}  // namespace langevin::cli
