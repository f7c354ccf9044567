#include "langevin/io/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "langevin/core/atomic_file.h"
#include "langevin/core/checksum.h"
#include "langevin/core/names.h"
#include "langevin/io/quote.h"
#include "langevin/io/safetensors_header.h"

namespace langevin {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;
constexpr std::string_view kChecksumKey = "xxh3";
constexpr size_t kDigits = 32;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Where the digits of the checksum stand in the header. Inside a JSON text the quotes would be escaped, so
// the key cannot be found anywhere but as a key.
size_t find_digits(std::string_view header) {
  const std::string mark = fmt::format("\"{}\":\"", kChecksumKey);
  const size_t at = header.find(mark);
  return at == std::string_view::npos || header.size() - at < mark.size() + kDigits ? std::string_view::npos
                                                                                    : at + mark.size();
}

bool is_hex_digest(const std::string& text) {
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// A key that is the checksum's but for one character, holding a checksum: the damage hit the key itself.
bool is_damaged_key(const std::string& key, const std::string& value) {
  if (key.size() != kChecksumKey.size() || !is_hex_digest(value)) return false;
  int different = 0;
  for (size_t i = 0; i < key.size(); ++i) different += key[i] != kChecksumKey[i];
  return different == 1;
}

[[noreturn]] void fail_checksum(const std::string& source) {
  fail(
      "{}: checksum does not match (the file is damaged); take another copy, or remove its metadata key '{}' "
      "if "
      "another program rewrote the file",
      source, kChecksumKey);
}

void check_outgoing(const std::filesystem::path& path, const std::vector<const TensorOut*>& order) {
  for (size_t i = 0; i < order.size(); ++i) {
    const TensorOut& tensor = *order[i];
    uint64_t bytes = 0;
    if (tensor.name.empty() || tensor.name == "__metadata__") {
      fail("cannot write {}: {} is no name for a tensor; give another", path.string(), quote(tensor.name));
    }
    if (!tensor_bytes(tensor.shape, tensor.dtype, bytes) || bytes != tensor.bytes.size()) {
      fail("cannot write {}: tensor {} of shape {} and type {} has {} bytes, which does not fit",
           path.string(), quote(tensor.name), to_string(tensor.shape), to_string(tensor.dtype),
           tensor.bytes.size());
    }
  }
}

std::string header_text(const std::filesystem::path& path, const std::vector<const TensorOut*>& order,
                        std::map<std::string, std::string> metadata) {
  metadata[std::string(kChecksumKey)] = std::string(kDigits, '0');
  const auto text = [&](const std::string& raw) {
    try {
      return nlohmann::json(raw).dump();
    } catch (const nlohmann::json::exception&) {
      fail("cannot write {}: the name or metadata {} is not UTF-8", path.string(), quote(raw));
    }
  };
  std::string header = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    if (header.back() != '{') header += ',';
    header += text(key) + ':' + text(value);
  }
  header += '}';
  uint64_t begin = 0;
  for (const TensorOut* tensor : order) {
    const uint64_t end = begin + tensor->bytes.size();
    header +=
        fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", text(tensor->name),
                    safetensors_name(tensor->dtype), fmt::join(tensor->shape, ","), begin, end);
    begin = end;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > kMaxHeader) {
    fail("cannot write {}: its header would have {} bytes, at most {} are allowed; shorten the metadata",
         path.string(), header.size(), kMaxHeader);
  }
  return header;
}

template <class T, class Convert>
void convert(std::span<const std::byte> bytes, std::vector<float>& out, Convert f) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = f(value);
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile file;
  file.mapped_ = MappedFile(path);
  file.source_ = path.string();
  file.read(file.mapped_.bytes());
  return file;
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, std::string source) {
  SafetensorsFile file;
  file.source_ = std::move(source);
  file.read(bytes);
  return file;
}

