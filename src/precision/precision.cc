#include "precision/precision.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/dot.h"
#include "layers/exponential_unit.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/merge.h"
#include "layers/pooling.h"
#include "layers/quantize.h"
#include "layers/rearrangement.h"
#include "layers/reuse_factor.h"
#include "layers/set_max.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "layers/sign_activation.h"
#include "layers/softmax.h"
#include "precision/bit_exact.h"
#include "precision/network.h"
#include "precision/quantized_layers.h"

namespace narrow {
namespace {

const ConfigEntry* find(const std::map<std::string, ConfigEntry>& entries, const std::string& name) {
  const auto found = entries.find(lower(name));
  return found == entries.end() ? nullptr : &found->second;
}

std::vector<const ConfigEntry*> entries_of(const PrecisionConfig& config, const std::string& name, const std::string& hls4ml_class) {
  std::vector<const ConfigEntry*> entries{find(config.by_name, name), find(config.by_type, hls4ml_class), &config.model};
  std::erase(entries, nullptr);
  return entries;
}

// The entries that speak of a layer, in the order in which hls4ml looks them up.
std::vector<const ConfigEntry*> entries_of(const PrecisionConfig& config, const Model& model, const Layer& layer) {
  const std::string hls4ml_class(layer.op->hls4ml_class(model.input_shapes(layer)));
  return entries_of(config, layer.name, hls4ml_class);
}

TypeChoice configured(const std::vector<const ConfigEntry*>& entries, const std::string& name, TypeName type) {
  const std::string keys[] = {std::string(name_of(type)), "default"};
  for (const ConfigEntry* entry : entries) {
    for (const std::string& key : keys) {
      if (const auto found = entry->types.find(key); found != entry->types.end()) return found->second;
    }
  }
  throw Error("layer " + name + " has no " + keys[0] + " type: the configuration has no default precision");
}

// Of ONNX: hls4ml hands the entry of a node, whose Precision goes before all of that of the node's class, to the layer that it makes of it,
// where it goes before the layer's own, type by type. A default of the layer's own is lost but where a type is handed over
// (HLSConfig.get_layer_config, parse_name_config).
ConfigEntry handed_over(const ConfigEntry* of_class, const ConfigEntry* of_node, const ConfigEntry* own) {
  ConfigEntry entry = of_class != nullptr ? *of_class : ConfigEntry();
  const auto fill = [](auto& value, const auto& with) {
    if (!value) value = with;
  };
  if (of_node != nullptr) {
    ConfigEntry first = *of_node;
    if (first.types.empty()) first.types = entry.types;
    fill(first.reuse_factor, entry.reuse_factor);
    fill(first.strategy, entry.strategy);
    entry = std::move(first);
  }
  if (own == nullptr) return entry;
  const bool is_given = !entry.types.empty();
  for (const auto& [type, choice] : own->types) {
    if (type != "default" || is_given) entry.types.emplace(type, choice);
  }
  fill(entry.reuse_factor, own->reuse_factor);
  fill(entry.strategy, own->strategy);
  return entry;
}

// The entry of the class Quant, into which each one that becomes an activation alone writes its type; those with scales are made later.
ConfigEntry entry_of_quants(const ConfigEntry& of_class, const PrecisionConfig& config, const Model& model) {
  ConfigEntry entry = of_class;
  for (const Layer& layer : model.layers) {
    const ConfigEntry* const of_node = find(config.by_name, layer.configured_as);
    const bool alone = std::count_if(model.layers.begin(), model.layers.end(),
                                     [&](const Layer& other) { return other.configured_as == layer.configured_as; }) == 1;
    const bool writes = layer.made_of == "Quant" && as<Linear>(layer) != nullptr && alone && (of_node == nullptr || of_node->types.empty());
    if (writes && !entry.types.empty()) entry.types["result"] = layer.own_type(TypeName::kResult)->format;
  }
  return entry;
}

PrecisionConfig handed_over(const PrecisionConfig& config, const Model& model) {
  PrecisionConfig all = config;
  const ConfigEntry* const quants = find(config.by_type, "Quant");
  const ConfigEntry written = quants != nullptr ? entry_of_quants(*quants, config, model) : ConfigEntry();
  for (const Layer& layer : model.layers) {
    if (layer.configured_as.empty()) continue;
    const ConfigEntry* const of_class = layer.made_of == "Quant" ? &written : find(config.by_type, layer.made_of);
    all.by_name[lower(layer.name)] = handed_over(of_class, find(config.by_name, layer.configured_as), find(config.by_name, layer.name));
  }
  return all;
}

// HLSConfig.get_precision: the layer's own entry, then its class's, then the model's; in each the type's own name before
// `default`. Before all of them what the network's file says.
TypeChoice configured(const std::vector<const ConfigEntry*>& entries, const Layer& layer, TypeName type) {
  if (const OwnType* const own = layer.own_type(type)) return own->format;
  if (const auto* norm = as<BatchNormalization>(layer); norm != nullptr && norm->origin.is_open) return std::nullopt;
  return configured(entries, layer.name, type);
}

// The type of a table: from a key of the layer, else of its class; nothing gives the default.
TypeChoice configured_table(const std::vector<const ConfigEntry*>& entries, TypeName type) {
  for (const ConfigEntry* entry : entries) {
    if (const auto found = entry->tables.find(std::string(name_of(type))); found != entry->tables.end()) return found->second;
  }
  return std::nullopt;
}

// The first entry's value that has one; the model's own is not among them.
template <class T>
std::optional<T> first_of(const std::vector<const ConfigEntry*>& entries, const PrecisionConfig& config,
                          std::optional<T> ConfigEntry::*value) {
  for (const ConfigEntry* entry : entries) {
    if (entry != &config.model && entry->*value) return entry->*value;
  }
  return std::nullopt;
}

// hls4ml writes types of tables under Precision:, where it never reads them.
void note_ignored_tables(Resolved& resolved, const std::vector<const ConfigEntry*>& entries, const Layer& layer,
                         const LayerPrecision& types) {
  for (const auto& [type, format] : types.all()) {
    const std::string name(name_of(type));
    if (!is_of_table(type)) continue;
    for (const ConfigEntry* entry : entries) {
      const auto found = entry->types.find(name);
      if (found == entry->types.end() || !found->second || *found->second == format) continue;
      resolved.notes.push_back(layer.name + ": hls4ml ignores " + name + ": " + to_string(*found->second) +
                               " under Precision:, and the type is " + to_string(format) + "; write " + name + "_t: beside Precision:");
    }
  }
}

// The types that hls4ml gives results when it builds the graph. What moves values, but for a Reshape, then takes that of the layer before
// it, and keeps it whatever becomes of that layer; its own configuration is not read (model/layers.py).
class BuiltTypes {
 public:
  BuiltTypes(const Model& model, const PrecisionConfig& config) : config_(config) {
    for (const Layer& layer : model.layers) {
      const auto* moved = as<Rearrangement>(layer);
      if (moved == nullptr || moved->move() == Move::kReshape) continue;
      // Behind a node that becomes another layer, of which it then knows nothing.
      const bool is_behind = !layer.behind.empty();
      const Layer& before = model.layers[static_cast<std::size_t>(layer.inputs.front())];
      kept_[layer.name] =
          is_behind ? configured(entries_of(config, layer.behind, layer.behind_class), layer.behind, TypeName::kResult) : of(model, before);
      if (is_behind) continue;
      from_[layer.name] = from_.contains(before.name) ? from_.at(before.name) : before.name;
      if (moved->move() == Move::kCrop && !kept_[layer.name]) cropped_[layer.name] = from_[layer.name];
    }
  }
  // Each Cropping whose result is left to `auto`, with the layer that has it so.
  const std::map<std::string, std::string>& cropped() const { return cropped_; }
  // The layer whose type one that moves values has kept; null for others.
  const std::string* given_by(const Layer& layer) const {
    const auto found = from_.find(layer.name);
    return found != from_.end() ? &found->second : nullptr;
  }
  TypeChoice of(const Model& model, const Layer& layer) const {
    const auto kept = kept_.find(layer.name);
    return kept != kept_.end() ? kept->second : configured(entries_of(config_, model, layer), layer, TypeName::kResult);
  }

