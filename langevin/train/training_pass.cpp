#include "langevin/train/training_pass.h"

#include <array>

#include "langevin/torch/cuda_device.h"
#include "langevin/torch/device.h"

namespace langevin {
namespace {

std::array<at::Tensor*, 5> fields(PassInputs& in) {
  return {&in.input, &in.answer, &in.told, &in.weights, &in.labels};
}

at::Tensor moment_of(const CallContext& c) {
  const std::array<int64_t, 2> values{static_cast<int64_t>(static_cast<uint32_t>(c.first_sample)),
                                      static_cast<int64_t>(c.step)};
  return at::tensor(at::ArrayRef<int64_t>(values), at::kLong).to(at::kInt);  // the bits of uint32
}

}  // namespace

PassLosses TrainingPass::run(const PassInputs& in, const CallContext& context) {
  const at::Tensor output = network_(in.input, in.told, {in.labels}, context);
  const at::Tensor errors = (output - in.answer).pow(2).flatten(1).mean(1);
  const at::Tensor loss = (errors * in.weights).sum();
  loss.backward();
  return {errors.detach(), loss.detach()};
}

bool TrainingPass::fits(const PassInputs& in) const {
  return graph_ != nullptr && inputs_.input.sizes() == in.input.sizes() &&
         inputs_.labels.defined() == in.labels.defined();
}

void TrainingPass::record(const PassInputs& in, const CallContext& context) {
  graph_.reset();  // gives its memory back first
  gradients_.clear();
  losses_ = {};
  inputs_ = in;
  for (at::Tensor* field : fields(inputs_)) {
    if (field->defined()) *field = field->clone();
  }
  moment_ = to_device(moment_of(context), in.input.device()).clone();
  CallContext replayed = context;
  replayed.moment = moment_;
  graph_ = std::make_unique<CudaGraph>(in.input.device(), [this, replayed] {
    // A gradient that is not there is written to memory of the recording; one that is would be added to.
    for (Parameter& p : network_.store().parameters()) p.leaf.mutable_grad() = at::Tensor();
    losses_ = run(inputs_, replayed);
  });
  for (Parameter& p : network_.store().parameters()) gradients_.push_back(p.leaf.grad());
}

PassLosses TrainingPass::operator()(const PassInputs& in, const CallContext& context) {
  const at::Device device = in.input.device();
  if (!record_ || !has_cuda_graphs(device) || !has_cuda_kernels(device)) return run(in, context);
  if (!fits(in)) {
    record(in, context);
  } else {
    const at::NoGradGuard no_grad;
    PassInputs given = in;
    const auto to = fields(inputs_), from = fields(given);
    for (size_t i = 0; i < to.size(); ++i) {
      if (to[i]->defined()) to[i]->copy_(*from[i]);
    }
    moment_.copy_(to_device(moment_of(context), in.input.device()));
  }
  graph_->replay();
  auto& parameters = network_.store().parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].leaf.grad().defined()) parameters[i].leaf.mutable_grad() = gradients_[i];
  }
  return losses_;
}

}  // namespace langevin
