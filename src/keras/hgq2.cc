#include "keras/hgq2.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "fixed/format.h"
#include "keras/layer_config.h"
#include "layers/fixed_quantizer.h"

// The arithmetic is float32's, in the order of hgq/quantizer and of quantizers/fixed_point, which HGQ2 quantizes with.

namespace narrow {
namespace {

using nlohmann::json;

constexpr int kMostBits = 64;
constexpr int kMostInteger = 127;

const std::map<std::string, std::string, std::less<>> kClasses = {{"Quantizer", "Quantizer"},
                                                                  {"QDense", "Dense"},
                                                                  {"QBatchNormDense", "Dense"},
                                                                  {"QConv1D", "Conv1D"},
                                                                  {"QConv2D", "Conv2D"},
                                                                  {"QBatchNormalization", "BatchNormalization"},
                                                                  {"QAdd", "Add"},
                                                                  {"QSubtract", "Subtract"},
                                                                  {"QMultiply", "Multiply"},
                                                                  {"QMaximum", "Maximum"},
                                                                  {"QMinimum", "Minimum"},
                                                                  {"QDot", "Dot"},
                                                                  {"QUnaryFunctionLUT", "UnaryLUT"},
                                                                  {"QAveragePow2", "Average"},
                                                                  {"QMaxPooling1D", "MaxPooling1D"},
                                                                  {"QMaxPooling2D", "MaxPooling2D"},
                                                                  {"QAveragePooling1D", "AveragePooling1D"},
                                                                  {"QAveragePooling2D", "AveragePooling2D"},
                                                                  {"QGlobalMaxPooling1D", "GlobalMaxPooling1D"},
                                                                  {"QGlobalMaxPooling2D", "GlobalMaxPooling2D"},
                                                                  {"QGlobalAveragePooling1D", "GlobalAveragePooling1D"},
                                                                  {"QGlobalAveragePooling2D", "GlobalAveragePooling2D"}};

std::string text_of(const json& config, const char* key) {
  const json value = config.is_object() ? config.value(key, json()) : json();
  return value.is_string() ? value.get<std::string>() : "";
}

// What a quantizer is, by its configuration and its state.
class State {
 public:
  State(const KerasLayer& layer, const Hgq2Quantizer& quantizer, const LayerWeights& arrays) : layer_(layer), name_(quantizer.name) {
    const std::string kind = text_of(quantizer.config, "class_name");
    config_ = quantizer.config.is_object() ? quantizer.config.value("config", json()) : json();
    if ((kind != "QuantizerConfig" && kind != "HardTanhConfig") || !config_.is_object())
      refuse("it is " + (kind.empty() ? "missing" : kind) + ", which narrow does not read");
    by_fraction_ = text_of(config_, "q_type") == "kif";
    if (!by_fraction_ && text_of(config_, "q_type") != "kbi")
      refuse("its q_type is '" + text_of(config_, "q_type") + "'; narrow reads kbi and kif");
    rounding_ = mode("round_mode", text_of(config_, "round_mode"), parse_rounding);
    overflow_ = mode("overflow_mode", kind == "HardTanhConfig" ? "SAT" : text_of(config_, "overflow_mode"), parse_overflow);
    if (overflow_ != Overflow::kWrap && overflow_ != Overflow::kSat && overflow_ != Overflow::kSatSym)
      refuse("its overflow_mode should be WRAP, SAT or SAT_SYM");
    if (const std::string mapper = text_of(config_.value("bw_mapper", json()), "class_name");
        !mapper.empty() && mapper != "DefaultBitwidthMapper")
      refuse("its bw_mapper is a " + mapper + ", which narrow does not know");
    const json scaler = config_.value("scaler", json());
    if (!scaler.is_null() && !scaler.is_number()) refuse("its scaler should be one number");
    if (scaler.is_number()) scaler_ = scaler.get<float>();
    const json affine = config_.value("affine", json());
    const bool two = affine.is_array() && affine.size() == 2 && affine[0].is_number() && affine[1].is_number();
    if (!affine.is_null() && !two) refuse("its affine should be two numbers, a factor and what is added");
    if (two) affine_.emplace(affine[0].get<float>(), affine[1].get<float>());
    is_weight_ = is_set("is_weight");
    // Weights that wrap do so in training alone, where their range follows them.
    follows_ = overflow_ == Overflow::kWrap && is_weight_ && is_set("trainable") && (by_fraction_ || rounding_ == Rounding::kRnd);
    read(arrays);
  }

