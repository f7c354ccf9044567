// libFuzzer over the safetensors reader (and .npy, whose header is a language of its own): any bytes give a
// file or an Error, never anything else. Build with clang:
//     clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/safetensors_fuzz.cpp \
//       langevin/core/*.cpp langevin/io/{safetensors,safetensors_header,npy,dtype,mapped_file}.cpp \
//       -lfmt -lxxhash -lcrypto -o safetensors_fuzz
//     ./safetensors_fuzz -max_len=4096 -max_total_time=60
#include <cstdint>

#include "langevin/core/check.h"
#include "langevin/io/npy.h"
#include "langevin/io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const auto file = langevin::SafetensorsFile::parse(bytes, "fuzz");
    size_t covered = 0;
    for (const auto& name : file.names()) covered += file.at(name).bytes.size();
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
