// A network that the runtime has made ready: called like a function, it prepares a plan for each new size of
// batch and input and keeps the last few.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "langevin/diffusion/denoiser.h"
#include "langevin/kernels/threads.h"
#include "langevin/nn/network.h"
#include "langevin/runtime/plan.h"
#include "langevin/runtime/recorder.h"
#include "langevin/runtime/stream_weights.h"

namespace langevin::runtime {

/// "fp32" | "bf16" | "int8"; UsageError otherwise.
Type type_from_name(const std::string& name);
std::string to_string(Type type);
/// What a network computes in when `precision` is asked for. bf16 becomes fp32 for pictures where the
/// processor multiplies bf16 no faster (kernels/processor.h): there fp32 is faster and rounds less. Sequences
/// keep it, since what they wait for is reading their weights.
Type fitting_type(const std::string& precision, const nn::NetworkConfig& network);

/// "" where oneDNN has fast code for this processor, else one line that says what is missing.
std::string slow_processor();

using langevin::ThreadLimit;
/// `threads`, or one a core that this process may use where it is 0.
int resolve_threads(int64_t threads);

/// Not to be called by two threads at once.
class RuntimeNetwork {
 public:
  /// `weights` keeps what it was made from alive. Nothing is computed yet. threads >= 1.
  RuntimeNetwork(nn::NetworkConfig config, Weights weights, Type type, int threads, Part part = Part::whole);
  RuntimeNetwork(const RuntimeNetwork&) = delete;
  RuntimeNetwork& operator=(const RuntimeNetwork&) = delete;

  /// x (N,C,H,W) or (N,C,L), t (N), and the conditions that the network takes -> (N,out,H,W) or (N,out,L), of
  /// a classifier logits (N,K) or its features (N,D). A part of an autoencoder takes no t. Error: sizes that
  /// do not fit the network, a precision that this processor cannot compute.
  HostArrayF operator()(const HostArrayF& x, const std::vector<double>& t = {},
                        const Cond<HostArrayF>& cond = {});

  /// Of type int8: what its products read, from now on; those it does not speak of are computed in fp32.
  void use(Calibration int8);
  Weights& weights() { return weights_; }
  const nn::NetworkConfig& config() const { return config_; }

  /// The plan for such a call, made if it is new.
  Plan& plan(const CallShape& call);
  /// For x of `shape` and as many conditions as the network must be given.
  Plan& plan(const Shape& shape);
  Type type() const { return type_; }
  int threads() const { return threads_; }
  int64_t streamed_bytes() const { return streamed_.bytes(); }
  /// Of a call with what the network must be given.
  const Conditioning& conditioning() const { return *conditionings_.front().rows; }

 private:
  struct Entry {
    CallShape call;
    std::unique_ptr<Plan> plan;
  };
  struct Rows {
    CallShape call;  // for one sample at the usual size: which conditions are given
    std::unique_ptr<Conditioning> rows;
  };
  Conditioning& conditioning_of(const CallShape& call);
  CallShape checked_call(const HostArrayF& x, const std::vector<double>& t,
                         const Cond<HostArrayF>& cond) const;
  nn::NetworkConfig config_;
  Weights weights_;
  Type type_;
  int threads_;
  Part part_;
  std::list<Rows> conditionings_;
  StreamContext* streams();
  std::unique_ptr<Team> team_;  // made when a plan first streams
  StreamWeights streamed_;
  std::optional<StreamContext> streams_;
  Calibration int8_;
  std::list<Entry> plans_;  // newest use first
};

}  // namespace langevin::runtime
