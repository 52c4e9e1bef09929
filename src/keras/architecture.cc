#include "keras/architecture.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <optional>
#include <regex>
#include <set>

#include "error.h"
#include "keras/hgq2.h"
#include "keras/layer_config.h"
#include "keras/quantizer_config.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/dot.h"
#include "layers/fixed_quantizer.h"
#include "layers/flatten.h"
#include "layers/input.h"
#include "layers/linear.h"
#include "layers/merge.h"
#include "layers/pooling.h"
#include "layers/prelu.h"
#include "layers/rearrangement.h"
#include "layers/set_max.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "layers/softmax.h"
#include "layers/unary_lut.h"

namespace narrow {
namespace {

using nlohmann::json;

// `KSum` of `my_package>KSum`.
std::string without_package(const std::string& name) { return name.substr(name.rfind('>') == std::string::npos ? 0 : name.rfind('>') + 1); }

std::string text_or(const json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

// Of a sample, and of anything in a configuration.
constexpr int kLargestSize = 1 << 28;

// The name in a reference to a tensor, [name, node, tensor, ...]: layers are used once and have one output.
std::string endpoint(const json& reference) {
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    if (reference.size() > i && reference.at(i) != 0) {
      throw Error("layer " + reference.at(0).get<std::string>() +
                  " is used several times, or has several outputs; narrow supports neither");
    }
  }
  return reference.at(0).get<std::string>();
}

bool is_tensor(const json& value) { return value.is_object() && text_or(value, "class_name", "") == "__keras_tensor__"; }
bool is_constant(const json& value) { return value.is_object() && text_or(value, "class_name", "") == "__tensor__"; }

// A Keras 3 node: {"args": [tensor, ...], "kwargs": {...}}. Every tensor in it is an input.
void read_keras3_node(const json& node, KerasLayer& layer) {
  layer.arguments = node.value("kwargs", json::object());
  const auto collect = [&](const json& value, const auto& self) -> bool {
    if (is_tensor(value)) {
      layer.inputs.push_back(endpoint(value.at("config").at("keras_history")));
      return true;
    }
    if (is_constant(value)) throw Error(describe(layer) + ": it is called with a constant; narrow takes the outputs of other layers alone");
    if (!value.is_array()) return false;
    return std::all_of(value.begin(), value.end(), [&](const json& item) { return self(item, self); });
  };
  const json args = node.value("args", json::array());
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (!collect(args[i], collect)) layer.arguments["argument " + std::to_string(i + 1)] = args[i];
  }
}

// A Keras 2 node: [[name, node, tensor, arguments], ...], or one such entry alone. A constant has the name _CONSTANT_VALUE.
void read_keras2_node(const json& node, KerasLayer& layer) {
  const bool alone = !node.empty() && node.at(0).is_string();
  for (const json& entry : alone ? json::array({node}) : node) {
    if (entry.at(0) == "_CONSTANT_VALUE") {
      throw Error(describe(layer) + ": it is called with a constant; narrow takes the outputs of other layers alone");
    }
    layer.inputs.push_back(endpoint(entry));
    if (entry.size() > 3) layer.arguments = entry.at(3);
  }
}

void read_node(const json& item, KerasLayer& layer) {
  const json nodes = item.value("inbound_nodes", json::array());
  if (nodes.empty()) return;
  if (nodes.size() > 1)
    throw Error("layer " + layer.name + " is used " + std::to_string(nodes.size()) + " times; narrow does not support shared layers");
  if (nodes.at(0).is_array()) read_keras2_node(nodes.at(0), layer);
  else read_keras3_node(nodes.at(0), layer);
}

// Names in input_layers: as in output_layers, or by name or in lists of lists, which Keras takes in the order of names and as they stand.
std::vector<std::string> names_of_inputs(const json& value) {
  if (!value.is_structured()) throw Error("its inputs are not as Keras writes them");
  if (value.is_array() && !value.empty() && value.at(0).is_string()) return {endpoint(value)};
  std::vector<std::string> names;
  for (const json& item : value) {
    for (std::string& name : names_of_inputs(item)) names.push_back(std::move(name));
  }
  return names;
}

// Names in output_layers: ["name", 0, 0], or a list of such.
std::vector<std::string> endpoint_names(const json& value) {
  if (!value.is_array()) throw Error("its outputs have names; narrow needs them in a list, for an order");
  if (!value.empty() && value.at(0).is_string()) return {endpoint(value)};
  std::vector<std::string> names;
  for (const json& item : value) names.push_back(endpoint(item));
  return names;
}

// An integer of the configuration, where it is one that fits.
std::optional<int> small_int(const json& value) {
  constexpr std::int64_t kLargest = std::numeric_limits<int>::max();
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > kLargest)) return std::nullopt;
  if (std::abs(value.get<std::int64_t>() / 2) > kLargest / 2) return std::nullopt;
  return value.get<int>();
}

// The shape behind the batch, from any key in which a Keras version keeps it.
std::optional<Shape> declared_shape(const json& config) {
  for (const char* key : {"batch_shape", "batch_input_shape"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_array() || found->size() < 2) continue;
    Shape shape;
    for (std::size_t i = 1; i < found->size(); ++i) shape.push_back(small_int(found->at(i)).value_or(0));
    return shape;
  }
  return std::nullopt;
}

// The axis of a sum or a normalization: a number, or a list of one.
std::optional<int> axis_of(const KerasLayer& layer) {
  json axis = layer.config.value("axis", json());
  if (axis.is_array() && axis.size() == 1) axis = json(axis.at(0));
  return small_int(axis);
}

void require_set_axis(const KerasLayer& layer) {
  // keras.ops.sum(x, axis=1), and tf.reduce_sum in Keras 2, as layers of a functional model; a layer of the user's own need not say.
  const bool own = is_set_sum_name(layer.class_name);
  if (layer.class_name == "TFOpLambda" && text_or(layer.config, "function", "") != "math.reduce_sum") throw unsupported(layer);
  if (own && layer.config.value("axis", json()).is_null()) return;
  const std::optional<int> axis = axis_of(layer);
  if (axis != 1 && axis != -2) throw Error(describe(layer) + ": only a sum over the set axis (axis=1, without keepdims) is supported");
}

