#include "keras/architecture.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <regex>
#include <set>
#include <string_view>

#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/dense.h"
#include "layers/flatten.h"
#include "layers/input.h"
#include "layers/linear.h"
#include "layers/relu.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"

namespace narrow {
namespace {

using nlohmann::json;

// Layers that pass their input on unchanged at inference and that hls4ml leaves out. Masking is none: it zeroes rows.
constexpr std::array<std::string_view, 4> kIdentities = {"GaussianNoise", "Identity", "ActivityRegularization", "Clone"};

// Those that hls4ml keeps as a linear activation, which may have a type of its own.
constexpr std::array<std::string_view, 6> kDropouts = {"Dropout",          "SpatialDropout1D", "SpatialDropout2D",
                                                       "SpatialDropout3D", "GaussianDropout",  "AlphaDropout"};

// Layers that sum over the set axis; users write them themselves, under these names.
constexpr std::array<std::string_view, 6> kSetSums = {"KSum", "HSum", "SetSum", "SumPooling1D", "GlobalSumPooling", "GlobalSumPooling1D"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string describe(const KerasLayer& layer) { return "layer " + layer.name + " (" + layer.class_name + ")"; }

// `KSum` of `my_package>KSum`.
std::string without_package(const std::string& name) { return name.substr(name.rfind('>') == std::string::npos ? 0 : name.rfind('>') + 1); }

std::string text_or(const json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

// The layers that a Keras 3 node names: every keras_history in its arguments.
void collect_histories(const json& value, std::vector<std::string>& names) {
  if (value.is_array()) {
    for (const json& item : value) collect_histories(item, names);
  } else if (value.is_object()) {
    if (text_or(value, "class_name", "") == "__keras_tensor__") {
      names.push_back(value.at("config").at("keras_history").at(0).get<std::string>());
      return;
    }
    for (const json& item : value) collect_histories(item, names);
  }
}

// A Keras 2 node: [[name, node, tensor, kwargs], ...], or one such entry alone.
std::vector<std::string> keras2_inputs(const json& node) {
  std::vector<std::string> names;
  if (!node.empty() && node.at(0).is_string()) return {node.at(0).get<std::string>()};
  for (const json& entry : node) names.push_back(entry.at(0).get<std::string>());
  return names;
}

std::vector<std::string> inputs_of(const json& layer, const std::string& name) {
  const json nodes = layer.value("inbound_nodes", json::array());
  if (nodes.empty()) return {};
  if (nodes.size() > 1)
    throw Error("layer " + name + " is used " + std::to_string(nodes.size()) + " times; narrow does not support shared layers");
  if (nodes.at(0).is_array()) return keras2_inputs(nodes.at(0));
  std::vector<std::string> names;
  collect_histories(nodes.at(0), names);
  return names;
}

// Names in input_layers or output_layers: ["name", 0, 0], [["name", 0, 0], ...] or, for several, a mix of lists.
std::vector<std::string> endpoint_names(const json& value) {
  if (value.is_array() && !value.empty() && value.at(0).is_string()) return {value.at(0).get<std::string>()};
  std::vector<std::string> names;
  if (value.is_array() || value.is_object()) {
    for (const json& item : value) {
      const auto more = endpoint_names(item);
      names.insert(names.end(), more.begin(), more.end());
    }
  }
  return names;
}

// The shape behind the batch, from any key in which a Keras version keeps it.
std::optional<Shape> declared_shape(const json& config) {
  for (const char* key : {"batch_shape", "batch_input_shape"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_array() || found->size() < 2) continue;
    Shape shape;
    for (std::size_t i = 1; i < found->size(); ++i) shape.push_back(found->at(i).is_number_integer() ? found->at(i).get<int>() : 0);
    return shape;
  }
  return std::nullopt;
}

// An activation's name, from "relu" or from {"class_name": "function", "config": "relu"}.
std::string activation_of(const KerasLayer& layer) {
  const json value = layer.config.value("activation", json());
  if (value.is_null()) return "linear";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object()) {
    const json config = value.value("config", json());
    return config.is_string() ? config.get<std::string>() : text_or(value, "class_name", "?");
  }
  return "?";
}

OperationPtr activation_op(const KerasLayer& layer) {
  const std::string name = activation_of(layer);
  if (name == "relu" || name == "ReLU") return std::make_shared<Relu>();
  if (name == "linear") return std::make_shared<Linear>();
  throw Error(describe(layer) + ": the activation '" + name + "' is not supported; relu and linear are");
}

double number_or(const json& config, const char* key, double fallback) {
  const auto found = config.find(key);
  return found != config.end() && found->is_number() ? found->get<double>() : fallback;
}

OperationPtr relu_op(const KerasLayer& layer) {
  const bool plain = (!layer.config.contains("max_value") || layer.config.at("max_value").is_null()) &&
                     number_or(layer.config, "negative_slope", 0) == 0 && number_or(layer.config, "threshold", 0) == 0;
  if (!plain) throw Error(describe(layer) + ": only a ReLU without max_value, negative_slope and threshold is supported");
  return std::make_shared<Relu>(true);
}

void require_float32(const KerasLayer& layer) {
  const json dtype = layer.config.value("dtype", json());
  std::string name = "float32";
  if (dtype.is_string()) name = dtype.get<std::string>();
  if (dtype.is_object()) name = text_or(dtype.value("config", json::object()), "name", name);
  if (name != "float32") throw Error(describe(layer) + ": it computes in " + name + "; narrow needs float32");
}

bool is_set_sum(const KerasLayer& layer) {
  if (contains(kSetSums, layer.class_name)) return true;
  // keras.ops.sum(x, axis=1), and tf.reduce_sum in Keras 2, as layers of a functional model.
  if (layer.class_name != "Sum" && !(layer.class_name == "TFOpLambda" && text_or(layer.config, "function", "") == "math.reduce_sum"))
    return false;
  json axis = layer.config.value("axis", json());
  if (axis.is_array() && axis.size() == 1) axis = axis.at(0);
  const bool over_set = axis.is_number_integer() && (axis.get<int>() == 1 || axis.get<int>() == -2);
  const json keepdims = layer.config.value("keepdims", json(false));
  if (!over_set || (keepdims.is_boolean() && keepdims.get<bool>())) {
    throw Error(describe(layer) + ": only a sum over the set axis (axis=1, without keepdims) is supported");
  }
  return true;
}

OperationPtr dense_op(const KerasLayer& layer, const LayerWeights& weights) {
  const json units = layer.config.value("units", json());
  const Weight& kernel = weights.at(0);
  if (kernel.shape.size() != 2) throw Error(describe(layer) + ": its kernel should have 2 dimensions");
  const auto n_in = static_cast<int>(kernel.shape[0]);
  const auto n_out = static_cast<int>(kernel.shape[1]);
  std::vector<float> bias;
  if (units.is_number_integer() && units.get<int>() != n_out) {
    throw Error(describe(layer) + ": its configuration says " + std::to_string(units.get<int>()) + " units, its kernel has " +
                std::to_string(n_out) + " columns");
  }
  if (weights.size() > 1) {
    bias = weights.at(1).values;
    if (bias.size() != kernel.shape[1]) {
      throw Error(describe(layer) + ": its bias has " + std::to_string(bias.size()) + " values for " + std::to_string(n_out) + " units");
    }
  }
  return std::make_shared<Dense>(n_in, n_out, kernel.values, std::move(bias));
}

OperationPtr batch_norm_op(const KerasLayer& layer, const LayerWeights& weights) {
  const std::vector<std::string> names = weight_names(layer);
  const std::size_t size = weights.back().values.size();
  std::vector<float> gamma(size, 1.F);
  std::vector<float> beta(size, 0.F);
  std::vector<float> mean;
  std::vector<float> variance;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (weights[i].values.size() != size) throw Error(describe(layer) + ": its weights have unequal lengths");
    std::vector<float>& target = names[i] == "gamma" ? gamma : names[i] == "beta" ? beta : names[i] == "moving_mean" ? mean : variance;
    target = weights[i].values;
  }
  const auto epsilon = static_cast<float>(number_or(layer.config, "epsilon", 1e-3));
  return std::make_shared<BatchNormalization>(std::move(gamma), std::move(beta), std::move(mean), std::move(variance), epsilon);
}

void require_last_axis(const KerasLayer& layer, std::size_t rank) {
  json axis = layer.config.value("axis", json(-1));
  if (axis.is_array() && axis.size() == 1) axis = axis.at(0);
  if (!axis.is_number_integer() || (axis.get<int>() != -1 && axis.get<int>() != static_cast<int>(rank))) {
    throw Error(describe(layer) + ": only normalization over the last axis is supported");
  }
}

void require_channels_last(const KerasLayer& layer) {
  const json keepdims = layer.config.value("keepdims", json(false));
  if (text_or(layer.config, "data_format", "channels_last") != "channels_last" || (keepdims.is_boolean() && keepdims.get<bool>())) {
    throw Error(describe(layer) + ": only data_format channels_last without keepdims is supported");
  }
}

Error unsupported(const KerasLayer& layer) {
  return Error(describe(layer) + " is not supported; these are: InputLayer, Dense, Activation, ReLU, KSum (or GlobalSumPooling1D), " +
               "GlobalAveragePooling1D, BatchNormalization, Flatten, and Dropout and others that do nothing at inference");
}

OperationPtr op_of(const KerasLayer& layer, const LayerWeights& weights) {
  if (layer.class_name == "Dense") return dense_op(layer, weights);
  if (layer.class_name == "BatchNormalization") return batch_norm_op(layer, weights);
  if (layer.class_name == "Activation") return activation_op(layer);
  if (layer.class_name == "ReLU") return relu_op(layer);
  if (contains(kDropouts, layer.class_name)) return std::make_shared<Linear>();
  if (layer.class_name == "Flatten") return std::make_shared<Flatten>();
  if (layer.class_name == "GlobalAveragePooling1D") {
    require_channels_last(layer);
    return std::make_shared<SetMean>();
  }
  if (is_set_sum(layer)) return std::make_shared<SetSum>();
  throw unsupported(layer);
}

// Builds the graph layer by layer; layers that do nothing become another name for their input.
class Builder {
 public:
  explicit Builder(const std::map<std::string, LayerWeights>& weights) : weights_(weights) {}

