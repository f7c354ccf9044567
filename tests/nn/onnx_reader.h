// Reads ONNX files back, as little of them as the tests look at, from the wire format up: no code is shared
// with the writer.
#pragma once

#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace langevin::testing {

/// The fields of one message: numbers of varints, bytes of all else.
struct Fields {
  std::map<int, std::vector<uint64_t>> numbers;
  std::map<int, std::vector<std::string>> bytes;

  explicit Fields(const std::string& message) {
    for (size_t at = 0; at < message.size();) {
      const uint64_t key = varint(message, at);
      const int field = static_cast<int>(key >> 3);
      if ((key & 7) == 0) {
        numbers[field].push_back(varint(message, at));
        continue;
      }
      if ((key & 7) != 2 && (key & 7) != 5) throw std::runtime_error("unknown wire type");
      const uint64_t size = (key & 7) == 5 ? 4 : varint(message, at);
      if (size > message.size() - at) throw std::runtime_error("a field passes the end of its message");
      bytes[field].push_back(message.substr(at, size));
      at += size;
    }
  }
  std::vector<int64_t> extents(int field) const {
    const auto found = numbers.find(field);
    if (found == numbers.end()) return {};
    return {found->second.begin(), found->second.end()};
  }
  std::string text(int field) const {
    const auto found = bytes.find(field);
    return found == bytes.end() ? "" : found->second.at(0);
  }
  const std::vector<std::string>& all(int field) const {
    static const std::vector<std::string> none;
    const auto found = bytes.find(field);
    return found == bytes.end() ? none : found->second;
  }

 private:
  static uint64_t varint(const std::string& message, size_t& at) {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<unsigned char>(message.at(at++));
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("a varint without an end");
  }
};

struct ReadNode {
  std::string op;
  std::vector<std::string> inputs, outputs;
};
struct ReadTensor {
  std::vector<int64_t> dims;
  int64_t type = 0;
  std::string raw;
  std::map<std::string, std::string> external;
};
struct ReadOnnx {
  int64_t ir_version = 0, operator_set = 0;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> inputs, outputs;  // "1:batch,3,8,8": element type and axes
  std::vector<ReadNode> nodes;
  std::map<std::string, ReadTensor> tensors;
};

inline std::map<std::string, std::string> read_entries(const std::vector<std::string>& messages) {
  std::map<std::string, std::string> entries;
  for (const std::string& message : messages) {
    const Fields entry(message);
    entries[entry.text(1)] = entry.text(2);
  }
  return entries;
}

inline std::map<std::string, std::string> read_ports(const std::vector<std::string>& messages) {
  std::map<std::string, std::string> ports;
  for (const std::string& message : messages) {
    const Fields port(message);
    const Fields tensor(Fields(port.text(2)).text(1));
    std::string text;
    const Fields shape(tensor.text(2));
    for (const std::string& axis : shape.all(1)) {
      const Fields dimension(axis);
      text += (text.empty() ? "" : ",") +
              (dimension.numbers.empty() ? dimension.text(2) : std::to_string(dimension.extents(1).at(0)));
    }
    ports[port.text(1)] = std::to_string(tensor.extents(1).at(0)) + ":" + text;
  }
  return ports;
}

inline ReadOnnx read_onnx(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  const Fields model(text.str());
  const Fields graph(model.text(7));
  ReadOnnx read;
  read.ir_version = model.extents(1).at(0);
  read.operator_set = Fields(model.text(8)).extents(2).at(0);
  read.metadata = read_entries(model.all(14));
  read.inputs = read_ports(graph.all(11));
  read.outputs = read_ports(graph.all(12));
  for (const std::string& message : graph.all(1)) {
    const Fields node(message);
    read.nodes.push_back({node.text(4), node.all(1), node.all(2)});
  }
  for (const std::string& message : graph.all(5)) {
    const Fields tensor(message);
    const bool fresh = read.tensors
                           .emplace(tensor.text(8), ReadTensor{tensor.extents(1), tensor.extents(2).at(0),
                                                               tensor.text(9), read_entries(tensor.all(13))})
                           .second;
    if (!fresh) throw std::runtime_error("two tensors are called " + tensor.text(8));
  }
  return read;
}

}  // namespace langevin::testing
