#ifndef NARROW_KERAS_HGQ2_H_
#define NARROW_KERAS_HGQ2_H_

#include <map>
#include <string>
#include <vector>

#include "keras/architecture.h"

namespace narrow {

// Layers of HGQ2 0.2.0 (docs/numerics.md, "Networks of HGQ2"): those of Keras 3 with quantizers of their inputs, of their weights and of
// their output. As hls4ml's handlers do (converters/keras_v3/hgq2), the reader makes the plain layer of each, with weights as they are
// quantized at inference, and a FixedPointQuantizer for each quantizer of values.

// The class of the plain layer: `Dense` of QDense. Empty for a class that narrow does not read.
std::string class_without_quantizers(const std::string& hgq2_class);
// What Keras writes of tuples becomes lists, and of NumPy's numbers plain ones.
nlohmann::json without_wrappers(const nlohmann::json& config);

// A quantizer of a layer, whose arrays a Keras 3 file of weights holds under a group of their own.
struct Hgq2Quantizer {
  std::string name;   // as HGQ2 calls it: `d_iq`; those of several inputs, which have no fixed names there, `add_iq_0`, `add_iq_1`
  std::string group;  // below the layer's: `iq/quantizer`
  nlohmann::json config;
};
// Of its values: one for each input, or one behind it, or none. A layer that is a quantizer has itself for its input.
std::vector<Hgq2Quantizer> input_quantizers(const KerasLayer& layer);
std::vector<Hgq2Quantizer> output_quantizers(const KerasLayer& layer);
// All of them, those of weights too.
std::vector<Hgq2Quantizer> all_quantizers(const KerasLayer& layer);
// Under which a quantizer's arrays are handed on, beside those of layers by their names.
std::string key_of(const KerasLayer& layer, const Hgq2Quantizer& quantizer);

// A quantizer of values of a shape, by the arrays of its state. Throws Error for what narrow or hls4ml does not take.
OperationPtr quantizer_op(const KerasLayer& layer, const Hgq2Quantizer& quantizer, const LayerWeights& state, const Shape& shape);

// A layer's weights as HGQ2 computes with them at inference, in the order of the plain layer: kernel and bias; of a BatchNormalization
// scale and bias. Empty for a layer without. Throws Error where HGQ2's own numbers depend on the order in which TensorFlow adds.
LayerWeights quantized_weights(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights);

// Of a QUnaryFunctionLUT: its function as hls4ml tabulates it (converters/keras_v3/hgq2/unary_lut.py), an entry for each pattern of bits of
// its input, which has a sign or not, and integer and fractional bits. Throws Error where an entry depends on how TensorFlow computes the
// function.
struct Hgq2Table {
  std::vector<int> kif;
  Weight table;
};
Hgq2Table table_of(const KerasLayer& layer, const std::map<std::string, LayerWeights>& weights);

}  // namespace narrow

#endif  // NARROW_KERAS_HGQ2_H_
