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

RuntimeNetwork::RuntimeNetwork(nn::NetworkConfig config, Weights weights, Type type, int threads, Part part)
    : config_(std::move(config)), weights_(std::move(weights)), type_(type), threads_(threads), part_(part) {
  check(threads >= 1, "RuntimeNetwork", "needs at least one thread, got {}", threads);
  conditioning_of(usual_call(config_, 1, part_));
}

Conditioning& RuntimeNetwork::conditioning_of(const CallShape& call) {
  CallShape one = call;
  one.x = usual_call(config_, 1, part_).x;
  each_condition(
      [](Shape& shape) {
        if (!shape.empty()) shape[0] = 1;
        if (shape.size() == 3) shape[1] = 1;
      },
      one);
  for (const Rows& known : conditionings_) {
    if (known.call == one) return *known.rows;
  }
  conditionings_.push_back({one, std::make_unique<Conditioning>(record(config_, one), weights_)});
  return *conditionings_.back().rows;
}

void RuntimeNetwork::use(Calibration int8) {
  check(type_ == Type::int8, "RuntimeNetwork", "computes in {}: it takes no calibration", to_string(type_));
  int8_ = std::move(int8);
  plans_.clear();
}

Plan& RuntimeNetwork::plan(const Shape& shape) {
  CallShape call = usual_call(config_, shape.at(0), part_);
  call.x = shape;
  return plan(call);
}

Plan& RuntimeNetwork::plan(const CallShape& call) {
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const Entry& e) { return e.call == call; });
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
    return *plans_.front().plan;
  }
  const ThreadLimit limit(threads_);
  // The oldest goes first: two large arenas need not fit.
  while (plans_.size() >= kPlans) plans_.pop_back();
  auto made = with_own_errors(type_, [&] {
    const Graph graph = record(config_, call);
    const PlanShares shared{conditioning_of(call), weights_,
                            suits_streaming(graph, type_) ? streams() : nullptr,
                            type_ == Type::int8 ? &int8_ : nullptr};
    return std::make_unique<Plan>(graph, type_, shared);
  });
  plans_.push_front({call, std::move(made)});
  return *plans_.front().plan;
}

StreamContext* RuntimeNetwork::streams() {
  if (!team_) {
    team_ = std::make_unique<Team>(threads_);
    streams_.emplace(StreamContext{*team_, streamed_});
  }
  return &*streams_;
}

CallShape RuntimeNetwork::checked_call(const HostArrayF& x, const std::vector<double>& t,
                                       const Cond<HostArrayF>& cond) const {
  const CallShape usual = usual_call(config_, x.shape().empty() ? 1 : x.batch(), part_);
  const int64_t labels = nn::class_count(config_) > 0 ? x.batch() : 0;
  check(x.shape().size() == usual.x.size() && x.batch() > 0 &&
            static_cast<int64_t>(t.size()) ==
                (part_ == Part::encoder || part_ == Part::decoder ? 0 : x.batch()) &&
            static_cast<int64_t>(cond.class_labels.size()) == labels,
        "RuntimeNetwork", "{} with {} timesteps and {} labels do not belong together",
        langevin::to_string(x.shape()), t.size(), cond.class_labels.size());
  CallShape call{x.shape()};
  call.part = part_;
  each_condition(
      [&](Shape& shape, const std::optional<HostArrayF>& given, const std::optional<nn::Condition>& taken,
          const char* name) {
        if (given) shape = given->shape();
        const bool fits = given ? taken && nn::fits(*taken, shape) : !taken || !taken->required;
        check(fits, "RuntimeNetwork", "{} is {}, the network needs {}", taken ? taken->key : name,
              given ? langevin::to_string(shape) : "absent", taken ? nn::wanted_shape(*taken) : "none");
      },
      call, cond, nn::conditions(config_, x.batch()), ConditionNames{});
  return call;
}

HostArrayF RuntimeNetwork::operator()(const HostArrayF& x, const std::vector<double>& t,
                                      const Cond<HostArrayF>& cond) {
  const CallShape call = checked_call(x, t, cond);
  Plan& ready = plan(call);
  const std::vector<double> none(static_cast<size_t>(x.batch()), 0.0);
  std::vector<const HostArrayF*> vectors;
  each_condition(
      [&](const std::optional<HostArrayF>& given) {
        if (given && given->shape().size() == 2) vectors.push_back(&*given);
      },
      cond);
  std::vector<float> beside;  // one vector alone lies ready
  for (int64_t i = 0; vectors.size() > 1 && i < x.batch(); ++i) {
    for (const HostArrayF* v : vectors) beside.insert(beside.end(), v->sample(i).begin(), v->sample(i).end());
  }
  HostArrayF out(ready.output_shape());
  const ThreadLimit limit(threads_);
  with_own_errors(type_, [&] {
    ready.run({x.data().data(), t.empty() ? none : t, cond.class_labels,
               vectors.empty()       ? nullptr
               : vectors.size() == 1 ? vectors[0]->data().data()
                                     : beside.data(),
               cond.context ? cond.context->data().data() : nullptr},
              out.data().data());
  });
  return out;
}

}  // namespace langevin::runtime
