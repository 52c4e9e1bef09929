#include "onnx/graph.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "error.h"
#include "layers/concatenate.h"
#include "layers/exponential_unit.h"
#include "layers/leaky_relu.h"
#include "layers/linear.h"
#include "layers/pooling.h"
#include "layers/rearrangement.h"
#include "layers/relu.h"
#include "layers/set_max.h"
#include "layers/set_mean.h"
#include "layers/sign_activation.h"
#include "layers/softmax.h"
#include "layers/table_activation.h"
#include "layers/thresholded_relu.h"

namespace narrow::onnx {
namespace {

std::string describe(const Node& node) { return "node " + node.name + " (" + node.op_type + ")"; }
Error fault(const Node& node, const std::string& message) { return Error(describe(node) + ": " + message); }

Error not_a_vector(const Node& node, const Shape& shape) {
  return fault(node,
               "it multiplies a sample of shape " + to_string(shape) +
                   (node.has_row ? ", for hls4ml 1.3.0 takes the axis of the batch that a constant in front of it has for one of the values"
                                 : "; hls4ml 1.3.0 converts products of vectors alone rightly"));
}

constexpr const char* kChannelsLast = "qonnx.custom_op.channels_last";

// --- arrays as NumPy broadcasts them

std::vector<int> aligned(const std::vector<int>& shape, std::size_t axes) {
  std::vector<int> longer(axes > shape.size() ? axes - shape.size() : 0, 1);
  longer.insert(longer.end(), shape.begin(), shape.end());
  return longer;
}

// Whether np.broadcast_to(array, shape) succeeds.
bool broadcasts(const std::vector<int>& from, const std::vector<int>& to) {
  if (from.size() > to.size()) return false;
  const std::vector<int> own = aligned(from, to.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (own[i] != 1 && own[i] != to[i]) return false;
  }
  return true;
}

std::vector<int> squeezed(std::vector<int> shape) {
  std::erase(shape, 1);
  return shape;
}

// combine(a, b) over the shape of both, which is that of one of them; nothing where they do not fit.
template <class Combine>
std::optional<Array> together(const Array& a, const Array& b, const Combine& combine) {
  Array result;
  const std::size_t axes = std::max(a.shape.size(), b.shape.size());
  const std::vector<int> left = aligned(a.shape, axes);
  const std::vector<int> right = aligned(b.shape, axes);
  for (std::size_t i = 0; i < axes; ++i) {
    if (left[i] != right[i] && left[i] != 1 && right[i] != 1) return std::nullopt;
    result.shape.push_back(left[i] == 1 ? right[i] : left[i]);
  }
  const std::size_t size = size_of(result.shape);
  if (size > std::max(a.numbers.size(), b.numbers.size())) return std::nullopt;
  const bool wide = a.numbers.is_double() || b.numbers.is_double();
  std::vector<double> doubles;
  std::vector<float> singles;
  std::vector<int> at(axes, 0);
  for (std::size_t n = 0; n < size; ++n) {
    std::size_t i = 0;
    std::size_t j = 0;
    for (std::size_t k = 0; k < axes; ++k) {
      i = i * static_cast<std::size_t>(left[k]) + static_cast<std::size_t>(left[k] == 1 ? 0 : at[k]);
      j = j * static_cast<std::size_t>(right[k]) + static_cast<std::size_t>(right[k] == 1 ? 0 : at[k]);
    }
    if (wide) doubles.push_back(combine(a.numbers[i], b.numbers[j]));
    else singles.push_back(combine(a.numbers.singles()[i], b.numbers.singles()[j]));
    for (std::size_t k = axes; k-- > 0 && ++at[k] == result.shape[k];) at[k] = 0;
  }
  result.numbers = wide ? Numbers(std::move(doubles)) : Numbers(std::move(singles));
  return result;
}

template <class Of>
Array each(const Array& array, const Of& of) {
  return {array.shape, narrow::each(array.numbers, of)};
}
Array negative(const Array& array) {
  return each(array, [](auto v) { return -v; });
}
Array reciprocal(const Array& array) {
  return each(array, [](auto v) { return 1 / v; });
}

bool all(const Array& array, double value) {
  for (std::size_t i = 0; i < array.numbers.size(); ++i) {
    if (array.numbers[i] != value) return false;
  }
  return true;
}
bool uniform(const Array& array) { return array.numbers.size() > 0 && all(array, array.numbers[0]); }
Array whole(double value) { return {{1}, Numbers(std::vector<double>{value})}; }  // of a Python int
Array first_of(const Array& array) {
  Array one{{}, {}};
  if (array.numbers.is_double()) one.numbers = Numbers(std::vector<double>{array.numbers[0]});
  else one.numbers = std::vector<float>{array.numbers.singles()[0]};
  return one;
}
// _make_scalar
Array scalar_where_uniform(const Array& array) { return uniform(array) ? first_of(array) : array; }

// np.transpose(array, (1, ..., n, 0)): the filters of a kernel go from the front to the back.
Array filters_last(const Array& array) {
  Array result{{array.shape.begin() + 1, array.shape.end()}, {}};
  result.shape.push_back(array.shape.front());
  const auto filters = static_cast<std::size_t>(array.shape.front());
  const std::size_t taps = array.numbers.size() / std::max<std::size_t>(filters, 1);
  const auto moved = [&](const auto& values) {
    auto out = values;
    for (std::size_t f = 0; f < filters; ++f) {
      for (std::size_t t = 0; t < taps; ++t) out[t * filters + f] = values[f * taps + t];
    }
    return out;
  };
  result.numbers = array.numbers.is_double() ? Numbers(moved(array.numbers.doubles())) : Numbers(moved(array.numbers.singles()));
  return result;
}

// --- quantizers

// quant_opt.py, _calculate_precision_quantizer.
Format quant_format(const Node& node, double bits, double integer, bool is_signed, bool narrow, const std::string& rounding) {
  constexpr int kMostBits = 64;
  if (!(bits >= 1 && bits <= kMostBits)) throw fault(node, "its bit width should be from 1 to " + std::to_string(kMostBits));
  if (!(std::abs(integer) <= kMaxIntegerBits)) throw fault(node, "its scale is too large or too small");
  if (narrow && !is_signed) throw fault(node, "it is narrow without a sign, which hls4ml 1.3.0 does not convert");
  if (rounding != "ROUND" && rounding != "FLOOR") {
    throw fault(node, "its rounding_mode is " + rounding + "; hls4ml 1.3.0 converts ROUND and FLOOR");
  }
  return {.width = static_cast<int>(std::ceil(bits)),
          .integer = static_cast<int>(std::ceil(integer)),
          .is_signed = is_signed,
          .rounding = rounding == "ROUND" ? Rounding::kRndConv : Rounding::kTrn,
          .overflow = narrow ? Overflow::kSatSym : Overflow::kSat};
}

// --- the nodes of the file

const std::map<std::string, std::set<std::string>>& attributes_of() {
  static const std::map<std::string, std::set<std::string>> kAttributes = {
      {"MatMul", {}},
      {"Add", {}},
      {"Sub", {}},
      {"Mul", {}},
      {"Div", {}},
      {"Max", {}},
      {"Min", {}},
      {"Concat", {"axis"}},
      {"Relu", {}},
      {"Tanh", {}},
      {"Sigmoid", {}},
      {"Softsign", {}},
      {"Softplus", {}},
      {"Selu", {"alpha", "gamma"}},
      {"LeakyRelu", {"alpha"}},
      {"ThresholdedRelu", {"alpha"}},
      {"Elu", {"alpha"}},
      {"Softmax", {"axis"}},
      {"BatchNormalization", {"epsilon", "momentum", "training_mode", "spatial"}},
      {"Quant", {"narrow", "rounding_mode", "signed"}},
      {"IntQuant", {"narrow", "rounding_mode", "signed"}},
      {"BipolarQuant", {}},
      {"Reshape", {"allowzero"}},
      {"Flatten", {"axis"}},
      {"Transpose", {"perm"}},
      {"Resize", {"coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "extrapolation_value", "mode", "nearest_mode"}},
      {"Pad", {"mode"}},
      {"Conv", {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}},
      {"MaxPool", {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"}},
      {"AveragePool", {"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"}},
      {"GlobalAveragePool", {}},
      {"GlobalMaxPool", {}},
      {"Dropout", {"seed", "ratio", "training_mode"}},
      {"Identity", {}},
  };
  return kAttributes;
}

// Nodes to which the shape of their input matters, but for a MatMul.
const std::set<std::string> kMoves = {"Resize", "Pad",     "Reshape",     "Flatten",           "Transpose",    "Concat",
                                      "Conv",   "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"};

// hls4ml's class of a node that becomes another layer; empty for others.
std::string class_before(const Node& node) {
  switch (node.kind) {
    case Kind::kQuant: return node.bipolar ? "BipolarQuant" : "Quant";
    case Kind::kMatMul: return "MatMul";
    case Kind::kConv: return "Conv";
    case Kind::kRawNorm: return "BatchNormOnnx";
    case Kind::kMerge: return "Merge";
    default: return "";
  }
}

Error shared_with_another(const Node& node, const std::string& initializer) {
  return fault(node, "the initializer " + initializer + " is shared with another node; clean the file with qonnx (docs/onnx.md)");
}

class Reader {
 public:
  explicit Reader(const File& file) : file_(file) {}

  Graph read() {
    for (const FileInput& input : file_.inputs) {
      auto node = std::make_unique<Node>();
      node->kind = Kind::kInput;
      node->op_type = "Input";
      node->name = layer_name(input.name, "inputlayer");
      node->output = input.name;
      node->shape = input.shape;
      add(std::move(node));
    }
    if (file_.inputs.empty()) throw Error("it has no input");
    for (const auto& [name, array] : file_.initializers) {
      auto node = std::make_unique<Node>();
      node->kind = Kind::kConstant;
      node->op_type = "initializer";
      node->name = layer_name(name, "constant");
      node->output = name;
      node->value = array;
      if (node->value.shape.empty()) node->value.shape = {1};
      node->shape = node->value.shape;
      graph_.other_names.push_back(node->name);
      add(std::move(node));
    }
    for (const std::string& name : file_.empty) graph_.other_names.push_back(layer_name(name, "constant"));
    for (const FileNode& node : file_.nodes) read_node(node);
    for (const auto& node : graph_.nodes) {
      if (std::find(file_.outputs.begin(), file_.outputs.end(), node->output) != file_.outputs.end())
        graph_.outputs.push_back(node->output);
    }
    if (graph_.outputs.empty() || graph_.outputs.size() != file_.outputs.size()) throw Error("an output of it is the output of no node");
    return std::move(graph_);
  }

 private:
  static std::string layer_name(std::string name, const std::string& class_name) {
    std::replace(name.begin(), name.end(), '.', '_');
    if (!name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) != 0) name = class_name + name;
    return name;
  }

  Node* add(std::unique_ptr<Node> node) {
    constexpr std::size_t kMost = std::size_t{1} << 28;
    std::size_t size = 1;
    for (const int axis : node->shape) {
      size *= static_cast<std::size_t>(std::max(axis, 0));
      if (axis < 1 || size > kMost) throw fault(*node, "a sample of shape " + to_string(node->shape) + " is too large");
    }
    if (!made_.emplace(node->output, node.get()).second) throw fault(*node, "its output " + node->output + " is made twice");
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().get();
  }

  const Node& input(const FileNode& node, std::size_t i) const {
    if (i >= node.inputs.size())
      throw Error(onnx::describe(node) + " has " + std::to_string(node.inputs.size()) + " inputs, which are too few");
    const auto found = made_.find(passed(node.inputs[i]));
    if (found == made_.end()) {
      throw Error(onnx::describe(node) + ": its input " + node.inputs[i] + " is neither an initializer nor the output of a node before it");
    }
    return *found->second;
  }

  // Past Dropout and Identity, which hls4ml leaves out.
  const std::string& passed(const std::string& tensor) const {
    const auto found = passed_.find(tensor);
    return found == passed_.end() ? tensor : found->second;
  }

  // The number of a constant that is but a fact of the layer, which hls4ml takes away.
  Array constant(const FileNode& node, std::size_t i, const char* what) {
    const Node& found = input(node, i);
    if (found.kind != Kind::kConstant) throw Error(onnx::describe(node) + ": its " + what + " should be a constant of the file");
    taken_.insert(found.output);
    return found.value;
  }

  static std::int64_t integer(const FileNode& node, const char* name, std::int64_t fallback) {
    const auto found = node.attributes.find(name);
    return found != node.attributes.end() && found->second.integer ? *found->second.integer : fallback;
  }
  static float real(const FileNode& node, const char* name, float fallback) {
    const auto found = node.attributes.find(name);
    return found != node.attributes.end() && found->second.real ? *found->second.real : fallback;
  }
  static std::string text(const FileNode& node, const char* name, const std::string& fallback) {
    const auto found = node.attributes.find(name);
    return found != node.attributes.end() && found->second.text ? *found->second.text : fallback;
  }

  void read_node(const FileNode& file) {
    const auto known = attributes_of().find(file.op);
    if (known == attributes_of().end()) {
      std::string names;
      for (const auto& [name, attributes] : attributes_of()) names += (names.empty() ? "" : ", ") + name;
      throw Error(onnx::describe(file) + " is not supported; these are: " + names +
                  (file.op == "Gemm" || file.op == "Constant" ? "; clean the file with qonnx (docs/onnx.md)" : ""));
    }
    for (const auto& [name, attribute] : file.attributes) {
      if (!known->second.contains(name)) throw Error(onnx::describe(file) + ": narrow does not know its attribute " + name);
    }
    if (file.op == "Dropout" || file.op == "Identity") {
      input(file, 0);
      passed_[file.outputs.front()] = passed(file.inputs.front());
      graph_.other_names.push_back(file.name);
      return;
    }
    auto node = std::make_unique<Node>();
    node->op_type = file.op;
    node->name = file.name;
    if (std::isdigit(static_cast<unsigned char>(file.name.front())) != 0)
      throw fault(*node, "its name begins with a digit; clean the file with qonnx (docs/onnx.md)");
    node->output = file.outputs.front();
    node->inputs = {passed(file.inputs.empty() ? "" : file.inputs.front())};
    node->shape = input(file, 0).shape;
    node->has_row = std::any_of(file.inputs.begin(), file.inputs.end(), [&](const std::string& tensor) {
      const auto found = made_.find(passed(tensor));
      return found != made_.end() && found->second->has_row;
    });
    if (node->has_row && kMoves.contains(file.op)) {
      throw fault(
          *node,
          "in front of it stands an Add, a Sub or a Mul whose first input is a constant with an axis for the batch, which hls4ml 1.3.0 "
          "takes for one of the values; leave that axis of the constant out");
    }
    read_kind(file, *node);
    add(std::move(node));
  }

  void read_kind(const FileNode& file, Node& node) {
    static const std::set<std::string> kMerges = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Concat"};
    if (kMerges.contains(file.op)) return read_merge(file, node);
    if (file.op == "MatMul") return read_matmul(file, node);
    if (file.op == "BatchNormalization") return read_norm(file, node);
    if (file.op == "Quant" || file.op == "IntQuant") return read_quant(file, node);
    if (file.op == "BipolarQuant") return read_bipolar(file, node);
    if (input(file, 0).kind == Kind::kConstant) throw fault(node, "it is of a constant; clean the file with qonnx (docs/onnx.md)");
    if (file.op == "Conv") return read_conv(file, node);
    if (file.op == "MaxPool" || file.op == "AveragePool") return read_pool(file, node);
    if (file.op == "GlobalAveragePool" || file.op == "GlobalMaxPool") return read_global_pool(file, node);
    if (file.op == "Resize") return read_resize(file, node);
    if (file.op == "Pad") return read_pad(file, node);
    node.operation =
        file.op == "Reshape" || file.op == "Flatten" || file.op == "Transpose" ? move_of(file, node) : activation_of(file, node);
    set_shape(node);
  }

  void set_shape(Node& node) const {
    try {
      node.shape = node.operation->shape({node.shape});
    } catch (const Misfit& misfit) {
      throw fault(node, "its input of shape " + to_string(node.shape) + " should be " + misfit.needs);
    }
  }

  OperationPtr move_of(const FileNode& file, Node& node) {
    std::vector<int> numbers;
    if (file.op == "Flatten") {
      if (integer(file, "axis", 1) != 1) throw fault(node, "its axis should be 1");
      return std::make_shared<Rearrangement>(Move::kReshape, std::vector{static_cast<int>(size_of(node.shape))});
    }
    if (file.op == "Reshape") {
      const Array target = constant(file, 1, "shape");
      for (std::size_t i = 1; i < target.numbers.size(); ++i) {
        const double size = target.numbers[i];
        if (!(size >= -1 && size <= 1 << 28))
          throw fault(node, "its shape should be numbers from 1 on, and at most one -1, behind the batch");
      }
      for (std::size_t i = 1; i < target.numbers.size(); ++i) {
        const double size = target.numbers[i];
        if (size == -1) {
          std::size_t rest = 1;
          for (std::size_t k = 1; k < target.numbers.size(); ++k)
            rest *= k == i ? 1 : static_cast<std::size_t>(std::max(target.numbers[k], 0.0));
          if (rest > size_of(node.shape)) break;
          if (rest == 0 || size_of(node.shape) % rest != 0)
            throw fault(node, "its shape has no whole number for the axis that it leaves open");
          numbers.push_back(static_cast<int>(size_of(node.shape) / rest));
        } else if (size >= 1 && size <= 1 << 28) {
          numbers.push_back(static_cast<int>(size));
        } else {
          throw fault(node, "its shape should be numbers from 1 on, and at most one -1, behind the batch");
        }
      }
      if (numbers.empty()) throw fault(node, "its shape should have a batch and at least one axis");
      return std::make_shared<Rearrangement>(Move::kReshape, std::move(numbers));
    }
    const auto perm = file.attributes.find("perm");
    if (perm == file.attributes.end()) throw fault(node, "it has no perm, without which hls4ml 1.3.0 does not convert it");
    std::vector<std::int64_t> sorted = perm->second.integers;
    for (const std::int64_t axis : sorted) numbers.push_back(static_cast<int>(axis));
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (sorted[i] != static_cast<std::int64_t>(i)) throw fault(node, "its perm should be each axis once");
    }
    if (numbers.size() != node.shape.size() + 1 || numbers.front() != 0 || numbers.size() > 4) {
      throw fault(node, "its perm should leave the batch in front, and have at most three axes more");
    }
    numbers.erase(numbers.begin());
    note_behind(file, node);
    return std::make_shared<Rearrangement>(Move::kPermute, std::move(numbers));
  }

  // Of a layer that moves values, what it stands behind.
  void note_behind(const FileNode& file, Node& node) const {
    const Node& before = input(file, 0);
    node.behind_class = class_before(before);
    if (!node.behind_class.empty()) node.behind = before.name;
  }

  // hls4ml takes every node's channels for last ones where a node of the file is one of qonnx' for channels that are last.
  void require_channels_last(const Node& node) const {
    const bool is_last =
        std::any_of(file_.nodes.begin(), file_.nodes.end(), [](const FileNode& each) { return each.domain == kChannelsLast; });
    if (!is_last) throw not_channels_last(node);
  }

  // The nearest pixel, of images whose channels are last. hls4ml takes the height for the width and the width for the height, and looks at
  // no mode but that.
  void read_resize(const FileNode& file, Node& node) {
    if (file.inputs.size() != 3 || !file_.empty.contains(file.inputs[1]))
      throw fault(node, "hls4ml 1.3.0 takes it with three inputs: values, an initializer of no values as its roi, and scales");
    const Array scales = constant(file, 2, "scales");
    if (text(file, "mode", "nearest") != "nearest") throw fault(node, "its mode should be nearest");
    if (node.shape.size() != 3 || scales.numbers.size() != 4) throw fault(node, "hls4ml 1.3.0 takes images alone");
    const double scale = scales.numbers[1];
    constexpr double kMost = 64;
    const bool fits = scale >= 1 && scale <= kMost && scale == std::floor(scale) && scales.numbers[2] == scale;
    if (!fits || scales.numbers[0] != 1 || scales.numbers[3] != 1 || node.shape[0] != node.shape[1]) {
      throw fault(node,
                  "narrow takes whole scales of square images, the same along both axes and 1 for the batch and the last axis, where "
                  "the channels are; hls4ml 1.3.0 confuses the axes of others");
    }
    require_channels_last(node);
    // Where the pixel that ONNX takes is the one that hls4ml takes, the scale a whole number.
    const std::string where = text(file, "coordinate_transformation_mode", "half_pixel");
    const std::string nearest = text(file, "nearest_mode", "round_prefer_floor");
    const bool rounds = nearest == "round_prefer_floor" || nearest == "round_prefer_ceil";
    const bool same = where == "asymmetric" ? nearest == "floor" || (nearest == "round_prefer_floor" && scale <= 2)
                                            : (where == "half_pixel" || where == "pytorch_half_pixel") && rounds;
    if (!same) {
      throw fault(node,
                  "its coordinates (" + where + ", " + nearest + ") are not those that hls4ml 1.3.0 computes with, whatever they are");
    }
    note_behind(file, node);
    node.operation = std::make_shared<Rearrangement>(Move::kRepeat, std::vector{static_cast<int>(scale), static_cast<int>(scale)});
    set_shape(node);
  }

  // Zeros around rows or images whose channels are last. hls4ml looks at no padding of the batch and of the last axis.
  void read_pad(const FileNode& file, Node& node) {
    if (text(file, "mode", "constant") != "constant") throw fault(node, "its mode should be constant");
    const bool three = file.inputs.size() == 3 && !file_.empty.contains(file.inputs[2]);
    if (file.inputs.size() != 2 && !three)
      throw fault(node, "hls4ml 1.3.0 takes it with two inputs, or three: values, pads, and a constant value");
    if (three) {
      const Array value = constant(file, 2, "constant_value");
      if (value.numbers.size() != 1 || value.numbers[0] != 0) throw fault(node, "its constant value should be 0");
    }
    const Array given = constant(file, 1, "pads");
    const Numbers& pads = given.numbers;
    const std::size_t axes = node.shape.size() + 1;
    if (axes != 3 && axes != 4) throw fault(node, "hls4ml 1.3.0 takes rows and images alone");
    if (pads.size() != 2 * axes) throw fault(node, "its pads should be two numbers for each axis, the batch among them");
    if (pads[0] != 0 || pads[axes] != 0 || pads[axes - 1] != 0 || pads[2 * axes - 1] != 0) {
      throw fault(node,
                  "its pads of the batch and of the last axis, where hls4ml 1.3.0 takes the channels to be, should be 0, for it leaves "
                  "them out; where the "
                  "channels stand first, convert the file with tools/onnx_for_hls4ml.py, which turns it");
    }
    constexpr double kMost = 1 << 20;
    std::vector<int> numbers;
    for (std::size_t axis = 1; axis + 1 < axes; ++axis) {
      for (const double size : {pads[axis], pads[axes + axis]}) {
        if (!(size >= 0 && size <= kMost)) throw fault(node, "its pads must not be negative");
        numbers.push_back(static_cast<int>(size));
      }
    }
    require_channels_last(node);
    note_behind(file, node);
    node.operation = std::make_shared<Rearrangement>(Move::kZeroPad, std::move(numbers));
    set_shape(node);
  }

  OperationPtr activation_of(const FileNode& file, const Node& node) const {
    if (file.op == "Relu") return std::make_shared<Relu>();
    if (file.op == "Tanh") return std::make_shared<TableActivation>(TableFunction::kTanh);
    if (file.op == "Sigmoid") return std::make_shared<TableActivation>(TableFunction::kSigmoid);
    if (file.op == "Softsign") return std::make_shared<TableActivation>(TableFunction::kSoftsign);
    if (file.op == "Softplus") return std::make_shared<TableActivation>(TableFunction::kSoftplus);
    if (file.op == "Selu") {
      const bool usual =
          std::abs(real(file, "alpha", 1.67326F) - 1.67326F) < 1e-4F && std::abs(real(file, "gamma", 1.0507F) - 1.0507F) < 1e-4F;
      if (!usual) throw fault(node, "its alpha and gamma are not those of a selu, which hls4ml 1.3.0 computes all the same");
      return std::make_shared<ExponentialUnit>(ExponentialUnit::InParallel{});
    }
    if (file.op == "Softmax") {
      const std::int64_t axis = integer(file, "axis", -1);
      if (axis != -1 && axis != static_cast<std::int64_t>(node.shape.size()) - (node.has_row ? 1 : 0))
        throw fault(node, "only a softmax over the last axis is supported");
      return std::make_shared<Softmax>(false);
    }
    // Where the file does not say it, hls4ml takes 0.01 for each of the three.
    constexpr float kDefault = 0.01F;
    constexpr float kMost = 1 << 30;
    if (file.op != "LeakyRelu" && !file.attributes.contains("alpha")) {
      throw fault(node, "it has no alpha, for which hls4ml 1.3.0 takes 0.01 and ONNX 1; give one");
    }
    const float alpha = real(file, "alpha", kDefault);
    if (!(alpha >= 0 && alpha <= kMost)) throw fault(node, "its alpha should be a number from 0 to 2^30");
    if (file.op == "Elu") return std::make_shared<ExponentialUnit>(alpha);
    if (file.op == "LeakyRelu" && alpha != 0) return std::make_shared<LeakyRelu>(alpha);
    if (alpha == 0) return std::make_shared<Relu>(true);
    return std::make_shared<ThresholdedRelu>(alpha);
  }

  void read_matmul(const FileNode& file, Node& node) {
    const Node& weight = input(file, 1);
    if (file.inputs.size() != 2 || input(file, 0).kind == Kind::kConstant)
      throw fault(node, "its second input alone should be a constant, as hls4ml 1.3.0 has it");
    if (weight.shape.size() != 2 || weight.shape[0] != node.shape.back()) {
      throw fault(node, "its input of shape " + to_string(node.shape) + " does not fit its weights of shape " + to_string(weight.shape));
    }
    if (node.shape.size() > 1 && !node.has_row) throw not_a_vector(node, node.shape);
    node.kind = Kind::kMatMul;
    node.inputs.push_back(weight.output);
    node.shape.back() = weight.shape[1];
  }

  void read_norm(const FileNode& file, Node& node) {
    node.kind = Kind::kRawNorm;
    node.epsilon = real(file, "epsilon", 1e-5F);
    if (integer(file, "training_mode", 0) != 0) throw fault(node, "it is in training_mode; export the model for inference");
    if (node.shape.size() > 1 && !node.has_row && file.domain != kChannelsLast) throw not_channels_last(node);
    for (std::size_t i = 1; i < 5; ++i) node.inputs.push_back(input(file, i).output);
  }

  void read_quant(const FileNode& file, Node& node) {
    node.kind = Kind::kQuant;
    node.quant_scale = constant(file, 1, "scale");
    node.quant_zero = constant(file, 2, "zero point");
    const Array bits = constant(file, 3, "bit width");
    if (bits.numbers.size() != 1) throw fault(node, "hls4ml takes one bit width for all values");
    if (node.quant_scale.numbers.empty() || node.quant_zero.numbers.empty()) throw fault(node, "its scale or zero point is empty");
    for (std::size_t i = 0; i < node.quant_scale.numbers.size(); ++i) {
      if (!(node.quant_scale.numbers[i] > 0)) throw fault(node, "its scale should be above 0");
    }
    const Array& scale = node.quant_scale;
    int exponent = 1;
    double integer_bits = bits.numbers[0];
    const bool one_scale = all(scale, 1) || (uniform(scale) && std::frexp(scale.numbers[0], &exponent) == 0.5);
    if (one_scale && !all(scale, 1)) integer_bits += exponent - 1;
    node.quantizer = quant_format(node, bits.numbers[0], integer_bits, integer(file, "signed", 0) != 0, integer(file, "narrow", 0) != 0,
                                  text(file, "rounding_mode", ""));
    if (one_scale && !all(node.quant_zero, 0)) {
      graph_.notes.push_back(node.name + " (" + file.op +
                             "): its scale is a power of two, for which hls4ml 1.3.0 does not look at its zero point, and neither does "
                             "narrow: its numbers are not those of the network");
    }
    const std::size_t row = scale.numbers.size() / static_cast<std::size_t>(scale.shape.front());
    node.compares_rows = row > 1 && !all(scale, 1);
    for (std::size_t i = row; i < scale.numbers.size(); ++i) node.compares_rows &= scale.numbers[i] == scale.numbers[i % row];
    if (one_scale) node.quant_scale = {};
  }

  void read_bipolar(const FileNode& file, Node& node) {
    node.kind = Kind::kQuant;
    node.bipolar = true;
    node.quant_scale = constant(file, 1, "scale");
    node.quant_zero = {{1}, std::vector<float>{0.F}};
    for (std::size_t i = 0; i < node.quant_scale.numbers.size(); ++i) {
      if (!(node.quant_scale.numbers[i] > 0)) throw fault(node, "its scale should be above 0");
    }
    if (all(node.quant_scale, 1)) node.quant_scale = {};
  }

  void read_merge(const FileNode& file, Node& node) {
    node.kind = Kind::kMerge;
    node.merge = file.op;
    if (file.inputs.size() != 2) throw fault(node, "it has " + std::to_string(file.inputs.size()) + " inputs; hls4ml 1.3.0 merges two");
    const Node& a = input(file, 0);
    const Node& b = input(file, 1);
    node.inputs.push_back(b.output);
    if (file.op == "Concat") {
      const std::int64_t axis = integer(file, "axis", 0);
      if (axis < -3 || axis > 3) throw fault(node, "its axis should be from -3 to 3");
      node.kind = Kind::kOperation;
      node.operation = std::make_shared<Concatenate>(static_cast<int>(axis));
      if (a.kind == Kind::kConstant || b.kind == Kind::kConstant)
        throw fault(node, "it is of a constant, which hls4ml 1.3.0 does not convert");
      try {
        node.shape = node.operation->shape({a.shape, b.shape});
      } catch (const Misfit& misfit) {
        throw fault(node, "its inputs of shapes " + to_string(a.shape) + " and " + to_string(b.shape) + " should be " + misfit.needs);
      }
      return;
    }
    // The larger one's, or the first one's, though it be a constant whose first axis stands for the batch.
    node.shape = size_of(b.shape) > size_of(a.shape) ? b.shape : a.shape;
    if (a.kind != Kind::kConstant && b.kind != Kind::kConstant) {
      if (node.has_row && size_of(a.shape) != size_of(b.shape)) throw fault(node, "its inputs should have one shape");
      node.has_row = node.shape == b.shape ? b.has_row : a.has_row;
      return;
    }
    const Shape& constant = a.kind == Kind::kConstant ? a.shape : b.shape;
    const Shape& values = a.kind == Kind::kConstant ? b.shape : a.shape;
    const bool has_batch = constant.size() == values.size() + 1 && constant.front() == 1;
    if (size_of(constant) > size_of(values) || (constant.size() > values.size() && !has_batch)) {
      throw fault(node, "its constant of shape " + to_string(constant) + " does not fit values of shape " + to_string(values));
    }
    const bool values_have_row = a.has_row || b.has_row;
    node.has_row = node.shape.size() + (values_have_row ? 1 : 0) > values.size();
  }

  static Error not_channels_last(const Node& node) {
    return fault(node, "its channels are not last; convert the file with qonnx-to-channels-last (docs/onnx.md)");
  }

  std::vector<int> numbers_of(const FileNode& file, const Node& node, const char* name, std::size_t count, int least, int most) const {
    const auto found = file.attributes.find(name);
    std::vector<int> numbers;
    if (found == file.attributes.end() || found->second.integers.size() != count) {
      throw fault(node, "its " + std::string(name) + " should be " + std::to_string(count) + " numbers");
    }
    for (const std::int64_t value : found->second.integers) {
      if (value < least || value > most)
        throw fault(node, "its " + std::string(name) + " should be from " + std::to_string(least) + " to " + std::to_string(most));
      numbers.push_back(static_cast<int>(value));
    }
    return numbers;
  }

  // kernel_shape, strides, and pads as ONNX has them: in front of every axis, then behind every one.
  Windows windows_of(const FileNode& file, const Node& node) const {
    const std::size_t axes = node.shape.size() - 1;
    if (axes != 1 && axes != 2) throw fault(node, "it is over " + std::to_string(axes) + " axes; hls4ml 1.3.0 converts 1 and 2");
    if (file.domain != kChannelsLast) throw not_channels_last(node);
    constexpr int kMost = 1 << 12;
    const std::string automatic = text(file, "auto_pad", "NOTSET");
    if (automatic != "NOTSET" && !automatic.empty()) {
      throw fault(node, "its auto_pad is " + automatic + ", which hls4ml 1.3.0 does not read; give pads");
    }
    if (file.attributes.contains("dilations")) {
      for (const int dilation : numbers_of(file, node, "dilations", axes, 1, kMost)) {
        if (dilation != 1) throw fault(node, "it is dilated, which hls4ml 1.3.0 gets wrong");
      }
    }
    Windows windows{
        numbers_of(file, node, "kernel_shape", axes, 1, kMost), numbers_of(file, node, "strides", axes, 1, kMost), Padding::kValid, {}};
    const std::vector<int> pads = numbers_of(file, node, "pads", 2 * axes, 0, kMost);
    if (std::any_of(pads.begin(), pads.end(), [](int pad) { return pad != 0; })) {
      windows.padding = Padding::kGiven;
      for (std::size_t i = 0; i < axes; ++i) windows.given.insert(windows.given.end(), {pads[i], pads[i + axes]});
    }
    return windows;
  }

  void read_conv(const FileNode& file, Node& node) {
    node.kind = Kind::kConv;
    node.windows = windows_of(file, node);
    const Node& weight = input(file, 1);
    const std::int64_t groups = integer(file, "group", 1);
    node.depthwise = groups != 1;
    if (groups != 1 && groups != node.shape.back())
      throw fault(node, "it has groups of several channels, which hls4ml 1.3.0 does not convert");
    Shape wanted{weight.shape.empty() ? 0 : weight.shape.front()};
    wanted.insert(wanted.end(), node.windows.size.begin(), node.windows.size.end());
    wanted.push_back(node.depthwise ? 1 : node.shape.back());
    if (node.depthwise && wanted.front() != node.shape.back())
      throw fault(node, "it has several filters for each channel, which hls4ml 1.3.0 gets wrong");
    if (weight.shape != wanted || wanted.front() < 1) {
      throw fault(node, "its weights have the shape " + to_string(weight.shape) + "; " + to_string(wanted) + " would fit");
    }
    node.inputs.push_back(weight.output);
    if (file.inputs.size() > 2 && !file.inputs[2].empty()) {
      const Node& bias = input(file, 2);
      if (size_of(bias.shape) != static_cast<std::size_t>(wanted.front()))
        throw fault(node, "its bias should have a number for each filter");
      node.inputs.push_back(bias.output);
    }
    try {
      node.shape = node.windows.shape(node.shape, wanted.front());
    } catch (const Misfit& misfit) {
      throw fault(node, "its input of shape " + to_string(node.shape) + " should be " + misfit.needs);
    }
  }

  // hls4ml reads the channels as if they stood last.
  void read_global_pool(const FileNode& file, Node& node) {
    const std::size_t axes = node.shape.size() - 1;
    if (axes != 1 && axes != 2) throw fault(node, "it is over " + std::to_string(axes) + " axes; hls4ml 1.3.0 converts 1 and 2");
    auto taken = std::make_unique<Node>();
    taken->name = node.name + "_as_read";
    taken->op_type = node.op_type;
    taken->output = node.output + " as read";
    taken->inputs = node.inputs;
    taken->shape = node.shape;
    taken->operation = std::make_shared<Rearrangement>(Move::kTakenForLast, axes == 1 ? std::vector{2, 1} : std::vector{2, 3, 1});
    set_shape(*taken);
    node.inputs = {taken->output};
    node.shape = taken->shape;
    add(std::move(taken));
    if (file.op == "GlobalMaxPool") node.operation = std::make_shared<SetMax>(axes == 2);
    else node.operation = std::make_shared<SetMean>(axes == 2);
    set_shape(node);
    graph_.notes.push_back(
        node.name + " (" + file.op +
        "): hls4ml 1.3.0 takes its channels, which stand first, for ones that stand last, and so does narrow: its numbers are not "
        "those of the network");
  }

  void read_pool(const FileNode& file, Node& node) {
    if (integer(file, "ceil_mode", 0) != 0) throw fault(node, "its ceil_mode is 1, which hls4ml 1.3.0 does not follow");
    const Windows windows = windows_of(file, node);
    if (node.shape.size() != 3) {
      throw fault(node, "it is over one axis, which hls4ml 1.3.0 does not convert");
    }
    if (windows.padding != Padding::kValid && integer(file, "count_include_pad", 0) != 0) {
      throw fault(node, "its count_include_pad is 1, which hls4ml 1.3.0 does not follow");
    }
    node.operation = std::make_shared<Pooling>(file.op == "MaxPool" ? PoolKind::kMax : PoolKind::kAverage, windows);
    set_shape(node);
  }

 public:
  const std::set<std::string>& taken() const { return taken_; }

 private:
  const File& file_;
  Graph graph_;
  std::map<std::string, Node*> made_;          // by the tensor
  std::map<std::string, std::string> passed_;  // tensors of nodes that are left out
  std::set<std::string> taken_;                // constants that are facts of a layer
};

// --- what hls4ml does with transpositions, with io_parallel

// RemoveTransposeBeforeFlatten: the weights of the Dense behind it are transposed. RemoveSingleChannelTranspose: of an input with one
// channel.
class Transposes {
 public:
  explicit Transposes(Graph& graph) : graph_(graph) {}

  void run() {
    for (std::size_t i = 0; i < graph_.nodes.size();) {
      if (!before_flatten(*graph_.nodes[i]) && !of_one_channel(*graph_.nodes[i])) ++i;
    }
  }

 private:
  static const Rearrangement* move_of(const Node& node) { return dynamic_cast<const Rearrangement*>(node.operation.get()); }
  static bool is(const Node& node, Move move) { return move_of(node) != nullptr && move_of(node)->move() == move; }

  std::vector<Node*> readers(const std::string& tensor) {
    std::vector<Node*> found;
    for (const auto& node : graph_.nodes)
      found.insert(found.end(), static_cast<std::size_t>(std::count(node->inputs.begin(), node->inputs.end(), tensor)), node.get());
    return found;
  }
  Node* maker(const std::string& tensor) {
    const auto found = std::find_if(graph_.nodes.begin(), graph_.nodes.end(), [&](const auto& node) { return node->output == tensor; });
    return found == graph_.nodes.end() ? nullptr : found->get();
  }
  bool is_output(const std::string& tensor) {
    return std::find(graph_.outputs.begin(), graph_.outputs.end(), tensor) != graph_.outputs.end();
  }

  // Its readers read what it read.
  void remove(const Node& removed) {
    const std::string from = removed.output;
    const std::string to = removed.inputs.front();
    graph_.other_names.push_back(removed.name);
    for (const auto& node : graph_.nodes) std::replace(node->inputs.begin(), node->inputs.end(), from, to);
    std::replace(graph_.outputs.begin(), graph_.outputs.end(), from, to);
    std::erase_if(graph_.nodes, [&](const auto& node) { return node.get() == &removed; });
  }

  bool before_flatten(Node& flatten) {
    if (!is(flatten, Move::kReshape) || flatten.shape.size() != 1) return false;
    Node* const transpose = maker(flatten.inputs.front());
    const std::vector<Node*> behind = readers(flatten.output);
    if (transpose == nullptr || !is(*transpose, Move::kPermute) || behind.size() != 1 || behind.front()->kind != Kind::kDense) return false;
    // hls4ml takes the transposition for the one that puts channels first, and takes it away from all that read it.
    const std::vector<int>& axes = move_of(*transpose)->numbers();
    const bool channels_first = axes == std::vector{2, 1} || axes == std::vector{3, 1, 2};
    if (!channels_first || readers(transpose->output).size() != 1 || is_output(transpose->output) || is_output(flatten.output)) {
      throw fault(*transpose, "hls4ml 1.3.0 leaves it out in front of " + flatten.name +
                                  " as if it put channels first for that alone, which changes the network");
    }
    Node& dense = *behind.front();
    const Shape& from = transpose->shape;  // channels first
    const auto channels = static_cast<std::size_t>(from.front());
    const std::size_t pixels = size_of(from) / channels;
    const auto outputs = static_cast<std::size_t>(dense.weight.shape[1]);
    const auto moved = [&](const auto& values) {
      auto out = values;
      for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t p = 0; p < pixels; ++p) {
          std::copy_n(values.begin() + static_cast<std::ptrdiff_t>((c * pixels + p) * outputs), outputs,
                      out.begin() + static_cast<std::ptrdiff_t>((p * channels + c) * outputs));
        }
      }
      return out;
    };
    dense.weight.numbers =
        dense.weight.numbers.is_double() ? Numbers(moved(dense.weight.numbers.doubles())) : Numbers(moved(dense.weight.numbers.singles()));
    remove(*transpose);
    return true;
  }

  bool of_one_channel(Node& transpose) {
    if (!is(transpose, Move::kPermute)) return false;
    Node* const input = maker(transpose.inputs.front());
    if (input == nullptr || input->kind != Kind::kInput || input->shape.front() != 1 || input->shape.size() < 2) return false;
    Shape rotated(input->shape.begin() + 1, input->shape.end());
    rotated.push_back(1);
    if (transpose.shape != rotated || readers(input->output).size() != 1) {
      throw fault(transpose, "hls4ml 1.3.0 leaves it out as if it put the one channel of the input last, which changes the network");
    }
    input->shape = rotated;
    remove(transpose);
    return true;
  }

  Graph& graph_;
};

// --- hls4ml's passes, in its order: from the first again after every change

class Passes {
 public:
  explicit Passes(Graph& graph) : graph_(graph) { index(); }

