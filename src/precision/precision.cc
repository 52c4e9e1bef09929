#include "precision/precision.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "error.h"

namespace narrow {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

const ConfigEntry* find(const std::map<std::string, ConfigEntry>& entries, const std::string& name) {
  const auto found = entries.find(lower(name));
  return found == entries.end() ? nullptr : &found->second;
}

// HLSConfig.get_precision: the layer's own entry, then its class's, then the model's; in each the type's own name before
// `default`.
TypeChoice configured(const PrecisionConfig& config, const Model& model, const Layer& layer, const std::string& type) {
  const std::string keys[] = {type, "default"};
  for (const ConfigEntry* entry : {find(config.by_name, layer.name), find(config.by_type, hls4ml_class(model, layer)), &config.model}) {
    if (entry == nullptr) continue;
    for (const std::string& key : keys) {
      if (const auto found = entry->types.find(key); found != entry->types.end()) return found->second;
    }
  }
  throw Error("layer " + layer.name + " has no " + type + " type: the configuration has no default precision");
}

// Rewires every use of layer `removed` to `replacement` and takes it out.
void remove_layer(Model& model, int removed, int replacement) {
  const auto rewire = [&](int index) {
    const int target = index == removed ? replacement : index;
    return target > removed ? target - 1 : target;
  };
  for (Layer& layer : model.layers) std::transform(layer.inputs.begin(), layer.inputs.end(), layer.inputs.begin(), rewire);
  std::transform(model.outputs.begin(), model.outputs.end(), model.outputs.begin(), rewire);
  model.layers.erase(model.layers.begin() + removed);
}

int uses(const Model& model, int index) {
  int count = static_cast<int>(std::count(model.outputs.begin(), model.outputs.end(), index));
  for (const Layer& layer : model.layers) count += static_cast<int>(std::count(layer.inputs.begin(), layer.inputs.end(), index));
  return count;
}

// FuseBatchNormalization: a Dense whose result type is left to `auto` takes in the normalization behind it.
void fuse_batch_norms(Resolved& resolved, const PrecisionConfig& config) {
  Model& model = resolved.model;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    const auto* norm = as<BatchNormOp>(model.layers[static_cast<std::size_t>(i)]);
    if (norm == nullptr) continue;
    const int before = model.layers[static_cast<std::size_t>(i)].inputs.front();
    Layer& parent = model.layers[static_cast<std::size_t>(before)];
    auto* dense = std::get_if<DenseOp>(&parent.op);
    if (dense == nullptr || uses(model, before) > 1 || configured(config, model, parent, "result")) continue;
    const std::vector<float> scale = norm->scale();
    const std::vector<float> bias = norm->bias();
    for (std::size_t k = 0; k < dense->kernel.size(); ++k) dense->kernel[k] = scale[k % scale.size()] * dense->kernel[k];
    if (dense->bias.empty()) dense->bias.assign(scale.size(), 0.F);
    for (std::size_t j = 0; j < scale.size(); ++j) {
      const float scaled = scale[j] * dense->bias[j];
      dense->bias[j] = scaled + bias[j];
    }
    resolved.fused.push_back(parent.name);
    resolved.notes.push_back(model.layers[static_cast<std::size_t>(i)].name + " (BatchNormalization) is folded into " + parent.name +
                             ", as hls4ml means to; hls4ml 1.3.0 with Keras 3 drops it instead, and its answers differ");
    remove_layer(model, i, before);
    --i;
  }
}

// MergeLinearActivation: a linear activation behind a layer whose result type is `auto` goes, whatever its own type.
void merge_linear_activations(Resolved& resolved, const PrecisionConfig& config) {
  Model& model = resolved.model;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    const Layer& layer = model.layers[static_cast<std::size_t>(i)];
    if (as<LinearOp>(layer) == nullptr) continue;
    const Layer& parent = model.layers[static_cast<std::size_t>(layer.inputs.front())];
    const bool safe = as<DenseOp>(parent) || as<BatchNormOp>(parent) || as<ReluOp>(parent) || as<LinearOp>(parent);
    if (!safe || configured(config, model, parent, "result")) continue;
    resolved.merged.emplace_back(layer.name, parent.name);
    remove_layer(model, i, layer.inputs.front());
    --i;
  }
}

