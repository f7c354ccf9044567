// The wire format of Protocol Buffers, written: a message is a run of fields, each a key (number and wire
// type) and a value (protobuf.dev, "Encoding"). No schema: the caller knows his numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace langevin {

class ProtobufMessage {
 public:
  void integer(int field, int64_t value);        // int32, int64, enum, bool
  void real(int field, float value);             // float
  void text(int field, std::string_view bytes);  // string, bytes
  void message(int field, const ProtobufMessage& value);
  void append(const ProtobufMessage& fields) { bytes_ += fields.bytes_; }  // fields of the same message
  /// Key and length of a field of `size` bytes, which the caller writes behind this message himself.
  void head(int field, uint64_t size);

  const std::string& bytes() const { return bytes_; }
  uint64_t size() const { return bytes_.size(); }

 private:
  void varint(uint64_t value);
  void key(int field, int wire_type);
  std::string bytes_;
};

}  // namespace langevin
