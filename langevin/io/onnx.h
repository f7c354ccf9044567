// ONNX files (onnx.ai, IR version 8, operator set 17), written: a graph of named operators and its weights,
// as one Protocol Buffers message. Such a message ends at 2 GiB; the weights of larger models lie in a file
// beside it, as the format provides.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "langevin/core/array.h"

namespace langevin::onnx {

inline constexpr int64_t ir_version = 8, operator_set = 17;

/// Element types, numbered as TensorProto.DataType.
enum class Type : int64_t { f32 = 1, i64 = 7 };

/// One axis of an input or output: an extent, or a name where any extent will do.
using Axis = std::variant<int64_t, std::string>;
struct Port {
  std::string name;
  Type type = Type::f32;
  std::vector<Axis> axes;
};

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>> value;
};

/// One call of an operator. An input "" is an optional one left out.
struct Node {
  std::string op, name;
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> attributes;
};

/// A value that the graph itself brings along.
struct Constant {
  std::string name;
  Shape dims;
  std::variant<std::vector<int64_t>, std::vector<float>> values;
};

/// A parameter: fp32, asked for when it is written.
struct Weight {
  std::string name;
  Shape dims;
};

/// Nodes in an order in which they can be computed.
struct Graph {
  std::string name;
  std::vector<Port> inputs, outputs;
  std::vector<Node> nodes;
  std::vector<Constant> constants;
  std::vector<Weight> weights;
};

/// What a file says beside its graph.
struct About {
  std::string producer, version, text;
  std::map<std::string, std::string> metadata;
};

using WeightSource = std::function<HostArrayF(const std::string& name)>;

/// Writes the file atomically, one weight in memory at a time. Where the message would pass `largest` bytes
/// the weights go to "<path>.data" (also returned; else empty), and both files belong together. Error: a
/// weight whose size is not the graph's; a full disk.
std::filesystem::path write(const std::filesystem::path& path, const Graph& graph, const About& about,
                            const WeightSource& weights, uint64_t largest = (uint64_t{1} << 31) - 1);

}  // namespace langevin::onnx
