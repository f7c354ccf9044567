#include "langevin/train/checkpoint.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "langevin/core/atomic_file.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

/// Shape of a parameter as it lies in the flat buffers.
Shape memory_shape(const Parameter& p) {
  if (p.shape.size() != 4) return p.shape;
  return {p.shape[0], p.shape[2], p.shape[3], p.shape[1]};
}

std::span<const std::byte> bytes_of(const at::Tensor& t) {
  return {static_cast<const std::byte*>(t.data_ptr()), static_cast<size_t>(t.numel()) * t.element_size()};
}

/// Tensors in the peer's layout; `keep` holds their memory until they are written.
void add_logical(std::vector<TensorOut>& out, std::vector<at::Tensor>& keep, const at::Tensor& flat,
                 const ParameterStore& store, const std::string& prefix) {
  for (const auto& p : store.parameters()) {
    keep.push_back(ParameterStore::view_in(flat, p).contiguous().cpu());
    out.push_back({prefix + p.name, DType::f32, p.shape, bytes_of(keep.back())});
  }
}

void add_as_in_memory(std::vector<TensorOut>& out, std::vector<at::Tensor>& keep, const at::Tensor& flat,
                      const ParameterStore& store, const std::string& prefix) {
  if (flat.numel() == 0) return;
  keep.push_back(flat.cpu());
  const auto bytes = bytes_of(keep.back());
  for (const auto& p : store.parameters()) {
    out.push_back({prefix + p.name, DType::f32, memory_shape(p),
                   bytes.subspan(static_cast<size_t>(p.offset) * 4, static_cast<size_t>(p.count) * 4)});
  }
}

void read_as_in_memory(const SafetensorsFile& file, at::Tensor& flat, const ParameterStore& store,
                       const std::string& prefix) {
  if (flat.numel() == 0) return;
  at::Tensor host = flat.cpu();
  for (const auto& p : store.parameters()) {
    const TensorView& view = file.at(prefix + p.name);
    check(view.shape == memory_shape(p) && view.dtype == DType::f32, file.source(),
          "tensor '{}' is {}, the run needs {}", prefix + p.name, to_string(view.shape),
          to_string(memory_shape(p)));
    std::memcpy(host.data_ptr<float>() + p.offset, view.bytes.data(), view.bytes.size());
  }
  flat.copy_(host);
}

constexpr const char* kTimeTerms = "times.terms";  // LossAwareTimes: (T, 10) and (T), as f64
constexpr const char* kTimesSeen = "times.seen";

/// Doubles as a tensor; `keep` holds their memory until they are written.
void add_doubles(std::vector<TensorOut>& out, std::vector<at::Tensor>& keep, const std::string& name,
                 const Shape& shape, std::span<const double> values) {
  keep.push_back(at::tensor(at::ArrayRef<double>(values.data(), values.size()), at::kDouble));
  out.push_back({name, DType::f64, shape, bytes_of(keep.back())});
}

std::vector<double> read_doubles(const SafetensorsFile& file, const std::string& name, size_t count) {
  const TensorView& view = file.at(name);
  check(view.dtype == DType::f64 && view.bytes.size() == count * sizeof(double), file.source(),
        "tensor '{}' is {}, the run needs {} numbers", name, to_string(view.shape), count);
  std::vector<double> values(count);
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

void add_times(std::vector<TensorOut>& out, std::vector<at::Tensor>& keep, const LossAwareTimes& times) {
  add_doubles(out, keep, kTimeTerms, {times.T(), LossAwareTimes::history}, times.terms());
  const std::vector<double> seen(times.seen().begin(), times.seen().end());
  add_doubles(out, keep, kTimesSeen, {times.T()}, seen);
}

void read_times(const SafetensorsFile& file, LossAwareTimes& times) {
  check(file.contains(kTimeTerms), file.source(),
        "the run began without diffusion.timesteps = importance; it cannot change to it on --resume");
  const std::vector<double> seen = read_doubles(file, kTimesSeen, times.seen().size());
  std::vector<int64_t> counts;
  for (const double n : seen) {
    check(n >= 0 && n < 1e15, file.source(), "tensor '{}' holds {}, which counts nothing", kTimesSeen, n);
    counts.push_back(static_cast<int64_t>(n));
  }
  times.restore(read_doubles(file, kTimeTerms, times.terms().size()), std::move(counts));
}

void read_extra(const SafetensorsFile& file, const json& training, TrainState& state) {
  const auto numbers = training.value("numbers", std::map<std::string, double>{});
  for (auto& [name, value] : state.numbers) {
    const auto found = numbers.find(name);
    check(found != numbers.end(), file.source(), "the run began without {}; it cannot change on --resume",
          name);
    value = found->second;
  }
  for (auto& [name, tensor] : state.extra) {
    const std::string key = "extra." + name;
    check(file.contains(key), file.source(), "the run began without {}; it cannot change on --resume", name);
    const TensorView& view = file.at(key);
    check(view.dtype == DType::f32 && view.shape == shape_of_tensor(tensor), file.source(),
          "tensor '{}' is {}, the run needs {}", key, to_string(view.shape),
          to_string(shape_of_tensor(tensor)));
    const at::NoGradGuard no_grad;
    at::Tensor host = at::empty_like(tensor, at::TensorOptions(at::kCPU));
    std::memcpy(host.data_ptr<float>(), view.bytes.data(), view.bytes.size());
    tensor.copy_(host);
  }
}

std::string power_prefix(size_t i) { return fmt::format("power{}.", i); }

json to_json(const TrainState& s, int64_t updates) {
  return {{"step", s.step},
          {"updates", updates},
          {"position", s.position},
          {"seconds", s.seconds},
          {"skipped", s.skipped},
          {"rollbacks", s.rollbacks},
          {"bad_steps", s.bad_steps},
          {"rollbacks_in_a_row", s.rollbacks_in_a_row},
          {"last_rollback", s.last_rollback},
          {"interval", to_json(s.interval)}};
}

/// Keeps the newest `keep`, and in any case the one just written.
void remove_old(const fs::path& run, int64_t keep, const fs::path& written) {
  const auto all = list_checkpoints(run);
  std::error_code ignored;  // a file that cannot be removed costs space, not the run
  for (size_t i = 0; i + static_cast<size_t>(keep) < all.size(); ++i) {
    if (all[i] != written) fs::remove(all[i], ignored);
  }
}

}  // namespace