  void run() {
    while (any(&Passes::quant_of_constant) || any(&Passes::quant_to_activation) || any(&Passes::norm) || any(&Passes::scale_down_add) ||
           any(&Passes::scale_down_matmul) || any(&Passes::scale_down_conv) || any(&Passes::merge_to_scale) ||
           any(&Passes::matmul_to_dense) || any(&Passes::conv_to_convolution)) {
    }
  }

 private:
  using Place = std::vector<std::unique_ptr<Node>>::size_type;

  bool any(bool (Passes::*pass)(Place)) {
    for (Place i = 0; i < graph_.nodes.size(); ++i) {
      if ((this->*pass)(i)) {
        index();
        return true;
      }
    }
    return false;
  }

  void index() {
    makers_.clear();
    readers_.clear();
    for (const auto& node : graph_.nodes) {
      makers_[node->output] = node.get();
      for (const std::string& input : node->inputs) ++readers_[input];
    }
  }

  Node& at(Place i) { return *graph_.nodes[i]; }
  Node* maker(const std::string& tensor) {
    const auto found = makers_.find(tensor);
    return found == makers_.end() ? nullptr : found->second;
  }
  Node* constant(const Node& node, std::size_t input) {
    Node* const found = input < node.inputs.size() ? maker(node.inputs[input]) : nullptr;
    return found != nullptr && found->kind == Kind::kConstant ? found : nullptr;
  }
  Node* scale(const Node& node, std::size_t input) {
    Node* const found = input < node.inputs.size() ? maker(node.inputs[input]) : nullptr;
    return found != nullptr && found->kind == Kind::kScale ? found : nullptr;
  }