 private:
  const PrecisionConfig& config_;
  std::map<std::string, TypeChoice> kept_;
  std::map<std::string, std::string> from_, cropped_;
};

// keras_v2_to_hls.py: a linear activation behind each layer that could have an activation and has none.
void add_linear_activations(Resolved& resolved) {
  Model& model = resolved.model;
  for (const std::string& name : model.linear) {
    const int before = model.find(name) >= 0 ? model.find(name) : model.find(name + "_pointwise");
    Layer layer{name + "_linear", "Activation", std::make_shared<Linear>(), {before}, model.layers[static_cast<std::size_t>(before)].shape};
    insert_behind(model, before, std::move(layer));
    resolved.added.emplace_back(name + "_linear", model.layers[static_cast<std::size_t>(before)].name);
  }
}

// What hls4ml's optimize_model makes of the graph before it infers types: passes in their order, from the first again after every
// change, until none matches.
class Passes {
 public:
  Passes(Resolved& resolved, const BuiltTypes& built) : resolved_(resolved), built_(built) {}

  void run() {
    while (any_layer(&Passes::factorize) || any_layer(&Passes::extract) || any_layer(&Passes::fuse_consecutive_norms) ||
           any_layer(&Passes::fuse_norm) || any_layer(&Passes::replace_dense) || any_layer(&Passes::eliminate_linear) ||
           any_layer(&Passes::merge_linear)) {
    }
  }

 private:
  bool any_layer(bool (Passes::*pass)(int)) {
    for (int i = 0; i < static_cast<int>(model().layers.size()); ++i) {
      if ((this->*pass)(i)) return true;
    }
    return false;
  }

  Model& model() { return resolved_.model; }
  Layer& layer(int i) { return model().layers[static_cast<std::size_t>(i)]; }
  int before(int i) { return layer(i).inputs.empty() ? -1 : layer(i).inputs.front(); }
  TypeChoice asked(int i) { return built_.of(model(), layer(i)); }
  bool is_open(int i) { return !asked(i); }  // its result is left to `auto`

  bool factorize(int i) { return factorize_alpha(resolved_, i); }
  bool extract(int i) { return extract_threshold(resolved_, i); }

  // FuseConsecutiveBatchNormalization: the second takes in the first, by the numbers before any quantizer. What is left keeps the second's
  // class.
  bool fuse_consecutive_norms(int i) {
    const auto* second = as<BatchNormalization>(layer(i));
    const auto* first = second != nullptr ? as<BatchNormalization>(layer(before(i))) : nullptr;
    if (first == nullptr || !is_open(before(i)) || uses(model(), before(i)) > 1) return false;
    const GivenNumbers* const scales[] = {&first->given_scale, &second->given_scale};
    const GivenNumbers* const biases[] = {&first->given_bias, &second->given_bias};
    const auto compatible = [](const GivenNumbers& a, const GivenNumbers& b, double idle) {
      return !a.is_quantized() || !b.is_quantized() || all_are(a.given, idle) || all_are(b.given, idle);
    };
    if (!compatible(*scales[0], *scales[1], 1) || !compatible(*biases[0], *biases[1], 0)) return false;
    // Of a bias too hls4ml looks for ones.
    const auto by = [](Numbers numbers, const GivenNumbers& a, const GivenNumbers& b) {
      const GivenNumbers none;
      const GivenNumbers& kept = all_are(a.given, 1) ? b : all_are(b.given, 1) ? a : none;
      return GivenNumbers{std::move(numbers), kept.trained, kept.type};
    };
    GivenNumbers scale = by(product(scales[0]->given, scales[1]->given), *scales[0], *scales[1]);
    GivenNumbers bias = by(sum(product(scales[1]->given, biases[0]->given), biases[1]->given), *biases[0], *biases[1]);
    BatchNormalization::Origin origin = second->origin;
    origin.of_all_values |= first->origin.of_all_values;
    const std::string name = layer(before(i)).name;
    if (!first->origin.is_made) resolved_.absorbed.push_back(name);
    // What applied a scale does so under the name of the normalization, whose values are its own.
    for (auto& [alpha, scaled] : resolved_.scaled) {
      if (alpha == name) alpha.clear();
    }
    layer(i).op = std::make_shared<BatchNormalization>(std::move(scale), std::move(bias), origin);
    layer(i).set_own(TypeName::kScale, nullptr);
    layer(i).set_own(TypeName::kBias, nullptr);
    remove_layer(model(), before(i), layer(before(i)).inputs.front());
    return true;
  }

