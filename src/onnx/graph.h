#ifndef NARROW_ONNX_GRAPH_H_
#define NARROW_ONNX_GRAPH_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fixed/format.h"
#include "layers/windows.h"
#include "model/operation.h"
#include "onnx/file.h"

namespace narrow::onnx {

// What hls4ml makes of an ONNX file before a configuration has a say (converters/onnx, and the flow parse_qonnx of model/optimizer).
enum class Kind : std::uint8_t {
  kInput,
  kConstant,
  kQuant,    // of QONNX; gone in the end
  kMatMul,   // becomes a Dense
  kConv,     // becomes a Conv1D or Conv2D
  kRawNorm,  // a BatchNormalization whose numbers are nodes yet
  kMerge,    // of two layers' values, or of a constant with one's, which becomes a kScale
  kDense,    // weight (n_in, n_out)
  kConvolution,
  kScale,      // hls4ml's ApplyAlpha: x * weight + bias
  kNorm,       // the same of a BatchNormalization
  kOperation,  // anything else
};

struct Node {
  std::string name;           // hls4ml's name of the layer
  std::string op_type;        // ONNX's
  std::string configured_as;  // the node that it was made of, whose configuration hls4ml hands to it; empty for `name`
  std::string made_of;        // hls4ml's class of that one
  std::string behind;         // of a Transpose the node before it, where that becomes another layer
  std::string behind_class;   // hls4ml's class of that one
  Kind kind = Kind::kOperation;
  std::vector<std::string> inputs;  // tensors
  std::string output;
  Shape shape;           // of the output, the batch left out, as hls4ml has it; of a constant all axes
  bool has_row = false;  // hls4ml takes the first axis of a constant, the batch's, for one of the values: that of its shape is 1

  Array value;                      // of a constant
  std::optional<Format> quantizer;  // of a constant, which is yet to be quantized; of a Quant's linear activation
  bool bipolar = false;             // the quantizer is a BipolarQuant: -1 or 1

  Array weight, bias;  // of products, and of scales
  std::optional<Format> weight_quantizer, bias_quantizer;
  bool weight_bipolar = false;
  std::optional<Format> weight_type, bias_type;  // where nothing quantizes them
  float epsilon = 0;                             // of a kRawNorm

  Array quant_scale, quant_zero;  // of a kQuant; no scale where the type says it all
  bool compares_rows = false;     // hls4ml compares rows of that scale, and stops

  Windows windows;         // of a convolution
  bool depthwise = false;  // it has a filter for each channel
  std::string merge;       // of a kMerge ONNX's op
  OperationPtr operation;  // of a kOperation
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;  // in topological order
  std::vector<std::string> outputs;          // tensors, in the order of the nodes that make them, as hls4ml has them
  std::vector<std::string> other_names;      // under which a configuration may speak of what is no layer
  std::vector<std::string> notes;
};

// Throws Error, naming the node, for what hls4ml 1.3.0 does not convert, and for what narrow does not compute as it.
Graph convert(const File& file);

// The numbers of a product or a scale for each value of the last axis. Throws Error where they differ along other axes.
Numbers for_last_axis(const Array& array, const Node& node);

}  // namespace narrow::onnx

#endif  // NARROW_ONNX_GRAPH_H_
