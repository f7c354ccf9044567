#include "langevin/io/safetensors_header.h"

#include <array>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "langevin/io/quote.h"

namespace langevin {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<std::string_view, DType>, 10> kTypes = {{
    {"F64", DType::f64},
    {"F32", DType::f32},
    {"F16", DType::f16},
    {"BF16", DType::bf16},
    {"I64", DType::i64},
    {"I32", DType::i32},
    {"I16", DType::i16},
    {"I8", DType::i8},
    {"U8", DType::u8},
    {"BOOL", DType::boolean},
}};

constexpr size_t kMaxRank = 64;

// The grammar { name: {dtype, shape, data_offsets}, ..., "__metadata__": {text: text, ...} } as a state
// machine over the parser's events. Whatever does not fit ends the parse at once, so depth and memory stay
// bounded.
class HeaderReader {
 public:
  HeaderReader(SafetensorsHeader& out, const std::string& source) : out_(out), source_(source) {}

  // The parser calls these; each returns true to go on.
  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("true or false"); }
  bool number_float(double, const std::string&) { return unexpected("a number that is no integer"); }
  bool binary(Json::binary_t&) { return unexpected("binary data"); }
  bool number_integer(int64_t) { return unexpected("a negative number"); }
  bool number_unsigned(uint64_t value) {
    if (where_ == Where::shape) {
      reject_unless(value <= static_cast<uint64_t>(INT64_MAX), "its shape is too large");
      reject_unless(entry_.shape.size() < kMaxRank, "it has more than 64 dimensions");
      entry_.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (where_ != Where::offsets || offsets_ == 2) return unexpected("a number");
    (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    return true;
  }
  bool string(std::string& text) {
    if (where_ == Where::metadata) {
      if (!out_.metadata.emplace(key_, std::move(text)).second) {
        fail("{}: metadata key {} appears twice; the file is damaged or not safetensors", source_,
             quote(key_));
      }
      return true;
    }
    if (where_ != Where::tensor || key_ != "dtype") return unexpected("text");
    for (const auto& [name, dtype] : kTypes) {
      if (name == text) {
        entry_.dtype = dtype;
        return true;
      }
    }
    fail("{}: tensor {} has the element type {}, which is not supported; convert it to F32, F16 or BF16",
         source_, quote(entry_.name), quote(text));
  }
  bool start_object(size_t) {
    if (where_ == Where::outside) {
      where_ = Where::top;
    } else if (where_ == Where::top && key_ == "__metadata__") {
      where_ = Where::metadata;
    } else if (where_ == Where::top) {
      reject_name_unless(!key_.empty(), "an empty name");
      where_ = Where::tensor;
      entry_ = {};
      entry_.name = key_;
      fields_ = 0;
    } else {
      return unexpected("an object");
    }
    return true;
  }
  bool key(std::string& text) {
    key_ = std::move(text);
    if (where_ == Where::top) {
      reject_name_unless(seen_.insert(key_).second, "it appears twice");
    } else if (where_ == Where::tensor) {
      const unsigned bit = key_ == "dtype" ? 1u : key_ == "shape" ? 2u : key_ == "data_offsets" ? 4u : 0u;
      reject_unless(bit != 0, "it has an unknown field");
      reject_unless((fields_ & bit) == 0, "it has a field twice");
      fields_ |= bit;
    }
    return true;
  }
  bool end_object() {
    if (where_ == Where::tensor) {
      reject_unless(fields_ == 7, "it lacks dtype, shape or data_offsets");
      out_.entries.push_back(std::move(entry_));
    }
    where_ = where_ == Where::top ? Where::outside : Where::top;
    return true;
  }
  bool start_array(size_t) {
    if (where_ != Where::tensor || key_ == "dtype") return unexpected("a list");
    where_ = key_ == "shape" ? Where::shape : Where::offsets;
    offsets_ = 0;
    return true;
  }
  bool end_array() {
    reject_unless(where_ != Where::offsets || offsets_ == 2, "its data_offsets are not two numbers");
    where_ = Where::tensor;
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) {
    fail("{}: the header is no JSON (at byte {} of it); the file is damaged or not safetensors", source_,
         position);
  }

 private:
  enum class Where { outside, top, metadata, tensor, shape, offsets };

  bool unexpected(std::string_view what) const {
    fail("{}: the header has {} where the format has none (at {}); the file is damaged or not safetensors",
         source_, what,
         quote(where_ == Where::outside || where_ == Where::top ? key_
               : where_ == Where::metadata                      ? "__metadata__"
                                                                : entry_.name));
  }
  void reject_unless(bool ok, std::string_view why) const {
    if (!ok) fail("{}: tensor {}: {}; the file is damaged", source_, quote(entry_.name), why);
  }
  void reject_name_unless(bool ok, std::string_view why) const {
    if (!ok) fail("{}: tensor {}: {}; the file is damaged", source_, quote(key_), why);
  }

  SafetensorsHeader& out_;
  const std::string& source_;
  Where where_ = Where::outside;
  std::string key_;
  SafetensorsHeader::Entry entry_;
  unsigned fields_ = 0;  // bits: dtype, shape, data_offsets
  int offsets_ = 0;
  std::unordered_set<std::string> seen_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& source) {
  // The parser takes a NUL for the end of the text; here it is just damage.
  if (text.empty() || text.front() != '{' || text.find('\0') != std::string_view::npos) {
    fail("{}: the header is no JSON object; the file is damaged or not safetensors", source);
  }
  SafetensorsHeader header;
  HeaderReader reader(header, source);
  Json::sax_parse(text.begin(), text.end(), &reader);
  return header;
}

std::string_view safetensors_name(DType dtype) {
  for (const auto& [name, type] : kTypes) {
    if (type == dtype) return name;
  }
  fail("safetensors_name: {} is no element type", static_cast<int>(dtype));
}

}  // namespace langevin
