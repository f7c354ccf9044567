// A model as a folder that diffusers opens: <component>/config.json and its weights, scheduler/, and for what
// a stock pipeline there runs (UNet2DModel) model_index.json. The weights file carries our description too
// (metadata key `langevin`), so that the folder is opened here as the very same model.
#pragma once

#include <filesystem>

#include "langevin/model/model_file.h"

namespace langevin {

/// Throws Error naming what has no counterpart in diffusers: the network, its picture size, the process.
void check_exportable(const ModelFile& model);

/// Writes into `folder`, which is there and empty. Error as check_exportable, and on a full disk.
void write_diffusers_folder(const ModelFile& model, const std::filesystem::path& folder);

}  // namespace langevin
