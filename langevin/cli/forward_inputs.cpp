#include "langevin/cli/forward_inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "langevin/core/names.h"
#include "langevin/model/engine.h"
#include "langevin/nn/network.h"

namespace langevin::cli {
namespace {

/// Every condition's name in a file, whichever network takes it.
const std::vector<std::string>& condition_keys() {
  static const std::vector<std::string> keys{"class_labels", "encoder_hidden_states", "global_cond",
                                             "cond",         "text_embeds",           "time_ids",
                                             "timestep_cond"};
  return keys;
}

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

std::vector<int64_t> read_labels(const SafetensorsFile& file, int64_t classes, int64_t batch) {
  std::vector<int64_t> labels;
  for (double value : per_sample(file, "class_labels", batch)) {
    check(value >= 0 && value < static_cast<double>(classes) && value == std::floor(value), file.source(),
          "class_labels must be whole numbers from 0 to {}, got {}", classes - 1, value);
    labels.push_back(static_cast<int64_t>(value));
  }
  return labels;
}

/// Numbers of any type, one a sample where the condition is (N,1).
HostArrayF read_condition(const SafetensorsFile& file, const nn::Condition& taken) {
  Shape shape = file.at(taken.key).shape;
  if (taken.shape == Shape{taken.shape[0], 1} && taken.freedom == nn::Condition::Freedom::none &&
      shape.size() < 2) {
    const std::vector<double> values = per_sample(file, taken.key, taken.shape[0]);
    return {taken.shape, std::vector<float>(values.begin(), values.end())};
  }
  check(nn::fits(taken, shape), file.source(), "{} is {}, the model's network needs {}", taken.key,
        to_string(shape), nn::wanted_shape(taken));
  const std::vector<double> values = numbers(file, taken.key);
  return {std::move(shape), std::vector<float>(values.begin(), values.end())};
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

ForwardInputs read_forward_inputs(const SafetensorsFile& file, const ModelSpec& spec) {
  check(!file.contains("latent"), file.source(), "has a latent, but the model is no autoencoder");
  ForwardInputs in{read_sample(file, spec.network), {}, {}};
  const int64_t batch = in.x.batch(), classes = nn::class_count(spec.network);
  in.t = per_sample(file, "timestep", batch);
  std::vector<std::string> taken_keys;
  if (classes > 0) {
    taken_keys.emplace_back("class_labels");
    in.cond.class_labels = read_labels(file, classes, batch);
  }
  each_condition(
      [&](std::optional<HostArrayF>& value, const std::optional<nn::Condition>& taken) {
        if (!taken) return;
        taken_keys.push_back(taken->key);
        if (taken->required || file.contains(taken->key)) value = read_condition(file, *taken);
      },
      in.cond, nn::conditions(spec.network, batch));
  for (const std::string& key : condition_keys()) {
    const bool taken = std::find(taken_keys.begin(), taken_keys.end(), key) != taken_keys.end();
    check(taken || !file.contains(key), file.source(), "has {}, but the model's network takes none", key);
  }
  return in;
}

AutoencoderInputs read_autoencoder_inputs(const SafetensorsFile& file, const ModelSpec& spec) {
  for (const std::string& key : condition_keys())
    check(!file.contains(key), file.source(), "has {}, but an autoencoder takes sample and latent alone",
          key);
  check(!file.contains("timestep"), file.source(),
        "has timestep, but an autoencoder takes sample and latent alone");
  AutoencoderInputs in;
  if (file.contains("sample")) in.sample = file.to_float("sample");
  if (file.contains("latent")) in.latent = file.to_float("latent");
  check(in.sample || in.latent, file.source(),
        "has neither sample (to encode) nor latent (to decode) for this autoencoder");
  if (in.sample) check_pictures(spec, *in.sample);
  if (in.latent) check_latents(spec, *in.latent);
  return in;
}

std::string unknown_inputs(const SafetensorsFile& file) {
  std::vector<std::string> known = condition_keys();
  known.insert(known.end(), {"sample", "timestep", "latent"});
  const std::vector<std::string> results{"output", "mean", "logvar", "decoded"};  // of another program
  for (const std::string& name : file.names()) {
    if (std::find(known.begin(), known.end(), name) == known.end() &&
        std::find(results.begin(), results.end(), name) == results.end())
      return fmt::format("{}: {}; it is not used", file.source(), unknown_name("tensor", name, known));
  }
  return "";
}

}  // namespace langevin::cli
