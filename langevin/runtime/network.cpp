#include "langevin/runtime/network.h"

#include <algorithm>
#include <thread>

#include "langevin/core/names.h"
#include "langevin/kernels/processor.h"
#include "langevin/kernels/threads.h"
#include "langevin/runtime/recorder.h"
#include "langevin/runtime/stream_chains.h"

namespace langevin::runtime {
namespace {

constexpr size_t kPlans = 4;  // sizes kept ready: a run has two, its batches and the rest at the end

template <class F>
auto with_own_errors(Type type, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& e) {
    if (type == Type::bf16 && e.status == dnnl_unimplemented)
      fail("oneDNN: this processor cannot compute in bf16; use --precision fp32");
    fail("oneDNN: {} (status {}); --backend torch may do", e.what(), static_cast<int>(e.status));
  }
}

}  // namespace

Type type_from_name(const std::string& name) {
  if (name == "fp32") return Type::fp32;
  if (name == "bf16") return Type::bf16;
  if (name == "int8") return Type::int8;
  fail_usage("{}", unknown_name("precision", name, {"fp32", "bf16", "int8"}));
}

Type fitting_type(const std::string& precision, const nn::NetworkConfig& network) {
  const Type asked = type_from_name(precision);
  const bool pictures = nn::input_shape(network, 1).size() == 4;
  return asked == Type::bf16 && pictures && !has_fast_bf16() ? Type::fp32 : asked;
}

std::string to_string(Type type) {
  return type == Type::fp32 ? "fp32" : type == Type::bf16 ? "bf16" : "int8";
}

std::string slow_processor() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  constexpr auto avx2 = static_cast<unsigned>(dnnl::cpu_isa::avx2);
  if (isa == static_cast<unsigned>(dnnl::cpu_isa::all) || (isa & avx2) == avx2) return "";
  return "this processor has no AVX2: the runtime computes with oneDNN's reference code, many times slower";
}

int resolve_threads(int64_t threads) {
  return threads > 0 ? static_cast<int>(threads)
                     : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

RuntimeNetwork::RuntimeNetwork(nn::NetworkConfig config, Weights weights, Type type, int threads,
                               Wanted wanted)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      type_(type),
      threads_(threads),
      wanted_(wanted) {
  check(threads >= 1, "RuntimeNetwork", "needs at least one thread, got {}", threads);
  conditioning_ =
      std::make_unique<Conditioning>(record(config_, nn::input_shape(config_, 1), wanted_), weights_);
}

void RuntimeNetwork::use(Calibration int8) {
  check(type_ == Type::int8, "RuntimeNetwork", "computes in {}: it takes no calibration", to_string(type_));
  int8_ = std::move(int8);
  plans_.clear();
}

Plan& RuntimeNetwork::plan(const Shape& shape) {
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const Entry& e) { return e.shape == shape; });
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
    return *plans_.front().plan;
  }
  const ThreadLimit limit(threads_);
  // The oldest goes first: two large arenas need not fit.
  while (plans_.size() >= kPlans) plans_.pop_back();
  auto made = with_own_errors(type_, [&] {
    const Graph graph = record(config_, shape, wanted_);
    const PlanShares shared{*conditioning_, weights_, suits_streaming(graph, type_) ? streams() : nullptr,
                            type_ == Type::int8 ? &int8_ : nullptr};
    return std::make_unique<Plan>(graph, type_, shared);
  });
  plans_.push_front({shape, std::move(made)});
  return *plans_.front().plan;
}

StreamContext* RuntimeNetwork::streams() {
  if (!team_) {
    team_ = std::make_unique<Team>(threads_);
    streams_.emplace(StreamContext{*team_, streamed_});
  }
  return &*streams_;
}

HostArrayF RuntimeNetwork::operator()(const HostArrayF& x, const std::vector<double>& t,
                                      const std::vector<int64_t>& labels,
                                      const std::optional<HostArrayF>& global_cond) {
  const bool conditional = nn::class_count(config_) > 0;
  const int64_t width = nn::global_cond_dim(config_);
  check(x.shape().size() == nn::input_shape(config_, 1).size() && x.batch() > 0 &&
            static_cast<int64_t>(t.size()) == x.batch() &&
            static_cast<int64_t>(labels.size()) == (conditional ? x.batch() : 0),
        "RuntimeNetwork", "{} with {} timesteps and {} labels do not belong together",
        langevin::to_string(x.shape()), t.size(), labels.size());
  check(global_cond.has_value() == (width > 0) &&
            (!global_cond || global_cond->shape() == Shape{x.batch(), width}),
        "RuntimeNetwork", "global_cond is {}, the network needs {}",
        global_cond ? langevin::to_string(global_cond->shape()) : "absent",
        width > 0 ? langevin::to_string({x.batch(), width}) : "none");
  Plan& ready = plan(x.shape());
  HostArrayF out(ready.output_shape());
  const ThreadLimit limit(threads_);
  with_own_errors(type_, [&] {
    ready.run({x.data().data(), t, labels, global_cond ? global_cond->data().data() : nullptr},
              out.data().data());
  });
  return out;
}

}  // namespace langevin::runtime
