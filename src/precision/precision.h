#ifndef NARROW_PRECISION_PRECISION_H_
#define NARROW_PRECISION_PRECISION_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fixed/format.h"
#include "model/model.h"
#include "precision/config.h"

namespace narrow {

enum class Strategy : std::uint8_t { kLatency, kResource };

// The types of one layer. Which of them mean something depends on the layer: a Dense has all but `scale`, a
// BatchNormalization result, scale and bias, a GlobalAveragePooling1D result and accum, the others result alone.
struct LayerPrecision {
  Format result;
  Format weight;
  Format bias;
  Format accum;
  Format scale;
  Strategy strategy = Strategy::kLatency;
  int reuse_factor = 1;  // valid for the layer's shape, as hls4ml would correct it
};

// A model's formats, a layer at a time in the order of Model::layers.
using Precision = std::vector<LayerPrecision>;

// The network as the hardware computes it, and its types.
struct Resolved {
  Model model;  // BatchNormalization fused, linear activations and Dropout removed where hls4ml does so
  Precision precision;
  // One line for each thing that a user should know: a corrected reuse factor, a departure from hls4ml and why.
  std::vector<std::string> notes;
  std::optional<Format> maximum;                            // cap on inferred types that was asked for
  std::vector<std::string> fused;                           // Dense layers that took in a BatchNormalization
  std::vector<std::pair<std::string, std::string>> merged;  // removed linear activations, with the layer before each
};

// Gives every tensor its type by hls4ml's rules (hls4ml 1.3.0, model/optimizer/passes/infer_precision.py and
// HLSConfig.get_precision): explicit types first, `auto` inferred so that no sum loses a bit, cut to the maximum.
// Throws Error, naming the layer, for a type wider than narrow computes with.
Resolved resolve(const Model& model, const PrecisionConfig& config);

// Whether a run of `from` in which nothing overflowed anywhere gives the numbers of `to` as well: every type of `to` has the
// same fractional bits and rounding, and at least as many integer bits.
bool answers_for(const Resolved& from, const Resolved& to);

// The resolved types as an hls4ml configuration in YAML; read_config and resolve give the same types again, and hls4ml
// takes it as it is.
std::string to_yaml(const Resolved& resolved);

// hls4ml's class of a layer (`Dense`, `PointwiseConv1D` for a Dense on a set, `HSum`, ...), under which LayerType entries
// are looked up.
std::string hls4ml_class(const Model& model, const Layer& layer);

}  // namespace narrow

#endif  // NARROW_PRECISION_PRECISION_H_
