#ifndef NARROW_STUDY_TRACE_H_
#define NARROW_STUDY_TRACE_H_

#include <string>

#include "data/dataset.h"
#include "data/hdf5.h"
#include "engine/interpreter.h"

namespace narrow {

// Every layer's outputs for the first samples, as HDF5 datasets (samples, layer.shape) under a group.

// Float outputs in `trace/LAYER`, float32.
void write_float_trace(const std::string& path, const Model& model, const Dataset& data, std::size_t traced);

// The same into a file that is being written.
void add_float_trace(Hdf5Writer& file, const std::string& group, const Model& model, const Dataset& data, std::size_t traced);
// Fixed-point outputs, double, with the type of each layer in the file's attribute `types` (JSON, hls4ml's words).
void add_fixed_trace(Hdf5Writer& file, const std::string& group, const Program& program, const RunResult& run, std::size_t traced);

// That attribute's text.
std::string types_json(const Resolved& resolved);

}  // namespace narrow

#endif  // NARROW_STUDY_TRACE_H_