  // Whether hls4ml fuses numbers that were quantized: where those of the other are not, and change nothing.
  static bool fuses_quantized(const Layer& parent, const BatchNormalization& norm) {
    const auto compatible = [](bool is_quantized, std::span<const float> ours, const GivenNumbers& theirs, float idle) {
      return is_quantized ? !theirs.is_quantized() && all_are(theirs.given, idle) : !theirs.is_quantized() || all_are(ours, idle);
    };
    std::span<const float> weights;
    std::span<const float> biases;
    for (const WeightArray& array : parent.op->weights()) (array.type == TypeName::kBias ? biases : weights) = array.values;
    return compatible(parent.own_quantizer(TypeName::kWeight) != nullptr, weights, norm.given_scale, 1.F) &&
           compatible(parent.own_quantizer(TypeName::kBias) != nullptr, biases, norm.given_bias, 0.F);
  }
  // hls4ml notes the quantizer at the layer that it removes: it gives the type, but the parent counts as not quantized as before.
  static void fuse_quantizer(Layer& parent, TypeName type, const GivenNumbers& theirs) {
    if (!theirs.type) {
      if (parent.own_quantizer(type) == nullptr) parent.set_own(type, nullptr);
      return;
    }
    const OwnType taken{type, *theirs.type, false};
    parent.set_own(type, &taken);
  }

  // FuseBatchNormalization: a layer whose result type is left to `auto` takes in the normalization behind it.
  bool fuse_norm(int i) {
    const auto* norm = as<BatchNormalization>(layer(i));
    if (norm == nullptr || !is_open(before(i)) || uses(model(), before(i)) > 1) return false;
    Layer& parent = layer(before(i));
    require_unfused(parent, layer(i));
    const OwnType* const own = parent.own_quantizer(TypeName::kBias);
    OperationPtr scaled = parent.op->scaled(norm->scale_numbers, norm->bias_numbers, own != nullptr ? &own->format : nullptr);
    if (scaled == nullptr || !fuses_quantized(parent, *norm)) return false;
    if (norm->origin.of_all_values && parent.shape.size() > 1) {
      throw Error("layer " + layer(i).name + ": hls4ml 1.3.0 fails to fuse it with " + parent.name +
                  ", whose weights have other axes than a number for each value; give " + parent.name +
                  " a result type, or a bias of its own");
    }
    parent.op = std::move(scaled);
    fuse_quantizer(parent, TypeName::kWeight, norm->given_scale);
    fuse_quantizer(parent, TypeName::kBias, norm->given_bias);
    const std::string name = layer(i).name;
    resolved_.fused.emplace_back(parent.name, name);
    if (!norm->origin.is_made) resolved_.folded.emplace(name, asked(i));
    if (const auto* depthwise = as<Depthwise>(parent)) {
      // bn_fuse.py: (rows, columns, channels, 1) times (channels).
      if (depthwise->channels() > 1 && parent.configured_as.empty()) {  // of ONNX the last axis is the channels
        resolved_.notes.push_back(
            name + " (BatchNormalization) is folded into " + parent.name +
            ", as hls4ml means to; hls4ml 1.3.0 multiplies its weights along the wrong axis, and its answers are wrong");
      }
    } else if (as<Dense>(parent) != nullptr && parent.shape.size() > 1 && !replaced_.contains(parent.name)) {
      // multi_dense.py rebuilds a Dense on a tensor of several dimensions from the weights before the fusion.
      resolved_.notes.push_back(name + " (BatchNormalization) is folded into " + parent.name +
                                ", as hls4ml means to; hls4ml 1.3.0 loses it behind a Dense on a set, and its answers differ");
    }
    if (std::find(model().outputs.begin(), model().outputs.end(), before(i)) != model().outputs.end()) {
      resolved_.notes.push_back(name + " (BatchNormalization) is folded into " + parent.name + ", whose output is then that of " + name +
                                ", as in hls4ml");
    }
    remove_layer(model(), i, before(i));
    return true;
  }

  // ReplaceMultidimensionalDenseWithConv: what is fused into it from then on is kept.
  bool replace_dense(int i) {
    if (as<Dense>(layer(i)) == nullptr || layer(i).shape.size() == 1 || !replaced_.insert(layer(i).name).second) return false;
    forget_quantizers(resolved_, i);
    return true;
  }

  // EliminateLinearActivation: where the configuration gives both the same type, which a Flatten will not keep, or leaves both open.
  bool eliminate_linear(int i) { return as<Linear>(layer(i)) != nullptr && asked(i) == asked(before(i)) && drop_linear(i); }

  // MergeLinearActivation: a linear activation behind a layer whose result type is `auto` goes, whatever its own type, which the layer
  // takes over where it is a quantizer's.
  bool merge_linear(int i) {
    if (as<Linear>(layer(i)) == nullptr || !layer(before(i)).op->takes_linear() || !is_open(before(i))) return false;
    if (const OwnType* const own = layer(i).own_quantizer(TypeName::kResult)) layer(before(i)).set_own(TypeName::kResult, own);
    return drop_linear(i);
  }

  bool drop_linear(int i) {
    for (const Layer& reader : model().layers) {
      const std::string* const from = built_.given_by(reader);
      const bool moves = from != nullptr && reader.inputs.front() == i;
      if (moves && !is_open(i) && is_open(before(i))) resolved_.kept.emplace(*from, *asked(i));
    }
    note_dropped_quantizer(resolved_, layer(i));
    resolved_.merged.emplace_back(layer(i).name, layer(before(i)).name);
    remove_layer(model(), i, before(i));
    return true;
  }