void save_checkpoint(const fs::path& run, const TrainState& state, const ModelSpec& spec,
                     ParameterStore& store, Optimizer& optimizer, const std::string& config, int64_t keep) {
  std::vector<TensorOut> tensors;
  std::vector<at::Tensor> memory;
  add_logical(tensors, memory, optimizer.ema(), store, ema_prefix);
  add_as_in_memory(tensors, memory, store.flat(), store, "weight.");
  add_as_in_memory(tensors, memory, optimizer.m(), store, "m.");
  add_as_in_memory(tensors, memory, optimizer.v(), store, "v.");
  json training = to_json(state, optimizer.updates());
  for (size_t i = 0; i < optimizer.ema_lengths().size(); ++i)
    add_as_in_memory(tensors, memory, optimizer.power_ema(i), store, power_prefix(i));
  training["ema_lengths"] = optimizer.ema_lengths();
  if (state.times) add_times(tensors, memory, *state.times);
  training["numbers"] = state.numbers;
  for (const auto& [name, tensor] : state.extra) {
    memory.push_back(tensor.detach().cpu().contiguous());
    tensors.push_back({"extra." + name, DType::f32, shape_of_tensor(memory.back()), bytes_of(memory.back())});
  }
  write_safetensors(checkpoint_path(run, state.step), tensors,
                    {{spec_key, to_json(spec).dump()}, {"training", training.dump()}, {"config", config}});
  remove_old(run, keep, checkpoint_path(run, state.step));
}

void save_model(const fs::path& run, const ModelSpec& spec, ParameterStore& store, Optimizer& optimizer) {
  std::vector<TensorOut> tensors;
  std::vector<at::Tensor> memory;
  add_logical(tensors, memory, optimizer.ema(), store, "");
  write_model(run / "model.safetensors", spec, tensors);
}

fs::path newest_checkpoint(const fs::path& run, Console& console) {
  const auto all = list_checkpoints(run);
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    // What cannot be read may be whole: only what was read and found damaged is set aside.
    check(::access(it->c_str(), R_OK) == 0, it->string(), "cannot be read: {}; mend that and resume again",
          std::strerror(errno));
    try {
      verify_checksum(SafetensorsFile::open(*it));
      return *it;
    } catch (const Error& e) {
      console.warn(fmt::format("{}; trying the checkpoint before it", e.what()));
      // Set aside: under its name it would count as the newest of those that are kept.
      std::error_code ignored;
      fs::rename(*it, it->string() + ".damaged", ignored);
    }
  }
  int64_t damaged = 0;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(run / "checkpoints", ignored))
    damaged += file.path().extension() == ".damaged";
  check(damaged == 0, run.string(),
        "every checkpoint is damaged ({} set aside as *.damaged); start anew in another folder", damaged);
  fail("{}: no checkpoint to resume from; start anew in another folder", run.string());
}

void load_checkpoint(const fs::path& path, ParameterStore& store, Optimizer& optimizer, TrainState& state) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto it = file.metadata().find("training");
  check(it != file.metadata().end(), path.string(),
        "this is a model, not a checkpoint: it has no training state");
  store.load([&](const Parameter& p) {
    HostArrayF ema = file.to_float(ema_prefix + p.name);  // checks name and shape; the values are set below
    return ema;
  });
  optimizer.ema().copy_(store.flat());
  read_as_in_memory(file, store.flat(), store, "weight.");
  read_as_in_memory(file, optimizer.m(), store, "m.");
  read_as_in_memory(file, optimizer.v(), store, "v.");
  store.refresh_leaves();
  try {
    const json s = json::parse(it->second);
    const auto lengths = s.value("ema_lengths", std::vector<double>{});
    check(lengths == optimizer.ema_lengths(), path.string(),
          "the run averages the lengths {}; ema.lengths cannot change on --resume", json(lengths).dump());
    for (size_t i = 0; i < lengths.size(); ++i)
      read_as_in_memory(file, optimizer.power_ema(i), store, power_prefix(i));
    state.step = s.at("step").get<int64_t>();
    state.position = s.at("position").get<uint64_t>();
    state.seconds = s.at("seconds").get<double>();
    state.skipped = s.at("skipped").get<int64_t>();
    state.rollbacks = s.at("rollbacks").get<int64_t>();
    state.bad_steps = s.at("bad_steps").get<int64_t>();
    state.rollbacks_in_a_row = s.at("rollbacks_in_a_row").get<int64_t>();
    state.last_rollback = s.at("last_rollback").get<int64_t>();
    state.interval = log_interval_from_json(s.at("interval"));
    optimizer.set_updates(s.at("updates").get<int64_t>());
    if (state.times) read_times(file, *state.times);
    read_extra(file, s, state);
  } catch (const json::exception& e) {
    fail("{}: the training state is damaged: {}", path.string(), e.what());
  }
}

}  // namespace langevin
