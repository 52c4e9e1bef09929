#ifndef NARROW_KERAS_WRITER_H_
#define NARROW_KERAS_WRITER_H_

#include <string>
#include <vector>

#include "model/model.h"

namespace narrow {

// Writes the model as Keras 3 does, by the ending of `path`:
//   .keras   architecture and weights in one archive
//   .h5      the legacy HDF5 file, whole
//   .json    the architecture (Model.to_json), and the weights beside it as NAME.weights.h5 (Model.save_weights)
// The sum over cells is a layer of class KSum, registered as Custom>KSum, which Keras and hls4ml must be given
// (docs/training.md). The model's preparation goes along where Keras does not mind it. Throws Error where writing fails or
// the name has another ending; the file takes its name only when it is whole.
void write_keras(const Model& model, const std::string& path);

// The same as a whole .h5 file in the form of Keras 2.15, which Keras 3 reads as well.
void write_keras2(const Model& model, const std::string& path);

// Where the two files of a model say that they belong together: an attribute of the weights and a key of the architecture's "narrow".
// What Keras writes over one of them has none.
inline constexpr const char* kPair = "narrow_pair";

// Where a .keras or an .h5 holds the network that a model stands for: a folder of the archive, a group.
inline constexpr const char* kFloatNetwork = "narrow_float";

// The files that write_keras writes for `path`; the model itself first.
std::vector<std::string> files_written(const std::string& path);

// Throws the Error of a wrong ending, or of a folder that is not there, before any work is done.
void require_model_path(const std::string& path);

}  // namespace narrow

#endif  // NARROW_KERAS_WRITER_H_
