#ifndef NARROW_KERAS_ARCHITECTURE_H_
#define NARROW_KERAS_ARCHITECTURE_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

namespace narrow {

// One trained array of a layer, as a weights file holds it.
struct Weight {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};
using LayerWeights = std::vector<Weight>;

// A layer as Keras' configuration describes it, before its weights are known.
struct KerasLayer {
  std::string name;
  std::string class_name;  // of a sum over the set axis the name it is registered under, without the package
  nlohmann::json config;
  std::vector<std::string> inputs;  // names of layers
  nlohmann::json arguments;         // what else it is called with, by name; null for nothing
  bool keras2 = false;              // some functions have changed since
  std::string hgq2 = {};            // of HGQ2 its class there, such as QDense of a Dense with quantizers (keras/hgq2.h)
};

struct Architecture {
  std::vector<KerasLayer> layers;  // in the order of the file
  std::vector<std::string> outputs;
};

// Throws Error for what is nested deeper than Keras' files are: walking it would take too much of the stack.
nlohmann::json parse_json(std::string_view text);

// From the JSON of config.json, of a legacy file's model_config or of to_json(). `version`: of the Keras that wrote it, where the file
// says.
Architecture parse_architecture(const nlohmann::json& json, std::string_view version = "");

// Keras' names of the arrays of a layer, in the order in which they are saved: {"kernel", "bias"}; empty for most layers.
// Those of a layer's own; behind them those of a normalization inside it (QConv2DBatchnorm), under its name there.
// Throws Error for a layer that narrow does not support, naming it and its class.
std::vector<std::string> weight_names(const KerasLayer& layer);
std::size_t arrays_inside(const KerasLayer& layer);

// Whether hls4ml's reader of Keras 3 calls a layer NAME_0: keras_v3_to_hls.py takes the letters of "input" for names that are used already.
bool is_renamed(const std::string& name);

// Keras' keras.src.utils.naming.to_snake_case: the name of a layer's group in a Keras 3 weights file, from its class.
std::string snake_case(const std::string& class_name);

// The graph, with each layer's weights by layer name in the order of weight_names.
Model build_model(const Architecture& architecture, const std::map<std::string, LayerWeights>& weights);

}  // namespace narrow

#endif  // NARROW_KERAS_ARCHITECTURE_H_