  Resolved& resolved_;
  const BuiltTypes& built_;
  std::set<std::string> replaced_;
};

// Takes out a layer whose type is known already, as those behind it have been inferred.
void remove_typed(Resolved& resolved, std::size_t i, const BuiltTypes& built) {
  const Layer& removed = resolved.model.layers[i];
  resolved.typed[removed.name] = {resolved.precision[i], !built.of(resolved.model, removed)};
  const int before = resolved.model.layers[i].inputs.front();
  resolved.merged.emplace_back(resolved.model.layers[i].name, resolved.model.layers[static_cast<std::size_t>(before)].name);
  remove_layer(resolved.model, static_cast<int>(i), before);
  resolved.precision.erase(resolved.precision.begin() + static_cast<std::ptrdiff_t>(i));
}

// RemoveNopBatchNormalization: one that multiplied by 1 and added 0 before anything was quantized, whatever its types.
void remove_idle_norms(Resolved& resolved, const BuiltTypes& built) {
  for (std::size_t i = resolved.model.layers.size(); i-- > 0;) {
    const auto* norm = as<BatchNormalization>(resolved.model.layers[i]);
    if (norm != nullptr && all_are(norm->given_scale.given, 1) && all_are(norm->given_bias.given, 0)) remove_typed(resolved, i, built);
  }
}

// EliminateLinearActivation: those that change no type.
void eliminate_linear_activations(Resolved& resolved, const BuiltTypes& built) {
  const Model& model = resolved.model;
  for (std::size_t i = model.layers.size(); i-- > 0;) {
    const Layer& layer = model.layers[i];
    if (as<Linear>(layer) == nullptr) continue;
    const auto before = static_cast<std::size_t>(layer.inputs.front());
    if (resolved.precision[i].result() == resolved.precision[before].result()) remove_typed(resolved, i, built);
  }
}

// A Flatten, or a Reshape to a vector.
bool flattens(const Layer& layer) {
  const auto* moved = as<Rearrangement>(layer);
  return as<Flatten>(layer) != nullptr || (moved != nullptr && moved->move() == Move::kReshape && layer.shape.size() == 1);
}

// nnet_stream.h, repack_stream: of io_stream, where neither number of channels divides the other.
bool loses_values(const Layer& layer, const Model& model) {
  const auto* moved = as<Rearrangement>(layer);
  if (moved == nullptr || moved->move() != Move::kReshape || flattens(layer)) return false;
  const int from = model.input_shapes(layer).front().back();
  const int to = layer.shape.back();
  return from % to != 0 && to % from != 0;
}

void note_reshapes(Resolved& resolved) {
  for (const Layer& layer : resolved.model.layers) {
    if (!loses_values(layer, resolved.model)) continue;
    resolved.notes.push_back(layer.name + " (" + layer.keras_class +
                             ") is computed as with io_parallel; with io_stream hls4ml 1.3.0 loses values where rows of " +
                             std::to_string(resolved.model.input_shapes(layer).front().back()) + " become rows of " +
                             std::to_string(layer.shape.back()) + ", and gives wrong numbers");
  }
}

// nnet_image.h: resize_nearest has one type for what it reads and what it makes.
void note_repeats(Resolved& resolved) {
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const auto* moved = as<Rearrangement>(layer);
    if (moved == nullptr || moved->move() != Move::kRepeat) continue;
    const auto before = static_cast<std::size_t>(layer.inputs.front());
    const Format& from = resolved.precision[before].result();
    const Format& to = resolved.precision[i].result();
    if (from == to) continue;
    resolved.notes.push_back(layer.name + " (" + layer.keras_class + "): its type is " + to_string(to) + " and that of " +
                             resolved.model.layers[before].name + " " + to_string(from) +
                             "; hls4ml 1.3.0's program does not compile where they differ");
  }
}

// hls4ml's io_stream hands a Flatten's rows on as they come, and any layer but a Dense takes each of them for all the values.
void note_layers_behind_flatten(Resolved& resolved) {
  for (const Layer& layer : resolved.model.layers) {
    if (as<Dense>(layer) != nullptr || as<Concatenate>(layer) != nullptr) continue;
    for (const int input : layer.inputs) {
      const Layer& before = resolved.model.layers[static_cast<std::size_t>(input)];
      if (!flattens(before)) continue;
      resolved.notes.push_back(layer.name + " (" + layer.keras_class + ") behind " + before.name + " (" + before.keras_class +
                               ") is computed as in hls4ml's io_parallel; with io_stream hls4ml 1.3.0 " +
                               (layer.inputs.size() == 1 ? "gives wrong numbers there" : "stops there"));
      break;
    }
  }
}

// What hls4ml has for io_parallel alone. Throws Error where it leaves values undefined.
void note_merges(Resolved& resolved) {
  for (const Layer& layer : resolved.model.layers) {
    std::string what;
    if (as<Dot>(layer) != nullptr) what = "it";
    const std::vector<Shape> shapes = resolved.model.input_shapes(layer);
    if (as<Merge>(layer) != nullptr && shapes[0] != shapes[1]) {
      const bool first = size_of(shapes[0]) < size_of(shapes[1]);
      if (!counts_all(shapes[first ? 1 : 0], shapes[first ? 0 : 1])) {
        throw Error("layer " + layer.name + " (" + layer.keras_class + "): of a merge of " + to_string(shapes[0]) + " and " +
                    to_string(shapes[1]) + " hls4ml 1.3.0 computes the first " + std::to_string(size_of(shapes[first ? 0 : 1])) +
                    " values and leaves the others undefined (it compares the sizes as texts); give the smaller input as many axes as the "
                    "other has");
      }
      what = "a merge of " + to_string(shapes[0]) + " and " + to_string(shapes[1]) + ", of which the " + (first ? "first" : "second") +
             " repeats,";
    }
    if (what.empty()) continue;
    resolved.notes.push_back(layer.name + " (" + layer.keras_class + "): hls4ml 1.3.0 has " + what + " with io_parallel alone");
  }
}

// clone.py: a stream that several layers read is copied, as an output too.
void note_readers(Resolved& resolved) {
  constexpr int kMost = 7;
  const Model& model = resolved.model;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    const auto outputs = static_cast<int>(std::count(model.outputs.begin(), model.outputs.end(), i));
    if (uses(model, i) + outputs <= kMost) continue;
    resolved.notes.push_back(model.layers[static_cast<std::size_t>(i)].name + ": it is read " + std::to_string(uses(model, i) + outputs) +
                             " times; with io_stream hls4ml 1.3.0 has at most " + std::to_string(kMost));
  }
}

