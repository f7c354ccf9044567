#include "langevin/io/protobuf.h"

#include <bit>

namespace langevin {
namespace {

constexpr int kVarint = 0, kLengthDelimited = 2, kFixed32 = 5;  // wire types

}  // namespace

void ProtobufMessage::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
  bytes_.push_back(static_cast<char>(value));
}

void ProtobufMessage::key(int field, int wire_type) {
  varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type));
}

void ProtobufMessage::integer(int field, int64_t value) {
  key(field, kVarint);
  varint(static_cast<uint64_t>(value));  // negative: ten bytes, as the format has it
}

void ProtobufMessage::real(int field, float value) {
  key(field, kFixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) bytes_.push_back(static_cast<char>(bits >> shift));
}

void ProtobufMessage::text(int field, std::string_view bytes) {
  head(field, bytes.size());
  bytes_.append(bytes);
}

void ProtobufMessage::message(int field, const ProtobufMessage& value) { text(field, value.bytes()); }

void ProtobufMessage::head(int field, uint64_t size) {
  key(field, kLengthDelimited);
  varint(size);
}

}  // namespace langevin