  // hls4ml takes the constant out of the graph with the node that reads it.
  void consume(const Node& reader, const Node& constant) {
    if (readers_[constant.output] != 1) {
      throw shared_with_another(reader, constant.output);
    }
    std::erase_if(graph_.nodes, [&](const auto& node) { return node.get() == &constant; });
  }

  // Takes out a node with one input, whose readers get that.
  void remove(const Node& removed) {
    const std::string from = removed.output;
    const std::string to = removed.inputs.front();
    for (std::string& output : graph_.outputs) {
      if (output == from) output = to;
    }
    for (const auto& node : graph_.nodes) std::replace(node->inputs.begin(), node->inputs.end(), from, to);
    std::erase_if(graph_.nodes, [&](const auto& node) { return node.get() == &removed; });
  }

  // Puts a node behind another. hls4ml hands it to the first node whose first input this was, or to the output, and to no other.
  void insert_behind(Node& before, std::unique_ptr<Node> added, const Node* meant = nullptr) {
    added->inputs = {before.output};
    added->output = added->name;
    Node* next = nullptr;
    int uses = 0;
    for (const auto& node : graph_.nodes) {
      if (next == nullptr && !node->inputs.empty() && node->inputs.front() == before.output) next = node.get();
      uses += static_cast<int>(std::count(node->inputs.begin(), node->inputs.end(), before.output));
    }
    const bool is_output = std::find(graph_.outputs.begin(), graph_.outputs.end(), before.output) != graph_.outputs.end();
    const bool right = meant != nullptr ? next == meant : uses + (is_output ? 1 : 0) == 1 && (uses == 0 || next != nullptr);
    if (!right) {
      throw fault(before, "hls4ml 1.3.0 puts the scale " + added->name +
                              " of a Quant behind it for one of its readers alone, which changes the network");
    }
    if (next != nullptr) next->inputs.front() = added->output;
    else std::replace(graph_.outputs.begin(), graph_.outputs.end(), before.output, added->output);
    const auto place = std::find_if(graph_.nodes.begin(), graph_.nodes.end(), [&](const auto& node) { return node.get() == &before; });
    graph_.nodes.insert(place + 1, std::move(added));
  }

