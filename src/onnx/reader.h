#ifndef NARROW_ONNX_READER_H_
#define NARROW_ONNX_READER_H_

#include <string>
#include <string_view>

#include "model/model.h"

namespace narrow {

// Reads an ONNX or QONNX file as hls4ml 1.3.0 takes it: cleaned by qonnx, channels last (docs/onnx.md). The layers are those that hls4ml
// makes of its nodes, under hls4ml's names (`Dense_MatMul_0`), and what Quant nodes say of types is the layers' own (Layer::own). The
// model's name is the file's without its ending. Throws Error, naming the file and the node, for anything that narrow cannot run exactly.
Model read_onnx(const std::string& path);

// Of the bytes of a file.
Model onnx_model(std::string_view bytes);

}  // namespace narrow

#endif  // NARROW_ONNX_READER_H_
