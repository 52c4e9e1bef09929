#ifndef NARROW_FILES_MODEL_FILE_H_
#define NARROW_FILES_MODEL_FILE_H_

#include <string>
#include <vector>

#include "model/model.h"

namespace narrow {

// Reads a trained model: `.onnx` by onnx/reader.h, all others by keras/reader.h. Throws as they do.
Model read_model(const std::string& path);

bool is_onnx(const std::string& path);

// The files that read_model reads of `path`.
std::vector<std::string> files_of_model(const std::string& path);

}  // namespace narrow

#endif  // NARROW_FILES_MODEL_FILE_H_
