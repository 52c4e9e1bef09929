#include "keras/layer_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "keras/quantizer_config.h"
#include "layers/exponential_unit.h"
#include "layers/hard_sigmoid.h"
#include "layers/leaky_relu.h"
#include "layers/relu.h"
#include "layers/relu_max.h"
#include "layers/sign_activation.h"
#include "layers/softmax.h"
#include "layers/table_activation.h"
#include "layers/thresholded_relu.h"

namespace narrow {
namespace {

using nlohmann::json;

// Masking is not among them: it zeroes rows.
constexpr std::array<std::string_view, 3> kPassOn = {"GaussianNoise", "Identity", "ActivityRegularization"};
constexpr std::array<std::string_view, 6> kDropouts = {"Dropout",          "SpatialDropout1D", "SpatialDropout2D",
                                                       "SpatialDropout3D", "GaussianDropout",  "AlphaDropout"};
constexpr std::array<std::string_view, 6> kSetSums = {"KSum", "HSum", "SetSum", "SumPooling1D", "GlobalSumPooling", "GlobalSumPooling1D"};
constexpr std::array<std::string_view, 8> kMerges = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"};
constexpr std::array<std::string_view, 4> kConvolutions = {"Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D"};
constexpr std::array<std::string_view, 2> kSeparables = {"SeparableConv1D", "SeparableConv2D"};
constexpr std::array<std::string_view, 4> kPoolings = {"MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"};
constexpr std::array<std::string_view, 4> kGlobalPoolings = {"GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
                                                             "GlobalMaxPooling2D"};
constexpr std::array<std::string_view, 2> kHgq = {"FixedPointQuantizer", "UnaryLUT"};
// QActivation is one too.
constexpr std::array<std::string_view, 5> kActivations = {"Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// How an option is taken.
enum class Option : std::uint8_t {
  kNoMatter,      // changes nothing at inference
  kHonoured,      // read where the layer is built, which checks it
  kMustBeOff,     // null, false, 0
  kLastChannels,  // data_format
  kOnes,          // 1, or a list of such
};
using Options = std::map<std::string, Option, std::less<>>;

// Of every layer. `batch_input_shape` belongs to the first layer of a Sequential; later ones repeat nothing of it.
const Options kOfAll = {{"name", Option::kHonoured},
                        {"trainable", Option::kNoMatter},
                        {"dtype", Option::kHonoured},
                        {"autocast", Option::kNoMatter},  // to a dtype that is float32
                        {"activity_regularizer", Option::kNoMatter},
                        {"batch_input_shape", Option::kHonoured}};

// Of every layer of HGQ2: its quantizers, and what it takes for the cost of the layer.
const Options kOfHgq2 = {{"enable_iq", Option::kHonoured},
                         {"enable_oq", Option::kHonoured},
                         {"enable_ebops", Option::kHonoured},
                         {"iq_conf", Option::kHonoured},
                         {"iq_confs", Option::kHonoured},
                         {"oq_conf", Option::kHonoured},
                         {"kq_conf", Option::kHonoured},
                         {"bq_conf", Option::kHonoured},
                         {"ebops_factor", Option::kNoMatter},
                         {"beta0", Option::kNoMatter},
                         {"parallelization_factor", Option::kNoMatter}};

Options with(Options options, const std::vector<std::string>& trained) {
  for (const std::string& weight : trained) {
    for (const char* suffix : {"_initializer", "_regularizer", "_constraint"}) options[weight + suffix] = Option::kNoMatter;
  }
  return options;
}

const Options* options_of(const std::string& class_name) {
  static const Options kInput = {
      {"batch_shape", Option::kHonoured}, {"sparse", Option::kMustBeOff}, {"ragged", Option::kMustBeOff}, {"optional", Option::kNoMatter}};
  static const Options kDense = with({{"units", Option::kHonoured},
                                      {"activation", Option::kHonoured},
                                      {"use_bias", Option::kHonoured},
                                      {"quantization_config", Option::kMustBeOff},
                                      {"lora_rank", Option::kMustBeOff},
                                      {"lora_alpha", Option::kNoMatter}},
                                     {"kernel", "bias"});
  static const Options kConvolution = with({{"filters", Option::kHonoured},
                                            {"kernel_size", Option::kHonoured},
                                            {"strides", Option::kHonoured},
                                            {"padding", Option::kHonoured},
                                            {"data_format", Option::kLastChannels},
                                            {"dilation_rate", Option::kOnes},
                                            {"groups", Option::kOnes},
                                            {"depth_multiplier", Option::kOnes},
                                            {"activation", Option::kHonoured},
                                            {"use_bias", Option::kHonoured}},
                                           {"kernel", "depthwise", "pointwise", "bias"});
  static const Options kBatchNormalization = with({{"axis", Option::kHonoured},
                                                   {"momentum", Option::kNoMatter},
                                                   {"epsilon", Option::kHonoured},
                                                   {"center", Option::kHonoured},
                                                   {"scale", Option::kHonoured},
                                                   {"synchronized", Option::kNoMatter},
                                                   {"renorm", Option::kMustBeOff},
                                                   {"renorm_clipping", Option::kNoMatter},
                                                   {"renorm_momentum", Option::kNoMatter}},
                                                  {"beta", "gamma", "moving_mean", "moving_variance"});
  static const Options kQBatchNormalization = [] {
    Options options = kBatchNormalization;
    for (const char* each : {"beta_quantizer", "gamma_quantizer", "mean_quantizer", "variance_quantizer"})
      options[each] = Option::kHonoured;
    for (const char* each : {"beta_range", "gamma_range", "fused", "virtual_batch_size", "adjustment"}) options[each] = Option::kNoMatter;
    return options;
  }();
  static const Options kActivation = {{"activation", Option::kHonoured}};
  static const Options kRelu = {{"max_value", Option::kHonoured}, {"negative_slope", Option::kHonoured}, {"threshold", Option::kHonoured}};
  static const Options kLeakyRelu = {{"negative_slope", Option::kHonoured}, {"alpha", Option::kHonoured}};  // alpha: Keras 2
  static const Options kElu = {{"alpha", Option::kHonoured}};
  static const Options kPRelu = with({{"shared_axes", Option::kMustBeOff}}, {"alpha"});
  static const Options kThresholdedRelu = {{"theta", Option::kHonoured}};
  static const Options kSoftmax = {{"axis", Option::kHonoured}};
  static const Options kWindowPooling = {{"pool_size", Option::kHonoured},
                                         {"strides", Option::kHonoured},
                                         {"padding", Option::kHonoured},
                                         {"data_format", Option::kLastChannels}};
  static const Options kReshape = {{"target_shape", Option::kHonoured}};
  static const Options kPermute = {{"dims", Option::kHonoured}};
  static const Options kZeroPadding = {{"padding", Option::kHonoured}, {"data_format", Option::kLastChannels}};
  static const Options kCropping = {{"cropping", Option::kHonoured}, {"data_format", Option::kLastChannels}};
  static const Options kUpSampling = {
      {"size", Option::kHonoured}, {"interpolation", Option::kHonoured}, {"data_format", Option::kLastChannels}};
  static const Options kFlatten = {{"data_format", Option::kLastChannels}};
  static const Options kPooling = {{"data_format", Option::kLastChannels}, {"keepdims", Option::kMustBeOff}};
  static const Options kSum = {{"axis", Option::kHonoured},
                               {"keepdims", Option::kMustBeOff},
                               {"function", Option::kHonoured},
                               {"data_format", Option::kLastChannels}};
  static const Options kRandom = {{"rate", Option::kNoMatter},   {"seed", Option::kNoMatter},        {"noise_shape", Option::kNoMatter},
                                  {"stddev", Option::kNoMatter}, {"data_format", Option::kNoMatter}, {"l1", Option::kNoMatter},
                                  {"l2", Option::kNoMatter}};
  static const Options kMerge;
  static const Options kQuantizers = {{"kernel_quantizer", Option::kHonoured},
                                      {"bias_quantizer", Option::kHonoured},
                                      {"kernel_range", Option::kNoMatter},  // QKeras ignores both
                                      {"bias_range", Option::kNoMatter},
                                      {"H", Option::kHonoured},
                                      {"kernel_lr_multiplier", Option::kNoMatter},
                                      {"bias_lr_multiplier", Option::kNoMatter},
                                      {"input_dim", Option::kNoMatter}};
  const auto quantizing = [](Options options) {
    options.insert(kQuantizers.begin(), kQuantizers.end());
    return options;
  };
  static const Options kQDense = quantizing(kDense);
  static const Options kQConvolution = [&] {
    Options options = quantizing(kConvolution);
    for (const char* each : {"depthwise_quantizer", "pointwise_quantizer"}) options[each] = Option::kHonoured;
    for (const char* each : {"depthwise_range", "pointwise_range"}) options[each] = Option::kNoMatter;
    return options;
  }();
  static const Options kFoldedConvolution = [&] {
    Options options = kQConvolution;
    options.insert(kBatchNormalization.begin(), kBatchNormalization.end());
    for (const char* each : {"ema_freeze_delay", "folding_mode"}) options[each] = Option::kNoMatter;
    return options;
  }();
  static const Options kFixedQuantizer = {{"RND", Option::kHonoured},
                                          {"SAT", Option::kHonoured},
                                          {"shape", Option::kNoMatter},  // of its arrays
                                          {"fusible", Option::kHonoured},
                                          {"overrides", Option::kHonoured}};
  static const Options kUnaryLut = {{"kif_in", Option::kHonoured}, {"kif_out", Option::kNoMatter}};  // the table has its values
  static const Options kUnaryFunction = {{"activation", Option::kHonoured},
                                         {"allow_heterogeneous_table", Option::kHonoured},
                                         {"allow_heterogeneous_input", Option::kNoMatter}};  // the quantizer's state has it
  static const Options kQuantizer = {{"config", Option::kHonoured}};
  static const Options kConcatenate = {{"axis", Option::kHonoured}};
  static const Options kDot = {{"axes", Option::kHonoured}, {"normalize", Option::kMustBeOff}};
  if (class_name == "InputLayer") return &kInput;
  if (class_name == "Dense") return &kDense;
  if (class_name == "QConv2DBatchnorm") return &kFoldedConvolution;
  if (is_convolution(class_name) || is_separable(class_name)) return is_quantized_layer(class_name) ? &kQConvolution : &kConvolution;
  if (class_name == "BatchNormalization") return &kBatchNormalization;
  if (is_quantized_layer(class_name) && plain_class(class_name) == "Dense") return &kQDense;
  if (class_name == "QBatchNormalization") return &kQBatchNormalization;
  if (class_name == "Activation" || class_name == "QActivation") return &kActivation;
  if (class_name == "ReLU") return &kRelu;
  if (class_name == "LeakyReLU") return &kLeakyRelu;
  if (class_name == "ELU") return &kElu;
  if (class_name == "PReLU") return &kPRelu;
  if (class_name == "ThresholdedReLU") return &kThresholdedRelu;
  if (class_name == "Softmax") return &kSoftmax;
  if (class_name == "Flatten") return &kFlatten;
  if (class_name == "Reshape") return &kReshape;
  if (class_name == "Permute") return &kPermute;
  if (class_name == "ZeroPadding1D" || class_name == "ZeroPadding2D") return &kZeroPadding;
  if (class_name == "Cropping1D" || class_name == "Cropping2D") return &kCropping;
  if (class_name == "UpSampling1D" || class_name == "UpSampling2D") return &kUpSampling;
  if (is_pooling(class_name)) return &kWindowPooling;
  if (is_global_pooling(class_name)) return &kPooling;
  if (class_name == "Sum" || class_name == "TFOpLambda" || is_set_sum_name(class_name)) return &kSum;
  if (class_name == "Concatenate") return &kConcatenate;
  if (class_name == "Dot") return &kDot;
  if (class_name == "FixedPointQuantizer") return &kFixedQuantizer;
  if (class_name == "Quantizer") return &kQuantizer;
  if (class_name == "UnaryLUT") return &kUnaryLut;
  if (class_name == "QUnaryFunctionLUT") return &kUnaryFunction;
  if (is_merge(class_name)) return &kMerge;
  if (passes_on(class_name) || is_dropout(class_name)) return &kRandom;
  return nullptr;
}

// Of a model that stands where a layer should.
constexpr const char* kNested =
    "is a model inside the model, which narrow does not support; put its layers in its place (hls4ml 1.3.0 reads it from Keras 2 alone, "
    "and "
    "infers no types of its layers)";

// A value of a message, not too long.
std::string short_text(const json& value) {
  constexpr std::size_t kLongest = 60;
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

// A number of Keras 2 may be a NumPy scalar: {"class_name": "__numpy__", "config": {"value": 0.0}}.
json unwrapped(const json& value) {
  if (!value.is_object() || value.value("class_name", json()) != "__numpy__") return value;
  return value.value("config", json::object()).value("value", json());
}

bool is_off(const json& value) {
  const json plain = unwrapped(value);
  return plain.is_null() || (plain.is_boolean() && !plain.get<bool>()) || (plain.is_number() && plain.get<double>() == 0);
}

bool is_one(const json& value) {
  if (value.is_array()) return std::all_of(value.begin(), value.end(), is_one);
  return value.is_number() && value.get<double>() == 1;
}

Error not_supported(const KerasLayer& layer, const std::string& key, const json& value) {
  return Error(describe(layer) + ": narrow does not support " + key + " = " + short_text(value));
}

// `float32`, or {"class_name": "DTypePolicy", "config": {"name": "float32"}}; other policies have other classes.
void require_float32(const KerasLayer& layer) {
  const json dtype = layer.config.value("dtype", json());
  if (dtype.is_null() || dtype == "float32") return;
  if (dtype.is_object()) {
    const json policy = dtype.value("class_name", json());
    const json config = dtype.value("config", json());
    const bool plain = policy == "DTypePolicy" || policy == "FloatDTypePolicy" || policy == "Policy";
    if (plain && config.is_object() && config.value("name", json()) == "float32") return;
  }
  const json config = dtype.is_object() ? dtype.value("config", json()) : json();
  const json name = config.is_object() ? config.value("name", dtype) : dtype;
  throw Error(describe(layer) + ": it computes in " + short_text(name) + "; narrow needs float32");
}

// Null for one that narrow does not know.
const Option* option_of(const KerasLayer& layer, const std::string& key) {
  static const Options kFused = with(*options_of("BatchNormalization"), {"bn_gamma"});
  const bool is_function = layer.hgq2 == "QUnaryFunctionLUT";
  std::vector<const Options*> all{options_of(is_function ? layer.hgq2 : layer.class_name), &kOfAll};
  if (!layer.hgq2.empty()) all.push_back(&kOfHgq2);
  if (layer.hgq2 == "QBatchNormDense") all.push_back(&kFused);
  for (const Options* options : all) {
    if (const auto found = options->find(key); found != options->end()) return &found->second;
  }
  return nullptr;
}

void check_option(const KerasLayer& layer, const std::string& key, const json& value) {
  const Option* const option = option_of(layer, key);
  if (option == nullptr) {
    if (value.is_null()) return;  // not set
    throw Error(describe(layer) + ": narrow does not know its option " + key + " = " + short_text(value) +
                ", which may change the numbers");
  }
  if (*option == Option::kMustBeOff && !is_off(value)) throw not_supported(layer, key, value);
  if (*option == Option::kLastChannels && !value.is_null() && value != "channels_last") throw not_supported(layer, key, value);
  if (*option == Option::kOnes && !is_one(value)) throw not_supported(layer, key, value);
}

// A constant of an activation, which is at least 0; `fallback` where none of the keys says it.
double constant_of(const KerasLayer& layer, const json& config, std::initializer_list<const char*> keys, double fallback) {
  for (const char* key : keys) {
    const json value = unwrapped(config.value(key, json()));
    if (value.is_null()) continue;
    constexpr double kMost = 1 << 30;
    if (!value.is_number() || !(value.get<double>() >= 0) || value.get<double>() > kMost) {
      throw Error(describe(layer) + ": its " + key + " should be a number from 0 to 2^30, not " + short_text(value));
    }
    return value.get<double>();
  }
  return fallback;
}

// A ReLU or LeakyReLU layer, or one that is another layer's activation.
NamedOperation relu_of(const KerasLayer& layer, const std::string& class_name, const json& config) {
  constexpr double kKerasSlope = 0.3;
  const bool leaky = class_name == "LeakyReLU";
  if (!leaky) {
    const json most = unwrapped(config.value("max_value", json()));
    const bool alone = is_off(config.value("negative_slope", json())) && is_off(config.value("threshold", json()));
    if (!most.is_null() && layer.keras2 && layer.class_name == "ReLU" && alone && most.is_number() && most.get<double>() > 0) {
      return {"relu",
              Relu::with_maximum(most.get<float>()),
              {},
              describe(layer) + ": hls4ml 1.3.0's reader of Keras 2 leaves its max_value out"};
    }
    if (!most.is_null()) {
      throw Error(describe(layer) + ": narrow does not support max_value = " + short_text(most) +
                  ", nor does hls4ml 1.3.0; it takes the activation function relu6");
    }
  }
  const double slope = constant_of(layer, config, {"negative_slope", "alpha"}, leaky ? kKerasSlope : 0.0);
  const double threshold = leaky ? 0.0 : constant_of(layer, config, {"threshold"}, 0.0);
  if (slope != 0 && threshold != 0) throw Error(describe(layer) + ": hls4ml takes a negative_slope or a threshold, not both");
  if (threshold != 0) return {"thresholded_relu", std::make_shared<ThresholdedRelu>(threshold)};
  // hls4ml takes a slope of 0 for a thresholded relu, whichever class it is of.
  if (slope == 0) return {"relu", std::make_shared<Relu>(true)};
  return {"leaky_relu", std::make_shared<LeakyRelu>(slope)};
}

// One of Keras' functions by its name.
std::optional<NamedOperation> function_of(const KerasLayer& layer, const json& name) {
  constexpr double kFunctionSlope = 0.2;  // keras.activations.leaky_relu
  if (name == "linear") return NamedOperation{"linear", nullptr};
  if (name == "relu") return NamedOperation{"relu", std::make_shared<Relu>()};
  if (name == "softmax") return NamedOperation{"softmax", std::make_shared<Softmax>(true)};
  if (name == "leaky_relu") return NamedOperation{"leaky_relu", std::make_shared<LeakyRelu>(kFunctionSlope)};
  if (name == "elu") return NamedOperation{"elu", std::make_shared<ExponentialUnit>(1.0)};
  if (name == "selu") return NamedOperation{"selu", std::make_shared<ExponentialUnit>()};
  if (name == "relu6") return NamedOperation{"relu6", std::make_shared<ReluMax>()};
  if (name == "relu1") return NamedOperation{"relu1", std::make_shared<ReluMax>(1)};
  for (const bool ternary : {false, true}) {
    const auto sign = std::make_shared<SignActivation>(ternary);
    if (name == sign->name()) return NamedOperation{std::string(sign->name()), sign};
  }
  if (name == "hard_sigmoid") {
    return NamedOperation{"hard_sigmoid", std::make_shared<HardSigmoid>(layer.keras2 ? HardSigmoid::kKeras2 : HardSigmoid::kKeras3)};
  }
  for (const TableFunction function : {TableFunction::kSigmoid, TableFunction::kTanh, TableFunction::kSoftplus, TableFunction::kSoftsign}) {
    const auto op = std::make_shared<TableActivation>(function);
    if (name == op->name()) return NamedOperation{std::string(op->name()), op};
  }
  return std::nullopt;
}

NamedOperation activation_of(const KerasLayer& layer, const json& activation, int depth) {
  const auto unknown = [&](const json& name) {
    if (name == "hard_tanh") {
      return Error(describe(layer) +
                   ": of the activation 'hard_tanh' hls4ml 1.3.0 makes a program that does not compile; it has that of QKeras, "
                   "QActivation(\"quantized_tanh(...)\"), and hard_sigmoid");
    }
    return Error(describe(layer) + ": the activation " + (name.is_string() ? "'" + name.get<std::string>() + "'" : short_text(name)) +
                 " is not supported; these are: linear, relu, relu6, leaky_relu, elu, selu, hard_sigmoid, sigmoid, tanh, softplus, "
                 "softsign, softmax, binary_tanh, ternary_tanh");
  };
  if (layer.class_name == "QActivation" && !is_quantizer(activation)) {
    throw Error(describe(layer) + ": its activation " + short_text(activation) +
                " is no quantizer that narrow supports, nor does hls4ml 1.3.0 take it; use an Activation for a plain function");
  }
  if (is_quantized_layer(layer.class_name) && is_quantizer(activation)) {
    // hls4ml's name for a text's layer is no name in C++.
    if (activation.is_string() && layer.class_name != "QActivation") {
      throw Error(describe(layer) + ": its activation is the text '" + activation.get<std::string>() +
                  "', of which hls4ml 1.3.0 makes a function that does not compile; give the quantizer itself, or a QActivation");
    }
    return activation_of(layer, *quantizer_of(layer, "activation"));
  }
  if (const auto function = function_of(layer, activation.is_null() ? json("linear") : activation)) return *function;
  if (!activation.is_object()) throw unknown(activation);
  const json class_name = activation.value("class_name", json());
  const json config = activation.value("config", json());
  // Keras' own functions: {"class_name": "function", "config": "relu"}.
  if (class_name == "function") {
    const auto function = function_of(layer, config);
    const json module = activation.value("module", json());
    if (function && module.is_string() && module != "builtins" && !module.get<std::string>().starts_with("keras")) throw unknown(module);
    if (function) return *function;
  }
  if (config.is_string()) throw unknown(config);
  // Layers: keras.layers.ReLU(), keras.layers.Activation("relu").
  constexpr int kDeepest = 4;
  if (!config.is_object() || depth > kDeepest) throw unknown(class_name.is_string() ? class_name : activation);
  if (class_name != "ReLU" && class_name != "LeakyReLU" && class_name != "Activation") throw unknown(class_name);
  check_config({layer.name, class_name.get<std::string>(), config, {}, {}, layer.keras2});
  if (class_name == "Activation") return activation_of(layer, config.value("activation", json()), depth + 1);
  NamedOperation relu = relu_of(layer, class_name.get<std::string>(), config);
  // Of another layer, hls4ml makes the plain function of it.
  if (relu.name == "relu") relu.op = std::make_shared<Relu>();
  return relu;
}

}  // namespace

bool passes_on(const std::string& class_name) { return contains(kPassOn, class_name); }
bool is_dropout(const std::string& class_name) { return contains(kDropouts, class_name); }
bool is_merge(const std::string& class_name) { return contains(kMerges, class_name); }
bool is_convolution(const std::string& class_name) { return contains(kConvolutions, plain_class(class_name)); }
bool is_separable(const std::string& class_name) { return contains(kSeparables, plain_class(class_name)); }
bool is_pooling(const std::string& class_name) { return contains(kPoolings, class_name); }
bool is_global_pooling(const std::string& class_name) { return contains(kGlobalPoolings, class_name); }
bool is_hgq(const std::string& class_name) { return contains(kHgq, class_name); }
bool is_set_sum_name(const std::string& class_name) { return contains(kSetSums, class_name); }

std::string describe(const KerasLayer& layer) {
  return "layer " + layer.name + " (" + (layer.hgq2.empty() ? layer.class_name : layer.hgq2) + ")";
}

Error unsupported(const KerasLayer& layer) {
  if (layer.class_name.starts_with("hgq.")) {
    return Error(
        describe(layer) +
        " is a layer of HGQ2 that narrow does not read from a file; in Python it computes what hls4ml makes of a network, as far as "
        "it knows that (narrow.from_hls4ml, docs/python.md)");
  }
  // What hls4ml 1.3.0 does with them, and what does the same with layers that both have.
  static const std::map<std::string, std::string, std::less<>> kInstead = {
      {"Embedding", "needs inputs that are indices, which narrow does not have; give the network the looked-up values"},
      {"Rescaling", "is not read by hls4ml 1.3.0 either; scale the samples before, or use a BatchNormalization"},
      {"Normalization", "is not read by hls4ml 1.3.0 either; scale the samples before, or use a BatchNormalization"},
      {"Sequential", kNested},
      {"Functional", kNested},
      {"Model", kNested},
      {"QDenseBatchnorm", "is not read by hls4ml 1.3.0 either; use a QDense and a BatchNormalization"},
      {"QDepthwiseConv2DBatchnorm", "is not read by hls4ml 1.3.0 either; use a QDepthwiseConv2D and a BatchNormalization"}};
  const std::string bare = layer.class_name.substr(layer.class_name.rfind('.') + 1);
  if (const auto found = kInstead.find(bare); found != kInstead.end()) return Error(describe(layer) + " " + found->second);
  return Error(
      describe(layer) +
      " is not supported; these are: InputLayer, Dense, Conv1D, Conv2D, DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, "
      "SeparableConv2D, Activation, ReLU, LeakyReLU, PReLU, ELU, ThresholdedReLU, Softmax, KSum (or GlobalSumPooling1D), " +
      "MaxPooling1D, MaxPooling2D, AveragePooling1D, AveragePooling2D, the same with Global, BatchNormalization, Flatten, "
      "Reshape, Permute, ZeroPadding1D, ZeroPadding2D, Cropping1D, Cropping2D, UpSampling1D, UpSampling2D, QDense, QConv1D, QConv2D, "
      "QConv2DBatchnorm, QDepthwiseConv2D, QSeparableConv1D, QSeparableConv2D, QActivation, QBatchNormalization, BinaryDense, "
      "TernaryDense, HGQ's FixedPointQuantizer and UnaryLUT, Add, Subtract, Multiply, "
      "Average, Maximum, Minimum, "
      "Concatenate, Dot, "
      "and Dropout and others that do nothing at inference");
}

bool flag(const KerasLayer& layer, const char* key, bool fallback) {
  const json value = layer.config.value(key, json(fallback));
  if (!value.is_boolean()) throw Error(describe(layer) + ": its " + key + " should be true or false, not " + short_text(value));
  return value.get<bool>();
}

float epsilon_of(const KerasLayer& layer) {
  const json epsilon = layer.config.value("epsilon", json(1e-3));
  if (!epsilon.is_number() || !(epsilon.get<double>() >= 0))
    throw Error(describe(layer) + ": its epsilon should be a number of at least 0");
  return epsilon.get<float>();
}

bool is_activation(const std::string& class_name) { return contains(kActivations, class_name) || class_name == "QActivation"; }

bool is_activation_object(const KerasLayer& layer) {
  const json activation = layer.config.value("activation", json());
  return activation.is_object() && activation.value("class_name", json()) != "function" && !is_quantizer(activation);
}

NamedOperation activation_of(const KerasLayer& layer) {
  if (layer.class_name == "ReLU" || layer.class_name == "LeakyReLU") return relu_of(layer, layer.class_name, layer.config);
  if (layer.class_name == "ELU") return {"elu", std::make_shared<ExponentialUnit>(constant_of(layer, layer.config, {"alpha"}, 1.0))};
  if (layer.class_name == "ThresholdedReLU") {
    const double theta = constant_of(layer, layer.config, {"theta"}, 1.0);
    if (theta == 0) return {"relu", std::make_shared<Relu>(true)};
    return {"thresholded_relu", std::make_shared<ThresholdedRelu>(theta)};
  }
  return activation_of(layer, layer.config.value("activation", json()), 0);
}

void check_config(const KerasLayer& layer) {
  const bool stranger = (layer.class_name == "Quantizer" || layer.class_name == "QUnaryFunctionLUT") && layer.hgq2.empty();
  if (options_of(layer.class_name) == nullptr || stranger) throw unsupported(layer);
  if (!layer.config.is_object()) throw Error(describe(layer) + ": it has no configuration");
  require_float32(layer);
  for (const auto& [key, value] : layer.config.items()) check_option(layer, key, value);
  if (!layer.arguments.is_object()) return;
  for (const auto& [key, value] : layer.arguments.items()) {
    if (!is_off(value)) {
      throw Error(describe(layer) + ": it is called with " + key + " = " + short_text(value) + ", which narrow does not support");
    }
  }
}

}  // namespace narrow