  [[noreturn]] void refuse(const std::string& why) const { throw Error(describe(layer_) + ": quantizer " + name_ + ": " + why); }

  Rounding rounding() const { return rounding_; }
  Overflow overflow() const { return overflow_; }
  const Shape& shape() const { return shape_; }
  std::size_t size() const { return k_.size(); }

  // As hls4ml takes them (extract_fixed_quantizer_config): k, all bits, integer bits with the sign; nothing where no bit is left.
  struct Whole {
    int keep_negative = 0, bits = 0, integers = 0;
  };
  Whole whole(std::size_t entry) const {
    const float bits = k_[entry] + i_[entry] + f_[entry];
    const float integers = k_[entry] + i_[entry];
    if (!(bits > 0)) return {};
    if (bits > static_cast<float>(kMostBits) || std::abs(integers) > static_cast<float>(kMostInteger))
      refuse("narrow has quantizers of 0 to " + std::to_string(kMostBits) + " bits");
    return {static_cast<int>(k_[entry]), static_cast<int>(bits), static_cast<int>(integers)};
  }

  void require_plain() const {
    if (scaler_ || affine_)
      refuse(std::string("hls4ml 1.3.0 leaves its ") + (scaler_ ? "scaler" : "affine") + " out, and its answers are not HGQ2's");
  }

  // Of all entries the most: k, integer and fractional bits. Those without a bit have -32 of both.
  std::vector<int> most() const {
    constexpr float kNone = -32;
    float most_k = 0;
    float most_i = kNone;
    float most_f = kNone;
    for (std::size_t entry = 0; entry < size(); ++entry) {
      most_k = std::max(most_k, k_[entry]);
      if (!(k_[entry] + i_[entry] + f_[entry] > 0)) continue;
      most_i = std::max(most_i, i_[entry]);
      most_f = std::max(most_f, f_[entry]);
    }
    return {static_cast<int>(most_k), static_cast<int>(most_i), static_cast<int>(most_f)};
  }

  void require_values() const {
    require_plain();
    if (is_weight_) refuse("it is one of weights (is_weight), and stands at values");
  }

  // Quantizer.call without training.
  std::vector<float> quantized(const Weight& weight) const {
    const Shape shape(weight.shape.begin(), weight.shape.end());
    std::vector<std::size_t> entries;
    try {
      entries = bit_entries(shape, shape_);
    } catch (const Misfit& misfit) {
      refuse("its weights of shape " + to_string(shape) + " should be " + misfit.needs);
    }
    std::vector<float> values;
    for (std::size_t at = 0; at < weight.values.size(); ++at) values.push_back(quantized(weight.values[at], entries[at]));
    return values;
  }

  float quantized(float x, std::size_t entry) const {
    if (!std::isfinite(x)) refuse("a weight is NaN or infinite");
    if (scaler_) x /= *scaler_;
    float y = brought(x, k_[entry], i_[entry], f_[entry]);
    if (scaler_) y *= *scaler_;
    if (affine_) {
      y *= affine_->first;
      y += affine_->second;
    }
    if (!std::isfinite(y)) refuse("a weight becomes NaN or infinite in its type");
    return y;
  }

 private:
  template <class Mode>
  Mode mode(const char* key, std::string text, Mode (*parse)(std::string_view)) const {
    if (text.starts_with("S_")) text = text.substr(2);  // stochastic in training alone
    try {
      if (!text.starts_with("AP_") && to_string(parse(text)) == "AP_" + text) return parse(text);
    } catch (const Error&) {
    }
    refuse(std::string("its ") + key + " '" + text + "' is none that narrow knows");
  }

  // Trained arrays come first, in the order in which they are made; where values wrap, integer bits are not trained and have a speed of
  // decay.
  void read(const LayerWeights& arrays) {
    const bool wraps = overflow_ == Overflow::kWrap;
    const std::size_t count = wraps ? 4 : 3;
    if (arrays.size() != count)
      refuse("it has " + std::to_string(arrays.size()) + " arrays in the weights file and needs " + std::to_string(count));
    const Weight& k = arrays[wraps ? 1 : 2];
    const Weight& i = arrays[wraps ? 2 : by_fraction_ ? 0 : 1];
    const Weight& third = arrays[!wraps && by_fraction_ ? 1 : 0];
    if (k.shape != i.shape || k.shape != third.shape || k.values.empty()) refuse("its arrays have unequal shapes");
    shape_.assign(k.shape.begin(), k.shape.end());
    k_ = k.values;
    for (std::size_t entry = 0; entry < k_.size(); ++entry) {
      // To the nearest whole number, ties to even.
      const float integers = std::nearbyint(i.values[entry]);
      const float other = std::nearbyint(third.values[entry]);
      constexpr float kMost = 1 << 20;
      if ((k_[entry] != 0 && k_[entry] != 1) || !(std::abs(integers) < kMost) || !(std::abs(other) < kMost))
        refuse("its state is not as HGQ2 writes it");
      i_.push_back(integers);
      f_.push_back(by_fraction_ ? other : other - integers);
    }
  }

