#include "onnx/reader.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "data/text.h"
#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/input.h"
#include "layers/merge.h"
#include "layers/quantize.h"
#include "onnx/graph.h"

namespace narrow {
namespace {

using onnx::Kind;
using onnx::Node;

Error fault(const Node& node, const std::string& message) { return Error("node " + node.name + " (" + node.op_type + "): " + message); }

// A weight that a Quant brings to its type is the quantized number.
Numbers as_trained(Numbers numbers, const std::optional<Format>& quantizer) {
  return quantizer ? quantized_as_trained(numbers, *quantizer) : std::move(numbers);
}

OperationPtr merge_of(const Node& node) {
  static const std::map<std::string, MergeKind> kKinds = {{"Add", MergeKind::kAdd},
                                                          {"Sub", MergeKind::kSubtract},
                                                          {"Mul", MergeKind::kMultiply},
                                                          {"Max", MergeKind::kMaximum},
                                                          {"Min", MergeKind::kMinimum}};
  const auto found = kKinds.find(node.merge);
  if (found == kKinds.end()) throw fault(node, "hls4ml 1.3.0 has no division of two layers' values");
  return std::make_shared<Merge>(found->second);
}

// Of a weight of signs, as hls4ml's BinaryQuantizer of one bit.
Quantizers quantizers_of(const Node& node) {
  Quantizers quantizers;
  if (node.weight_bipolar) quantizers.kernel = TrainedQuantizer{.kind = TrainedQuantizer::Kind::kSign, .name = "BipolarQuant", .bits = 1};
  return quantizers;
}

OperationPtr operation_of(const Node& node) {
  switch (node.kind) {
    case Kind::kInput: return std::make_shared<Input>(node.shape);
    case Kind::kMerge: return merge_of(node);
    case Kind::kOperation: return node.operation;
    case Kind::kDense:
      return std::make_shared<Dense>(node.weight.shape[0], node.weight.shape[1], as_trained(node.weight.numbers, node.weight_quantizer),
                                     as_trained(node.bias.numbers, node.bias_quantizer), quantizers_of(node));
    case Kind::kConvolution: {
      const std::size_t axes = node.windows.size.size();
      if (node.depthwise) {
        return std::make_shared<Depthwise>(node.windows, node.weight.shape[axes + 1],
                                           as_trained(node.weight.numbers, node.weight_quantizer),
                                           as_trained(node.bias.numbers, node.bias_quantizer));
      }
      return std::make_shared<Convolution>(node.windows, node.weight.shape[axes], node.weight.shape[axes + 1],
                                           as_trained(node.weight.numbers, node.weight_quantizer),
                                           as_trained(node.bias.numbers, node.bias_quantizer), quantizers_of(node));
    }
    case Kind::kScale:
    case Kind::kNorm: {
      const bool scale = node.kind == Kind::kScale;
      return std::make_shared<BatchNormalization>(
          GivenNumbers{.given = for_last_axis(node.weight, node), .type = node.weight_quantizer},
          GivenNumbers{.given = for_last_axis(node.bias, node), .type = node.bias_quantizer},
          BatchNormalization::Origin{.hls4ml_class = scale ? "ApplyAlpha" : "BatchNormalization", .of_all_values = scale});
    }
    case Kind::kConstant:
      throw Error("initializer " + node.output +
                  " is read where hls4ml 1.3.0 takes no constant, or by no node; clean the file with qonnx "
                  "(docs/onnx.md)");
    case Kind::kMatMul:
    case Kind::kConv: throw fault(node, "hls4ml 1.3.0 takes constants for its weights, or Quants of constants with one scale for all");
    case Kind::kRawNorm:
    case Kind::kQuant: break;
  }
  throw fault(node, "hls4ml 1.3.0 does not convert it");
}

std::vector<OwnType> own_types(const Node& node) {
  std::vector<OwnType> own;
  if (node.kind == Kind::kOperation) {
    if (node.bipolar) {
      own.push_back({TypeName::kResult, weight_format({.kind = TrainedQuantizer::Kind::kSign, .name = {}, .bits = 1}, true), true});
    }
    if (node.quantizer) own.push_back({TypeName::kResult, *node.quantizer, true});
    return own;
  }
  const bool scales = node.kind == Kind::kScale || node.kind == Kind::kNorm;
  const auto add = [&](TypeName type, const std::optional<Format>& quantizer, const std::optional<Format>& given) {
    if (quantizer && !scales) own.push_back({type, *quantizer, true});  // a scale's are its numbers' own
    else if (!quantizer && given) own.push_back({type, *given, false});
  };
  add(scales ? TypeName::kScale : TypeName::kWeight, node.weight_quantizer, node.weight_type);
  add(TypeName::kBias, node.bias_quantizer, node.bias_type);
  return own;
}

class Builder {
 public:
  Model build(const onnx::Graph& graph) {
    for (const auto& node : graph.nodes) add(*node);
    for (const std::string& output : graph.outputs) model_.outputs.push_back(index_.at(output));
    std::set<int> read(model_.outputs.begin(), model_.outputs.end());
    for (const Layer& layer : model_.layers) read.insert(layer.inputs.begin(), layer.inputs.end());
    for (std::size_t i = 0; i < model_.layers.size(); ++i) {
      if (!read.contains(static_cast<int>(i))) throw Error("layer " + model_.layers[i].name + " is read by no other, and is no output");
    }
    model_.other_names = graph.other_names;
    model_.notes = graph.notes;
    return std::move(model_);
  }