  static std::unique_ptr<Node> make_scale(const Node& of, const std::string& name, Array weight, Array bias) {
    auto node = std::make_unique<Node>();
    node->kind = Kind::kScale;
    node->name = name;
    node->configured_as = of.name;
    node->made_of = class_before(of);
    node->op_type = of.op_type;
    node->shape = of.shape;
    node->weight = std::move(weight);
    node->bias = std::move(bias);
    return node;
  }

  // np.broadcast_to(numbers, shape), of the constant of a merge where they do not have the shape as they are.
  static void require_fit(const Node& node, const Array& numbers, const Shape& shape) {
    if (squeezed(numbers.shape) != shape) require_broadcast(node, numbers, shape);
  }
  static void require_broadcast(const Node& node, const Array& numbers, const Shape& shape) {
    if (broadcasts(numbers.shape, shape)) return;
    throw fault(node,
                "numbers of shape " + to_string(numbers.shape) + " do not fit values of shape " + to_string(shape) + " in hls4ml 1.3.0");
  }

  // -zero * scale
  static Array rebias(const Node& node) {
    const auto bias = together(negative(node.quant_zero), node.quant_scale, [](auto a, auto b) { return a * b; });
    if (!bias) throw fault(node, "its scale and its zero point do not fit each other");
    return *bias;
  }

