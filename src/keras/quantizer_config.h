#ifndef NARROW_KERAS_QUANTIZER_CONFIG_H_
#define NARROW_KERAS_QUANTIZER_CONFIG_H_

#include <optional>

#include "keras/layer_config.h"
#include "layers/dense.h"

namespace narrow {

// The layers of QKeras that narrow reads, and BinaryDense and TernaryDense of Keras 2, under which hls4ml knows layers of users' own.
bool is_quantized_layer(const std::string& class_name);
// The class of Keras that a quantized layer is one of: `Dense` of QDense; any other class is itself.
std::string plain_class(const std::string& class_name);

// The quantizer that an option of a layer names, as QKeras writes it: {"class_name": "quantized_bits", "config": {...}}, or of an
// activation a text such as "quantized_relu(6,2)"; null for none. Throws Error for what hls4ml does not take, or takes otherwise than
// QKeras.
std::optional<TrainedQuantizer> quantizer_of(const KerasLayer& layer, const std::string& key);
bool is_quantizer(const nlohmann::json& value);

// Of a layer with a kernel of n_in x n_out; none for a plain layer. `key`: of its kernel's; `has_bias` is false where another layer has it.
Quantizers quantizers_of(const KerasLayer& layer, int n_in, int n_out, const std::string& key = "kernel_quantizer", bool has_bias = true);

// What hls4ml makes of an activation's quantizer (converters/keras/qkeras.py).
NamedOperation activation_of(const KerasLayer& layer, const TrainedQuantizer& quantizer);

}  // namespace narrow

#endif  // NARROW_KERAS_QUANTIZER_CONFIG_H_
