// From a path to a set ready for training: finds out what lies there, checks every picture, brings all to one
// size and channel count, and keeps small sets decoded in memory.
//
// Accepted: a folder of PNG, JPEG, WebP (class = subfolder; metadata.jsonl gives captions); the same inside
// .tar, .tar.gz or .zip; IDX (also .gz), CIFAR-10/100 binary, .npy, .npz, each as a file, in a folder or in
// an archive; a folder that holds nothing but one archive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "langevin/core/console.h"
#include "langevin/data/dataset.h"

namespace langevin {

class Schema;

struct DataOptions {
  int64_t size = 0;          // pixels, height and width; 0: as they are
  int64_t width = 0;         // pixels, where it differs from the height given by `size`; 0: square
  std::string fit = "crop";  // crop | random-crop | stretch | none
  double zoom = 1.0;  // crop and random-crop: short side is resized to zoom times the target before the cut
  int64_t channels = 0;  // 0: 1 if all pictures are gray, else 3; or 1, 3, 4 (4 keeps transparency)
  std::string background = "#ffffff";  // what shows through transparent pixels unless channels = 4
  bool flip = false;                   // mirror left-right at random
  std::string split = "auto";          // auto (train where there is one, else all) | train | test | all
  bool strict = false;                 // a bad picture is an error instead of being skipped
  bool verify = true;                  // decode every picture once at opening, not only its header
  int64_t memory = 4096;               // MiB that decoded pictures, or an archive that must be kept, may take
  int64_t threads = 0;                 // for decoding; 0: one a core
  int64_t max_pixels = int64_t{1} << 26;  // cap on one picture, checked before it is decoded
};

/// Registers the fields as data.size, data.width, ..., data.max_pixels.
void register_data_options(Schema& schema, DataOptions& options);

/// What `langevin inspect DATA` shows and a model's provenance keeps.
struct DatasetSummary {
  std::string path, kind;  // kind: "folder", "tar", "tar.gz", "zip", "idx", "cifar", "npy", ...
  int64_t count = 0;       // good examples
  ImageSpec spec;
  std::vector<std::pair<std::string, int64_t>> classes;      // name, examples
  int64_t captions = 0;                                      // examples that have one
  int64_t source_bytes = 0;                                  // of the files, as stored
  int64_t memory_bytes = 0;                                  // decoded in memory; 0: decoded while training
  bool mixed_sizes = false;                                  // originals differ in size
  std::vector<std::pair<std::string, std::string>> skipped;  // name, reason
  int64_t resized = 0;  // pictures that came in another size than the set's
  std::string hash;     // see fingerprint()
};
nlohmann::json to_json(const DatasetSummary& summary);
std::string to_string(const DatasetSummary& summary);  // a few lines for people

/// A data set whose every picture has spec().channels and at least spec().height x spec().width pixels
/// (exactly, unless fit = random-crop: the loader then cuts).
class PreparedSet : public Dataset {
 public:
  virtual const ImageSpec& spec() const = 0;
  virtual const DatasetSummary& summary() const = 0;
  virtual const DataOptions& options() const = 0;
};

/// Opens what lies at `path`. The good examples and their order depend on the data alone (natural sort by
/// name), not on threads or the file system's order. Bad pictures are skipped with one warning that counts
/// and names them. Error, in one line: nothing there, nothing usable there, sizes differ and no size given,
/// bad picture with strict. UsageError: options that contradict each other.
std::shared_ptr<PreparedSet> open_dataset(const std::filesystem::path& path, const DataOptions& options,
                                          Console& console);

/// What tells one example from another in fingerprint().
struct ExamplePrint {
  std::string name;
  int64_t label = -1;
  int64_t size = 0;     // bytes stored
  std::string content;  // XXH3-128 of the decoded pixels; empty where a large set is not decoded on opening
};

/// Identity of a set for provenance: XXH3-128 over its examples in their order, in hexadecimal.
std::string fingerprint(const std::vector<ExamplePrint>& examples);

}  // namespace langevin