// The kernel's last axis is the option `key`: units, or filters.
void check_kernel(const KerasLayer& layer, const LayerWeights& weights, const char* key, std::size_t rank) {
  const Weight& kernel = weights.at(0);
  if (kernel.shape.size() != rank) throw Error(describe(layer) + ": its kernel should have " + std::to_string(rank) + " dimensions");
  const std::size_t n_out = kernel.shape.back();
  const json said = layer.config.value(key, json());
  if (small_int(said) != static_cast<int>(n_out)) {
    throw Error(describe(layer) + ": its configuration says " + said.dump() + " " + key + ", its kernel has " + std::to_string(n_out) +
                " columns");
  }
  if (weights.size() > 1 && weights.at(1).values.size() != n_out) {
    throw Error(describe(layer) + ": its bias has " + std::to_string(weights.at(1).values.size()) + " values for " + std::to_string(n_out) +
                " " + key);
  }
}

// Keras' names of the arrays of a normalization, as they are saved.
std::vector<std::string> norm_names(const KerasLayer& layer) {
  std::vector<std::string> names;
  if (flag(layer, "scale", true)) names.emplace_back("gamma");
  if (flag(layer, "center", true)) names.emplace_back("beta");
  names.insert(names.end(), {"moving_mean", "moving_variance"});
  return names;
}

struct NormParameters {
  std::vector<float> gamma, beta, mean, variance;
  float epsilon;
};

NormParameters norm_parameters(const KerasLayer& layer, const LayerWeights& weights) {
  const std::vector<std::string> names = norm_names(layer);
  const std::size_t size = weights.back().values.size();
  NormParameters norm{std::vector<float>(size, 1.F), std::vector<float>(size, 0.F), {}, {}, epsilon_of(layer)};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (weights[i].values.size() != size) throw Error(describe(layer) + ": its weights have unequal lengths");
    std::vector<float>& target = names[i] == "gamma"         ? norm.gamma
                                 : names[i] == "beta"        ? norm.beta
                                 : names[i] == "moving_mean" ? norm.mean
                                                             : norm.variance;
    target = weights[i].values;
  }
  return norm;
}

std::vector<float> bias_of(const LayerWeights& weights) { return weights.size() > 1 ? weights.at(1).values : std::vector<float>(); }

OperationPtr dense_op(const KerasLayer& layer, const LayerWeights& weights) {
  check_kernel(layer, weights, "units", 2);
  const Weight& kernel = weights.at(0);
  const auto n_in = static_cast<int>(kernel.shape[0]);
  const auto n_out = static_cast<int>(kernel.shape[1]);
  return std::make_shared<Dense>(n_in, n_out, kernel.values, bias_of(weights), quantizers_of(layer, n_in, n_out));
}

// One number for each of `count` axes, from 1 on: a list, or one for all.
std::vector<int> sizes_of(const KerasLayer& layer, const char* key, std::size_t count) {
  json value = layer.config.value(key, json());
  if (!value.is_array()) value = json(count, value);
  std::vector<int> sizes;
  for (const json& each : value) sizes.push_back(small_int(each).value_or(0));
  if (sizes.size() != count || std::any_of(sizes.begin(), sizes.end(), [](int size) { return size < 1 || size > kLargestSize; })) {
    throw Error(describe(layer) + ": its " + key + " should be " + (count == 1 ? "a number" : std::to_string(count) + " numbers") +
                " from 1 to 2^28");
  }
  return sizes;
}

Padding padding_of(const KerasLayer& layer, bool causal) {
  const json value = layer.config.value("padding", json("valid"));
  for (const Padding padding : {Padding::kValid, Padding::kSame, Padding::kCausal}) {
    if (value == name_of(padding) && (causal || padding != Padding::kCausal)) return padding;
  }
  throw Error(describe(layer) + ": its padding should be valid or same" + (causal ? " or causal" : ""));
}

// Of a convolution whose kernel is the first of its weights, (size..., channels, filters).
Windows windows_of(const KerasLayer& layer, const LayerWeights& weights) {
  const std::size_t axes = layer.class_name.ends_with("1D") ? 1 : 2;
  Windows windows{sizes_of(layer, "kernel_size", axes), sizes_of(layer, "strides", axes),
                  padding_of(layer, plain_class(layer.class_name) == "Conv1D" || plain_class(layer.class_name) == "SeparableConv1D")};
  const std::vector<std::size_t>& shape = weights.at(0).shape;
  if (shape.size() != axes + 2) throw Error(describe(layer) + ": its kernel should have " + std::to_string(axes + 2) + " dimensions");
  if (!std::equal(windows.size.begin(), windows.size.end(), shape.begin(),
                  [](int size, std::size_t of) { return static_cast<std::size_t>(size) == of; })) {
    throw Error(describe(layer) + ": its kernel_size is not that of its kernel");
  }
  return windows;
}

// A QConv2DBatchnorm: hls4ml folds its normalization into the numbers before they are quantized (Conv2DBatchnorm._get_folded_weights).
OperationPtr folded_op(const KerasLayer& layer, const Convolution& convolution, const LayerWeights& weights) {
  Quantizers quantizers = convolution.quantizers();
  quantizers.folded = true;
  if (!flag(layer, "use_bias", true)) {
    throw Error(describe(layer) + ": its use_bias is false, and hls4ml 1.3.0 keeps the bias of its normalization in one bit; set use_bias");
  }
  if (!quantizers.kernel) throw Error(describe(layer) + ": it has no kernel_quantizer, and hls4ml 1.3.0 stops there; give it one");
  if (!quantizers.bias) {
    throw Error(describe(layer) +
                ": it has no bias_quantizer, and hls4ml 1.3.0 then leaves the normalization out of its bias; give it one "
                "(qkeras.bn_folding_utils.populate_bias_quantizer_from_accumulator makes one)");
  }
  const std::vector<Weight> of_norm(weights.begin() + 2, weights.end());
  NormParameters norm = norm_parameters(layer, of_norm);
  const Dense& dense = convolution.dense();
  const auto filters = static_cast<std::size_t>(dense.n_out);
  if (norm.mean.size() != filters) throw Error(describe(layer) + ": its normalization has other channels than its kernel");
  std::vector<float> kernel = dense.kernel;
  std::vector<float> bias = dense.bias;
  for (std::size_t j = 0; j < filters; ++j) {
    const float inverse = 1.F / std::sqrt(norm.variance[j] + norm.epsilon) * norm.gamma[j];
    if (!std::isfinite(inverse)) throw Error(describe(layer) + ": its variance, with epsilon, should be above 0");
    bias[j] = inverse * (bias[j] - norm.mean[j]) + norm.beta[j];
    for (std::size_t k = j; k < kernel.size(); k += filters) kernel[k] = inverse * kernel[k];
  }
  return convolution.with(kernel, bias, std::move(quantizers));
}

