#ifndef NARROW_KERAS_READER_H_
#define NARROW_KERAS_READER_H_

#include <string>
#include <vector>

#include "model/model.h"

namespace narrow {

// Reads a trained Keras model (Keras 2.15 and Keras 3, functional or sequential). `path` is one of
//   model.keras              architecture and weights in one zip archive
//   model.h5                 the legacy HDF5 file, whole
//   model.json               architecture alone; the weights are looked for in model_weights.h5, model.weights.h5 and
//                            model.h5 beside it
//   model.json+weights.h5    the same with the weights file named; legacy weights and Keras 3 `.weights.h5` are both read
// The kind is told from the content. Optimizer state and metrics are ignored; layers that do nothing at inference are left
// out; a fused activation becomes a layer of its own (`phi1_relu`). The model's name is the file's without its ending.
// Throws Error, naming the file and the layer with its class, for anything that narrow cannot run exactly.
Model read_keras(const std::string& path);

// The files that read_keras reads of `path`: one, or an architecture and its weights. Throws as it does.
std::vector<std::string> files_of_keras(const std::string& path);

}  // namespace narrow

#endif  // NARROW_KERAS_READER_H_
