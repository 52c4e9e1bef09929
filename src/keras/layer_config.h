#ifndef NARROW_KERAS_LAYER_CONFIG_H_
#define NARROW_KERAS_LAYER_CONFIG_H_

#include <optional>

#include "error.h"
#include "keras/architecture.h"

namespace narrow {

// What a layer's configuration may say. Keras writes every option of a layer, and a later Keras more of them; narrow honours an option,
// knows that it changes nothing at inference, or refuses the file: no option is passed over.

// The classes that narrow reads, by what they do.
bool passes_on(const std::string& class_name);  // does nothing at inference, and hls4ml leaves it out
bool is_dropout(const std::string& class_name);
bool is_merge(const std::string& class_name);  // of two layers' outputs
bool is_convolution(const std::string& class_name);
bool is_separable(const std::string& class_name);       // a depthwise convolution and one of single pixels behind it
bool is_pooling(const std::string& class_name);         // over windows
bool is_global_pooling(const std::string& class_name);  // over all rows or pixels
// Layers that sum over the set axis; users write them themselves, under these names.
bool is_set_sum_name(const std::string& class_name);

// Of the proxy models of HGQ.
bool is_hgq(const std::string& class_name);

// A layer that is an activation without trained numbers, but for Softmax.
bool is_activation(const std::string& class_name);

// `layer phi1 (Dense)`, as messages begin.
std::string describe(const KerasLayer& layer);
// Of a class that narrow does not read.
Error unsupported(const KerasLayer& layer);

// Throws Error, naming the layer and the option, for a class that narrow does not read, for an option or an argument of the call that
// would change the numbers in a way that narrow does not follow, and for one that it does not know.
void check_config(const KerasLayer& layer);

// An operation, and the name of Keras' function for it.
struct NamedOperation {
  std::string name;
  OperationPtr op;
  std::optional<TrainedQuantizer> quantizer = {};  // of QKeras
  std::string note = {};                           // what a user should know of it
};
// The activation of a layer that has one, or that is one; its operation is null where it is linear. Throws Error for one that narrow
// does not support.
NamedOperation activation_of(const KerasLayer& layer);

// Whether a layer stands where a function should, as in Dense(8, activation=keras.layers.ReLU()): Keras takes it, hls4ml does not.
bool is_activation_object(const KerasLayer& layer);

// A true or false of the configuration. Throws Error for anything else.
bool flag(const KerasLayer& layer, const char* key, bool fallback);
// Of a normalization. Throws Error for what is no number of at least 0.
float epsilon_of(const KerasLayer& layer);

}  // namespace narrow

#endif  // NARROW_KERAS_LAYER_CONFIG_H_
