// What `langevin forward` reads: the tensors of one call of a network, by the names and in the layout that
// the network's peer uses.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "langevin/diffusion/denoiser.h"
#include "langevin/io/safetensors.h"
#include "langevin/model/spec.h"

namespace langevin::cli {

/// One call of a denoiser; x is (N,C,H,W), or (N,C,L) of sequences, which come as (N,L,C).
struct ForwardInputs {
  HostArrayF x;
  std::vector<double> t;
  Cond<HostArrayF> cond;
};

/// `sample`, `timestep` (one number or N) and the conditions that the network takes. Error naming the file
/// and the tensor that is missing, has the wrong shape or does not belong to such a network.
ForwardInputs read_forward_inputs(const SafetensorsFile& file, const ModelSpec& spec);

/// `sample` and `latent` of an autoencoder's file, of which one may be absent.
struct AutoencoderInputs {
  std::optional<HostArrayF> sample, latent;
};
AutoencoderInputs read_autoencoder_inputs(const SafetensorsFile& file, const ModelSpec& spec);

/// Names of tensors in the file that no network knows: a line to warn with, or "".
std::string unknown_inputs(const SafetensorsFile& file);

/// (N,A,B) -> (N,B,A): between the peers' sequences (N,L,C) and the networks' (N,C,L).
HostArrayF transposed(const HostArrayF& x);

}  // namespace langevin::cli