OperationPtr convolution_op(const KerasLayer& layer, const LayerWeights& weights) {
  Windows windows = windows_of(layer, weights);
  check_kernel(layer, weights, "filters", windows.size.size() + 2);
  const Weight& kernel = weights.at(0);
  const auto channels = static_cast<int>(kernel.shape[windows.size.size()]);
  auto convolution = std::make_shared<Convolution>(std::move(windows), channels, static_cast<int>(kernel.shape.back()), kernel.values,
                                                   bias_of(weights), quantizers_of(layer, 0, static_cast<int>(kernel.shape.back())));
  if (layer.class_name == "QConv2DBatchnorm") return folded_op(layer, *convolution, weights);
  return convolution;
}

// One filter for each channel. `has_bias` is false of the first half of a SeparableConv, whose second array is no bias.
OperationPtr depthwise_op(const KerasLayer& layer, const LayerWeights& weights, bool has_bias) {
  Windows windows = windows_of(layer, weights);
  const Weight& kernel = weights.at(0);
  const auto channels = static_cast<int>(kernel.shape[windows.size.size()]);
  if (kernel.shape.back() != 1) throw Error(describe(layer) + ": its kernel should have one filter for each channel");
  std::vector<float> bias = has_bias ? bias_of(weights) : std::vector<float>();
  if (!bias.empty() && bias.size() != static_cast<std::size_t>(channels)) {
    throw Error(describe(layer) + ": its bias has " + std::to_string(bias.size()) + " values for " + std::to_string(channels) +
                " channels");
  }
  return std::make_shared<Depthwise>(std::move(windows), channels, kernel.values, bias,
                                     quantizers_of(layer, 0, 1, "depthwise_quantizer", has_bias));
}

// The second half of a SeparableConv: a Conv of windows of one pixel.
OperationPtr pointwise_op(const KerasLayer& layer, const LayerWeights& weights) {
  const std::size_t axes = layer.class_name.ends_with("1D") ? 1 : 2;
  const LayerWeights own(weights.begin() + 1, weights.end());
  check_kernel(layer, own, "filters", axes + 2);
  const Weight& kernel = own.at(0);
  if (kernel.values.size() != kernel.shape[axes] * kernel.shape[axes + 1]) {
    throw Error(describe(layer) + ": its pointwise kernel should cover one pixel");
  }
  const std::vector<int> ones(axes, 1);
  return std::make_shared<Convolution>(Windows{ones, ones}, static_cast<int>(kernel.shape[axes]), static_cast<int>(kernel.shape[axes + 1]),
                                       kernel.values, bias_of(own),
                                       quantizers_of(layer, 0, static_cast<int>(kernel.shape[axes + 1]), "pointwise_quantizer"));
}

// Its strides are its pool_size where it does not say any.
OperationPtr pooling_op(const KerasLayer& layer) {
  const std::size_t axes = layer.class_name.ends_with("1D") ? 1 : 2;
  std::vector<int> size = sizes_of(layer, "pool_size", axes);
  std::vector<int> strides = layer.config.value("strides", json()).is_null() ? size : sizes_of(layer, "strides", axes);
  const PoolKind kind = layer.class_name.starts_with("Max") ? PoolKind::kMax : PoolKind::kAverage;
  return std::make_shared<Pooling>(kind, Windows{std::move(size), std::move(strides), padding_of(layer, false)});
}

// The numbers of a list, of at least `least` each.
std::vector<int> numbers_of(const KerasLayer& layer, const char* key, const json& value, int least) {
  std::vector<int> numbers;
  bool fits = value.is_array() && !value.empty();
  for (const json& each : value) {
    numbers.push_back(small_int(each).value_or(least - 1));
    fits &= numbers.back() >= least && numbers.back() <= kLargestSize;
  }
  if (!fits) throw Error(describe(layer) + ": its " + key + " should be numbers from " + std::to_string(least) + " to 2^28");
  return numbers;
}

OperationPtr reshape_op(const KerasLayer& layer) {
  std::vector<int> shape = numbers_of(layer, "target_shape", layer.config.value("target_shape", json()), -1);
  if (std::count(shape.begin(), shape.end(), -1) > 1 || std::count(shape.begin(), shape.end(), 0) > 0) {
    throw Error(describe(layer) + ": its target_shape should be numbers from 1 on, and at most one -1");
  }
  return std::make_shared<Rearrangement>(Move::kReshape, std::move(shape));
}

OperationPtr permute_op(const KerasLayer& layer) {
  std::vector<int> dims = numbers_of(layer, "dims", layer.config.value("dims", json()), 1);
  constexpr std::size_t kMostAxes = 3;
  std::vector<int> sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<int>(i) + 1 || sorted.size() > kMostAxes) {
      throw Error(describe(layer) + ": its dims should be each of 1, 2, ... once, of at most 3 axes");
    }
  }
  if (sorted == dims) throw Error(describe(layer) + ": it moves nothing, and hls4ml 1.3.0 may transpose there; leave it out");
  return std::make_shared<Rearrangement>(Move::kPermute, std::move(dims));
}

// Zeros for each axis, or what is cut off there: one number for all sides, one for each axis, or a pair for each; of one axis a number or a
// pair.
OperationPtr sides_op(const KerasLayer& layer, Move move) {
  const std::size_t axes = layer.class_name.ends_with("1D") ? 1 : 2;
  const char* const key = move == Move::kCrop ? "cropping" : "padding";
  json value = layer.config.value(key, json());
  if (!value.is_array()) value = json::array({value, value});
  json pairs = axes == 1 ? json::array({value}) : value;
  std::vector<int> sides;
  for (const json& each : pairs) {
    for (const int number : numbers_of(layer, key, each.is_array() ? each : json::array({each, each}), 0)) sides.push_back(number);
  }
  if (sides.size() != 2 * axes) throw Error(describe(layer) + ": its " + key + " should be a pair of numbers for each axis");
  return std::make_shared<Rearrangement>(move, std::move(sides));
}