struct Range {  // of a sum before it is given a name: width, integer bits, sign
  int width, integer;
  bool is_signed;
};

Format cut(Range range, const std::optional<Format>& maximum) {
  if (maximum) {
    range.width = std::min(range.width, maximum->width);
    range.integer = std::min(range.integer, maximum->integer);
  }
  return {.width = range.width, .integer = range.integer, .is_signed = range.is_signed};
}

// A bias added to `sum`: one integer bit more, and the finer of the two steps.
Range add_bias(const Range& sum, const Format& bias) {
  const int integer =
      std::max(sum.integer + (bias.is_signed && !sum.is_signed ? 1 : 0), bias.integer + (sum.is_signed && !bias.is_signed ? 1 : 0)) + 1;
  return {integer + std::max(sum.width - sum.integer, bias.fraction()), integer, sum.is_signed || bias.is_signed};
}

// _infer_common_precision.
Format infer_dense(const Format& x, const LayerPrecision& types, int n_in, const std::optional<Format>& maximum) {
  const auto log = static_cast<int>(std::bit_width(static_cast<unsigned>(n_in - 1)));  // ceil(log2(n_in))
  const Range sum{types.weight.width + x.width + log, types.weight.integer + x.integer + log, types.weight.is_signed || x.is_signed};
  return cut(add_bias(sum, types.bias), maximum);
}

// _infer_bn_precision.
Format infer_batch_norm(const Format& x, const LayerPrecision& types, const std::optional<Format>& maximum) {
  const Range product{x.width + types.scale.width, x.integer + types.scale.integer, x.is_signed || types.scale.is_signed};
  return cut(add_bias(product, types.bias), maximum);
}

// FPGABackend._validate_reuse_factor.
bool valid_reuse_factor(int n_in, int n_out, int reuse) {
  const int limit = (n_in * n_out + std::min(n_in, reuse) - 1) / std::min(n_in, reuse);
  return (limit % n_out == 0 || reuse >= n_in) && (reuse % n_in == 0 || reuse < n_in) && (n_in * n_out) % reuse == 0;
}

// FPGABackend.set_closest_reuse_factor: the nearest valid one, the smaller of two equally near.
int closest_reuse_factor(int n_in, int n_out, int asked) {
  int best = 1;
  for (int reuse = 1; reuse <= n_in * n_out; ++reuse) {
    if (valid_reuse_factor(n_in, n_out, reuse) && std::abs(reuse - asked) < std::abs(best - asked)) best = reuse;
  }
  return best;
}

template <class T>
T entry_value(const PrecisionConfig& config, const Model& model, const Layer& layer, std::optional<T> ConfigEntry::*member, T fallback) {
  for (const ConfigEntry* entry : {find(config.by_name, layer.name), find(config.by_type, hls4ml_class(model, layer)), &config.model}) {
    if (entry != nullptr && entry->*member) return *(entry->*member);
  }
  return fallback;
}

void check_width(const Layer& layer, const char* what, const Format& format, int limit) {
  if (format.width >= 1 && format.width <= limit) return;
  throw Error("layer " + layer.name + ": its " + what + " type " + to_string(format) + " needs " + std::to_string(format.width) +
              " bits; narrow computes with 1 to " + std::to_string(limit));
}

class Resolver {
 public:
  Resolver(Resolved& resolved, const PrecisionConfig& config) : resolved_(resolved), model_(resolved.model), config_(config) {}

  void run() {
    for (const Layer& layer : model_.layers) {
      layer_ = &layer;
      types_ = {};
      std::visit(*this, layer.op);
      check_width(layer, "result", types_.result, kMaxSumWidth);
      resolved_.precision.push_back(types_);
    }
    eliminate_linear_activations();
  }

