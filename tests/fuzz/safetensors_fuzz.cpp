// libFuzzer over the safetensors reader (and .npy, whose header is a language of its own): any bytes give a
// file or an Error, never anything else. tests/fuzz/CMakeLists.txt says how to run it.
#include <cstdint>

#include "langevin/core/check.h"
#include "langevin/io/npy.h"
#include "langevin/io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const auto file = langevin::SafetensorsFile::parse(bytes, "fuzz");
    size_t covered = 0;
    for (const auto& name : file.names()) {
      const auto& tensor = file.at(name);
      covered += tensor.bytes.size();
      if (langevin::is_floating(tensor.dtype)) file.to_float(name);
    }
    if (covered != file.data().size()) __builtin_trap();
    langevin::verify_checksum(file);
  } catch (const langevin::Error&) {
  }
  try {
    const auto array = langevin::parse_npy(bytes, "fuzz");
    if (array.bytes.size() > size) __builtin_trap();
  } catch (const langevin::Error&) {
  }
  return 0;
}