  // FuseQuantWithConstant, ConstQuantToConstAlpha.
  bool quant_of_constant(Place i) {
    Node& node = at(i);
    Node* const of = node.kind == Kind::kQuant ? constant(node, 0) : nullptr;
    if (of == nullptr) return false;
    if (readers_[of->output] != 1) throw shared_with_another(node, of->output);
    if (of->quantizer || of->bipolar) throw fault(node, "it quantizes a constant that is quantized already");
    of->quantizer = node.quantizer;
    of->bipolar = node.bipolar;
    if (node.quant_scale.numbers.empty()) {
      graph_.other_names.push_back(node.name);
      remove(node);
      return true;
    }
    const auto divided = node.bipolar ? of->value : together(of->value, node.quant_scale, [](auto a, auto b) { return a / b; });
    const auto value = divided ? together(*divided, node.quant_zero, [](auto a, auto b) { return a + b; }) : std::nullopt;
    if (!value || value->shape != of->value.shape || !broadcasts(node.quant_scale.shape, of->value.shape)) {
      throw fault(
          node, "its scale of shape " + to_string(node.quant_scale.shape) + " does not fit numbers of shape " + to_string(of->value.shape));
    }
    of->value = *value;
    const Array back = rebias(node);
    auto rescale = make_scale(node, node.name + "_rescale", node.quant_scale, back);
    rescale->inputs = node.inputs;
    rescale->output = node.output;
    graph_.nodes[i] = std::move(rescale);
    return true;
  }