// Of the layers that only move values; null for others.
OperationPtr rearrangement_op(const KerasLayer& layer) {
  if (layer.class_name == "Reshape") return reshape_op(layer);
  if (layer.class_name == "Permute") return permute_op(layer);
  if (layer.class_name.starts_with("ZeroPadding")) return sides_op(layer, Move::kZeroPad);
  if (layer.class_name.starts_with("Cropping")) return sides_op(layer, Move::kCrop);
  if (!layer.class_name.starts_with("UpSampling")) return nullptr;
  if (layer.config.value("interpolation", json("nearest")) != "nearest") {
    throw Error(describe(layer) + ": its interpolation should be nearest, which hls4ml 1.3.0 computes whatever it says");
  }
  return std::make_shared<Rearrangement>(Move::kRepeat, sizes_of(layer, "size", layer.class_name.ends_with("1D") ? 1 : 2));
}

OperationPtr batch_norm_op(const KerasLayer& layer, const LayerWeights& weights) {
  constexpr double kKerasMomentum = 0.99;
  const json momentum = layer.config.value("momentum", json(kKerasMomentum));
  auto [gamma, beta, mean, variance, epsilon] = norm_parameters(layer, weights);
  const auto finite = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  };
  std::optional<BatchNormalization::FloatForm> float_form;
  if (is_quantized_layer(layer.class_name)) {
    const auto quantized_by = [&](const char* key, const std::vector<float>& values) {
      const std::optional<TrainedQuantizer> quantizer = quantizer_of(layer, key);
      return quantizer ? quantized(*quantizer, values, 0).values : values;
    };
    const BatchNormalization rounded(quantized_by("gamma_quantizer", gamma), quantized_by("beta_quantizer", beta),
                                     quantized_by("mean_quantizer", mean), quantized_by("variance_quantizer", variance), epsilon);
    float_form = {rounded.scale(), rounded.bias()};
  }
  auto norm =
      std::make_shared<BatchNormalization>(std::move(gamma), std::move(beta), std::move(mean), std::move(variance), epsilon,
                                           BatchNormalization::Training{flag(layer, "center", true), flag(layer, "scale", true),
                                                                        momentum.is_number() ? momentum.get<double>() : kKerasMomentum},
                                           std::move(float_form));
  if (!finite(norm->scale()) || !finite(norm->bias())) throw Error(describe(layer) + ": its variance, with epsilon, should be above 0");
  return norm;
}

OperationPtr prelu_op(const KerasLayer& layer, const LayerWeights& weights) {
  const Weight& alpha = weights.at(0);
  if (alpha.shape.empty() || alpha.values.empty()) throw Error(describe(layer) + ": its alpha is empty");
  Shape shape;
  for (const std::size_t size : alpha.shape) shape.push_back(static_cast<int>(size));
  return std::make_shared<PRelu>(std::move(shape), alpha.values);
}

OperationPtr dot_op(const KerasLayer& layer, int size) {
  json axes = layer.config.value("axes", json());
  if (!axes.is_array()) axes = json::array({axes, axes});
  for (const json& axis : axes) {
    if (axis != 1 && axis != -1)
      throw Error(describe(layer) + ": only the product of two vectors (axes=1) is supported, as in hls4ml 1.3.0");
  }
  return std::make_shared<Dot>(size);
}

// The whole numbers of an array, from `least` to `most`.
std::vector<int> whole_numbers(const KerasLayer& layer, const char* name, const Weight& array, int least, int most) {
  std::vector<int> numbers;
  for (const float value : array.values) {
    if (!(value >= static_cast<float>(least) && value <= static_cast<float>(most)) || value != std::trunc(value)) {
      throw Error(describe(layer) + ": its " + name + " should be whole numbers from " + std::to_string(least) + " to " +
                  std::to_string(most) + ", not " + json(value).dump());
    }
    numbers.push_back(static_cast<int>(value));
  }
  return numbers;
}

// A mode of AMD's, as HGQ has it: without the AP_ that hls4ml puts before it.
template <class Mode>
Mode mode_of(const KerasLayer& layer, const char* key, Mode (*parse)(std::string_view)) {
  const std::string text = text_or(layer.config, key, "");
  try {
    if (!text.starts_with("AP_") && to_string(parse(text)) == "AP_" + text) return parse(text);
  } catch (const Error&) {
  }
  throw Error(describe(layer) + ": its " + key + " is no mode of AMD's without AP_, such as " +
              (key[0] == 'R' ? "RND or TRN" : "SAT or WRAP"));
}

// hls4ml writes what stands there for a layer into its attributes, where it has such. Types are inferred all the same, and of the others
// these change nothing; _accum_multiplicity, which older versions of HGQ write, is none of its attributes.
void check_overrides(const KerasLayer& layer) {
  const json overrides = layer.config.value("overrides", json());
  if (overrides.is_null()) return;
  const json layers = overrides.is_object() ? overrides.value("layers", json::object()) : json();
  if (!layers.is_object()) throw Error(describe(layer) + ": its overrides should hold an entry for each of some layers");
  for (const auto& [name, entry] : layers.items()) {
    if (!entry.is_object()) throw Error(describe(layer) + ": its overrides of " + name + " should be keys with values");
    for (const auto& [key, value] : entry.items()) {
      if (key.ends_with("_t") || key == "parallelization_factor" || key == "table_size" || key == "_accum_multiplicity") continue;
      throw Error(describe(layer) + ": its overrides give " + name + " a " + key +
                  ", which narrow does not know and which may change the numbers");
    }
  }
}

