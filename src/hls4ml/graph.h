#ifndef NARROW_HLS4ML_GRAPH_H_
#define NARROW_HLS4ML_GRAPH_H_

#include <map>
#include <string>
#include <vector>

#include "model/numbers.h"
#include "precision/precision.h"

namespace narrow {

// A layer of hls4ml's ModelGraph behind all of its passes, as python/narrow/hls4ml.py reads it.
struct GraphLayer {
  std::string name;
  std::string kind;                          // as read_graph knows it: `dense`, `relu`, `conv`, ...
  std::vector<std::string> inputs;           // names of layers
  Shape shape;                               // of the output, as hls4ml has it
  std::map<std::string, std::string> types;  // result, weight, ...: as hls4ml prints them
  std::map<std::string, std::vector<int>> numbers;
  std::map<std::string, double> reals;
  std::map<std::string, std::string> words;
  std::vector<Numbers> arrays;  // as hls4ml writes them, in C order, never transposed
};

// Nothing is inferred, fused or removed: hls4ml has done so. `parallel`: with io_parallel, else io_stream. Throws Error, naming the layer,
// where narrow does not compute what hls4ml's C++ does, or where that is wrong in itself.
Resolved read_graph(const std::string& name, const std::vector<GraphLayer>& layers, const std::vector<std::string>& outputs, bool parallel);

}  // namespace narrow

#endif  // NARROW_HLS4ML_GRAPH_H_
