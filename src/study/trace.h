#ifndef NARROW_STUDY_TRACE_H_
#define NARROW_STUDY_TRACE_H_

#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/hdf5.h"
#include "engine/interpreter.h"

namespace narrow {

// Every layer's outputs for the first samples, as HDF5 datasets (samples, layer.shape) under a group.

// The float model's outputs of the first `traced` samples, layer by layer, one sample behind the other.
std::vector<std::vector<float>> float_trace(const Model& model, const Dataset& data, std::size_t traced);
// Such outputs as numpy.savez writes a dictionary of arrays: the layer's name, (traced, layer.shape). T is float or double.
template <class T>
void write_trace_dict(const std::string& path, const Model& model, const std::vector<std::vector<T>>& layers, std::size_t traced);

// Float outputs in `trace/LAYER`, float32.
void write_float_trace(const std::string& path, const Model& model, const Dataset& data, std::size_t traced);

// The same into a file that is being written.
void add_float_trace(Hdf5Writer& file, const std::string& group, const Model& model, const Dataset& data, std::size_t traced);
// Fixed-point outputs, `layers` in the order of the resolved model's, as double; and two attributes of the file, JSON both: `types`, the
// types of each layer in hls4ml's words, and `float_layers`, for each layer that took in a BatchNormalization the float layer whose
// values are to be compared with its own.
void add_fixed_trace(Hdf5Writer& file, const std::string& group, const Resolved& resolved, const std::vector<std::vector<double>>& layers,
                     std::size_t traced);

// Those attributes' texts. types_json is an assignment: it has all that decides the model's results (with the reuse factor of layers of
// the Resource strategy, which decides the order of their sums).
std::string types_json(const Resolved& resolved);
std::string float_layers_json(const Resolved& resolved);
// The second as a map: layers that it does not have are compared with the float layer of their name, and those with "" with none.
std::map<std::string, std::string> float_layers(const Resolved& resolved);

}  // namespace narrow

#endif  // NARROW_STUDY_TRACE_H_
