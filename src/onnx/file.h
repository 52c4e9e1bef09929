#ifndef NARROW_ONNX_FILE_H_
#define NARROW_ONNX_FILE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/numbers.h"

namespace narrow::onnx {

// An array of an ONNX file.
struct Array {
  std::vector<int> shape;
  Numbers numbers;  // of integers: double, as NumPy makes of them what meets a float32
};

// One attribute of a node; what it is not is empty.
struct Attribute {
  std::optional<std::int64_t> integer;
  std::optional<float> real;
  std::optional<std::string> text;
  std::vector<std::int64_t> integers;
};

struct FileNode {
  std::string name;
  std::string op;  // `MatMul`
  std::string domain;
  std::vector<std::string> inputs;  // names of tensors; empty for one that is left out
  std::vector<std::string> outputs;
  std::map<std::string, Attribute> attributes;
};

struct FileInput {
  std::string name;
  std::vector<int> shape;  // the batch left out
};

// What narrow takes of an ONNX file.
struct File {
  std::vector<FileInput> inputs;  // those that are no initializers, in the file's order
  std::vector<std::pair<std::string, Array>> initializers;
  std::set<std::string> empty;  // initializers of no values that Resize nodes have as their regions (roi)
  std::vector<FileNode> nodes;
  std::vector<std::string> outputs;  // names of tensors
};

// `node fc1 (Gemm)`, as messages begin.
std::string describe(const FileNode& node);

// Reads the bytes of an ONNX file. Sizes are held against the file's length before they are believed. Throws Error for what is no ONNX
// file, for arrays that are not float32, double or integers or that stand in other files, and for inputs without a fixed shape.
File parse_file(std::string_view bytes);

}  // namespace narrow::onnx

#endif  // NARROW_ONNX_FILE_H_