  bool ready(const KerasLayer& layer) const {
    return std::all_of(layer.inputs.begin(), layer.inputs.end(), [&](const std::string& name) { return index_.contains(name); });
  }

  void add(const KerasLayer& layer) {
    if (layer.class_name == "InputLayer") return add_input(layer);
    if (layer.inputs.size() != 1)
      throw Error(describe(layer) + ": it has " + std::to_string(layer.inputs.size()) + " inputs; layers with one are supported");
    if (contains(kIdentities, layer.class_name)) {
      index_[layer.name] = index_.at(layer.inputs.front());
      model_.dropped.push_back(layer.name);
      return;
    }
    const auto weights = weights_.find(layer.name);
    static const LayerWeights kNone;
    const OperationPtr op = op_of(layer, weights == weights_.end() ? kNone : weights->second);
    if (layer.class_name == "BatchNormalization") require_last_axis(layer, shape(layer.inputs.front()).size());
    push(layer.name, layer.class_name, op, layer.inputs.front());
    if (layer.class_name != "Dense") return;
    const OperationPtr activation = activation_op(layer);
    if (dynamic_cast<const Linear*>(activation.get()) != nullptr) return;
    const std::string dense = layer.name;
    push(dense + "_" + activation_of(layer), "Activation", activation, dense);
    index_[dense] = index_.at(dense + "_" + activation_of(layer));
  }