 private:
  void add(const Node& node) {
    if (node.kind == Kind::kScale || node.kind == Kind::kNorm) {
      constexpr std::size_t kMostNumbers = std::size_t{1} << 26;
      numbers_ += static_cast<std::size_t>(node.shape.back());
      if (numbers_ > kMostNumbers) throw fault(node, "the scales of the model are too many");
    }
    const OperationPtr op = operation_of(node);
    Layer layer{.name = node.name,
                .keras_class = std::string(op->keras_class()),
                .op = op,
                .inputs = {},
                .shape = {},
                .own = own_types(node),
                .configured_as = node.configured_as,
                .made_of = node.made_of,
                .behind = node.behind,
                .behind_class = node.behind_class};
    if (node.bipolar) layer.quantizer = TrainedQuantizer{.kind = TrainedQuantizer::Kind::kSign, .name = "BipolarQuant", .bits = 1};
    if (node.kind != Kind::kInput) {
      for (const std::string& input : node.inputs) {
        const auto found = index_.find(input);
        if (found == index_.end()) throw fault(node, "its input " + input + " is no output of a node before it");
        layer.inputs.push_back(found->second);
      }
    }
    std::string lower = node.name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!names_.insert(lower).second) throw fault(node, "two layers have this name; clean the file with qonnx (docs/onnx.md)");
    layer.shape = output_shape(layer, model_.input_shapes(layer));
    constexpr std::size_t kMost = std::size_t{1} << 28;
    std::size_t size = 1;
    for (const int d : layer.shape) {
      size *= static_cast<std::size_t>(d);
      if (d <= 0 || size > kMost) throw fault(node, "a sample of shape " + to_string(layer.shape) + " is too large");
    }
    index_[node.output] = static_cast<int>(model_.layers.size());
    model_.layers.push_back(std::move(layer));
  }

  std::set<std::string> names_;
  std::size_t numbers_ = 0;           // of scales, a sample's axis each
  std::map<std::string, int> index_;  // by the tensor
  Model model_;
};

}  // namespace

Model onnx_model(std::string_view bytes) { return Builder().build(onnx::convert(onnx::parse_file(bytes))); }

Model read_onnx(const std::string& path) {
  const std::string bytes = read_file(path);
  Model model;
  try {
    model = onnx_model(bytes);
  } catch (const Error& error) {
    throw Error(path + ": " + error.what());
  }
  model.name = std::filesystem::path(path).stem().string();
  return model;
}

}  // namespace narrow