  // FixedPointQuantizerKBI.call and FixedPointQuantizerKIF.call.
  float brought(float x, float k, float i, float f) const {
    const float scale = std::exp2(f);
    const auto on_grid = [&](float value) { return rounded_float(value * scale, rounding_) / scale; };
    if (follows_) return on_grid(x);
    if (!(k + i + f > 0)) return 0;
    const float integers = std::max(i, -f);
    if (overflow_ == Overflow::kWrap) {
      const float interval = std::exp2(integers + k);
      const float low = k * std::exp2(integers + k - 1);
      return floor_mod(on_grid(x) + low, interval) - low;
    }
    const float high = std::exp2(integers) - std::exp2(-f);
    const float low = overflow_ == Overflow::kSatSym ? -high * k : -std::exp2(integers) * k;
    return on_grid(x > high ? high : x < low ? low : x);
  }

  bool is_set(const char* key) const {
    const json value = config_.value(key, json());
    return value.is_boolean() && value.get<bool>();
  }

  const KerasLayer& layer_;
  std::string name_;
  json config_;
  bool by_fraction_ = false;
  Rounding rounding_ = Rounding::kTrn;
  Overflow overflow_ = Overflow::kWrap;
  std::optional<float> scaler_;
  std::optional<std::pair<float, float>> affine_;  // a factor, and what is added
  bool is_weight_ = false;
  bool follows_ = false;  // its values have no range
  Shape shape_;
  std::vector<float> k_, i_, f_;
};

Hgq2Quantizer quantizer_at(const KerasLayer& layer, const std::string& place) {
  return {layer.name + "_" + place, place + "/quantizer", layer.config.value(place + "_conf", json())};
}

bool has_kernel(const KerasLayer& layer) {
  return layer.class_name == "Dense" || layer.class_name == "Conv1D" || layer.class_name == "Conv2D";
}

const LayerWeights& state_of(const KerasLayer& layer, const Hgq2Quantizer& quantizer, const std::map<std::string, LayerWeights>& weights) {
  static const LayerWeights kNone;
  const auto found = weights.find(key_of(layer, quantizer));
  return found == weights.end() ? kNone : found->second;
}

// Of the layer's own arrays.
const Weight& array(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights, std::string_view name) {
  const std::vector<std::string> names = weight_names(layer);
  const auto at = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  return weights.at(layer.name).at(at);
}

// gamma / sqrt(variance + epsilon)
std::vector<float> scales_of(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights, const char* gamma) {
  std::vector<float> scales;
  const Weight* factors = flag(layer, "scale", true) ? &array(layer, weights, gamma) : nullptr;
  const Weight& variance = array(layer, weights, "moving_variance");
  const float epsilon = epsilon_of(layer);
  for (std::size_t i = 0; i < variance.values.size(); ++i)
    scales.push_back((factors != nullptr ? factors->values.at(i) : 1.F) / std::sqrt(variance.values[i] + epsilon));
  return scales;
}

LayerWeights of_kernel(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights) {
  const Hgq2Quantizer of_weights = quantizer_at(layer, "kq");
  const State kernel(layer, of_weights, state_of(layer, of_weights, weights));
  const Weight& trained = array(layer, weights, "kernel");
  if (!flag(layer, "use_bias", true)) return {{trained.shape, kernel.quantized(trained)}};
  const Hgq2Quantizer of_bias = quantizer_at(layer, "bq");
  const State bias(layer, of_bias, state_of(layer, of_bias, weights));
  const Weight& added = array(layer, weights, "bias");
  if (layer.hgq2 != "QBatchNormDense") return {{trained.shape, kernel.quantized(trained)}, {added.shape, bias.quantized(added)}};

  // What stands before the matrix is a normalization: the kernel takes its scales, the bias the mean, as it is.
  const std::vector<float> scales = scales_of(layer, weights, "bn_gamma");
  const Weight& mean = array(layer, weights, "moving_mean");
  const std::size_t n_in = scales.size();
  const std::size_t n_out = added.values.size();
  if (trained.values.size() != n_in * n_out || mean.values.size() != n_in)
    throw Error(describe(layer) + ": its weights have unequal lengths");
  Weight fused = trained;
  for (std::size_t at = 0; at < fused.values.size(); ++at) fused.values[at] *= scales[at / n_out];
  // TensorFlow adds float32 in an order of its own: any order lies between these.
  Weight least = added;
  Weight most = added;
  for (std::size_t j = 0; j < n_out; ++j) {
    double sum = 0;
    double size = 0;
    for (std::size_t i = 0; i < n_in; ++i) {
      const double term = static_cast<double>(mean.values[i]) * trained.values[i * n_out + j];
      sum += term;
      size += std::abs(term);
    }
    const double error = size * std::ldexp(static_cast<double>(n_in + 1), -24);
    least.values[j] = static_cast<float>(added.values[j] - sum - error);
    most.values[j] = static_cast<float>(added.values[j] - sum + error);
  }
  std::vector<float> biases = bias.quantized(least);
  if (biases != bias.quantized(most)) {
    throw Error(describe(layer) +
                ": a bias lies so near to the middle of two numbers of its type that TensorFlow's order of additions decides, which narrow "
                "does not follow; narrow.from_hls4ml takes it from hls4ml (docs/python.md)");
  }
  return {{fused.shape, kernel.quantized(fused)}, {added.shape, std::move(biases)}};
}

LayerWeights of_normalization(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights) {
  const Weight& mean = array(layer, weights, "moving_mean");
  const std::vector<std::size_t> shape{mean.values.size()};
  Weight scale{shape, scales_of(layer, weights, "gamma")};
  if (scale.values.size() != mean.values.size()) throw Error(describe(layer) + ": its weights have unequal lengths");
  const Weight* betas = flag(layer, "center", true) ? &array(layer, weights, "beta") : nullptr;
  Weight bias{shape, {}};
  for (std::size_t i = 0; i < mean.values.size(); ++i) {
    // HGQ2 has a beta of 1 where there is none.
    const float beta = betas != nullptr ? betas->values.at(i) : 1.F;
    const float shift = mean.values[i] * scale.values[i];
    bias.values.push_back(beta - shift);
  }
  const Hgq2Quantizer of_scale = quantizer_at(layer, "kq");
  const Hgq2Quantizer of_bias = quantizer_at(layer, "bq");
  return {{shape, State(layer, of_scale, state_of(layer, of_scale, weights)).quantized(scale)},
          {shape, State(layer, of_bias, state_of(layer, of_bias, weights)).quantized(bias)}};
}

}  // namespace

std::string class_without_quantizers(const std::string& hgq2_class) {
  const auto found = kClasses.find(hgq2_class);
  return found == kClasses.end() ? "" : found->second;
}

json without_wrappers(const json& config) {
  const std::string kind = text_of(config, "class_name");
  if (kind == "__tuple__") return without_wrappers(config.value("items", json::array()));
  if (kind == "__numpy__") return config.value("config", json::object()).value("value", json());
  json plain = config;
  if (plain.is_structured()) {
    for (json& each : plain) each = without_wrappers(each);
  }
  return plain;
}

std::vector<Hgq2Quantizer> input_quantizers(const KerasLayer& layer) {
  if (layer.class_name == "Quantizer") return {{layer.name, "quantizer", layer.config.value("config", json())}};
  if (!flag(layer, "enable_iq", true)) return {};
  if (!is_merge(layer.class_name)) return {quantizer_at(layer, "iq")};
  const json confs = layer.config.value("iq_confs", json());
  std::vector<Hgq2Quantizer> all;
  for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
    const std::string number = i == 0 ? "" : "_" + std::to_string(i);
    all.push_back({layer.name + "_iq_" + std::to_string(i), "iq/quantizers/quantizer" + number + "/quantizer",
                   !confs.is_array()  ? confs
                   : i < confs.size() ? json(confs.at(i))
                                      : json()});
  }
  return all;
}