// Where hls4ml's io_stream gives wrong numbers.
void note_convolutions(Resolved& resolved) {
  const Model& model = resolved.model;
  const auto is_padded = [&](const Layer& layer) {
    const auto* convolution = as<Convolution>(layer);
    return convolution != nullptr && convolution->pads(model.input_shapes(layer).front());
  };
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const auto* convolution = as<Convolution>(layer);
    if (convolution == nullptr) continue;
    const std::string who = layer.name + " (" + layer.keras_class + ") is computed as with io_parallel; with io_stream hls4ml 1.3.0 ";
    const Windows& windows = convolution->windows();
    if (!windows.one_axis()) {
      // nnet_conv_stream.h, compute_output_buffer_1d.
      const bool one_row = windows.size[0] == 1 && windows.size[1] > 1 && windows.strides[0] > 1;
      if (one_row) resolved.notes.push_back(who + "takes windows of every row, as if its vertical stride were 1, and gives wrong numbers");
      continue;
    }
    if (!is_padded(layer)) continue;
    // conv_same_pad.py puts the zeros before the first layer that reads the same values.
    for (std::size_t k = 0; k < i; ++k) {
      const Layer& other = model.layers[k];
      if (other.inputs.empty() || other.inputs.front() != layer.inputs.front() || (as<Convolution>(other) != nullptr && is_padded(other)))
        continue;
      resolved.notes.push_back(who + "pads " + other.name + " in its place, which reads the same values, and gives wrong numbers");
      break;
    }
  }
}

}  // namespace

bool pads_a_maximum(const Model& model, std::size_t layer) {
  for (std::size_t i = layer + 1; i < model.layers.size(); ++i) {
    const Layer& behind = model.layers[i];
    if (behind.inputs.size() != 1 || behind.inputs.front() != static_cast<int>(layer)) continue;
    const auto* pooling = as<Pooling>(behind);
    if (pooling != nullptr && pooling->kind() == PoolKind::kMax && pooling->pads(model.layers[layer].shape)) return true;
    const bool hands_on = pooling != nullptr || as<Flatten>(behind) != nullptr || as<Rearrangement>(behind) != nullptr;
    if (hands_on && pads_a_maximum(model, i)) return true;
  }
  return false;
}

namespace {

void note_pooling(Resolved& resolved) {
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const std::string who = layer.name + " (" + layer.keras_class + ")";
    const auto* pooling = as<Pooling>(layer);
    const bool all = as<SetMean>(layer) != nullptr || as<SetMax>(layer) != nullptr;
    if (pooling == nullptr && !all) continue;
    const auto before = static_cast<std::size_t>(layer.inputs.front());
    const Format& x = resolved.precision[before].result();
    const Shape& shape = resolved.model.layers[before].shape;
    if (pooling != nullptr && pooling->is_parallel(shape)) {
      resolved.notes.push_back(who + ": hls4ml 1.3.0 has it with io_parallel alone, " +
                               (pooling->pads(shape) ? "for it pads" : "for its windows do not lie side by side"));
      if (pooling->kind() == PoolKind::kMax && pooling->pads(shape) && !x.is_signed) {
        resolved.notes.push_back(who + ": hls4ml 1.3.0 pads with " + to_string(x) +
                                 "'s bits 100..0, which are a large value of a type without "
                                 "a sign: windows at the border have it");
      }
    } else if (!takes_all(x, resolved.precision[i][TypeName::kAccum])) {
      resolved.notes.push_back(who +
                               " is computed as with io_stream, where hls4ml casts each value to the accum type first; with "
                               "io_parallel it does so later, and some numbers differ");
    }
  }
}

// SkipSoftmax, which comes when types are known: what reads the softmax would keep the type that was inferred from it.
void remove_skipped(Resolved& resolved, const PrecisionConfig& config, const BuiltTypes& built) {
  for (std::size_t i = resolved.model.layers.size(); i-- > 0;) {
    const Layer& layer = resolved.model.layers[i];
    if (as<Softmax>(layer) == nullptr) continue;
    if (!first_of(entries_of(config, resolved.model, layer), config, &ConfigEntry::skip).value_or(false)) continue;
    if (uses(resolved.model, static_cast<int>(i)) > 0)
      throw Error("layer " + layer.name + ": Skip is supported of a softmax at an output of the model, and other layers read this one");
    resolved.skipped.push_back(layer.name);
    remove_typed(resolved, i, built);
  }
}

// Whose types no configuration gives again: an entry of the node goes before that of the layer, and the node has another type.
void note_nodes(Resolved& resolved) {
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const auto node = resolved.behind.find(layer.configured_as);
    if (node == resolved.behind.end() || !node->second || as<Linear>(layer) != nullptr || layer.own_type(TypeName::kResult) != nullptr)
      continue;
    if (*node->second == resolved.precision[i].result()) continue;
    resolved.notes.push_back(layer.name + ": its type is " + to_string(resolved.precision[i].result()) + " and that of " + node->first +
                             ", which a Transpose behind it has, " + to_string(*node->second) +
                             "; a saved configuration would give it the latter");
  }
}

// Where hls4ml's softmax gives what a user would not expect.
void note_softmax(Resolved& resolved) {
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const auto* softmax = as<Softmax>(layer);
    if (softmax == nullptr) continue;
    if (softmax->is_function() && layer.shape.size() > 1) {
      resolved.notes.push_back(layer.name +
                               " (softmax) is over the last axis, as with io_stream; with io_parallel hls4ml 1.3.0 takes the "
                               "activation function over all values of a sample, and keras.layers.Softmax over the last axis");
    }
    const SoftmaxKind kind = *resolved.precision[i].softmax;
    if (kind == SoftmaxKind::kLegacy) {
      resolved.notes.push_back(
          layer.name +
          " (softmax): its legacy tables have 1024 entries, as with io_stream; with io_parallel hls4ml 1.3.0 gives them "
          "the size of the tables of the other implementations (TableSize, at most one entry for each input value)");
    }
    if (kind != SoftmaxKind::kStable && kind != SoftmaxKind::kLatency) continue;
    const auto before = static_cast<std::size_t>(layer.inputs.front());
    const Format& input = resolved.precision[before].result();
    const int exponent = Softmax::step_exponent(resolved.precision[i], input);
    if (exponent < 0) continue;
    resolved.notes.push_back(layer.name + " (softmax): scores that differ by less than " +
                             (exponent <= 30 ? std::to_string(1LL << exponent) : "2^" + std::to_string(exponent)) +
                             " are equal to its table of " + std::to_string(*resolved.precision[i].table_size) + " entries over " +
                             to_string(input) + "; give " + resolved.model.layers[before].name +
                             " a result type with fewer integer bits, such as ap_fixed<16,6>");
  }
}

void check_width(const Layer& layer, TypeName type, const Format& format) {
  const bool sum = type == TypeName::kResult || type == TypeName::kAccum;
  const int limit = sum ? kMaxSumWidth : kMaxWidth;
  if (format.width >= 1 && format.width <= limit) return;
  throw Error("layer " + layer.name + ": its " + std::string(name_of(type)) + " type " + to_string(format) + " needs " +
              std::to_string(format.width) + " bits; narrow computes with 1 to " + std::to_string(limit));
}

