#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/data/source.h"
#include "langevin/io/mapped_file.h"
#include "langevin/io/npz.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

uint64_t memory_limit(const DataOptions& options) { return static_cast<uint64_t>(options.memory) << 20; }

/// How float values become bytes: byte = round(scale * value + shift).
struct FloatRange {
  double scale, shift;
  const char* name;
};

FloatRange range_of(const HostArrayF& values, const std::string& name) {
  float lo = 0, hi = 0;
  for (float v : values.data()) {
    if (!std::isfinite(v)) fail("{}: holds a value that is not finite", name);
    lo = std::min(lo, v);
    hi = std::max(hi, v);
  }
  if (lo >= 0 && hi <= 1) return {255, 0, "[0, 1]"};
  if (lo >= -1 && hi <= 1) return {127.5, 127.5, "[-1, 1]"};
  if (lo >= 0 && hi <= 255) return {1, 0, "[0, 255]"};
  fail("{}: values from {} to {} are neither in [0, 1] nor [-1, 1] nor [0, 255]; rescale them", name, lo, hi);
}

/// The table's pixels from an array of bytes or floats.
Table to_table(NpyArray array, const std::string& name, Console& console) {
  Table table = table_of_shape(array.shape, name);
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  if (array.dtype == DType::u8) {
    bytes->resize(array.bytes.size());
    std::memcpy(bytes->data(), array.bytes.data(), array.bytes.size());
  } else if (array.dtype == DType::f32 || array.dtype == DType::f64 || array.dtype == DType::f16) {
    const HostArrayF values = array.to_float();
    const FloatRange range = range_of(values, name);
    console.info(fmt::format("{}: floats taken as {} and kept in 8 bits", name, range.name));
    bytes->resize(values.data().size());
    std::transform(values.data().begin(), values.data().end(), bytes->begin(),
                   [&](float v) { return static_cast<uint8_t>(range.scale * v + range.shift + 0.5); });
  } else {
    fail("{}: pictures of type {} are not read; store uint8 or float", name, to_string(array.dtype));
  }
  table.pixels = *bytes;
  table.owner = std::move(bytes);
  return table;
}

template <class T>
std::vector<int64_t> widen(const NpyArray& array) {
  std::vector<int64_t> out(array.bytes.size() / sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, array.bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<int64_t>(value);
  }
  return out;
}

std::vector<int64_t> to_labels(const NpyArray& array, int64_t count, const std::string& name) {
  const bool column = array.shape.size() == 2 && array.shape[1] == 1;
  if (!(array.shape.size() == 1 || column) || array.shape[0] != count) {
    fail("{}: labels have shape {}, but there are {} pictures", name, to_string(array.shape), count);
  }
  switch (array.dtype) {
    case DType::u8:
    case DType::boolean:
      return widen<uint8_t>(array);
    case DType::i8:
      return widen<int8_t>(array);
    case DType::i16:
      return widen<int16_t>(array);
    case DType::i32:
      return widen<int32_t>(array);
    case DType::i64:
      return widen<int64_t>(array);
    default:
      fail("{}: labels of type {} are not integers", name, to_string(array.dtype));
  }
}

struct Keys {
  std::string images, labels;  // labels "": none
};

bool holds(const std::vector<NpzMember>& members, const std::string& name) {
  return std::any_of(members.begin(), members.end(), [&](const NpzMember& m) { return m.name == name; });
}

/// Which arrays are pictures and labels: ours and NumPy's default names, then Keras' two parts.
std::vector<Keys> choose_keys(const std::vector<NpzMember>& members, const DataOptions& options,
                              const std::string& where) {
  auto label_of = [&](std::initializer_list<const char*> names) -> std::string {
    for (const char* name : names) {
      if (holds(members, name)) return name;
    }
    return "";
  };
  for (const char* images : {"images", "arr_0"}) {
    if (!holds(members, images)) continue;
    choose_parts(options.split, {true, false}, where);
    return {{images, label_of({"labels", "label", "arr_1"})}};
  }
  const Parts present{holds(members, "x_train"), holds(members, "x_test")};
  if (!present.train && !present.test) {
    std::string names;
    for (const NpzMember& m : members) names += (names.empty() ? "" : ", ") + m.name;
    fail("{}: no array named images, arr_0 or x_train; it holds: {}", where,
         names.empty() ? "nothing" : names);
  }
  const Parts parts = choose_parts(options.split, present, where);
  std::vector<Keys> keys;
  if (parts.train) keys.push_back({"x_train", label_of({"y_train"})});
  if (parts.test) keys.push_back({"x_test", label_of({"y_test"})});
  return keys;
}

}  // namespace

std::shared_ptr<Source> npy_source(const fs::path& path, const DataOptions& options, Console& console) {
  const std::string name = path.filename().string();
  choose_parts(options.split, {true, false}, path.string());
  auto file = std::make_shared<MappedFile>(path);
  const NpyHeader header = parse_npy_header(file->bytes(), path.string());
  Table table;
  if (header.dtype == DType::u8) {  // read where it lies
    table = table_of_shape(header.shape, name);
    if (file->bytes().size() != header.data_offset + header.data_bytes) {
      fail("{}: {} bytes of data where its header promises {}; it was cut short or damaged", path.string(),
           file->bytes().size() - header.data_offset, header.data_bytes);
    }
    const auto data = file->bytes().subspan(header.data_offset);
    table.pixels = {reinterpret_cast<const uint8_t*>(data.data()), data.size()};
    table.owner = std::move(file);
  } else {
    table = to_table(read_npy(path, memory_limit(options)), name, console);
  }
  table.kind = "npy";
  std::vector<Table> parts;
  parts.push_back(std::move(table));
  return table_source(std::move(parts));
}

std::shared_ptr<Source> npz_source(const fs::path& path, const DataOptions& options, Console& console) {
  std::vector<Table> parts;
  std::vector<int64_t> every_label;
  for (const Keys& keys : choose_keys(list_npz(path), options, path.string())) {
    const std::string name = fmt::format("{}:{}", path.filename().string(), keys.images);
    Table table = to_table(read_npz(path, keys.images, memory_limit(options)), name, console);
    table.kind = "npz";
    if (!keys.labels.empty()) {
      const NpyArray labels = read_npz(path, keys.labels, memory_limit(options));
      table.labels = to_labels(labels, table.count, fmt::format("{}:{}", path.string(), keys.labels));
      every_label.insert(every_label.end(), table.labels.begin(), table.labels.end());
    }
    parts.push_back(std::move(table));
  }
  for (Table& part : parts) {
    if (!part.labels.empty()) part.classes = numbered_classes(every_label, path.string());
  }
  return table_source(std::move(parts));
}

}  // namespace langevin