std::vector<Hgq2Quantizer> output_quantizers(const KerasLayer& layer) {
  if (layer.class_name == "Quantizer" || !flag(layer, "enable_oq", layer.class_name == "UnaryLUT")) return {};
  return {quantizer_at(layer, "oq")};
}

std::vector<Hgq2Quantizer> all_quantizers(const KerasLayer& layer) {
  std::vector<Hgq2Quantizer> all = input_quantizers(layer);
  for (Hgq2Quantizer& each : output_quantizers(layer)) all.push_back(std::move(each));
  const bool normalizes = layer.class_name == "BatchNormalization";
  if (has_kernel(layer) || normalizes) all.push_back(quantizer_at(layer, "kq"));
  if (normalizes || (has_kernel(layer) && flag(layer, "use_bias", true))) all.push_back(quantizer_at(layer, "bq"));
  return all;
}

std::string key_of(const KerasLayer& layer, const Hgq2Quantizer& quantizer) { return layer.name + "/" + quantizer.group; }

OperationPtr quantizer_op(const KerasLayer& layer, const Hgq2Quantizer& quantizer, const LayerWeights& arrays, const Shape& shape) {
  const State state(layer, quantizer, arrays);
  state.require_plain();
  QuantizerBits bits;
  const auto add = [&](const State::Whole& whole) {
    bits.keep_negative.push_back(whole.keep_negative);
    bits.bits.push_back(whole.bits);
    bits.integers.push_back(whole.integers);
  };
  // hls4ml has bits for each value, or for all of them.
  if (state.size() == 1) {
    add(state.whole(0));
  } else {
    if (state.shape().front() != 1) state.refuse("its bits should be the same for all samples");
    try {
      for (const std::size_t entry : bit_entries(shape, Shape(state.shape().begin() + 1, state.shape().end()))) add(state.whole(entry));
    } catch (const Misfit& misfit) {
      state.refuse("its input of shape " + to_string(shape) + " should be " + misfit.needs);
    }
    bits.shape = shape;
  }
  return std::make_shared<FixedQuantizer>(shape, std::move(bits), state.rounding(), state.overflow());
}