  void operator()(const InputOp&) { types_.result = asked("result"); }
  void operator()(const ReluOp&) { types_.result = asked("result"); }
  void operator()(const LinearOp&) { types_.result = asked("result"); }
  void operator()(const SetSumOp&) { types_.result = asked("result"); }
  void operator()(const SetMeanOp&) {
    types_.result = asked("result");
    types_.accum = asked("accum");
    check_width(*layer_, "accum", types_.accum, kMaxSumWidth);
  }
  void operator()(const FlattenOp&) { types_.result = input(); }  // hls4ml passes the stream on as it is
  void operator()(const BatchNormOp&) {
    types_.scale = asked("scale");
    types_.bias = asked("bias");
    check_width(*layer_, "scale", types_.scale, kMaxWidth);
    check_width(*layer_, "bias", types_.bias, kMaxWidth);
    types_.result = choice("result").value_or(infer_batch_norm(input(), types_, resolved_.maximum));
  }
  void operator()(const DenseOp& dense) {
    types_.weight = asked("weight");
    types_.bias = dense.bias.empty() ? parse_format("uint<1>") : asked("bias");
    check_width(*layer_, "weight", types_.weight, kMaxWidth);
    check_width(*layer_, "bias", types_.bias, kMaxWidth);
    const Format inferred = infer_dense(input(), types_, dense.n_in, resolved_.maximum);
    types_.accum = choice("accum").value_or(inferred);
    types_.result = choice("result").value_or(inferred);
    check_width(*layer_, "accum", types_.accum, kMaxSumWidth);
    const std::string strategy = lower(entry_value(config_, model_, *layer_, &ConfigEntry::strategy, std::string("Latency")));
    types_.strategy = strategy == "resource" ? Strategy::kResource : Strategy::kLatency;
    const int reuse = entry_value(config_, model_, *layer_, &ConfigEntry::reuse_factor, 1);
    types_.reuse_factor = reuse;
    if (types_.strategy == Strategy::kLatency) return;
    types_.reuse_factor = closest_reuse_factor(dense.n_in, dense.n_out, reuse);
    if (types_.reuse_factor != reuse) {
      resolved_.notes.push_back("layer " + layer_->name + ": reuse factor " + std::to_string(types_.reuse_factor) + " instead of " +
                                std::to_string(reuse) + ", which does not fit " + std::to_string(dense.n_in) + "x" +
                                std::to_string(dense.n_out) + " weights, as hls4ml does");
    }
  }

