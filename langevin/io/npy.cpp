#include "langevin/io/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "langevin/core/atomic_file.h"
#include "langevin/io/mapped_file.h"
#include "langevin/io/quote.h"

namespace langevin {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeader = 65536;
constexpr size_t kMaxRank = 64;
constexpr size_t kAlignment = 64;

constexpr std::array<std::pair<std::string_view, DType>, 9> kTypes = {{
    {"f8", DType::f64},
    {"f4", DType::f32},
    {"f2", DType::f16},
    {"i8", DType::i64},
    {"i4", DType::i32},
    {"i2", DType::i16},
    {"i1", DType::i8},
    {"u1", DType::u8},
    {"b1", DType::boolean},
}};

// Reads the dictionary { 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }: exactly these three, any
// order.
class DictReader {
 public:
  DictReader(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  void read(NpyHeader& header) {
    expect('{');
    unsigned seen = 0;
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      const unsigned bit = key == "descr" ? 1u : key == "fortran_order" ? 2u : key == "shape" ? 4u : 0u;
      if (bit == 0 || (seen & bit) != 0) reject("an unknown or repeated field");
      seen |= bit;
      if (bit == 1) header.dtype = type(quoted());
      if (bit == 2) order();
      if (bit == 4) header.shape = shape();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!text_.empty()) reject("text after the dictionary");
    if (seen != 7) reject("no descr, fortran_order or shape");
  }

 private:
  [[noreturn]] void reject(std::string_view what) const {
    fail("{}: its .npy header has {}; the file is damaged or not .npy", source_, what);
  }
  void skip_space() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n')) text_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_space();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) reject("a wrong character");
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  std::string_view quoted() {
    skip_space();
    const char mark = text_.empty() ? '\0' : text_.front();
    const size_t end = text_.find(mark, 1);
    if ((mark != '\'' && mark != '"') || end == std::string_view::npos) reject("no text where it should");
    const std::string_view inner = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return inner;
  }
  DType type(std::string_view name) const {
    const std::string_view code = name.empty() ? name : name.substr(1);
    const bool bytes = code.size() == 2 && code[1] == '1';
    for (const auto& [known, dtype] : kTypes) {
      if (known == code && (name[0] == '<' || (bytes && name[0] == '|'))) return dtype;
    }
    fail(
        "{}: element type {} is not supported; save it as little-endian float16/32/64, int8/16/32/64, "
        "uint8 or bool",
        source_, quote(name));
  }
  void order() {
    if (accept_word("True"))
      fail("{}: it is in Fortran order; save numpy.ascontiguousarray(x) instead", source_);
    if (!accept_word("False")) reject("a fortran_order that is neither True nor False");
  }
  Shape shape() {
    Shape extents;
    expect('(');
    while (!accept(')')) {
      skip_space();
      int64_t extent = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0 || extents.size() == kMaxRank) reject("a wrong shape");
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      extents.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return extents;
  }
  std::string_view text_;
  const std::string& source_;
};

uint64_t checked_bytes(const Shape& shape, DType dtype, const std::string& source) {
  uint64_t bytes = 0;
  if (!tensor_bytes(shape, dtype, bytes)) fail("{}: its shape {} is not possible", source, to_string(shape));
  return bytes;
}

template <class T>
void widen(std::span<const std::byte> bytes, std::vector<float>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(value);
  }
}

}  // namespace

HostArrayF NpyArray::to_float() const {
  std::vector<float> values(bytes.size() / dtype_size(dtype));
  switch (dtype) {
    case DType::f64:
      widen<double>(bytes, values);
      break;
    case DType::f32:
      widen<float>(bytes, values);
      break;
    case DType::i64:
      widen<int64_t>(bytes, values);
      break;
    case DType::i32:
      widen<int32_t>(bytes, values);
      break;
    case DType::i16:
      widen<int16_t>(bytes, values);
      break;
    case DType::i8:
      widen<int8_t>(bytes, values);
      break;
    case DType::u8:
    case DType::boolean:
      widen<uint8_t>(bytes, values);
      break;
    case DType::f16:
    case DType::bf16:
      for (size_t i = 0; i < values.size(); ++i) {
        uint16_t bits;
        std::memcpy(&bits, bytes.data() + 2 * i, 2);
        values[i] = dtype == DType::f16 ? f16_to_float(bits) : bf16_to_float(bits);
      }
      break;
  }
  return HostArrayF(shape.empty() ? Shape{1} : shape, std::move(values));
}

NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& source) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < kMagic.size() + 2) {
    fail("{}: it does not begin as .npy does; the file is damaged or of another kind", source);
  }
  const int version = static_cast<unsigned char>(text[kMagic.size()]);
  if (version != 1 && version != 2)
    fail("{}: .npy version {} is not supported; save it with version 1", source, version);
  const size_t length_at = kMagic.size() + 2, length_size = version == 1 ? 2 : 4;
  uint32_t length = 0;
  if (text.size() >= length_at + length_size) std::memcpy(&length, text.data() + length_at, length_size);
  const size_t start = length_at + length_size;
  if (text.size() < start || length > kMaxHeader || length > text.size() - start) {
    fail("{}: an .npy header of {} bytes does not fit; the file is cut short or damaged", source, length);
  }
  NpyHeader header;
  DictReader(text.substr(start, length), source).read(header);
  header.data_offset = start + length;
  header.data_bytes = checked_bytes(header.shape, header.dtype, source);
  return header;
}

NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& source) {
  NpyHeader header = parse_npy_header(bytes, source);
  const std::span<const std::byte> data = bytes.subspan(header.data_offset);
  if (data.size() != header.data_bytes) {
    fail("{}: shape {} of {} needs {} bytes, the file has {}; it is cut short or damaged", source,
         to_string(header.shape), to_string(header.dtype), header.data_bytes, data.size());
  }
  return {header.dtype, std::move(header.shape), {data.begin(), data.end()}};
}

std::string npy_header(DType dtype, const Shape& shape) {
  const auto* found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& pair) { return pair.second == dtype; });
  check(found != kTypes.end(), "npy_header", "NumPy has no type for {}", to_string(dtype));
  std::string dict = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 dtype_size(dtype) == 1 ? '|' : '<', found->first, fmt::join(shape, ", "),
                                 shape.size() == 1 ? "," : "");
  const size_t front = kMagic.size() + 4;
  dict.append(kAlignment - 1 - (front + dict.size()) % kAlignment, ' ');
  dict += '\n';
  check(dict.size() <= UINT16_MAX, "npy_header", "{} dimensions are too many", shape.size());
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

NpyArray read_npy(const std::filesystem::path& path, uint64_t max_bytes) {
  const MappedFile file(path);
  const NpyHeader header = parse_npy_header(file.bytes(), path.string());
  if (header.data_bytes > max_bytes) {
    fail("{}: it has {} bytes of data, at most {} are expected; check that it is the right file",
         path.string(), header.data_bytes, max_bytes);
  }
  return parse_npy(file.bytes(), path.string());
}

void write_npy(const std::filesystem::path& path, DType dtype, const Shape& shape,
               std::span<const std::byte> bytes) {
  const std::string header = npy_header(dtype, shape);
  if (checked_bytes(shape, dtype, path.string()) != bytes.size()) {
    fail("cannot write {}: shape {} of {} does not fit {} bytes", path.string(), to_string(shape),
         to_string(dtype), bytes.size());
  }
  AtomicFile file(path);
  file.write(header);
  file.write(bytes);
  file.commit();
}

}  // namespace langevin
