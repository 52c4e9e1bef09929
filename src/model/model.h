#ifndef NARROW_MODEL_MODEL_H_
#define NARROW_MODEL_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace narrow {

// Shape of one sample's tensor, the batch left out: {vmax, features} for a cluster, {features} after the sum over cells.
using Shape = std::vector<int>;
std::size_t size_of(const Shape& shape);
std::string to_string(const Shape& shape);  // `128x4`

// The operations of a layer. Each is plain data; what it computes is said for x, a row along the last axis.

struct InputOp {};

// y[j] = bias[j] + sum over i of x[i] * kernel[i * n_out + j], on the last axis.
struct DenseOp {
  int n_in = 0;
  int n_out = 0;
  std::vector<float> kernel;  // (n_in, n_out), row major
  std::vector<float> bias;    // (n_out), or empty where the layer has none
};

struct ReluOp {};    // y = max(x, 0)
struct LinearOp {};  // y = x: a linear activation or a Dropout, which only carries a type

// (set, n) -> (n): sum over the set axis, padded rows included (KSum).
struct SetSumOp {};
// (set, n) -> (n): mean over the set axis (GlobalAveragePooling1D).
struct SetMeanOp {};

// y = x * scale + bias on the last axis, scale = gamma / sqrt(variance + epsilon), bias = beta - mean * scale, each step in
// float32 as hls4ml computes them.
struct BatchNormOp {
  std::vector<float> gamma, beta, mean, variance;
  float epsilon = 1e-3F;
  std::vector<float> scale() const;
  std::vector<float> bias() const;
};

struct FlattenOp {};  // (set, n) -> (set * n)

using Op = std::variant<InputOp, DenseOp, ReluOp, LinearOp, SetSumOp, SetMeanOp, BatchNormOp, FlattenOp>;

struct Layer {
  std::string name;         // as in Keras; a fused activation is a layer of its own, `phi1_relu`, as in hls4ml
  std::string keras_class;  // `Dense`, `KSum`; of a fused activation, `Activation`
  Op op;
  std::vector<int> inputs;  // indices of earlier layers
  Shape shape;              // of the output
};

// A float network: a graph of layers in topological order (each layer's inputs come before it).
struct Model {
  std::string name;  // what the user calls it: the file's name without its ending
  std::vector<Layer> layers;
  std::vector<std::string> dropped;  // names of Keras layers that do nothing at inference
  std::string preparation;           // how its inputs were made from clusters (data/preparation.h), as JSON; empty where not known
  std::vector<int> outputs;          // indices of layers; their values side by side are the prediction

  std::vector<int> inputs() const;         // indices of the InputOp layers
  int find(std::string_view layer) const;  // -1 where there is none
  std::size_t output_size() const;
};

// A layer's shape from its inputs'. Throws Error, naming the layer, where they do not fit the operation.
Shape output_shape(const Layer& layer, const std::vector<Shape>& inputs);

std::size_t parameters(const Layer& layer);       // trained numbers, of BatchNormalization all four vectors
std::size_t multiplications(const Layer& layer);  // for one sample

// What the study calls {nodes}: the width of every hidden Dense layer where they are all equal, 0 where they are not.
// The last Dense layer is the output and does not count.
int common_width(const Model& model);

template <class T>
const T* as(const Layer& layer) {
  return std::get_if<T>(&layer.op);
}

}  // namespace narrow

#endif  // NARROW_MODEL_MODEL_H_
