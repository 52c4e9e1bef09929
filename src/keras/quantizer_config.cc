#include "keras/quantizer_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "data/text.h"
#include "layers/hard_sigmoid.h"
#include "layers/leaky_relu.h"
#include "layers/linear.h"
#include "layers/relu.h"
#include "layers/sign_activation.h"
#include "layers/table_activation.h"

namespace narrow {
namespace {

using nlohmann::json;
using Kind = TrainedQuantizer::Kind;

// A quantizer's options in the order of its constructor.
struct KnownQuantizer {
  Kind kind;
  std::vector<std::string> options;
};

const std::map<std::string, KnownQuantizer>& known_quantizers() {
  static const std::vector<std::string> kNoise = {"qnoise_factor", "var_name", "use_ste", "use_variables"};
  const auto with = [](std::vector<std::string> options, const std::vector<std::string>& more) {
    options.insert(options.end(), more.begin(), more.end());
    return options;
  };
  static const std::map<std::string, KnownQuantizer> kKnown = {
      {"quantized_bits",
       {Kind::kBits, with({"bits", "integer", "symmetric", "keep_negative", "alpha", "use_stochastic_rounding", "scale_axis"}, kNoise)}},
      {"quantized_relu",
       {Kind::kRelu,
        with({"bits", "integer", "use_sigmoid", "negative_slope", "use_stochastic_rounding", "relu_upper_bound", "is_quantized_clip"},
             kNoise)}},
      {"quantized_tanh", {Kind::kTanh, {"bits", "use_stochastic_rounding", "symmetric", "use_real_tanh"}}},
      {"quantized_sigmoid", {Kind::kSigmoid, {"bits", "symmetric", "use_real_sigmoid", "use_stochastic_rounding"}}},
      {"binary", {Kind::kBinary, {"use_01", "alpha", "use_stochastic_rounding"}}},
      {"stochastic_binary", {Kind::kBinary, {"alpha", "temperature", "use_real_sigmoid"}}},
      {"ternary", {Kind::kTernary, {"alpha", "threshold", "use_stochastic_rounding", "number_of_unrolls"}}},
      {"stochastic_ternary", {Kind::kTernary, {"alpha", "threshold", "temperature", "use_real_sigmoid", "number_of_unrolls"}}},
      {"quantized_po2",
       {Kind::kPowerOfTwo, with({"bits", "max_value", "use_stochastic_rounding", "quadratic_approximation", "log2_rounding"}, kNoise)}},
      {"quantized_relu_po2",
       {Kind::kReluPower,
        with({"bits", "max_value", "negative_slope", "use_stochastic_rounding", "quadratic_approximation", "log2_rounding"}, kNoise)}},
      {"binary_tanh", {Kind::kSign, {}}},  // a function of QKeras
  };
  return kKnown;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// One quantizer of a file.
class Reader {
 public:
  Reader(const KerasLayer& layer, std::string key) : layer_(layer), key_(std::move(key)) {}

  TrainedQuantizer read(const json& value) {
    if (value.is_string()) return from_text(value.get<std::string>());
    const json class_name = value.is_object() ? value.value("class_name", json()) : json();
    if (!class_name.is_string()) throw fault("should be a quantizer of QKeras, not " + value.dump().substr(0, 60));
    return from_options(class_name.get<std::string>(), value.value("config", json::object()));
  }

 private:
  Error fault(const std::string& what) const { return Error(describe(layer_) + ": its " + key_ + " " + what); }

  // `quantized_relu(6,2)`, `quantized_bits(bits=6, alpha=1)`, as QKeras' safe_eval takes it.
  TrainedQuantizer from_text(const std::string& text) {
    const auto open = text.find('(');
    const std::string name = text.substr(0, open);
    json options = json::object();
    if (open != std::string::npos) {
      const auto known = known_quantizers().find(name);
      if (known == known_quantizers().end() || !text.ends_with(')')) throw unknown(name);
      const std::string inside = text.substr(open + 1, text.size() - open - 2);
      std::size_t place = 0;
      for (std::size_t at = 0; at < inside.size();) {
        const std::size_t comma = std::min(inside.find(',', at), inside.size());
        const std::string item = trimmed(inside.substr(at, comma - at));
        at = comma + 1;
        const auto equals = item.find('=');
        if (equals == std::string::npos && place >= known->second.options.size()) throw fault("'" + text + "' has too many options");
        const std::string option = equals == std::string::npos ? known->second.options[place++] : trimmed(item.substr(0, equals));
        options[option] = argument(trimmed(equals == std::string::npos ? item : item.substr(equals + 1)), text);
      }
    }
    return from_options(name, options);
  }

  json argument(const std::string& word, const std::string& text) const {
    if (word == "True" || word == "False") return word == "True";
    if (word.size() > 1 && (word.front() == '\'' || word.front() == '"') && word.back() == word.front())
      return word.substr(1, word.size() - 2);
    json number = json::parse(word, nullptr, false);
    if (!number.is_number()) throw fault("'" + text + "' has an option that QKeras does not take, " + word);
    return number;
  }

  Error unknown(const std::string& name) const {
    return fault(
        "is " + name +
        ", which narrow does not support; these are: quantized_bits, quantized_relu, quantized_tanh, quantized_sigmoid, binary, ternary, "
        "stochastic_binary, stochastic_ternary, quantized_po2");
  }

  TrainedQuantizer from_options(const std::string& name, const json& given) {
    const auto known = known_quantizers().find(name);
    if (known == known_quantizers().end()) throw unknown(name);
    if (!given.is_object()) throw fault("has no configuration");
    options_ = json::object();
    name_ = name;
    for (const auto& [key, value] : given.items()) {
      const auto& options = known->second.options;
      if (std::find(options.begin(), options.end(), key) == options.end() && !value.is_null()) {
        throw fault("(" + name + ") has the option " + key + ", which narrow does not know and which may change the numbers");
      }
      // A number may be a NumPy scalar: {"class_name": "__numpy__", "config": {"value": 1}}.
      options_[key] = value.is_object() ? value.value("config", json::object()).value("value", value) : value;
    }
    TrainedQuantizer quantizer{.kind = known->second.kind, .name = name};
    if (quantizer.kind == Kind::kReluPower) require("negative_slope", json(0), "it is for the parameters of a normalization");
    require("qnoise_factor", json(1), "hls4ml has no noise");
    require("use_01", json(false), "hls4ml takes the weights for -1 and 1");
    require("use_sigmoid", json(false), "hls4ml leaves the sigmoid out");
    require("keep_negative", json(true), "hls4ml's type has a sign all the same");
    require("scale_axis", json(), "narrow has scales of the last axis alone");
    if (quantizer.kind == Kind::kBinary) require("use_stochastic_rounding", json(false), "QKeras 0.9 itself fails with it");
    quantizer.bits = whole("bits", quantizer.bits, 1);
    quantizer.integer = whole("integer", 0, -kMost);
    if (quantizer.kind == Kind::kBinary || quantizer.kind == Kind::kSign) quantizer.bits = 1;
    if (quantizer.kind == Kind::kTernary) quantizer.bits = 2;
    quantizer.symmetric = truth("symmetric");
    quantizer.real = truth("use_real_tanh") || (quantizer.kind == Kind::kSigmoid && truth("use_real_sigmoid"));
    quantizer.negative_slope = number("negative_slope").value_or(0);
    if (quantizer.negative_slope < 0 ||
        (quantizer.negative_slope > 0 && std::exp2(std::round(std::log2(quantizer.negative_slope))) != quantizer.negative_slope)) {
      throw fault("(" + name + ") should have a negative_slope that is a power of two, or 0");
    }
    quantizer.threshold = number("threshold");
    if (quantizer.threshold && !(*quantizer.threshold > 0)) throw fault("(" + name + ") should have a threshold above 0");
    quantizer.unrolls = whole("number_of_unrolls", quantizer.unrolls, 0);
    quantizer.max_value = number("max_value");
    quantizer.even = truth("quadratic_approximation");
    quantizer.floors = options_.value("log2_rounding", json("rnd")) == "floor";
    quantizer.alpha = alpha();
    if (quantizer.alpha.from_weights()) quantizer.symmetric = true;
    return quantizer;
  }

  void require(const char* option, const json& wanted, const std::string& why) const {
    const json value = options_.value(option, wanted);
    const auto plain = [](const json& each) { return each.is_boolean() ? json(each.get<bool>() ? 1 : 0) : each; };
    if (plain(value) == plain(wanted)) return;
    throw fault("(" + name_ + ") has " + option + " = " + value.dump() + ", which narrow does not support: " + why);
  }

  std::optional<double> number(const char* option) const {
    const json value = options_.value(option, json());
    if (value.is_null()) return std::nullopt;
    if (value.is_boolean()) return value.get<bool>() ? 1.0 : 0.0;
    if (!value.is_number() || !std::isfinite(value.get<double>())) throw fault("(" + name_ + ") should have a number as its " + option);
    return value.get<double>();
  }

  int whole(const char* option, int fallback, int least) const {
    const double value = number(option).value_or(fallback);
    if (value != std::floor(value) || value < least || value > kMost) {
      throw fault("(" + name_ + ") should have a whole number from " + std::to_string(least) + " to " + std::to_string(kMost) + " as its " +
                  option);
    }
    return static_cast<int>(value);
  }

  bool truth(const char* option) const { return number(option).value_or(0) != 0; }

  Alpha alpha() const {
    const json value = options_.value("alpha", json());
    if (value == "auto") return {Alpha::Kind::kAuto};
    if (value == "auto_po2") return {Alpha::Kind::kAutoPowerOfTwo};
    if (value.is_null()) return {};
    const std::optional<double> given = value.is_string() ? std::nullopt : number("alpha");
    if (!given || !(*given > 0)) throw fault("(" + name_ + ") should have an alpha above 0, \"auto\" or \"auto_po2\"");
    return {Alpha::Kind::kNumber, *given};
  }

  static constexpr int kMost = 32;  // bits
  const KerasLayer& layer_;
  std::string key_;
  std::string name_;
  json options_;
};

// BinaryDense and TernaryDense have weights of +-H, which hls4ml takes for +-1.
double height(const KerasLayer& layer, int n_in, int n_out) {
  const json value = layer.config.value("H", json(1.0));
  constexpr double kGlorot = 1.5;
  if (value == "Glorot") return static_cast<double>(static_cast<float>(std::sqrt(kGlorot / (n_in + n_out))));
  if (!value.is_number() || !(value.get<double>() > 0)) throw Error(describe(layer) + ": its H should be a number above 0");
  return value.get<double>();
}

}  // namespace

bool is_quantized_layer(const std::string& class_name) {
  constexpr std::array<std::string_view, 11> kClasses = {"QDense",           "QConv1D",          "QConv2D",
                                                         "QConv2DBatchnorm", "QDepthwiseConv2D", "QSeparableConv1D",
                                                         "QSeparableConv2D", "QActivation",      "QBatchNormalization",
                                                         "BinaryDense",      "TernaryDense"};
  return std::find(kClasses.begin(), kClasses.end(), class_name) != kClasses.end();
}

std::string plain_class(const std::string& class_name) {
  if (class_name == "BinaryDense" || class_name == "TernaryDense") return "Dense";
  if (class_name == "QConv2DBatchnorm") return "Conv2D";
  return is_quantized_layer(class_name) ? class_name.substr(1) : class_name;
}

bool is_quantizer(const json& value) {
  std::string name;
  if (value.is_string()) name = value.get<std::string>();
  else if (value.is_object() && value.value("class_name", json()).is_string()) name = value.at("class_name").get<std::string>();
  return known_quantizers().contains(name.substr(0, name.find('(')));
}

std::optional<TrainedQuantizer> quantizer_of(const KerasLayer& layer, const std::string& key) {
  const json value = layer.config.value(key, json());
  if (value.is_null()) return std::nullopt;
  return Reader(layer, key).read(value);
}

Quantizers quantizers_of(const KerasLayer& layer, int n_in, int n_out, const std::string& key, bool has_bias) {
  if (layer.class_name == "BinaryDense" || layer.class_name == "TernaryDense") {
    const bool binary = layer.class_name == "BinaryDense";
    TrainedQuantizer quantizer{.kind = binary ? Kind::kSign : Kind::kThirds, .name = binary ? "binary" : "ternary"};
    TrainedQuantizer kernel = quantizer;
    kernel.alpha = {Alpha::Kind::kNumber, height(layer, n_in, n_out)};
    return {kernel, quantizer};
  }
  if (!is_quantized_layer(layer.class_name)) return {};
  Quantizers quantizers{quantizer_of(layer, key), has_bias ? quantizer_of(layer, "bias_quantizer") : std::nullopt};
  // get_quantizer_from_config: signs of one bit are of a kernel_quantizer alone.
  if (quantizers.kernel && quantizers.kernel->kind == Kind::kBinary && key != "kernel_quantizer") quantizers.kernel->bits = 2;
  for (const auto& [quantizer, name] : {std::pair(&quantizers.kernel, key), std::pair(&quantizers.bias, std::string("bias_quantizer"))}) {
    if (!*quantizer) continue;
    const Kind kind = (*quantizer)->kind;
    const bool fits = kind == Kind::kBits || kind == Kind::kBinary || kind == Kind::kTernary ||
                      (kind == Kind::kPowerOfTwo && quantizer == &quantizers.kernel);
    if (!fits) throw Error(describe(layer) + ": its " + name + " is " + (*quantizer)->name + ", which hls4ml 1.3.0 does not take there");
  }
  const bool means = quantizers.kernel && quantizers.kernel->alpha.kind == Alpha::Kind::kAuto && quantizers.kernel->kind != Kind::kBits;
  if (means && n_out == 1) {
    throw Error(describe(layer) + ": the scale of its " + quantizers.kernel->name +
                " kernel is a mean over a single column, which TensorFlow sums up in an order that narrow does not follow; give it "
                "alpha=\"auto_po2\" or a number");
  }
  const auto scales = [](const std::optional<TrainedQuantizer>& each) { return each && each->alpha.scales(); };
  if (key == "pointwise_quantizer" && (scales(quantizers.kernel) || scales(quantizers.bias))) {
    throw Error(describe(layer) +
                ": its pointwise_quantizer or its bias_quantizer has a scale, and hls4ml 1.3.0 stops there; give both alpha=1");
  }
  const bool is_depthwise = key == "depthwise_quantizer";  // which keeps its scales
  if (!is_depthwise && !quantizers.kernel && quantizers.bias && quantizers.bias->alpha.scales()) {
    throw Error(describe(layer) + ": its bias_quantizer has a scale, its kernel has no quantizer; hls4ml 1.3.0 stops there");
  }
  return quantizers;
}

NamedOperation activation_of(const KerasLayer& layer, const TrainedQuantizer& quantizer) {
  const auto named = [&](OperationPtr op) { return NamedOperation{quantizer.name, std::move(op), quantizer}; };
  if (quantizer.alpha.scales()) {
    throw Error(describe(layer) + ": its activation " + quantizer.name + " has a scale, which hls4ml 1.3.0 leaves out; give it alpha=1");
  }
  switch (quantizer.kind) {
    case Kind::kBits: return named(std::make_shared<Linear>());
    case Kind::kRelu:
      if (quantizer.negative_slope != 0) return named(std::make_shared<LeakyRelu>(quantizer.negative_slope));
      return named(std::make_shared<Relu>());
    case Kind::kTanh:
      if (quantizer.real) return named(std::make_shared<TableActivation>(TableFunction::kTanh));
      return named(HardSigmoid::of_quantizer(true));
    case Kind::kSigmoid:
      if (quantizer.real) return named(std::make_shared<TableActivation>(TableFunction::kSigmoid));
      return named(HardSigmoid::of_quantizer(false));
    case Kind::kSign:
    case Kind::kBinary: return named(std::make_shared<SignActivation>(false, true));
    case Kind::kTernary: {
      constexpr double kThreshold = 0.33;
      return named(std::make_shared<SignActivation>(true, true, quantizer.threshold.value_or(kThreshold)));
    }
    default: throw Error(describe(layer) + ": the activation " + quantizer.name + " is not supported, nor by hls4ml 1.3.0");
  }
}

}  // namespace narrow
