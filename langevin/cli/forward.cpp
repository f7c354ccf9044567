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
    "(N).\nFILE --out gets `output` (N,C,H,W), the network's own output.";

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

}  // namespace

void forward_verb(const Arguments& arguments) {
  ForwardOptions o;
  CLI::App app("One call of a model's network, for checking it against another program.", "langevin forward");
  app.add_option("model", o.model, "run folder, checkpoint or model file")->required();
  app.add_option("--in", o.in, "FILE.safetensors with sample, timestep, class_labels")->required();
  app.add_option("--out", o.out, "FILE.safetensors to write")->required();
  add_backend(app, o.backend);
  add_common(app, o.common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  check_backend(o.backend);

  ModelFile model = open_model(o.model);
  const SafetensorsFile in = SafetensorsFile::open(o.in);
  verify_checksum(in);
  const HostArrayF sample = in.to_float("sample");
  const Shape wanted = nn::input_shape(model.spec.network, std::max<int64_t>(1, sample.batch()));
  check(sample.shape().size() == 4 && sample.batch() > 0 && sample.shape()[1] == wanted[1], o.in,
        "sample must be (N, {}, H, W) for this model, got {}", wanted[1], to_string(sample.shape()));
  const std::vector<double> t = per_sample(in, "timestep", sample.batch());
  const std::vector<int64_t> labels = read_labels(in, model.spec, sample.batch());

  Console console(o.common.level());
  const auto engine = open_engine(std::move(model), o.backend, console);
  const HostArrayF output = engine->forward(sample, t, labels);
  write_safetensors(o.out, {{"output", DType::f32, output.shape(), std::as_bytes(output.data())}}, {});
  if (o.common.json) {
    return print_json(
        {{"model", o.model}, {"out", o.out}, {"shape", output.shape()}, {"engine", engine->name()}});
  }
  console.info(fmt::format("{}: output {} by {}", o.out, to_string(output.shape()), engine->name()));
}

}  // namespace langevin::cli
