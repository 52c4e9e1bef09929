#include "files/model_file.h"

#include "keras/reader.h"
#include "onnx/reader.h"

namespace narrow {

bool is_onnx(const std::string& path) { return path.ends_with(".onnx"); }

Model read_model(const std::string& path) { return is_onnx(path) ? read_onnx(path) : read_keras(path); }

std::vector<std::string> files_of_model(const std::string& path) {
  return is_onnx(path) ? std::vector<std::string>{path} : files_of_keras(path);
}

}  // namespace narrow