  Model finish(const std::vector<std::string>& outputs) {
    for (const std::string& name : outputs) model_.outputs.push_back(index_.at(name));
    return std::move(model_);
  }

 private:
  const Shape& shape(const std::string& name) const { return model_.layers[static_cast<std::size_t>(index_.at(name))].shape; }

  void add_input(const KerasLayer& layer) {
    const std::optional<Shape> declared = declared_shape(layer.config);
    if (!declared || std::any_of(declared->begin(), declared->end(), [](int d) { return d <= 0; })) {
      throw Error(describe(layer) + ": its shape must be fixed, as in Input((128, 4)); hardware has no variable lengths");
    }
    model_.layers.push_back({layer.name, layer.class_name, std::make_shared<Input>(*declared), {}, *declared});
    index_[layer.name] = static_cast<int>(model_.layers.size()) - 1;
  }

  void push(const std::string& name, const std::string& keras_class, OperationPtr op, const std::string& input) {
    Layer layer{name, keras_class, std::move(op), {index_.at(input)}, {}};
    layer.shape = output_shape(layer, {shape(input)});
    model_.layers.push_back(std::move(layer));
    index_[name] = static_cast<int>(model_.layers.size()) - 1;
  }

  const std::map<std::string, LayerWeights>& weights_;
  std::map<std::string, int> index_;  // Keras' name of a layer to the layer that holds its output
  Model model_;
};

Architecture parse_sequential(const json& config) {
  Architecture architecture;
  // Keras 2 had the list of layers itself as the configuration.
  const json& layers = config.is_array() ? config : config.at("layers");
  for (const json& item : layers) {
    KerasLayer layer{
        text_or(item.at("config"), "name", "?"), without_package(item.at("class_name").get<std::string>()), item.at("config"), {}};
    if (architecture.layers.empty() && layer.class_name != "InputLayer") {
      // The input's shape stands in the first layer or in the whole model's configuration.
      json input = json::object();
      if (const auto shape = layer.config.find("batch_input_shape"); shape != layer.config.end()) input["batch_shape"] = *shape;
      else if (config.is_object() && config.contains("build_input_shape")) input["batch_shape"] = config.at("build_input_shape");
      else if (item.contains("build_config")) input["batch_shape"] = item.at("build_config").value("input_shape", json());
      architecture.layers.push_back({layer.name + "_input", "InputLayer", input, {}});
    }
    if (!architecture.layers.empty()) layer.inputs = {architecture.layers.back().name};
    architecture.layers.push_back(std::move(layer));
  }
  if (architecture.layers.empty()) throw Error("the model has no layers");
  architecture.outputs = {architecture.layers.back().name};
  return architecture;
}

Architecture parse_functional(const json& config) {
  Architecture architecture;
  for (const json& item : config.at("layers")) {
    const json layer_config = item.value("config", json::object());
    const std::string name = text_or(item, "name", text_or(layer_config, "name", "?"));
    KerasLayer layer{name, without_package(item.at("class_name").get<std::string>()), layer_config, inputs_of(item, name)};
    // A custom layer may be registered under a name that says more than its class's.
    const std::string registered = without_package(text_or(item, "registered_name", ""));
    if (contains(kSetSums, registered)) layer.class_name = registered;
    // The arguments of an operation (keras.ops.sum, tf.reduce_sum) stand in its node.
    if (layer.class_name == "Sum" || layer.class_name == "TFOpLambda") {
      const json& node = item.at("inbound_nodes").at(0);
      const json& arguments = node.is_object() ? node.value("kwargs", json::object()) : node.at(node.at(0).is_array() ? 0 : 3);
      const json kwargs = arguments.is_array() ? arguments.at(3) : arguments;
      for (const char* key : {"axis", "keepdims"}) {
        if (kwargs.is_object() && kwargs.contains(key)) layer.config[key] = kwargs.at(key);
      }
    }
    architecture.layers.push_back(std::move(layer));
  }
  architecture.outputs = endpoint_names(config.at("output_layers"));
  return architecture;
}

}  // namespace

std::string snake_case(const std::string& class_name) {
  const std::string words = std::regex_replace(class_name, std::regex("\\W+"), "");
  const std::string split = std::regex_replace(words, std::regex("(.)([A-Z][a-z]+)"), "$1_$2");
  std::string name = std::regex_replace(split, std::regex("([a-z])([A-Z])"), "$1_$2");
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

Architecture parse_architecture(const json& json) {
  const std::string class_name = json.at("class_name").get<std::string>();
  if (class_name == "Sequential") return parse_sequential(json.at("config"));
  if (class_name == "Functional" || class_name == "Model") return parse_functional(json.at("config"));
  throw Error("the model is a " + class_name + "; functional and sequential Keras models are supported");
}

std::vector<std::string> weight_names(const KerasLayer& layer) {
  const auto flag = [&](const char* key) {
    const auto found = layer.config.find(key);
    return found == layer.config.end() || !found->is_boolean() || found->get<bool>();
  };
  if (layer.class_name == "Dense") {
    require_float32(layer);
    return flag("use_bias") ? std::vector<std::string>{"kernel", "bias"} : std::vector<std::string>{"kernel"};
  }
  if (layer.class_name == "BatchNormalization") {
    require_float32(layer);
    std::vector<std::string> names;
    if (flag("scale")) names.emplace_back("gamma");
    if (flag("center")) names.emplace_back("beta");
    names.insert(names.end(), {"moving_mean", "moving_variance"});
    return names;
  }
  return {};
}

Model build_model(const Architecture& architecture, const std::map<std::string, LayerWeights>& weights) {
  Builder builder(weights);
  std::vector<const KerasLayer*> waiting;
  for (const KerasLayer& layer : architecture.layers) waiting.push_back(&layer);
  // Keras writes layers in order of depth; a file in any other order is put right here.
  while (!waiting.empty()) {
    const auto next = std::find_if(waiting.begin(), waiting.end(), [&](const KerasLayer* layer) { return builder.ready(*layer); });
    if (next == waiting.end()) throw Error(describe(*waiting.front()) + ": its input is no layer of the model");
    builder.add(**next);
    waiting.erase(next);
  }
  return builder.finish(architecture.outputs);
}

}  // namespace narrow
