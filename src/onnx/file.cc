#include "onnx/file.h"

#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "error.h"
#include "onnx/onnx.pb.h"

namespace narrow::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

constexpr std::size_t kMostNodes = 2048;  // hls4ml's networks have some hundred
constexpr std::size_t kMostInitializers = 8192;
constexpr std::size_t kMostValues = std::size_t{1} << 28;   // of a sample
constexpr std::size_t kMostNumbers = std::size_t{1} << 26;  // of all initializers

// TensorProto.DataType
enum DataType : std::int32_t { kFloat = 1, kInt32 = 6, kInt64 = 7, kDouble = 11 };

// The elements of raw_data, or of the list of the type.
template <class Value, class List>
std::vector<double> values_of(const TensorProto& tensor, const List& list, std::size_t count) {
  std::vector<double> values;
  if (tensor.has_raw_data()) {
    if (tensor.raw_data().size() != count * sizeof(Value)) return values;
    values.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      Value value;
      std::memcpy(&value, tensor.raw_data().data() + i * sizeof(Value), sizeof(Value));
      values.push_back(static_cast<double>(value));
    }
  } else if (static_cast<std::size_t>(list.size()) == count) {
    values.assign(list.begin(), list.end());
  }
  return values;
}

Array read_array(const TensorProto& tensor) {
  const std::string who = "initializer " + tensor.name();
  // TensorProto.EXTERNAL
  if (tensor.data_location() == 1) throw Error(who + ": its numbers are in another file; save the model in one");
  Array array;
  std::size_t count = 1;
  for (const std::int64_t size : tensor.dims()) {
    if (size < 1 || static_cast<std::size_t>(size) > kMostNumbers) throw Error(who + " has an axis of " + std::to_string(size) + " values");
    count *= static_cast<std::size_t>(size);
    if (count > kMostNumbers) throw Error(who + " is too large");
    array.shape.push_back(static_cast<int>(size));
  }
  std::vector<double> values;
  switch (tensor.data_type()) {
    case kFloat: values = values_of<float>(tensor, tensor.float_data(), count); break;
    case kDouble: values = values_of<double>(tensor, tensor.double_data(), count); break;
    case kInt32: values = values_of<std::int32_t>(tensor, tensor.int32_data(), count); break;
    case kInt64: values = values_of<std::int64_t>(tensor, tensor.int64_data(), count); break;
    default:
      throw Error(who + ": its numbers are of ONNX's type " + std::to_string(tensor.data_type()) +
                  "; float32, double, int32 and int64 are read");
  }
  if (values.size() != count)
    throw Error(who + " does not have the " + std::to_string(count) + " numbers of its shape; is the file cut short?");
  for (const double value : values) {
    if (!(value - value == 0)) throw Error(who + " holds numbers that are not finite");
  }
  array.numbers = tensor.data_type() == kFloat ? Numbers(std::vector<float>(values.begin(), values.end())) : Numbers(std::move(values));
  return array;
}

// hls4ml makes C++ and keys of configurations of names.
void require_printable(const std::string& name) {
  for (const char c : name) {
    if (c < ' ' || c > '~') throw Error("a name in it has characters other than printable ASCII; clean the file with qonnx (docs/onnx.md)");
  }
}

FileInput read_input(const ValueInfoProto& info) {
  FileInput input{info.name(), {}};
  require_printable(info.name());
  const auto& dims = info.type().tensor_type().shape().dim();
  if (info.type().tensor_type().elem_type() != kFloat) throw Error("input " + info.name() + " is no array of float32");
  if (dims.size() < 2) throw Error("input " + info.name() + " needs a batch and at least one axis, as (1, 16)");
  std::size_t count = 1;
  for (int i = 1; i < dims.size(); ++i) {
    const std::int64_t size = dims[i].dim_value();
    if (size < 1 || size > std::int64_t{1} << 28) {
      throw Error("input " + info.name() + ": its shape must be fixed, all axes but the batch; hardware has no variable lengths");
    }
    count *= static_cast<std::size_t>(size);
    if (count > kMostValues) throw Error("input " + info.name() + ": a sample is too large");
    input.shape.push_back(static_cast<int>(size));
  }
  return input;
}

FileNode read_node(const NodeProto& proto) {
  FileNode node{proto.name(),
                proto.op_type(),
                proto.domain(),
                {proto.input().begin(), proto.input().end()},
                {proto.output().begin(), proto.output().end()},
                {}};
  require_printable(node.name + node.op);
  for (const std::string& tensor : node.inputs) require_printable(tensor);
  for (const std::string& tensor : node.outputs) require_printable(tensor);
  if (node.name.empty()) {
    throw Error("a node " + node.op + " has no name, by which hls4ml knows its layer; clean the file with qonnx-cleanup (docs/onnx.md)");
  }
  if (node.outputs.empty()) throw Error(describe(node) + " has no output");
  for (const AttributeProto& each : proto.attribute()) {
    Attribute attribute;
    if (each.has_i()) attribute.integer = each.i();
    if (each.has_f()) attribute.real = each.f();
    if (each.has_s()) attribute.text = each.s();
    attribute.integers.assign(each.ints().begin(), each.ints().end());
    require_printable(each.name());
    node.attributes[each.name()] = std::move(attribute);
  }
  return node;
}

}  // namespace

std::string describe(const FileNode& node) { return "node " + node.name + " (" + node.op + ")"; }

// The second input of Resize nodes, which have no region, and of no other.
static bool is_empty_region(const GraphProto& graph, const TensorProto& tensor) {
  if (tensor.dims_size() != 1 || tensor.dims(0) != 0) return false;
  for (const NodeProto& node : graph.node()) {
    for (int i = 0; i < node.input_size(); ++i) {
      if (node.input(i) == tensor.name() && (node.op_type() != "Resize" || i != 1)) return false;
    }
  }
  return true;
}

File parse_file(std::string_view bytes) {
  ModelProto model;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error("it is larger than 2 GiB, the most that ONNX takes");
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !model.has_graph()) {
    throw Error("it is not an ONNX model, or it is cut short");
  }
  const GraphProto& graph = model.graph();
  if (static_cast<std::size_t>(graph.node_size()) > kMostNodes) {
    throw Error("it has " + std::to_string(graph.node_size()) + " nodes; narrow reads at most " + std::to_string(kMostNodes));
  }
  if (static_cast<std::size_t>(graph.initializer_size()) > kMostInitializers) {
    throw Error("it has " + std::to_string(graph.initializer_size()) + " initializers; narrow reads at most " +
                std::to_string(kMostInitializers));
  }
  File file;
  std::set<std::string> constants;
  std::size_t numbers = 0;
  for (const TensorProto& tensor : graph.initializer()) {
    require_printable(tensor.name());
    if (!constants.insert(tensor.name()).second) throw Error("two initializers are called " + tensor.name());
    if (is_empty_region(graph, tensor)) {
      file.empty.insert(tensor.name());
      continue;
    }
    file.initializers.emplace_back(tensor.name(), read_array(tensor));
    numbers += file.initializers.back().second.numbers.size();
    if (numbers > kMostNumbers) throw Error("its initializers are too large: together they have more than 2^26 numbers");
  }
  for (const ValueInfoProto& info : graph.input()) {
    if (!constants.contains(info.name())) file.inputs.push_back(read_input(info));
  }
  for (const NodeProto& node : graph.node()) file.nodes.push_back(read_node(node));
  for (const ValueInfoProto& info : graph.output()) file.outputs.push_back(info.name());
  return file;
}

}  // namespace narrow::onnx
