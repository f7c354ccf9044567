// A critic of patches: it says of every patch of a picture how real it looks, and a decoder that listens
// draws sharper (Isola et al. 2016, arXiv:1611.07004, section 3.2.2; with the hinge loss as in Esser et al.
// 2020, arXiv:2012.09841). It belongs to training alone; a model file knows nothing of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "langevin/torch/interpreter.h"
#include "langevin/train/optimizer.h"

namespace langevin {

class PatchCritic {
 public:
  /// For pictures of `channels`; `widths` are those of its layers, each of which halves height and width.
  PatchCritic(int64_t channels, std::vector<int64_t> widths, double lr, at::Device device, uint64_t seed);

  /// d(-mean logit)/d(decoded): which way the decoder should go. Its own leaves stay without gradients.
  at::Tensor direction(const at::Tensor& decoded);
  /// Adds the gradient of the hinge loss, mean max(0, 1 - logit(real)) + max(0, 1 + logit(decoded)), to its
  /// leaves.
  void learn(const at::Tensor& real, const at::Tensor& decoded);
  /// One update with what was learnt in `parts` calls; nothing if that is not finite.
  void step(int64_t parts);
  void discard() { optimizer_.discard(); }

  /// (N,1,h,w).
  at::Tensor logits(const at::Tensor& pictures);
  double last_loss() const { return loss_; }

  /// All that a checkpoint keeps of it, by name; the tensors are its own memory.
  std::map<std::string, at::Tensor> state();
  int64_t updates() const { return optimizer_.updates(); }
  /// After state() was written into.
  void restored(int64_t updates);

 private:
  int64_t channels_;
  std::vector<int64_t> widths_;
  double lr_;
  ParameterStore store_;
  Optimizer optimizer_;
  double loss_ = 0;

  static ParameterStore make_store(int64_t channels, const std::vector<int64_t>& widths, at::Device device,
                                   uint64_t seed);
};

}  // namespace langevin
