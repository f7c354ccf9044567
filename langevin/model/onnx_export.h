// A model's denoiser as an ONNX file (nn/onnx_interpreter.h), with what sampling needs to know beside it.
#pragma once

#include <filesystem>

#include "langevin/model/model_file.h"

namespace langevin {

/// Writes the network in fp32; `version` is this program's. Metadata of the file:
///   langevin          the model's description, all of it, as JSON
///   prediction        what the output is: epsilon, sample, v_prediction, ...
///   alphas_cumprod    JSON array over timesteps 0, 1, ...: x_t = sqrt(a) x_0 + sqrt(1 - a) eps
///   labels, licence   where the model has them
/// Weights of more than 2 GiB lie in "<path>.data" (returned; else empty). Error on a full disk.
std::filesystem::path write_onnx(const ModelFile& model, const std::filesystem::path& path,
                                 const std::string& version);

}  // namespace langevin