void SafetensorsFile::read(std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) {
    fail("{}: {} bytes are too few for a safetensors file; the file is damaged or of another kind", source_,
         bytes.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeader || length > bytes.size() - kLengthBytes) {
    fail("{}: a header of {} bytes does not fit a file of {}; the file is cut short or not safetensors",
         source_, length, bytes.size());
  }
  header_ = bytes.subspan(kLengthBytes, static_cast<size_t>(length));
  data_ = bytes.subspan(kLengthBytes + static_cast<size_t>(length));
  SafetensorsHeader header = parse_safetensors_header(as_text(header_), source_);
  metadata_ = std::move(header.metadata);
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t position = 0;
  for (auto& entry : header.entries) {
    uint64_t needed = 0;
    if (entry.begin != position || entry.end < entry.begin || entry.end > data_.size()) {
      fail(
          "{}: tensor {} lies at bytes {} to {}, expected from {} on, of {}; the file is cut short or "
          "damaged",
          source_, quote(entry.name), entry.begin, entry.end, position, data_.size());
    }
    if (!tensor_bytes(entry.shape, entry.dtype, needed) || needed != entry.end - entry.begin) {
      fail("{}: tensor {} of shape {} and type {} does not fit its {} bytes; the file is damaged", source_,
           quote(entry.name), to_string(entry.shape), to_string(entry.dtype), entry.end - entry.begin);
    }
    names_.push_back(entry.name);
    tensors_[entry.name] = {entry.dtype, std::move(entry.shape),
                            data_.subspan(static_cast<size_t>(entry.begin), static_cast<size_t>(needed))};
    position = entry.end;
  }
  if (position != data_.size()) {
    fail("{}: {} bytes after the last tensor belong to none; the file is damaged", source_,
         data_.size() - position);
  }
}

const TensorView& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  fail_no_tensor(source_, name, names_);
}

HostArrayF SafetensorsFile::to_float(const std::string& name) const {
  return langevin::to_float(at(name), fmt::format("{}: tensor {}", source_, quote(name)));
}

void fail_no_tensor(const std::string& source, const std::string& name,
                    const std::vector<std::string>& names) {
  constexpr size_t kSearched = 10'000;  // names compared for a hint
  const std::string near = names.size() <= kSearched ? nearest(name, names) : "";
  fail("{}: it has no tensor {}{}; check that the file belongs to this network", source, quote(name),
       near.empty() ? "" : " (the nearest is " + quote(near) + ")");
}

HostArrayF to_float(const TensorView& tensor, const std::string& what) {
  std::vector<float> values(tensor.bytes.size() / dtype_size(tensor.dtype));
  switch (tensor.dtype) {
    case DType::f32:
      if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
      break;
    case DType::f64:
      convert<double>(tensor.bytes, values, [](double value) { return static_cast<float>(value); });
      break;
    case DType::f16:
      convert<uint16_t>(tensor.bytes, values, f16_to_float);
      break;
    case DType::bf16:
      convert<uint16_t>(tensor.bytes, values, bf16_to_float);
      break;
    default:
      fail("{} holds {}, expected floating-point numbers", what, to_string(tensor.dtype));
  }
  return HostArrayF(tensor.shape.empty() ? Shape{1} : tensor.shape, std::move(values));
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorOut>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorOut*> order;
  for (const TensorOut& tensor : tensors) order.push_back(&tensor);
  check_outgoing(path, order);
  std::sort(order.begin(), order.end(), [](const TensorOut* a, const TensorOut* b) {
    const size_t size_a = dtype_size(a->dtype), size_b = dtype_size(b->dtype);
    return std::tie(size_b, a->name) < std::tie(size_a, b->name);
  });
  std::vector<std::string_view> names;
  for (const TensorOut* tensor : order) names.push_back(tensor->name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail("cannot write {}: tensor {} is given twice", path.string(), quote(*twice));

  std::string header = header_text(path, order, metadata);
  Xxh3 hash;
  hash.update(header);
  for (const TensorOut* tensor : order) hash.update(tensor->bytes);
  header.replace(find_digits(header), kDigits, hash.hex());

  const uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const TensorOut* tensor : order) file.write(tensor->bytes);
  file.commit();
}

void verify_checksum(const SafetensorsFile& file) {
  for (const auto& [key, value] : file.metadata()) {
    if (is_damaged_key(key, value)) fail_checksum(file.source());
  }
  const auto found = file.metadata().find(std::string(kChecksumKey));
  if (found == file.metadata().end()) return;
  const std::string_view header = as_text(file.header());
  const size_t at = find_digits(header);
  if (at == std::string_view::npos) fail_checksum(file.source());
  Xxh3 hash;
  hash.update(header.substr(0, at));
  hash.update(std::string(kDigits, '0'));
  hash.update(header.substr(at + kDigits));
  hash.update(file.data());
  if (hash.hex() != found->second) fail_checksum(file.source());
}

}  // namespace langevin
