#ifndef NARROW_RECOVER_WRITTEN_H_
#define NARROW_RECOVER_WRITTEN_H_

#include <functional>
#include <string>
#include <vector>

#include "model/model.h"

namespace narrow {

// hls4ml's reader of Keras 2 puts linear activations behind layers, that of Keras 3 does not: a network stays with its reader.
bool is_keras2(const Model& model);

// Writes a model to `path` (keras/writer.h) in the form of its Keras, once `require`, which is given the name of what was written beside
// it, in the folder `path`.unchecked, has not thrown: what stood at `path` stays until then. Throws Error where writing fails.
void write_checked(const Model& model, const std::string& path, const std::function<void(const std::string& written)>& require);

// The layers of a model whose numbers or settings another one with the same layers does not have.
std::vector<std::string> layers_that_differ(const Model& model, const Model& other);

}  // namespace narrow

#endif  // NARROW_RECOVER_WRITTEN_H_