// What hls4ml makes a PointwiseConv1D or 2D of.
bool is_pointwise(const Layer& layer) {
  if (as<Depthwise>(layer) != nullptr) return false;
  const auto* convolution = as<Convolution>(layer);
  if (convolution != nullptr) return convolution->windows().pixels() == 1 && !convolution->quantizers().folded;
  return as<Dense>(layer) != nullptr && layer.shape.size() > 1;
}

// Of the layers with a matrix hls4ml unrolls a Dense on vectors; a convolution with io_stream alone, and with other reuse factors, and
// what it takes for zeros are the signs that stand for -1.
void require_unrolled(const Layer& layer, const LayerPrecision& types) {
  if (matrix_of(layer) == nullptr) return;
  const bool is_dense = as<Dense>(layer) != nullptr && layer.shape.size() == 1;
  if (is_dense && types[TypeName::kWeight].meaning != Meaning::kSign) return;
  throw Error("layer " + layer.name + " (" + layer.keras_class + "): narrow takes the strategy ResourceUnrolled of a Dense on vectors " +
              (is_dense ? "whose weights are numbers, for of signs hls4ml 1.3.0 leaves those out that stand for -1" : "alone") +
              "; give it Resource, whose sums are the same");
}

// Each layer's types, from those of the layers before it.
void infer_types(Resolved& resolved, const PrecisionConfig& config, const BuiltTypes& built) {
  const Model& model = resolved.model;
  resolved.notes.insert(resolved.notes.end(), model.notes.begin(), model.notes.end());
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const std::vector<const ConfigEntry*> entries = entries_of(config, model, layer);
    // inplace_stream_flatten.py, inplace_parallel_reshape.py
    const bool is_output = std::find(model.outputs.begin(), model.outputs.end(), static_cast<int>(i)) != model.outputs.end();
    const bool in_place = (flattens(layer) && !is_output) || loses_values(layer, model);
    TypeRequest request{.layer = layer.name,
                        .inputs = {},
                        .choice =
                            [&](TypeName type) {
                              if (type == TypeName::kResult) return in_place ? std::nullopt : built.of(model, layer);
                              if (is_of_table(type) && layer.own_type(type) == nullptr) return configured_table(entries, type);
                              return configured(entries, layer, type);
                            },
                        .fallback = *config.model.types.at("default"),
                        .maximum = resolved.maximum,
                        .notes = resolved.notes};
    for (const int input : layer.inputs) {
      const auto declared = resolved.in_place.find(model.layers[static_cast<std::size_t>(input)].name);
      request.inputs.push_back(declared != resolved.in_place.end() ? declared->second
                                                                   : resolved.precision[static_cast<std::size_t>(input)].result());
    }
    if (in_place) resolved.in_place.emplace(layer.name, built.of(model, layer).value_or(request.inputs.front()));
    const auto strategy =
        std::find_if(entries.begin(), entries.end(), [](const ConfigEntry* entry) { return entry->strategy.has_value(); });
    const std::string named = strategy != entries.end() ? strategy_of(*(*strategy)->strategy) : "";
    const bool unrolled = named == "resource_unrolled";
    if (named == "resource" || unrolled) request.strategy = Strategy::kResource;
    const auto reuse =
        std::find_if(entries.begin(), entries.end(), [](const ConfigEntry* entry) { return entry->reuse_factor.has_value(); });
    if (reuse != entries.end()) request.reuse_factor = *(*reuse)->reuse_factor;
    if (const auto* dense = as<Dense>(layer); dense != nullptr && unrolled) {
      // The largest reuse factor is not among those that hls4ml unrolls.
      const int size = dense->n_in * dense->n_out;
      const int asked = request.reuse_factor;
      if (asked > 1) request.reuse_factor = closest_reuse_factor(dense->n_in, dense->n_out, size - 1, asked);
      if (asked > 1 && request.reuse_factor == 1) {
        throw Error("layer " + layer.name + " (" + layer.keras_class + "): of its reuse factor " + std::to_string(asked) +
                    " hls4ml 1.3.0 makes 1 with the strategy ResourceUnrolled, and its program does not compile; give it Resource, whose "
                    "sums are the same, or a factor that fits");
      }
    }
    request.table_size = first_of(entries, config, &ConfigEntry::table_size);
    request.softmax = first_of(entries, config, &ConfigEntry::softmax).value_or(SoftmaxKind::kStable);
    resolved.precision.push_back(layer.op->types(request));
    const LayerPrecision& types = resolved.precision.back();
    if (unrolled) require_unrolled(layer, types);
    if (is_pointwise(layer) && types.strategy == Strategy::kResource && types.reuse_factor != request.reuse_factor) {
      // pointwise.py makes the layer anew, with the reuse factor of the configuration.
      resolved.notes.back() = "layer " + layer.name + ": reuse factor " + std::to_string(types.reuse_factor) + " instead of " +
                              std::to_string(request.reuse_factor) +
                              ", which does not fit; hls4ml 1.3.0 does not correct that of a "
                              "PointwiseConv" +
                              std::to_string(layer.shape.size() - 1) + "D, and its program does not compile, stops or gives wrong numbers";
    }
    note_ignored_tables(resolved, entries, layer, resolved.precision.back());
    for (const auto& [type, format] : resolved.precision.back().all()) check_width(layer, type, format);
  }
}

}  // namespace

// Of ONNX: hls4ml calls the type of a Quant at the model's output result_t, and that of the scale that it puts behind it too; where
// that one is given and not inferred, the first of them is the type of both in its C++.
static void share_output_type(Resolved& resolved, const PrecisionConfig& config) {
  if (resolved.model.outputs.size() != 1) return;
  Layer& output = resolved.model.layers[static_cast<std::size_t>(resolved.model.outputs.front())];
  if (output.configured_as.empty() || output.inputs.empty()) return;
  const Layer& before = resolved.model.layers[static_cast<std::size_t>(output.inputs.front())];
  const OwnType* const own = before.own_type(TypeName::kResult);
  if (before.configured_as != output.configured_as || own == nullptr) return;
  const TypeChoice given = configured(entries_of(config, resolved.model, output), output, TypeName::kResult);
  if (!given || *given == own->format) return;
  output.set_own(TypeName::kResult, own);
  resolved.notes.push_back(output.name + ": hls4ml 1.3.0 gives it the type of " + before.name + ", " + to_string(own->format) +
                           ", for it calls the types of both by one name; leave its result to auto");
}