OperationPtr fixed_quantizer_op(const KerasLayer& layer, const LayerWeights& weights, const Shape& shape) {
  check_overrides(layer);
  constexpr int kMostBits = 64;
  constexpr int kMostInteger = 127;  // of int8
  QuantizerBits bits{.shape = {},
                     .keep_negative = whole_numbers(layer, "keep_negative", weights.at(0), 0, 1),
                     .bits = whole_numbers(layer, "bits", weights.at(1), 0, kMostBits),
                     .integers = whole_numbers(layer, "integers", weights.at(2), -kMostInteger, kMostInteger)};
  const std::vector<std::size_t>& axes = weights.at(0).shape;
  const bool fusible = flag(layer, "fusible", false);
  const bool begins = fusible || (!axes.empty() && axes.front() == 1);
  if (axes != weights.at(1).shape || axes != weights.at(2).shape || bits.bits.empty() || !begins) {
    throw Error(describe(layer) + ": its keep_negative, bits and integers should be arrays of one shape, which begins with 1");
  }
  for (const auto* values : {&bits.keep_negative, &bits.bits, &bits.integers}) {
    const bool same = std::all_of(values->begin(), values->end(), [&](int value) { return value == values->front(); });
    if (fusible && !same) throw Error(describe(layer) + ": it says that it is fusible, and has several types");
  }
  if (fusible) {
    for (auto* values : {&bits.keep_negative, &bits.bits, &bits.integers}) values->resize(1);
  } else {
    for (std::size_t axis = 1; axis < axes.size(); ++axis) bits.shape.push_back(static_cast<int>(axes[axis]));
  }
  return std::make_shared<FixedQuantizer>(shape, std::move(bits), mode_of(layer, "RND", parse_rounding),
                                          mode_of(layer, "SAT", parse_overflow));
}

OperationPtr unary_lut_op(const KerasLayer& layer, const LayerWeights& weights) {
  const json kif = layer.config.value("kif_in", json());
  int total = 0;
  constexpr int kMostBits = 24;
  bool fits = kif.is_array() && kif.size() == 3;
  for (const json& each : fits ? kif : json::array()) {
    fits &= small_int(each).has_value() && std::abs(*small_int(each)) <= kLargestSize / 3;
    total += fits ? *small_int(each) : 0;
  }
  if (!fits || total < 1 || total > kMostBits || weights.at(0).values.size() != std::size_t{1} << total) {
    throw Error(describe(layer) +
                ": its kif_in should be the sign, integer and fractional bits of its input, and its table have an entry for "
                "each pattern of them");
  }
  return std::make_shared<UnaryLut>(*small_int(kif.at(2)), weights.at(0).values);
}

// A layer of two inputs, the last axis of the first of which has `size` values; null for others.
OperationPtr merge_of(const KerasLayer& layer, int size) {
  for (int kind = 0; kind < kMergeKinds; ++kind) {
    auto merge = std::make_shared<Merge>(static_cast<MergeKind>(kind));
    if (layer.class_name == merge->keras_class()) return merge;
  }
  if (layer.class_name == "Dot") return dot_op(layer, size);
  if (layer.class_name != "Concatenate") return nullptr;
  const std::optional<int> axis = small_int(layer.config.value("axis", json(-1)));
  if (!axis) throw Error(describe(layer) + ": its axis should be a number");
  return std::make_shared<Concatenate>(*axis);
}

void require_last_axis(const KerasLayer& layer, std::size_t rank, const std::string& what) {
  const std::optional<int> axis = layer.config.contains("axis") ? axis_of(layer) : -1;
  if (axis != -1 && axis != static_cast<int>(rank)) {
    throw Error(describe(layer) + ": only " + what + " over the last axis is supported");
  }
}

OperationPtr op_of(const KerasLayer& layer, const LayerWeights& weights, const Shape& input) {
  if (layer.class_name == "BatchNormalization" && !layer.hgq2.empty()) {
    return std::make_shared<BatchNormalization>(GivenNumbers{weights.at(0).values}, GivenNumbers{weights.at(1).values},
                                                BatchNormalization::Origin{.hls4ml_class = "BatchNormalization"});
  }
  if (plain_class(layer.class_name) == "Dense") return dense_op(layer, weights);
  if (plain_class(layer.class_name).starts_with("DepthwiseConv")) return depthwise_op(layer, weights, true);
  if (is_convolution(layer.class_name)) return convolution_op(layer, weights);
  if (plain_class(layer.class_name) == "BatchNormalization") return batch_norm_op(layer, weights);
  if (is_activation(layer.class_name)) {
    const OperationPtr op = activation_of(layer).op;
    return op != nullptr ? op : std::make_shared<Linear>();
  }
  if (is_dropout(layer.class_name)) return std::make_shared<Linear>();
  if (layer.class_name == "PReLU") return prelu_op(layer, weights);
  if (layer.class_name == "Softmax") return std::make_shared<Softmax>(false);
  if (layer.class_name == "Flatten") return std::make_shared<Flatten>();
  if (OperationPtr moved = rearrangement_op(layer)) return moved;
  if (is_pooling(layer.class_name)) return pooling_op(layer);
  if (is_global_pooling(layer.class_name)) {
    const bool image = layer.class_name.ends_with("2D");
    if (layer.class_name.starts_with("GlobalMax")) return std::make_shared<SetMax>(image);
    return std::make_shared<SetMean>(image);
  }
  if (layer.class_name == "FixedPointQuantizer") return fixed_quantizer_op(layer, weights, input);
  if (layer.class_name == "UnaryLUT") return unary_lut_op(layer, weights);
  require_set_axis(layer);
  return std::make_shared<SetSum>();
}

constexpr const char* kNormQuantizers[] = {"gamma_quantizer", "beta_quantizer", "mean_quantizer", "variance_quantizer"};

// Builds the graph layer by layer; layers that do nothing become another name for their input.
class Builder {
 public:
  explicit Builder(const std::map<std::string, LayerWeights>& weights) : weights_(weights) {}

  bool ready(const KerasLayer& layer) const {
    return std::all_of(layer.inputs.begin(), layer.inputs.end(), [&](const std::string& name) { return index_.contains(name); });
  }

  void add(const KerasLayer& layer) {
    note_name(layer);
    if (!layer.hgq2.empty()) return add_hgq2(layer);
    const auto weights = weights_.find(layer.name);
    static const LayerWeights kNone;
    add(layer, weights == weights_.end() ? kNone : weights->second);
  }

  Model finish(const std::vector<std::string>& outputs) {
    if (outputs.empty()) throw Error("the model has no outputs");
    for (const std::string& name : outputs) {
      const auto found = index_.find(name);
      if (found == index_.end()) throw Error("its output " + name + " is not a layer of the model");
      model_.outputs.push_back(found->second);
    }
    return std::move(model_);
  }

 private:
  const Shape& shape(const std::string& name) const { return model_.layers[static_cast<std::size_t>(index_.at(name))].shape; }