  // QuantToActivation, QuantToAlphaActivationAlpha.
  bool quant_to_activation(Place i) {
    Node& node = at(i);
    if (node.kind != Kind::kQuant) return false;
    auto linear = std::make_unique<Node>();
    linear->kind = Kind::kOperation;
    linear->name = node.name + "_act";
    linear->configured_as = node.name;
    linear->op_type = node.op_type;
    linear->inputs = node.inputs;
    linear->output = node.output;
    linear->made_of = class_before(node);
    linear->shape = node.shape = maker(node.inputs.front())->shape;
    if (node.compares_rows) throw fault(node, "hls4ml 1.3.0 stops at a scale whose rows are equal; give it one axis, or one number");
    if (node.bipolar) linear->operation = std::make_shared<SignActivation>(false);
    else linear->operation = std::make_shared<Linear>(*node.quantizer);
    linear->quantizer = node.quantizer;
    linear->bipolar = node.bipolar;
    const bool plain = node.quant_scale.numbers.empty();
    const std::unique_ptr<Node> old = std::move(graph_.nodes[i]);
    graph_.nodes[i] = std::move(linear);
    if (plain) return true;
    index();
    require_broadcast(*old, old->quant_scale, old->shape);
    require_broadcast(*old, old->quant_zero, old->shape);
    const Array back = rebias(*old);
    insert_behind(at(i), make_scale(*old, old->name + "_rescale", old->quant_scale, back));
    if (old->bipolar) return true;
    // In front of it, for it alone: hls4ml hands it to the first reader of what is before.
    auto first = make_scale(*old, old->name + "_scale", reciprocal(old->quant_scale), old->quant_zero);
    const Node* const activation = &at(i);
    Node& before = *maker(at(i).inputs.front());
    insert_behind(before, std::move(first), activation);
    return true;
  }

