// NumPy's .npz: a zip archive of .npy files, member "arr_0.npy" holding the array `arr_0`.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "langevin/io/npy.h"

namespace langevin {

struct NpzMember {
  std::string name;    // without ".npy"
  int64_t bytes = -1;  // of the uncompressed .npy, header included; -1 when the archive does not say
};

/// The arrays of an .npz in the order of the archive; members that are not .npy are left out. Error when the
/// file is no zip, is damaged, or holds a name twice.
std::vector<NpzMember> list_npz(const std::filesystem::path& path);

/// One array, stored or deflated; checked against the archive's CRC. Error when it is absent (naming those
/// there are), damaged, or its .npy has more than `max_bytes`.
NpyArray read_npz(const std::filesystem::path& path, const std::string& name, uint64_t max_bytes);

/// Writes an .npz piece by piece, so memory does not grow with the arrays; stored entries, zip64 where
/// needed, the same bytes for the same calls. Atomic: nothing is there before commit(), nor without it.
///     NpzWriter out("samples.npz");
///     out.begin_array("arr_0", DType::u8, {n, h, w, 3});
///     for (...) out.append(batch);
///     out.end_array();
///     out.commit();
class NpzWriter {
 public:
  explicit NpzWriter(const std::filesystem::path& path);
  ~NpzWriter();
  NpzWriter(const NpzWriter&) = delete;
  NpzWriter& operator=(const NpzWriter&) = delete;

  /// Error on a name that is empty or was used, or while another array is open.
  void begin_array(const std::string& name, DType dtype, const Shape& shape);
  /// The next bytes, row-major; Error past the end of the shape.
  void append(std::span<const std::byte> bytes);
  /// Error when fewer bytes came than the shape needs.
  void end_array();
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace langevin