  void add(const KerasLayer& layer, const LayerWeights& weights) {
    if (layer.class_name == "InputLayer") return add_input(layer);
    if (is_merge(layer.class_name)) return add_merge(layer);
    if (layer.inputs.size() != 1)
      throw Error(describe(layer) + ": it has " + std::to_string(layer.inputs.size()) + " inputs; layers with one are supported");
    // hls4ml's reader of Keras 2 leaves out Dropout, that of Keras 3 makes a linear activation of it.
    if (passes_on(layer.class_name) || (layer.keras2 && layer.class_name == "Dropout")) {
      require_new(layer.name);
      index_[layer.name] = index_.at(layer.inputs.front());
      model_.dropped.push_back(layer.name);
      return;
    }
    if (is_separable(layer.class_name)) return add_separable(layer, weights);
    const OperationPtr op = op_of(layer, weights, shape(layer.inputs.front()));
    if (plain_class(layer.class_name) == "BatchNormalization")
      require_last_axis(layer, shape(layer.inputs.front()).size(), "normalization");
    if (layer.class_name == "QConv2DBatchnorm") require_last_axis(layer, shape(layer.inputs.front()).size(), "its normalization");
    if (layer.class_name == "Softmax") require_last_axis(layer, shape(layer.inputs.front()).size(), "a softmax");
    if (layer.class_name == "QBatchNormalization" &&
        std::any_of(std::begin(kNormQuantizers), std::end(kNormQuantizers),
                    [&](const char* key) { return !layer.config.value(key, json()).is_null(); })) {
      model_.notes.push_back(describe(layer) + ": hls4ml 1.3.0 leaves its quantizers out");
    }
    if (is_activation_object(layer)) {
      model_.notes.push_back(describe(layer) +
                             ": its activation is a layer, which hls4ml 1.3.0 refuses; give a function, as activation=\"relu\", or a layer "
                             "of its own behind it");
    }
    push(layer.name, layer.class_name, op, layer.inputs.front());
    note_kept_scales(layer, model_.layers.back());
    if (is_activation(layer.class_name)) {
      const NamedOperation made = activation_of(layer);
      model_.layers.back().quantizer = made.quantizer;
      if (!made.note.empty()) model_.notes.push_back(made.note);
    }
    if (plain_class(layer.class_name) == "Dense" || is_convolution(layer.class_name)) add_activation(layer);
  }

  // The quantizers of its inputs, the layer without quantizers, its activation, and the quantizer of its output.
  void add_hgq2(const KerasLayer& layer) {
    if (layer.inputs.empty() || (layer.inputs.size() != 1 && !is_merge(layer.class_name)))
      throw Error(describe(layer) + ": it has " + std::to_string(layer.inputs.size()) + " inputs; layers with one are supported");
    KerasLayer plain = layer;
    const std::vector<Hgq2Quantizer> before = input_quantizers(layer);
    if (layer.class_name == "Quantizer") return add_quantizer(layer, before.front(), layer.inputs.front());
    if (std::set<std::string>(layer.inputs.begin(), layer.inputs.end()).size() < layer.inputs.size() && !before.empty())
      throw Error(describe(layer) + ": of a layer that it merges with itself hls4ml 1.3.0 takes the second quantizer for both");
    for (std::size_t i = 0; i < before.size(); ++i) {
      add_quantizer(layer, before[i], layer.inputs[i]);
      plain.inputs[i] = before[i].name;
    }
    if (layer.class_name == "UnaryLUT") {
      const Hgq2Table made = table_of(layer, weights_);
      plain.config["kif_in"] = made.kif;
      add(plain, {made.table});
    } else {
      add(plain, quantized_weights(layer, weights_));
    }
    for (const Hgq2Quantizer& behind : output_quantizers(layer)) {
      add_quantizer(layer, behind, layer.name);
      index_[layer.name] = index_.at(behind.name);
      index_.erase(behind.name);
    }
    for (const Hgq2Quantizer& each : before) index_.erase(each.name);
  }

  void add_quantizer(const KerasLayer& layer, const Hgq2Quantizer& quantizer, const std::string& input) {
    const auto state = weights_.find(key_of(layer, quantizer));
    const LayerWeights none;
    push(quantizer.name, "FixedPointQuantizer",
         quantizer_op(layer, quantizer, state == weights_.end() ? none : state->second, shape(input)), input);
  }

  void add_input(const KerasLayer& layer) {
    const std::optional<Shape> declared = declared_shape(layer.config);
    if (!declared || std::any_of(declared->begin(), declared->end(), [](int d) { return d <= 0; })) {
      throw Error(describe(layer) + ": its shape must be fixed, as in Input((128, 4)); hardware has no variable lengths");
    }
    require_new(layer.name);
    model_.layers.push_back({layer.name, layer.class_name, std::make_shared<Input>(*declared), {}, *declared});
    require_size(model_.layers.back());
    index_[layer.name] = static_cast<int>(model_.layers.size()) - 1;
  }

  // Of another layer: a layer of its own, as in hls4ml, behind the name of the other.
  void add_activation(const KerasLayer& layer) {
    const NamedOperation activation = activation_of(layer);
    if (activation.op == nullptr) {
      if (layer.keras2) model_.linear.push_back(layer.name);
      return;
    }
    const std::string name = layer.name + "_" + activation.name;
    push(name, std::string(activation.op->keras_class()), activation.op, layer.name);
    model_.layers.back().quantizer = activation.quantizer;
    index_[layer.name] = static_cast<int>(model_.layers.size()) - 1;
    index_.erase(name);
  }

  void note_kept_scales(const KerasLayer& layer, const Layer& made) {
    const Quantizers quantizers = quantizers_of(made);
    const auto scales = [](const std::optional<TrainedQuantizer>& quantizer) { return quantizer && quantizer->alpha.scales(); };
    if (as<Depthwise>(made) == nullptr || !(scales(quantizers.kernel) || scales(quantizers.bias))) return;
    model_.notes.push_back(describe(layer) +
                           ": hls4ml 1.3.0 leaves the scales of a depthwise convolution's quantizers in the numbers, whose types have no "
                           "room for them; give the quantizers alpha=1");
  }

