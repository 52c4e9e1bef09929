#include "precision/precision.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/linear.h"

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

// The entries that speak of a layer, in the order in which hls4ml looks them up.
std::vector<const ConfigEntry*> entries_of(const PrecisionConfig& config, const Model& model, const Layer& layer) {
  const std::string hls4ml_class(layer.op->hls4ml_class(model.input_shapes(layer)));
  std::vector<const ConfigEntry*> entries{find(config.by_name, layer.name), find(config.by_type, hls4ml_class), &config.model};
  std::erase(entries, nullptr);
  return entries;
}

// HLSConfig.get_precision: the layer's own entry, then its class's, then the model's; in each the type's own name before
// `default`.
TypeChoice configured(const std::vector<const ConfigEntry*>& entries, const Layer& layer, TypeName type) {
  const std::string keys[] = {std::string(name_of(type)), "default"};
  for (const ConfigEntry* entry : entries) {
    for (const std::string& key : keys) {
      if (const auto found = entry->types.find(key); found != entry->types.end()) return found->second;
    }
  }
  throw Error("layer " + layer.name + " has no " + keys[0] + " type: the configuration has no default precision");
}

bool result_is_given(const PrecisionConfig& config, const Model& model, const Layer& layer) {
  return configured(entries_of(config, model, layer), layer, TypeName::kResult).has_value();
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

// FuseBatchNormalization: a layer whose result type is left to `auto` takes in the normalization behind it.
void fuse_batch_norms(Resolved& resolved, const PrecisionConfig& config) {
  Model& model = resolved.model;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    const auto* norm = as<BatchNormalization>(model.layers[static_cast<std::size_t>(i)]);
    if (norm == nullptr) continue;
    const int before = model.layers[static_cast<std::size_t>(i)].inputs.front();
    Layer& parent = model.layers[static_cast<std::size_t>(before)];
    if (uses(model, before) > 1 || result_is_given(config, model, parent)) continue;
    OperationPtr scaled = parent.op->scaled(norm->scale, norm->bias);
    if (scaled == nullptr) continue;
    parent.op = std::move(scaled);
    const std::string name = model.layers[static_cast<std::size_t>(i)].name;
    resolved.fused.emplace_back(parent.name, name);
    // multi_dense.py rebuilds a Dense on a tensor of several dimensions from the weights before the fusion.
    if (parent.shape.size() > 1) {
      resolved.notes.push_back(name + " (BatchNormalization) is folded into " + parent.name +
                               ", as hls4ml means to; hls4ml 1.3.0 loses it behind a Dense on a set, and its answers differ");
    }
    remove_layer(model, i, before);
    --i;
  }
}

// MergeLinearActivation: a linear activation behind a layer whose result type is `auto` goes, whatever its own type.
void merge_linear_activations(Resolved& resolved, const PrecisionConfig& config) {
  Model& model = resolved.model;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    const Layer& layer = model.layers[static_cast<std::size_t>(i)];
    if (as<Linear>(layer) == nullptr) continue;
    const Layer& parent = model.layers[static_cast<std::size_t>(layer.inputs.front())];
    if (!parent.op->takes_linear() || result_is_given(config, model, parent)) continue;
    resolved.merged.emplace_back(layer.name, parent.name);
    remove_layer(model, i, layer.inputs.front());
    --i;
  }
}