Resolved resolve(const Model& model, const PrecisionConfig& given) {
  const PrecisionConfig config = handed_over(given, model);
  Resolved resolved{.model = model, .precision = {}, .notes = config.notes};
  resolved.fallback = *config.model.types.at("default");
  if (const auto maximum = config.model.types.find("maximum"); maximum != config.model.types.end()) resolved.maximum = maximum->second;
  add_linear_activations(resolved);
  const BuiltTypes built(resolved.model, config);
  resolved.cropped = built.cropped();
  for (const Layer& layer : model.layers) {
    if (!layer.behind.empty()) resolved.behind[layer.behind] = built.of(model, layer);
  }
  if (is_proxy(resolved.model)) make_bit_exact(resolved);
  else Passes(resolved, built).run();
  share_output_type(resolved, config);
  infer_types(resolved, config, built);
  remove_skipped(resolved, config, built);
  eliminate_linear_activations(resolved, built);
  remove_idle_norms(resolved, built);
  eliminate_linear_activations(resolved, built);
  merge_sign_activations(resolved);
  std::erase_if(resolved.added, [&](const auto& each) { return resolved.model.find(each.first) < 0; });
  note_layers_behind_flatten(resolved);
  note_reshapes(resolved);
  note_repeats(resolved);
  note_merges(resolved);
  note_readers(resolved);
  note_convolutions(resolved);
  note_pooling(resolved);
  note_softmax(resolved);
  note_nodes(resolved);
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
  // What a softmax looks up depends on the width of its input's type, and selu's factor is of that type; what others look up depends on
  // the value, but for how an int is made of one without integer bits (fixed/cast.h).
  const auto looks_up_alike = [&](std::size_t layer) {
    if (!from.precision[layer].table_size) return true;
    const auto before = static_cast<std::size_t>(from.model.layers[layer].inputs.front());
    const Format& a = from.precision[before].result();
    const Format& b = to.precision[before].result();
    const auto* unit = as<ExponentialUnit>(from.model.layers[layer]);
    if (unit != nullptr && unit->is_selu()) return a == b;
    if (as<Softmax>(from.model.layers[layer]) == nullptr) return a == b || (a.integer > 0 && b.integer > 0);
    return a == b && from.precision[layer][TypeName::kAccum] == to.precision[layer][TypeName::kAccum];
  };
  // A product by a power of two is shifted in a type that is made of its operands' widths (layers/product.h), and ternary_tanh doubles a
  // value in its own type: what is lost there is not counted.
  const auto shifts_alike = [&](std::size_t layer) {
    const auto* sign = as<SignActivation>(from.model.layers[layer]);
    const auto types = from.precision[layer].all();
    const bool by_width = (sign != nullptr && sign->is_ternary()) || std::any_of(types.begin(), types.end(), [](const auto& type) {
                            return type.format.meaning == Meaning::kExponent;
                          });
    const std::vector<int>& inputs = from.model.layers[layer].inputs;
    return !by_width || std::all_of(inputs.begin(), inputs.end(), [&](int input) {
      const auto before = static_cast<std::size_t>(input);
      return from.precision[before].result() == to.precision[before].result();
    });
  };
  // AMD's headers compare wide numbers with a sign and without one otherwise than by their values.
  const auto compares_alike = [&](std::size_t layer) {
    const auto* merge = as<Merge>(from.model.layers[layer]);
    if (merge == nullptr) return true;
    const auto input = [&](const Resolved& of, std::size_t k) {
      return of.precision[static_cast<std::size_t>(of.model.layers[layer].inputs[k])].result();
    };
    const bool by_value = Merge::compares_values(input(from, 0), input(from, 1)) && Merge::compares_values(input(to, 0), input(to, 1));
    return by_value || (input(from, 0) == input(to, 0) && input(from, 1) == input(to, 1));
  };
  // hls4ml pads a maximum with the bits 100..0, another value in each type without a sign.
  const auto pads_alike = [&](std::size_t layer) {
    const Format& a = from.precision[layer].result();
    return a.is_signed || a == to.precision[layer].result() || !pads_a_maximum(from.model, layer);
  };
  // That the whole exact sum fits a wrapping type says nothing of the sums on the way, which a saturating type would see, and so would a
  // rounding that looks at their sign.
  const auto carries = [](const Layer& layer, TypeName name, const Format& a, const Format& b) {
    // s = (result)(s + x), s = (accum)(s + x)
    const bool rounded = (name == TypeName::kResult && as<SetSum>(layer) != nullptr) || as<Pooling>(layer) != nullptr;
    if (a == b || !wraps(a) || !(name == TypeName::kAccum || rounded)) return true;
    return wraps(b) && !(rounded && rounds_by_sign(a));
  };
  if (from.precision.size() != to.precision.size() || from.fused != to.fused || from.merged != to.merged || from.absorbed != to.absorbed)
    return false;
  bool same = true;
  bool integers = false;
  for (std::size_t i = 0; i < from.precision.size(); ++i) {
    const auto a = from.precision[i].all();
    const auto b = to.precision[i].all();
    if (a.size() != b.size()) return false;
    if (from.precision[i].table_size != to.precision[i].table_size || from.precision[i].softmax != to.precision[i].softmax) return false;
    if (!looks_up_alike(i) || !compares_alike(i) || !pads_alike(i) || !shifts_alike(i)) return false;
    for (std::size_t k = 0; k < a.size(); ++k) {
      if (a[k].name != b[k].name || !widens(a[k].format, b[k].format)) return false;
      if (is_of_table(a[k].name) && a[k].format != b[k].format) return false;  // what a table loses is not counted
      if (!carries(from.model.layers[i], a[k].name, a[k].format, b[k].format)) return false;
      same &= a[k].format == b[k].format;
      integers |= b[k].format.is_integer && (b[k].name == TypeName::kResult || b[k].name == TypeName::kAccum);
    }
  }
  // What becomes an ap_int is told by the integer bits of what it was (fixed/cast.h).
  return !integers || same;
}