  void add_separable(const KerasLayer& layer, const LayerWeights& weights) {
    const std::string kind = "Conv" + layer.class_name.substr(layer.class_name.size() - 2);
    if (!layer.keras2) {
      model_.notes.push_back(describe(layer) + ": hls4ml 1.3.0 reads it from Keras 2 alone; with Keras 3 use Depthwise" + kind + " and " +
                             kind + " of one pixel, which compute the same");
    }
    require_new(layer.name);
    const std::string depthwise = layer.name + "_depthwise";
    const std::string pointwise = layer.name + "_pointwise";
    push(depthwise, "Depthwise" + kind, depthwise_op(layer, weights, false), layer.inputs.front());
    note_kept_scales(layer, model_.layers.back());
    push(pointwise, kind, pointwise_op(layer, weights), depthwise);
    model_.separable.push_back(layer.name);
    index_[layer.name] = index_.at(pointwise);
    index_.erase(depthwise);
    index_.erase(pointwise);
    add_activation(layer);
  }

  void add_merge(const KerasLayer& layer) {
    if (layer.inputs.size() != 2) {
      throw Error(describe(layer) + ": it has " + std::to_string(layer.inputs.size()) +
                  " inputs; narrow merges two, as hls4ml 1.3.0 does, so "
                  "more take a layer for each further one");
    }
    push(layer.name, layer.class_name, merge_of(layer, shape(layer.inputs.front()).back()), layer.inputs);
  }

  void push(const std::string& name, const std::string& keras_class, OperationPtr op, const std::string& input) {
    push(name, keras_class, std::move(op), std::vector<std::string>{input});
  }
  void push(const std::string& name, const std::string& keras_class, OperationPtr op, const std::vector<std::string>& inputs) {
    Layer layer{name, keras_class, std::move(op), {}, {}};
    for (const std::string& input : inputs) layer.inputs.push_back(index_.at(input));
    require_new(name);
    layer.shape = output_shape(layer, model_.input_shapes(layer));
    require_size(layer);
    // With the shape itself in the place of -1, which hls4ml's reader of Keras 2 does not resolve.
    if (keras_class == "Reshape") layer.op = std::make_shared<Rearrangement>(Move::kReshape, layer.shape);
    model_.layers.push_back(std::move(layer));
    index_[name] = static_cast<int>(model_.layers.size()) - 1;
  }

  void note_name(const KerasLayer& layer) {
    if (layer.keras2 || !is_renamed(layer.name)) return;
    model_.notes.push_back(describe(layer) + ": hls4ml 1.3.0's reader of Keras 3 calls it " + layer.name + "_0, and finds no entry of " +
                           layer.name + " in a configuration; give it a longer name");
  }

  // hls4ml looks layers up by name, in lower case.
  void require_new(const std::string& name) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto [known, is_new] = names_.emplace(lower, name);
    if (!is_new) {
      throw Error("the layers " + known->second + " and " + name +
                  " have one name (hls4ml ignores case, and the activation of a Dense is a layer NAME_relu); rename one");
    }
  }

  static void require_size(const Layer& layer) {
    std::size_t size = 1;
    for (const int d : layer.shape) {
      size *= static_cast<std::size_t>(d);
      if (d <= 0 || size > std::size_t{kLargestSize}) {
        throw Error("layer " + layer.name + " (" + layer.keras_class + "): a sample of shape " + to_string(layer.shape) + " is too large");
      }
    }
  }

  const std::map<std::string, LayerWeights>& weights_;
  std::map<std::string, std::string> names_;  // of layers, by their lower case
  std::map<std::string, int> index_;          // Keras' name of a layer to the layer that holds its output
  Model model_;
};

// A layer of a model's list, its inputs left out.
KerasLayer layer_from(const json& item) {
  const json config = item.value("config", json::object());
  KerasLayer layer{text_or(item, "name", text_or(config, "name", "?")), item.at("class_name").get<std::string>(), config, {}, {}};
  // A user's own layer may be registered under a name that says more than its class's.
  for (const std::string& name : {text_or(item, "registered_name", ""), layer.class_name}) {
    if (!is_set_sum_name(without_package(name))) continue;
    layer.class_name = without_package(name);
    return layer;
  }
  // A user's own Dense is not Keras'.
  const std::string module = text_or(item, "module", "keras");
  if (module.starts_with("hgq.") || layer.class_name.starts_with("hgq>")) {
    const std::string bare = without_package(layer.class_name);
    const std::string plain = class_without_quantizers(bare);
    layer.config = without_wrappers(config);
    layer.hgq2 = plain.empty() ? "" : bare;
    layer.class_name = plain.empty() ? "hgq." + bare : plain;
    return layer;
  }
  // A legacy file does not say the module; every layer has a dtype.
  if (is_merge(layer.class_name) && (module.starts_with("keras.src.ops") || !config.contains("dtype"))) {
    throw Error(describe(layer) + ": it is an operation, such as a + b, which hls4ml 1.3.0 does not read; use keras.layers." +
                layer.class_name);
  }
  if (module.starts_with("qkeras") && is_quantized_layer(layer.class_name)) return layer;
  // As hls4ml, which looks at the class alone: a file names HGQ's module or hls4ml's, with HGQ's package in front of the class or without.
  if (const std::string bare = without_package(layer.class_name);
      is_hgq(bare) && (layer.class_name == bare || layer.class_name == "HGQ>" + bare)) {
    layer.class_name = bare;
    return layer;
  }
  if (!module.starts_with("keras") && !module.starts_with("tf_keras") && !module.starts_with("tensorflow")) {
    layer.class_name = module + "." + layer.class_name;
  }
  return layer;
}

