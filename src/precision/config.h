#ifndef NARROW_PRECISION_CONFIG_H_
#define NARROW_PRECISION_CONFIG_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fixed/format.h"
#include "model/model.h"

namespace narrow {

// A type as a configuration gives it: a Format, or nothing for hls4ml's `auto`, which infers it.
using TypeChoice = std::optional<Format>;

// One entry of an hls4ml configuration: of the model, of a layer type or of a layer. Keys of `types` are hls4ml's:
// default, maximum (of the model), result, weight, bias, accum, scale.
struct ConfigEntry {
  std::map<std::string, TypeChoice> types;
  std::optional<int> reuse_factor;
  std::optional<std::string> strategy;  // as the file spells it: Latency, Resource, ResourceUnrolled
  // Keys of the layer itself, by TypeName: `exp_table_t: ap_fixed<18,8>`.
  std::map<std::string, Format> tables;
  std::optional<int> table_size;
  std::optional<SoftmaxKind> softmax;  // Implementation:
  std::optional<bool> skip;            // of a softmax, which is then left out
};

// As hls4ml compares a Strategy (convert_to_snake_case): `resource_unrolled` of ResourceUnrolled.
std::string strategy_of(const std::string& text);

// As PrecisionConfig has the names of layers and of layer types.
std::string lower(std::string text);

// What hls4ml.utils.config_from_keras_model makes and users edit: which types were asked for, before any is inferred.
struct PrecisionConfig {
  ConfigEntry model;
  std::map<std::string, ConfigEntry> by_type;  // hls4ml's class of a layer, in lower case
  std::map<std::string, ConfigEntry> by_name;  // a layer's name, in lower case as hls4ml looks it up
  std::vector<std::string> notes;              // lines that a user should see: keys that hls4ml ignores
};

// The command line's way to say a precision: one type for vectors, one for weights and biases.
struct PrecisionOptions {
  Format vector;                          // --v: inputs, activations, sums over cells
  std::optional<Format> weight;           // --wb: weights and biases of the Dense layers; `vector` where not given
  bool uniform = false;                   // --types: `uniform` gives `vector` to sums and results too, `auto` infers them
  std::optional<Rounding> relu_rounding;  // --relu: modes of the result type of every relu
  std::optional<Overflow> relu_overflow;
  std::optional<Format> maximum;  // --maximum: cap on inferred types
};

// `AP_RND` or `AP_RND,AP_SAT` into the modes of relu results. Throws Error with the modes there are.
void parse_relu(const std::string& text, PrecisionOptions& options);

// The same as an hls4ml configuration, an entry a layer.
PrecisionConfig make_config(const Model& model, const PrecisionOptions& options);

// Reads an hls4ml configuration in YAML: `Model:` and `LayerName:` (or `LayerType:`) with `Precision`, `Strategy` and
// `ReuseFactor`, at the top or under `HLSConfig:`. Of hls4ml's keys those that do not change the numbers are skipped. Throws
// Error, with the file and the line, for unknown keys, layers, types or modes, and for what would change the numbers in a way narrow does
// not follow (compression, other strategies).
PrecisionConfig read_config(const std::string& path, const Model& model);
// The same of a text; `path` is its name in messages.
PrecisionConfig parse_config(const std::string& text, const std::string& path, const Model& model);

}  // namespace narrow

#endif  // NARROW_PRECISION_CONFIG_H_