  // BatchNormOnnxConstantParameters: gamma / sqrt(variance + epsilon), and beta - scale * mean.
  bool norm(Place i) {
    Node& node = at(i);
    if (node.kind != Kind::kRawNorm) return false;
    std::vector<Array> arrays;
    for (std::size_t k = 1; k < 5; ++k) {
      const Node* const of = constant(node, k);
      if (of == nullptr) throw fault(node, "hls4ml takes constants for all of its numbers");
      if (of->value.numbers.size() != static_cast<std::size_t>(node.shape.back()))
        throw fault(node, "it needs " + std::to_string(node.shape.back()) + " numbers of each kind");
      arrays.push_back({{node.shape.back()}, of->value.numbers});
    }
    const float epsilon = node.epsilon;
    const Array root = each(arrays[3], [&](auto v) { return std::sqrt(v + static_cast<decltype(v)>(epsilon)); });
    node.weight = *together(arrays[0], root, [](auto a, auto b) { return a / b; });
    const Array shift = *together(node.weight, arrays[2], [](auto a, auto b) { return a * b; });
    node.bias = *together(arrays[1], shift, [](auto a, auto b) { return a - b; });
    for (std::size_t k = 0; k < node.weight.numbers.size(); ++k) {
      if (!std::isfinite(node.weight.numbers[k]) || !std::isfinite(node.bias.numbers[k]))
        throw fault(node, "its variance, with epsilon, should be above 0");
    }
    std::vector<const Node*> constants;
    for (std::size_t k = 1; k < 5; ++k) constants.push_back(constant(node, k));
    for (const Node* each : constants) consume(node, *each);
    node.inputs.resize(1);
    node.shape = maker(node.inputs.front())->shape;
    node.kind = Kind::kNorm;
    return true;
  }

  // ScaleDownAdd: two equal scales go behind the sum.
  bool scale_down_add(Place i) {
    Node& node = at(i);
    if (node.kind != Kind::kMerge || node.merge != "Add") return false;
    Node* const a = scale(node, 0);
    Node* const b = scale(node, 1);
    if (a == nullptr || b == nullptr) return false;
    const auto equal = together(a->weight, b->weight, [](auto x, auto y) { return static_cast<decltype(x)>(x == y ? 1 : 0); });
    if (!equal || !all(*equal, 1)) return false;
    auto behind = make_scale(node, a->name, a->weight, {});
    behind->configured_as = a->configured_as, behind->made_of = a->made_of;
    behind->weight_quantizer = a->weight_quantizer, behind->bias_quantizer = a->bias_quantizer;
    behind->weight_type = a->weight_type, behind->bias_type = a->bias_type;
    const auto bias = together(a->bias, b->bias, [](auto x, auto y) { return x + y; });
    if (!bias) return false;
    behind->bias = *bias;
    require_alone(*a);
    require_alone(*b);
    remove(*b);
    remove(*a);
    insert_behind(node, std::move(behind));
    return true;
  }

  // A scale that is moved past one of its readers would leave the others without it.
  void require_alone(const Node& scale) {
    const bool is_output = std::find(graph_.outputs.begin(), graph_.outputs.end(), scale.output) != graph_.outputs.end();
    if (readers_[scale.output] != 1 || is_output) {
      throw fault(scale, "hls4ml 1.3.0 moves the scale " + scale.name + " behind one of its readers, and the others lose it");
    }
  }

  // ScaleDownMatMul: those of the constant first.
  bool scale_down_matmul(Place i) {
    Node& node = at(i);
    if (node.kind != Kind::kMatMul) return false;
    Node* const of[2] = {scale(node, 0), scale(node, 1)};
    if (of[0] == nullptr && of[1] == nullptr) return false;
    const std::size_t which = of[1] != nullptr && (of[0] == nullptr || constant(*of[1], 0) != nullptr) ? 1 : 0;
    Node& moved = *of[which];
    Array weight = scalar_where_uniform(moved.weight);
    Array bias = scalar_where_uniform(moved.bias);
    // The arrays are those that were broadcast to the values in front of the product.
    const bool whole_weight = !weight.shape.empty();
    const Shape weight_shape = whole_weight ? moved.shape : Shape{};
    bool fits = bias.shape.empty() && bias.numbers[0] == 0 && broadcasts(weight_shape, node.shape);
    auto behind = make_scale(node, moved.name, weight, {});
    behind->bias = {{}, Numbers(std::vector<double>{0})};
    behind->bias_type = moved.bias_type;
    if (fits && whole_weight) {
      throw fault(node, "hls4ml 1.3.0 moves " + moved.name +
                            ", whose scales differ from value to value, behind the product as it is, which changes the network");
    }
    const Node* const other = constant(node, 1 - which);
    if (!fits && other != nullptr) {
      const auto product = together(other->value, bias, [](auto a, auto b) { return a * b; });
      fits = product && broadcasts(product->shape, node.shape) && broadcasts(weight_shape, node.shape);
      if (fits) throw fault(node, "hls4ml 1.3.0 moves the bias of " + moved.name + " behind the product wrongly");
    }
    if (!fits) return false;
    behind->configured_as = moved.configured_as, behind->made_of = moved.made_of;
    behind->weight_quantizer = moved.weight_quantizer, behind->bias_quantizer = moved.bias_quantizer,
    behind->weight_type = moved.weight_type;
    require_alone(moved);
    remove(moved);
    insert_behind(node, std::move(behind));
    return true;
  }

  // ScaleDownConv: of scales of the values and the bias one number for all, of the weights also one for each filter.
  bool scale_down_conv(Place i) {
    Node& node = at(i);
    if (node.kind != Kind::kConv) return false;
    Node* const of[3] = {scale(node, 0), scale(node, 1), scale(node, 2)};
    if (of[0] == nullptr && of[1] == nullptr && of[2] == nullptr) return false;
    Array scales[3];
    Array biases[3];
    for (std::size_t k = 0; k < 3; ++k) {
      if (of[k] == nullptr) continue;
      scales[k] = scalar_where_uniform(of[k]->weight);
      biases[k] = scalar_where_uniform(of[k]->bias);
    }
    const auto is_number = [](const Array& array) { return array.shape.empty(); };
    const auto is_zero = [&](const Array& array) { return is_number(array) && array.numbers[0] == 0; };
    const Node* const bias = constant(node, 2);
    const bool no_bias = node.inputs.size() < 3 || (bias != nullptr && all(bias->value, 0));
    const Array zeros{{}, Numbers(std::vector<double>{0})};
    const Array one = whole(1);
    const auto times = [](const Array& a, const Array& b) { return *together(a, b, [](auto x, auto y) { return x * y; }); };
    // bias * (1 - scale)
    const auto rest = [&](const Array& scale) { return times(bias->value, each(scale, [](auto v) { return 1 - v; })); };
    Array new_scale;
    Array new_bias;
    const Node* name = of[0];
    if (of[2] == nullptr) {
      for (std::size_t k = 0; k < 2; ++k) {
        if (of[k] != nullptr && !is_zero(biases[k])) return false;
      }
      if (of[0] != nullptr && !is_number(scales[0])) {
        throw fault(node, "hls4ml 1.3.0 moves " + of[0]->name +
                              ", whose scales differ from value to value, behind it as they are, which changes the network");
      }
      if (of[1] != nullptr && !is_number(scales[1])) {
        // One for each filter: (filters, 1, ..., 1).
        const std::vector<int> own = aligned(scales[1].shape, of[1]->shape.size());
        const bool of_filters = scales[1].numbers.size() == static_cast<std::size_t>(own.front());
        if (of[0] != nullptr || !no_bias || !of_filters) return false;
        new_scale = {{own.front()}, scales[1].numbers};
        new_bias = zeros;
      } else {
        new_scale = of[0] == nullptr ? scales[1] : of[1] == nullptr ? scales[0] : times(scales[0], scales[1]);
        if (!no_bias && bias == nullptr) return false;
        new_bias = no_bias ? zeros : rest(new_scale);
      }
      if (of[1] != nullptr) name = of[1];
    } else {
      if (of[0] == nullptr && of[1] == nullptr) {
        if (!is_number(scales[2]) || scales[2].numbers[0] != 1) return false;
        new_scale = {{}, Numbers(std::vector<double>{1})};
        name = of[2];
      } else {
        for (std::size_t k = 0; k < 2; ++k) {
          if (of[k] != nullptr && (!is_zero(biases[k]) || !is_number(scales[k]))) return false;
        }
        new_scale = of[0] == nullptr ? scales[1] : of[1] == nullptr ? scales[0] : times(scales[0], scales[1]);
        if (!is_number(scales[2]) || scales[2].numbers[0] != new_scale.numbers[0]) return false;
        if (of[0] == nullptr) name = of[1];
      }
      new_bias = biases[2];
    }
    auto behind = make_scale(node, name->name, new_scale, new_bias);
    behind->configured_as = name->configured_as, behind->made_of = name->made_of;
    // hls4ml copies what else it knows of the first, of the scale of the values where there is one.
    if (const Node* const first = of[0] != nullptr ? of[0] : of[1] == nullptr ? of[2] : nullptr) {
      behind->weight_quantizer = first->weight_quantizer, behind->bias_quantizer = first->bias_quantizer;
      behind->weight_type = first->weight_type, behind->bias_type = first->bias_type;
    }
    require_fit(node, behind->weight, node.shape);
    require_fit(node, behind->bias, node.shape);
    for (Node* const moved : of) {
      if (moved == nullptr) continue;
      require_alone(*moved);
      remove(*moved);
    }
    insert_behind(node, std::move(behind));
    return true;
  }

