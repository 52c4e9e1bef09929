#ifndef NARROW_PRECISION_PRECISION_H_
#define NARROW_PRECISION_PRECISION_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fixed/format.h"
#include "model/model.h"
#include "model/types.h"
#include "precision/config.h"

namespace narrow {

// A model's formats, a layer at a time in the order of Model::layers.
using Precision = std::vector<LayerPrecision>;

// The network as the hardware computes it, and its types.
struct Resolved {
  // BatchNormalization fused, linear activations and Dropout removed where hls4ml does so. Its layers' weights are shared with the
  // model that was resolved.
  Model model;
  Precision precision;
  // One line for each thing that a user should know: a corrected reuse factor, a departure from hls4ml and why.
  std::vector<std::string> notes;
  std::optional<Format> maximum;  // cap on inferred types that was asked for
  // Layers that took in a BatchNormalization, with its name: their values are those behind it.
  std::vector<std::pair<std::string, std::string>> fused;
  // Of those normalizations that the model has, the result types that they were given: what moves values behind one has kept it.
  std::map<std::string, TypeChoice> folded;
  // Removed layers that did nothing (linear activations, normalizations by 1), with the layer before each.
  std::vector<std::pair<std::string, std::string>> merged;
  // Of linear activations among them the type that was given and that a layer which moves values has kept.
  std::map<std::string, Format> kept;
  // Those merged that were there until all types were known: their types, from which those behind them were inferred, and whether their
  // result was left to be inferred.
  struct Typed {
    LayerPrecision types;
    bool is_open = false;
  };
  std::map<std::string, Typed> typed;
  // Croppings that have the default precision because the result of a layer before them was left to be inferred, with that layer.
  std::map<std::string, std::string> cropped;
  // Linear activations that hls4ml's reader of Keras 2 adds, with the layer before each, where they are still there.
  std::vector<std::pair<std::string, std::string>> added;
  // Of ONNX the types that nodes had of which other layers were made, by the node, where a Transpose behind it has kept that.
  std::map<std::string, TypeChoice> behind;
  // Layers that pass values on in place, with the type from which hls4ml infers those behind them: that of a Flatten's configuration, where
  // it is given, which its values do not have.
  std::map<std::string, Format> in_place;
  std::vector<std::string> absorbed;  // normalizations that the one behind took in
  std::vector<std::string> skipped;   // of those merged, softmaxes that the configuration leaves out
  // Layers that apply the scale of a layer's quantized weights, with that layer: their values are the ones that it has in float. No name
  // where a normalization took the scale in.
  std::vector<std::pair<std::string, std::string>> scaled;
  // Of a normalization and a sign activation that became thresholds.
  struct Merged {
    std::string name, norm, activation;
    bool ternary;
    Format type;  // of the activation, from which those behind it were inferred
    bool operator==(const Merged&) const = default;
  };
  std::vector<Merged> thresholds;
  Format fallback;  // the default precision
};

// Gives every tensor its type by hls4ml's rules (hls4ml 1.3.0, model/optimizer/passes/infer_precision.py and
// HLSConfig.get_precision): explicit types first, `auto` inferred so that no sum loses a bit, cut to the maximum.
// Throws Error, naming the layer, for a type wider than narrow computes with.
Resolved resolve(const Model& model, const PrecisionConfig& config);

// Whether a run of `from` in which nothing overflowed anywhere gives the numbers of `to` as well: every type of `to` has the
// same fractional bits and rounding, and at least as many integer bits; a sum that wraps does so in both; integer types, whose
// conversions and products have rules of their own, are the same.
bool answers_for(const Resolved& from, const Resolved& to);

// Whether a max pooling pads with the type of a layer's result, with nothing between them but layers that hand values on. Its pads are the
// bits 100..0: the least value of a type with a sign, and half the largest of one without.
bool pads_a_maximum(const Model& model, std::size_t layer);

// The resolved types as an hls4ml configuration in YAML; read_config and resolve give the same types again, and hls4ml
// takes it as it is.
std::string to_yaml(const Resolved& resolved);

}  // namespace narrow

#endif  // NARROW_PRECISION_PRECISION_H_
