#include "langevin/io/onnx.h"

#include <algorithm>
#include <optional>

#include "langevin/core/atomic_file.h"
#include "langevin/io/protobuf.h"

// The field numbers below are those of onnx.proto, whose message each function names.
namespace langevin::onnx {
namespace fs = std::filesystem;
namespace {

constexpr int kGraphOfModel = 7, kInitializerOfGraph = 5, kRawDataOfTensor = 9;
constexpr uint64_t kPage = 4096;  // weights in a file of their own begin where they can be mapped

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

ProtobufMessage attribute_proto(const Attribute& attribute) {
  ProtobufMessage m;
  m.text(1, attribute.name);
  const auto type = [&m](int64_t number) { m.integer(20, number); };
  std::visit(Overloaded{[&](float f) { m.real(2, f), type(1); }, [&](int64_t i) { m.integer(3, i), type(2); },
                        [&](const std::string& s) { m.text(4, s), type(3); },
                        [&](const std::vector<int64_t>& values) {
                          for (const int64_t value : values) m.integer(8, value);
                          type(7);
                        }},
             attribute.value);
  return m;
}

ProtobufMessage node_proto(const Node& node) {
  ProtobufMessage m;
  for (const std::string& input : node.inputs) m.text(1, input);
  for (const std::string& output : node.outputs) m.text(2, output);
  m.text(3, node.name);
  m.text(4, node.op);
  for (const Attribute& attribute : node.attributes) m.message(5, attribute_proto(attribute));
  return m;
}

ProtobufMessage value_info_proto(const Port& port) {
  ProtobufMessage shape, tensor, type, m;
  for (const Axis& axis : port.axes) {
    ProtobufMessage dimension;
    if (const auto* name = std::get_if<std::string>(&axis))
      dimension.text(2, *name);
    else
      dimension.integer(1, std::get<int64_t>(axis));
    shape.message(1, dimension);
  }
  tensor.integer(1, static_cast<int64_t>(port.type));
  tensor.message(2, shape);
  type.message(1, tensor);
  m.text(1, port.name);
  m.message(2, type);
  return m;
}

/// All of a TensorProto but its values.
ProtobufMessage tensor_proto(const std::string& name, const Shape& dims, Type type) {
  ProtobufMessage m;
  for (const int64_t extent : dims) m.integer(1, extent);
  m.integer(2, static_cast<int64_t>(type));
  m.text(8, name);
  return m;
}

ProtobufMessage constant_proto(const Constant& constant) {
  const auto written = [&](const auto& values, Type type) {
    ProtobufMessage m = tensor_proto(constant.name, constant.dims, type);
    m.text(kRawDataOfTensor,
           {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])});
    return m;
  };
  return std::visit(Overloaded{[&](const std::vector<int64_t>& v) { return written(v, Type::i64); },
                               [&](const std::vector<float>& v) { return written(v, Type::f32); }},
                    constant.values);
}

/// StringStringEntryProto
ProtobufMessage entry_proto(const std::string& key, const std::string& value) {
  ProtobufMessage m;
  m.text(1, key);
  m.text(2, value);
  return m;
}

/// ModelProto without its graph.
ProtobufMessage model_proto(const About& about) {
  ProtobufMessage m, operators;
  m.integer(1, ir_version);
  m.text(2, about.producer);
  m.text(3, about.version);
  m.text(6, about.text);
  operators.integer(2, operator_set);
  m.message(8, operators);
  for (const auto& [key, value] : about.metadata) m.message(14, entry_proto(key, value));
  return m;
}

/// GraphProto without its weights.
ProtobufMessage graph_proto(const Graph& graph) {
  ProtobufMessage m;
  for (const Node& node : graph.nodes) m.message(1, node_proto(node));
  m.text(2, graph.name);
  for (const Constant& constant : graph.constants) m.message(kInitializerOfGraph, constant_proto(constant));
  for (const Port& input : graph.inputs) m.message(11, value_info_proto(input));
  for (const Port& output : graph.outputs) m.message(12, value_info_proto(output));
  return m;
}

uint64_t weight_bytes(const Weight& weight) {
  return static_cast<uint64_t>(element_count(weight.dims)) * sizeof(float);
}

uint64_t page_after(uint64_t offset) { return (offset + kPage - 1) / kPage * kPage; }

/// What stands before the values of each weight, from the field of the graph on; the values follow, unless
/// they lie in the file `data`.
std::vector<ProtobufMessage> weight_heads(const Graph& graph, const fs::path& data) {
  std::vector<ProtobufMessage> heads;
  uint64_t offset = 0;
  for (const Weight& weight : graph.weights) {
    const uint64_t bytes = weight_bytes(weight);
    ProtobufMessage tensor = tensor_proto(weight.name, weight.dims, Type::f32), head;
    if (data.empty()) {
      tensor.head(kRawDataOfTensor, bytes);
      head.head(kInitializerOfGraph, tensor.size() + bytes);
    } else {
      tensor.message(13, entry_proto("location", data.filename().string()));
      tensor.message(13, entry_proto("offset", std::to_string(offset)));
      tensor.message(13, entry_proto("length", std::to_string(bytes)));
      tensor.integer(14, 1);  // data_location: EXTERNAL
      head.head(kInitializerOfGraph, tensor.size());
      offset = page_after(offset + bytes);
    }
    heads.push_back(std::move(head));
    heads.back().append(tensor);
  }
  return heads;
}

}  // namespace

fs::path write(const fs::path& path, const Graph& graph, const About& about, const WeightSource& weights,
               uint64_t largest) {
  const ProtobufMessage body = graph_proto(graph);
  fs::path data;
  std::vector<ProtobufMessage> heads = weight_heads(graph, data);
  const auto graph_size = [&] {
    uint64_t size = body.size();
    for (size_t i = 0; i < heads.size(); ++i)
      size += heads[i].size() + (data.empty() ? weight_bytes(graph.weights[i]) : 0);
    return size;
  };
  ProtobufMessage model = model_proto(about);
  constexpr uint64_t kKeyAndLength = 11;
  if (graph_size() > largest - std::min(largest, model.size() + kKeyAndLength)) {
    data = path.string() + ".data";
    heads = weight_heads(graph, data);
  }
  model.head(kGraphOfModel, graph_size());
  AtomicFile file(path);
  std::optional<AtomicFile> beside;
  if (!data.empty()) beside.emplace(data);
  file.write(model.bytes());
  file.write(body.bytes());
  for (size_t i = 0; i < heads.size(); ++i) {
    const Weight& weight = graph.weights[i];
    const HostArrayF values = weights(weight.name);
    check(values.size() == element_count(weight.dims), weight.name, "the weight is {}, the network needs {}",
          to_string(values.shape()), to_string(weight.dims));
    file.write(heads[i].bytes());
    (beside ? *beside : file).write(std::as_bytes(values.data()));
    const uint64_t bytes = weight_bytes(weight);
    if (beside) beside->write(std::string(page_after(bytes) - bytes, '\0'));
  }
  if (beside) beside->commit();  // first: the model is never there without it
  file.commit();
  return data;
}

}  // namespace langevin::onnx