  // MergeToApplyAlpha, MergeToApplyAlphaDiv.
  bool merge_to_scale(Place i) {
    Node& node = at(i);
    if (node.kind != Kind::kMerge) return false;
    Node* const first = constant(node, 0);
    Node* const second = constant(node, 1);
    if (first == nullptr && second == nullptr) return false;
    if (first != nullptr && second != nullptr) throw fault(node, "it is of two constants; clean the file with qonnx (docs/onnx.md)");
    if (node.merge == "Max" || node.merge == "Min") throw fault(node, "it is of a constant, which hls4ml 1.3.0 does not convert");
    Node& of = first != nullptr ? *first : *second;
    if (of.bipolar) throw fault(node, "it is of a constant of signs, which is not supported");
    auto made = make_scale(node, "bn_" + node.name, whole(1), whole(0));
    const Format bit{.width = 1, .integer = 1, .is_signed = false, .is_integer = true};
    const Format sign{.width = 2, .integer = 2, .is_signed = true, .is_integer = true};
    if (node.merge == "Mul" || node.merge == "Div") {
      made->bias_type = bit;
      made->weight = of.value;
      made->weight_quantizer = of.quantizer;
      if (node.merge == "Div") {
        if (first != nullptr) throw fault(node, "it divides a constant, which hls4ml 1.3.0 does not convert");
        made->weight = reciprocal(of.value);
        if (made->weight_quantizer) {
          const Format old = *made->weight_quantizer;
          made->weight_quantizer->width = 1 + (old.is_signed ? 1 : 0) + std::max(old.fraction(), 0);
          made->weight_quantizer->integer = 1 + (old.is_signed ? 1 : 0) + old.fraction();
        }
        for (std::size_t k = 0; k < made->weight.numbers.size(); ++k) {
          if (!std::isfinite(made->weight.numbers[k])) throw fault(node, "it divides by 0");
        }
      }
    } else {
      made->weight_type = bit;
      made->bias = of.value;
      made->bias_quantizer = of.quantizer;
      if (node.merge == "Sub" && second != nullptr) {
        made->bias = negative(of.value);
        if (made->bias_quantizer && !made->bias_quantizer->is_signed) {
          made->bias_quantizer->width += 1, made->bias_quantizer->integer += 1;
          made->bias_quantizer->is_signed = true;
        }
      } else if (node.merge == "Sub") {
        made->weight = whole(-1);
        made->weight_type = sign;
      }
    }
    made->inputs = {node.inputs[first != nullptr ? 1 : 0]};
    made->shape = maker(made->inputs.front())->shape;
    require_fit(node, made->weight, made->shape);
    require_fit(node, made->bias, made->shape);
    made->output = node.output;
    consume(node, of);
    *std::find_if(graph_.nodes.begin(), graph_.nodes.end(), [&](const auto& each) { return each.get() == &node; }) = std::move(made);
    return true;
  }

  // MatmulConstToDense: its bias is zeros, in the type of a bias.
  bool matmul_to_dense(Place i) {
    Node& node = at(i);
    const Node* const of = node.kind == Kind::kMatMul ? constant(node, 1) : nullptr;
    if (of == nullptr) return false;
    const Shape& from = maker(node.inputs.front())->shape;
    if (from.size() > 1) throw not_a_vector(node, from);
    node.shape = {node.shape.back()};
    node.made_of = class_before(node);
    node.kind = Kind::kDense;
    node.configured_as = node.name;
    node.name = "Dense_" + node.name;
    node.weight = of->value;
    node.weight_quantizer = of->quantizer;
    node.weight_bipolar = of->bipolar;
    node.bias = {{node.shape.back()}, Numbers(std::vector<double>(static_cast<std::size_t>(node.shape.back()), 0.0))};
    consume(node, *of);
    node.inputs.resize(1);
    return true;
  }

  // ConvToConvXD: without a bias, zeros in the type of a bias.
  bool conv_to_convolution(Place i) {
    Node& node = at(i);
    if (node.kind != Kind::kConv) return false;
    const Node* const weight = constant(node, 1);
    const Node* const bias = constant(node, 2);
    if (weight == nullptr || (node.inputs.size() == 3 && bias == nullptr)) return false;
    node.made_of = class_before(node);
    node.kind = Kind::kConvolution;
    node.configured_as = node.name;
    node.name = (node.depthwise ? "Depthwise" : "") + std::string(node.windows.one_axis() ? "Conv1D_" : "Conv2D_") + node.name;
    if (node.depthwise && weight->bipolar) throw fault(node, "its weights are signs, which is not supported of a depthwise convolution");
    node.weight = filters_last(weight->value);
    node.weight_quantizer = weight->quantizer;
    node.weight_bipolar = weight->bipolar;
    if (bias != nullptr && bias->bipolar) throw fault(node, "its bias is of signs, which is not supported");
    const std::size_t filters = static_cast<std::size_t>(node.weight.shape.back());
    node.bias = bias != nullptr ? Array{{node.weight.shape.back()}, bias->value.numbers}
                                : Array{{node.weight.shape.back()}, Numbers(std::vector<double>(filters, 0.0))};
    if (bias != nullptr) node.bias_quantizer = bias->quantizer, consume(node, *bias);
    consume(node, *weight);
    node.inputs.resize(1);
    return true;
  }

  Graph& graph_;
  std::map<std::string, Node*> makers_;
  std::map<std::string, int> readers_;
};

}  // namespace

Graph convert(const File& file) {
  Reader reader(file);
  Graph graph = reader.read();
  // Constants that are facts of a layer.
  for (const auto& node : graph.nodes) {
    const auto shared =
        std::find_if(node->inputs.begin(), node->inputs.end(), [&](const auto& input) { return reader.taken().contains(input); });
    if (shared != node->inputs.end()) throw shared_with_another(*node, *shared);
  }
  std::erase_if(graph.nodes, [&](const auto& node) { return node->kind == Kind::kConstant && reader.taken().contains(node->output); });
  Passes(graph).run();
  Transposes(graph).run();
  return graph;
}

Numbers for_last_axis(const Array& array, const Node& node) {
  const auto last = static_cast<std::size_t>(node.shape.back());
  const std::size_t size = array.numbers.size();
  const auto of = [&](const auto& values) {
    std::remove_cvref_t<decltype(values)> row(last);
    for (std::size_t i = 0; i < std::max(size, last); ++i) {
      const auto value = values[i % size];
      if (i < last) row[i] = value;
      else if (row[i % last] != value) throw fault(node, "its numbers differ along other axes than the last, which is not supported");
    }
    return row;
  };
  const std::vector<int> own = aligned(array.shape, node.shape.size());
  if (size != 1 && own.back() != node.shape.back())
    throw fault(node, "its numbers differ along other axes than the last, which is not supported");
  return array.numbers.is_double() ? Numbers(of(array.numbers.doubles())) : Numbers(of(array.numbers.singles()));
}

}  // namespace narrow::onnx