// EliminateLinearActivation: those that change no type.
void eliminate_linear_activations(Resolved& resolved) {
  Model& model = resolved.model;
  for (std::size_t i = 0; i < model.layers.size();) {
    const Layer& layer = model.layers[i];
    const auto before = layer.inputs.empty() ? i : static_cast<std::size_t>(layer.inputs.front());
    if (as<Linear>(layer) == nullptr || resolved.precision[i].result() != resolved.precision[before].result()) {
      ++i;
      continue;
    }
    resolved.merged.emplace_back(layer.name, model.layers[before].name);
    remove_layer(model, static_cast<int>(i), static_cast<int>(before));
    resolved.precision.erase(resolved.precision.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void check_width(const Layer& layer, TypeName type, const Format& format) {
  const bool sum = type == TypeName::kResult || type == TypeName::kAccum;
  const int limit = sum ? kMaxSumWidth : kMaxWidth;
  if (format.width >= 1 && format.width <= limit) return;
  throw Error("layer " + layer.name + ": its " + std::string(name_of(type)) + " type " + to_string(format) + " needs " +
              std::to_string(format.width) + " bits; narrow computes with 1 to " + std::to_string(limit));
}

// Each layer's types, from those of the layers before it.
void infer_types(Resolved& resolved, const PrecisionConfig& config) {
  const Model& model = resolved.model;
  for (const Layer& layer : model.layers) {
    const std::vector<const ConfigEntry*> entries = entries_of(config, model, layer);
    TypeRequest request{.layer = layer.name,
                        .inputs = {},
                        .choice = [&](TypeName type) { return configured(entries, layer, type); },
                        .fallback = *config.model.types.at("default"),
                        .maximum = resolved.maximum,
                        .notes = resolved.notes};
    for (const int input : layer.inputs) request.inputs.push_back(resolved.precision[static_cast<std::size_t>(input)].result());
    const auto strategy =
        std::find_if(entries.begin(), entries.end(), [](const ConfigEntry* entry) { return entry->strategy.has_value(); });
    if (strategy != entries.end() && lower(*(*strategy)->strategy) == "resource") request.strategy = Strategy::kResource;
    const auto reuse =
        std::find_if(entries.begin(), entries.end(), [](const ConfigEntry* entry) { return entry->reuse_factor.has_value(); });
    if (reuse != entries.end()) request.reuse_factor = *(*reuse)->reuse_factor;
    resolved.precision.push_back(layer.op->types(request));
    for (const auto& [type, format] : resolved.precision.back().all()) check_width(layer, type, format);
  }
}

}  // namespace

Resolved resolve(const Model& model, const PrecisionConfig& config) {
  Resolved resolved{model, {}, {}, {}, {}, {}};
  if (const auto maximum = config.model.types.find("maximum"); maximum != config.model.types.end()) resolved.maximum = maximum->second;
  fuse_batch_norms(resolved, config);
  merge_linear_activations(resolved, config);
  infer_types(resolved, config);
  eliminate_linear_activations(resolved);
  return resolved;
}

bool answers_for(const Resolved& from, const Resolved& to) {
  const auto widens = [](const Format& a, const Format& b) {
    if (a.is_integer || b.is_integer) return a == b;
    // A symmetric type has no value at its low end; every other takes what fits as it is.
    const bool loses_low_end = b.overflow == Overflow::kSatSym && a.overflow != Overflow::kSatSym && b.is_signed;
    return a.fraction() == b.fraction() && (loses_low_end ? a.integer < b.integer : a.integer <= b.integer) && a.is_signed == b.is_signed &&
           a.rounding == b.rounding;
  };
  if (from.precision.size() != to.precision.size() || from.fused != to.fused) return false;
  bool same = true;
  bool integers = false;
  for (std::size_t i = 0; i < from.precision.size(); ++i) {
    const auto a = from.precision[i].all();
    const auto b = to.precision[i].all();
    if (a.size() != b.size()) return false;
    for (std::size_t k = 0; k < a.size(); ++k) {
      if (a[k].name != b[k].name || !widens(a[k].format, b[k].format)) return false;
      same &= a[k].format == b[k].format;
      integers |= b[k].format.is_integer && (b[k].name == TypeName::kResult || b[k].name == TypeName::kAccum);
    }
  }
  // What becomes an ap_int is told by the integer bits of what it was (fixed/cast.h).
  return !integers || same;
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
      << to_string(resolved.precision.front().result());
  if (resolved.maximum) out << YAML::Key << "maximum" << YAML::Value << to_string(*resolved.maximum);
  out << YAML::EndMap << YAML::Key << "ReuseFactor" << YAML::Value << 1 << YAML::Key << "Strategy" << YAML::Value << "Latency"
      << YAML::EndMap;
  out << YAML::Key << "LayerName" << YAML::Value << YAML::BeginMap;
  const auto type = [&](const std::string& name, const std::string& text) { out << YAML::Key << name << YAML::Value << text; };
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const LayerPrecision& types = resolved.precision[i];
    if (layer.op->keras_class() == "Flatten") continue;  // it has its input's type, whatever is asked
    // A layer takes in its BatchNormalization again only where its result is left to be inferred.
    const bool fused =
        std::any_of(resolved.fused.begin(), resolved.fused.end(), [&](const auto& pair) { return pair.first == layer.name; });
    out << YAML::Key << layer.name << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    for (const auto& [name, format] : types.all()) {
      const bool inferred = fused && (name == TypeName::kResult || (name == TypeName::kAccum && format == types.result()));
      type(std::string(name_of(name)), inferred ? "auto" : to_string(format));
    }
    out << YAML::EndMap;
    if (types.strategy) {
      out << YAML::Key << "Strategy" << YAML::Value << (types.strategy == Strategy::kResource ? "Resource" : "Latency");
      out << YAML::Key << "ReuseFactor" << YAML::Value << types.reuse_factor;
    }
    out << YAML::EndMap;
  }
  for (const auto& [linear, before] : resolved.merged) {
    const int index = kept_layer(resolved, before);
    out << YAML::Key << linear << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    type("result", to_string(resolved.precision[static_cast<std::size_t>(index)].result()));
    out << YAML::EndMap << YAML::EndMap;
  }
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace narrow