 private:
  // EliminateLinearActivation: those that change no type.
  void eliminate_linear_activations() {
    for (std::size_t i = 0; i < model_.layers.size();) {
      const Layer& layer = model_.layers[i];
      const auto before = layer.inputs.empty() ? i : static_cast<std::size_t>(layer.inputs.front());
      if (as<LinearOp>(layer) == nullptr || resolved_.precision[i].result != resolved_.precision[before].result) {
        ++i;
        continue;
      }
      resolved_.merged.emplace_back(layer.name, model_.layers[before].name);
      remove_layer(resolved_.model, static_cast<int>(i), static_cast<int>(before));
      resolved_.precision.erase(resolved_.precision.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  TypeChoice choice(const char* type) const { return configured(config_, model_, *layer_, type); }
  // `auto` on a type that hls4ml does not infer is the default precision.
  Format asked(const char* type) const {
    const TypeChoice found = choice(type);
    return found ? *found : *config_.model.types.at("default");
  }
  const Format& input() const { return resolved_.precision[static_cast<std::size_t>(layer_->inputs.front())].result; }

  Resolved& resolved_;
  const Model& model_;
  const PrecisionConfig& config_;
  const Layer* layer_ = nullptr;
  LayerPrecision types_;
};

}  // namespace

std::string hls4ml_class(const Model& model, const Layer& layer) {
  struct Name {
    const Model& model;
    const Layer& layer;
    std::string operator()(const InputOp&) const { return "Input"; }
    std::string operator()(const DenseOp&) const {
      return model.layers[static_cast<std::size_t>(layer.inputs.front())].shape.size() > 1 ? "PointwiseConv1D" : "Dense";
    }
    std::string operator()(const ReluOp&) const { return layer.keras_class == "ReLU" ? "ParametrizedActivation" : "Activation"; }
    std::string operator()(const LinearOp&) const { return "Activation"; }
    std::string operator()(const SetSumOp&) const { return "HSum"; }
    std::string operator()(const SetMeanOp&) const { return "GlobalPooling1D"; }
    std::string operator()(const BatchNormOp&) const { return "BatchNormalization"; }
    std::string operator()(const FlattenOp&) const { return "Reshape"; }
  };
  return std::visit(Name{model, layer}, layer.op);
}

Resolved resolve(const Model& model, const PrecisionConfig& config) {
  Resolved resolved{model, {}, {}, {}, {}, {}};
  if (const auto maximum = config.model.types.find("maximum"); maximum != config.model.types.end()) resolved.maximum = maximum->second;
  fuse_batch_norms(resolved, config);
  merge_linear_activations(resolved, config);
  Resolver(resolved, config).run();
  return resolved;
}

bool answers_for(const Resolved& from, const Resolved& to) {
  const auto widens = [](const Format& a, const Format& b) {
    return a.fraction() == b.fraction() && a.integer <= b.integer && a.is_signed == b.is_signed && a.is_integer == b.is_integer &&
           a.rounding == b.rounding;
  };
  if (from.precision.size() != to.precision.size() || from.fused != to.fused) return false;
  for (std::size_t i = 0; i < from.precision.size(); ++i) {
    const LayerPrecision& a = from.precision[i];
    const LayerPrecision& b = to.precision[i];
    if (!widens(a.result, b.result) || !widens(a.accum, b.accum) || !widens(a.weight, b.weight) || !widens(a.bias, b.bias) ||
        !widens(a.scale, b.scale)) {
      return false;
    }
  }
  return true;
}

// The layer itself, or the one that it was merged into.
static int kept_layer(const Resolved& resolved, const std::string& name) {
  const int index = resolved.model.find(name);
  if (index >= 0) return index;
  for (const auto& [merged, before] : resolved.merged) {
    if (merged == name) return kept_layer(resolved, before);
  }
  return 0;
}

std::string to_yaml(const Resolved& resolved) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "Model" << YAML::Value << YAML::BeginMap;
  // Every layer below names its own types; the default is what a layer added later would get.
  out << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap << YAML::Key << "default" << YAML::Value
      << to_string(resolved.precision.front().result);
  if (resolved.maximum) out << YAML::Key << "maximum" << YAML::Value << to_string(*resolved.maximum);
  out << YAML::EndMap << YAML::Key << "ReuseFactor" << YAML::Value << 1 << YAML::Key << "Strategy" << YAML::Value << "Latency"
      << YAML::EndMap;
  out << YAML::Key << "LayerName" << YAML::Value << YAML::BeginMap;
  const auto type = [&](const char* name, const std::string& text) { out << YAML::Key << name << YAML::Value << text; };
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const LayerPrecision& types = resolved.precision[i];
    if (as<FlattenOp>(layer) != nullptr) continue;
    // A Dense takes in its BatchNormalization again only where its result is left to be inferred.
    const bool fused = std::find(resolved.fused.begin(), resolved.fused.end(), layer.name) != resolved.fused.end();
    out << YAML::Key << layer.name << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    if (as<DenseOp>(layer) != nullptr) {
      type("weight", to_string(types.weight));
      type("bias", to_string(types.bias));
      type("accum", fused && types.accum == types.result ? "auto" : to_string(types.accum));
    }
    if (as<SetMeanOp>(layer) != nullptr) type("accum", to_string(types.accum));
    if (as<BatchNormOp>(layer) != nullptr) {
      type("scale", to_string(types.scale));
      type("bias", to_string(types.bias));
    }
    type("result", fused ? "auto" : to_string(types.result));
    out << YAML::EndMap;
    if (as<DenseOp>(layer) != nullptr) {
      out << YAML::Key << "Strategy" << YAML::Value << (types.strategy == Strategy::kResource ? "Resource" : "Latency");
      out << YAML::Key << "ReuseFactor" << YAML::Value << types.reuse_factor;
    }
    out << YAML::EndMap;
  }
  for (const auto& [linear, before] : resolved.merged) {
    const int index = kept_layer(resolved, before);
    out << YAML::Key << linear << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    type("result", to_string(resolved.precision[static_cast<std::size_t>(index)].result));
    out << YAML::EndMap << YAML::EndMap;
  }
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace narrow
