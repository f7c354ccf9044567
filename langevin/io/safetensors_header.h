// The JSON header of a safetensors file, read event by event: nothing is kept but what the format allows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "langevin/io/dtype.h"

namespace langevin {

struct SafetensorsHeader {
  struct Entry {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    uint64_t begin = 0, end = 0;  // bytes, from the start of the data
  };
  std::vector<Entry> entries;  // as in the text
  std::map<std::string, std::string> metadata;
};

/// Checks the grammar and each field by itself; offsets and sizes are the caller's. Error naming `source`.
SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& source);

/// The format's name of a type ("F32", "BOOL").
std::string_view safetensors_name(DType dtype);

}  // namespace langevin