Architecture parse_sequential(const json& config) {
  Architecture architecture;
  // Keras 2 had the list of layers itself as the configuration.
  const json& layers = config.is_array() ? config : config.at("layers");
  for (const json& item : layers) {
    KerasLayer layer = layer_from(item);
    if (architecture.layers.empty() && layer.class_name != "InputLayer") {
      // The input's shape is in the configuration of the first layer or of the whole model.
      json input = json::object();
      if (const auto shape = layer.config.find("batch_input_shape"); shape != layer.config.end()) input["batch_shape"] = *shape;
      else if (config.is_object() && config.contains("build_input_shape")) input["batch_shape"] = config.at("build_input_shape");
      else if (item.contains("build_config")) input["batch_shape"] = item.at("build_config").value("input_shape", json());
      architecture.layers.push_back({layer.name + "_input", "InputLayer", input, {}, {}});
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
    KerasLayer layer = layer_from(item);
    read_node(item, layer);
    // The arguments of an operation (keras.ops.sum, tf.reduce_sum) are options of the layer; the call's go before the configuration's.
    if ((layer.class_name == "Sum" || layer.class_name == "TFOpLambda") && layer.arguments.is_object()) {
      layer.arguments.erase("name");
      layer.config.update(layer.arguments);
      layer.arguments = nullptr;
    }
    architecture.layers.push_back(std::move(layer));
  }
  // Inputs come first, in the order in which Keras takes them.
  const std::vector<std::string> inputs = names_of_inputs(config.value("input_layers", json::array()));
  const auto place = [&](const KerasLayer& layer) { return std::find(inputs.begin(), inputs.end(), layer.name) - inputs.begin(); };
  std::stable_sort(architecture.layers.begin(), architecture.layers.end(), [&](const KerasLayer& a, const KerasLayer& b) {
    if (a.class_name != "InputLayer" || b.class_name != "InputLayer") return a.class_name == "InputLayer" && b.class_name != "InputLayer";
    return place(a) < place(b);
  });
  architecture.outputs = endpoint_names(config.at("output_layers"));
  return architecture;
}

// Python writes numbers that JSON does not have: they become texts, which are refused where a number is read.
std::string with_quoted_infinities(std::string_view text) {
  constexpr std::string_view kWords[] = {"Infinity", "-Infinity", "NaN"};
  std::string quoted;
  quoted.reserve(text.size());
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto* word = in_string ? std::end(kWords) : std::find_if(std::begin(kWords), std::end(kWords), [&](std::string_view each) {
      return text.substr(i, each.size()) == each;
    });
    if (word != std::end(kWords)) {
      quoted.append("\"").append(*word).append("\"");
      i += word->size() - 1;
      continue;
    }
    quoted += text[i];
    if (in_string && text[i] == '\\' && i + 1 < text.size()) quoted += text[++i];
    else if (text[i] == '"') in_string = !in_string;
  }
  return quoted;
}

}  // namespace

json parse_json(std::string_view text) {
  constexpr int kDeepest = 100;
  return json::parse(with_quoted_infinities(text), [](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) throw Error("its JSON is nested more than " + std::to_string(kDeepest) + " levels deep");
    return true;
  });
}

bool is_renamed(const std::string& name) { return name.size() == 1 && std::string_view("input").find(name) != std::string_view::npos; }

std::string snake_case(const std::string& class_name) {
  const std::string words = std::regex_replace(class_name, std::regex("\\W+"), "");
  const std::string split = std::regex_replace(words, std::regex("(.)([A-Z][a-z]+)"), "$1_$2");
  std::string name = std::regex_replace(split, std::regex("([a-z])([A-Z])"), "$1_$2");
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

Architecture parse_architecture(const json& json, std::string_view version) {
  const std::string class_name = json.at("class_name").get<std::string>();
  if (class_name != "Sequential" && class_name != "Functional" && class_name != "Model") {
    throw Error("the model is a " + class_name + "; functional and sequential Keras models are supported");
  }
  Architecture architecture = class_name == "Sequential" ? parse_sequential(json.at("config")) : parse_functional(json.at("config"));
  for (KerasLayer& layer : architecture.layers) {
    layer.keras2 = version.starts_with("2.");
    check_config(layer);
  }
  return architecture;
}

// What HGQ2 keeps of a layer's cost beside its trained numbers.
static void add_ebops(const KerasLayer& layer, std::vector<std::string>& names) {
  if (flag(layer, "enable_ebops", true)) names.insert(names.end(), {"ebops_weight", "ebops"});
}

std::size_t arrays_inside(const KerasLayer& layer) { return layer.class_name == "QConv2DBatchnorm" ? norm_names(layer).size() : 0; }

std::vector<std::string> weight_names(const KerasLayer& layer) {
  if (plain_class(layer.class_name) == "Dense" || is_convolution(layer.class_name) || is_separable(layer.class_name)) {
    std::vector<std::string> names{"kernel"};
    if (is_separable(layer.class_name)) names.emplace_back("pointwise_kernel");
    if (flag(layer, "use_bias", true)) names.emplace_back("bias");
    if (layer.class_name == "QConv2DBatchnorm") {
      for (const std::string& each : norm_names(layer)) names.push_back(each);
    }
    if (layer.hgq2 == "QBatchNormDense" && flag(layer, "scale", true)) names.emplace_back("bn_gamma");
    if (!layer.hgq2.empty()) add_ebops(layer, names);
    if (layer.hgq2 == "QBatchNormDense") names.insert(names.end(), {"moving_mean", "moving_variance"});
    return names;
  }
  if (plain_class(layer.class_name) == "BatchNormalization") {
    std::vector<std::string> names = norm_names(layer);
    if (!layer.hgq2.empty()) add_ebops(layer, names);
    return names;
  }
  if (layer.class_name == "PReLU") return {"alpha"};
  if (layer.class_name == "FixedPointQuantizer") return {"keep_negative", "bits", "integers"};
  if (layer.class_name == "UnaryLUT" && layer.hgq2.empty()) return {"table"};
  return {};
}

Model build_model(const Architecture& architecture, const std::map<std::string, LayerWeights>& weights) {
  Builder builder(weights);
  std::vector<const KerasLayer*> waiting;
  for (const KerasLayer& layer : architecture.layers) waiting.push_back(&layer);
  const bool of_hgq2 = std::any_of(waiting.begin(), waiting.end(), [](const KerasLayer* layer) { return !layer->hgq2.empty(); });
  for (const KerasLayer* layer : waiting) {
    if (of_hgq2 && layer->class_name == "ReLU") {
      throw Error(describe(*layer) +
                  ": hls4ml 1.3.0 makes a ThresholdedReLU of it, which narrow does not follow among layers of HGQ2; use "
                  "Activation(\"relu\")");
    }
  }
  // Keras writes layers in order of depth; a file in any other order is put right here.
  while (!waiting.empty()) {
    const auto next = std::find_if(waiting.begin(), waiting.end(), [&](const KerasLayer* layer) { return builder.ready(*layer); });
    if (next == waiting.end()) throw Error(describe(*waiting.front()) + ": its input is not a layer of the model");
    builder.add(**next);
    waiting.erase(next);
  }
  return builder.finish(architecture.outputs);
}

}  // namespace narrow