// The layer that has a removed one's type in what is saved: the layer itself, one that was there until all types were known, or the one
// that took it in.
static std::string typed_by(const Resolved& resolved, const std::string& name) {
  if (resolved.model.find(name) >= 0 || resolved.typed.contains(name)) return name;
  for (const auto& [merged, before] : resolved.merged) {
    if (merged == name) return typed_by(resolved, before);
  }
  for (const auto& [layer, norm] : resolved.fused) {
    if (norm == name) return typed_by(resolved, layer);
  }
  return resolved.model.layers.front().name;
}

static const Format& result_of(const Resolved& resolved, const std::string& name) {
  const auto removed = resolved.typed.find(name);
  return removed != resolved.typed.end() ? removed->second.types.result()
                                         : resolved.precision[static_cast<std::size_t>(resolved.model.find(name))].result();
}

static bool is_merged(const Resolved& resolved, const std::string& name) {
  return std::any_of(resolved.merged.begin(), resolved.merged.end(), [&](const auto& pair) { return pair.first == name; });
}

// Whether a layer's result has to be inferred again: only then does it take in its BatchNormalization, does a linear activation behind it
// go whose type others keep, and does a Cropping behind it have the default precision. Of a layer that was there until all types were
// known: whether it was left to be inferred.
static bool stays_open(const Resolved& resolved, const std::string& name) {
  const auto removed = resolved.typed.find(name);
  if (removed != resolved.typed.end()) return removed->second.is_open;
  if (std::any_of(resolved.fused.begin(), resolved.fused.end(), [&](const auto& pair) { return pair.first == name; })) return true;
  const bool kept = std::any_of(resolved.merged.begin(), resolved.merged.end(), [&](const auto& pair) {
    return resolved.kept.contains(pair.first) && typed_by(resolved, pair.first) == name;
  });
  return kept || std::any_of(resolved.cropped.begin(), resolved.cropped.end(), [&](const auto& pair) {
           return typed_by(resolved, pair.second) == name && result_of(resolved, pair.first) != result_of(resolved, name);
         });
}

std::string to_yaml(const Resolved& resolved) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "Model" << YAML::Value << YAML::BeginMap;
  // Every layer below names its own types; the default is what a layer added later would get.
  out << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap << YAML::Key << "default" << YAML::Value << to_string(resolved.fallback);
  if (resolved.maximum) out << YAML::Key << "maximum" << YAML::Value << to_string(*resolved.maximum);
  out << YAML::EndMap << YAML::Key << "ReuseFactor" << YAML::Value << 1 << YAML::Key << "Strategy" << YAML::Value << "Latency"
      << YAML::EndMap;
  out << YAML::Key << "LayerName" << YAML::Value << YAML::BeginMap;
  const auto type = [&](const std::string& name, const std::string& text) { out << YAML::Key << name << YAML::Value << text; };
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const LayerPrecision& types = resolved.precision[i];
    if (is_made(layer)) continue;  // by hls4ml itself
    const bool open = stays_open(resolved, layer.name);
    out << YAML::Key << layer.name << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    const auto declared = resolved.in_place.find(layer.name);
    for (const auto& [name, format] : types.all()) {
      if (is_of_table(name)) continue;
      if (name == TypeName::kResult && declared != resolved.in_place.end() && !open) {
        type("result", to_string(declared->second));
        continue;
      }
      const bool inferred = open && (name == TypeName::kResult || (name == TypeName::kAccum && format == types.result()));
      type(std::string(name_of(name)), inferred ? "auto" : to_string(format));
    }
    out << YAML::EndMap;
    for (const auto& [name, format] : types.all()) {
      if (is_of_table(name)) type(std::string(name_of(name)) + "_t", to_string(format));
    }
    if (types.table_size) out << YAML::Key << "TableSize" << YAML::Value << *types.table_size;
    if (types.softmax) type("Implementation", std::string(name_of(*types.softmax)));
    if (types.strategy) {
      out << YAML::Key << "Strategy" << YAML::Value << (types.strategy == Strategy::kResource ? "Resource" : "Latency");
      out << YAML::Key << "ReuseFactor" << YAML::Value << types.reuse_factor;
    }
    out << YAML::EndMap;
    // hls4ml's reader of Keras 2 puts a linear activation behind these, which goes where it is asked for the same type.
    const std::string linear = layer.name + "_linear";
    const bool activates = as<Dense>(layer) != nullptr || as<Convolution>(layer) != nullptr;
    if (!activates || resolved.model.find(linear) >= 0 || is_merged(resolved, linear)) continue;
    out << YAML::Key << linear << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    type("result", open ? "auto" : to_string(types.result()));
    out << YAML::EndMap << YAML::EndMap;
  }
  for (const auto& [node, choice] : resolved.behind) {
    if (resolved.model.find(node) >= 0) continue;  // a normalization, which has its node's name
    out << YAML::Key << node << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    type("result", choice ? to_string(*choice) : "auto");
    out << YAML::EndMap << YAML::EndMap;
  }
  for (const Resolved::Merged& merged : resolved.thresholds) {
    out << YAML::Key << merged.activation << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    type("result", to_string(merged.type));
    out << YAML::EndMap << YAML::EndMap;
  }
  for (const auto& [norm, choice] : resolved.folded) {
    if (resolved.behind.contains(norm)) continue;
    out << YAML::Key << norm << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    type("result", choice ? to_string(*choice) : "auto");
    out << YAML::EndMap << YAML::EndMap;
  }
  for (const std::string& norm : resolved.absorbed) {
    out << YAML::Key << norm << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    type("result", "auto");
    out << YAML::EndMap << YAML::EndMap;
  }
  for (const auto& [linear, before] : resolved.merged) {
    if (resolved.behind.contains(linear)) continue;
    out << YAML::Key << linear << YAML::Value << YAML::BeginMap << YAML::Key << "Precision" << YAML::Value << YAML::BeginMap;
    const std::string typed = typed_by(resolved, linear);
    const auto kept = resolved.kept.find(linear);
    if (typed == linear) {
      for (const auto& [name, format] : resolved.typed.at(linear).types.all()) {
        if (!is_of_table(name) && name != TypeName::kResult) type(std::string(name_of(name)), to_string(format));
      }
    }
    if (kept != resolved.kept.end()) type("result", to_string(kept->second));
    else type("result", stays_open(resolved, typed) ? "auto" : to_string(result_of(resolved, typed)));
    out << YAML::EndMap;
    if (std::find(resolved.skipped.begin(), resolved.skipped.end(), linear) != resolved.skipped.end()) type("Skip", "true");
    out << YAML::EndMap;
  }
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace narrow