Hgq2Table table_of(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights) {
  if (!flag(layer, "enable_iq", true) || !flag(layer, "enable_oq", true) || flag(layer, "allow_heterogeneous_table", true)) {
    throw Error(describe(layer) +
                ": hls4ml 1.3.0 takes it with an input and an output quantizer and allow_heterogeneous_table=False alone");
  }
  const json activation = layer.config.value("activation", json());
  const std::string function = activation.is_string() ? activation.get<std::string>() : text_of(activation, "config");
  if (function != "tanh" && function != "sigmoid" && function != "relu" && function != "linear")
    throw Error(describe(layer) + ": narrow tabulates tanh, sigmoid, relu and linear, not '" + function + "'");
  const Hgq2Quantizer before = input_quantizers(layer).front();
  const Hgq2Quantizer behind = output_quantizers(layer).front();
  const State from(layer, before, state_of(layer, before, weights));
  const State to(layer, behind, state_of(layer, behind, weights));
  to.require_values();
  if (to.size() != 1) to.refuse("hls4ml 1.3.0 takes a table of one type alone");
  Hgq2Table made{from.most(), {}};
  const int bits = made.kif[0] + made.kif[1] + made.kif[2];
  constexpr int kMostTableBits = 19;  // hls4ml's limit are 10^6 entries
  if (bits < 1 || bits > kMostTableBits)
    from.refuse("hls4ml 1.3.0 has tables of 1 to 19 bits, and this one would have " + std::to_string(bits));
  const int entries = 1 << bits;
  made.table.shape = {static_cast<std::size_t>(entries)};
  for (int entry = 0; entry < entries; ++entry) {
    const int raw = made.kif[0] != 0 && entry >= entries / 2 ? entry - entries : entry;
    const double x = std::ldexp(static_cast<double>(raw), -made.kif[2]);
    const bool is_exact = x == 0 || function == "relu" || function == "linear";
    const double y = function == "tanh"      ? std::tanh(x)
                     : function == "sigmoid" ? 1 / (1 + std::exp(-x))
                     : function == "relu"    ? std::max(x, 0.0)
                                             : x;
    // What TensorFlow may make of it.
    const double error = is_exact ? 0 : std::ldexp(std::abs(y), -20);
    const float value = to.quantized(static_cast<float>(y - error), 0);
    if (value != to.quantized(static_cast<float>(y + error), 0)) {
      throw Error(describe(layer) + ": its " + function + "(" + json(x).dump() +
                  ") lies so near to the border of two numbers of its type that TensorFlow's error decides; narrow.from_hls4ml takes the "
                  "table from "
                  "hls4ml (docs/python.md)");
    }
    made.table.values.push_back(value);
  }
  return made;
}

LayerWeights quantized_weights(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights) {
  if (has_kernel(layer)) return of_kernel(layer, weights);
  if (layer.class_name == "BatchNormalization") return of_normalization(layer, weights);
  return {};
}

}  // namespace narrow
