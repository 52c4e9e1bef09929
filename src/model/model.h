#ifndef NARROW_MODEL_MODEL_H_
#define NARROW_MODEL_MODEL_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/operation.h"
#include "model/preparation.h"
#include "model/quantizer.h"
#include "model/seen.h"

namespace narrow {

// A type that the network's file gives one of a layer's tensors, whatever a configuration says: QONNX files have such.
struct OwnType {
  TypeName type;
  Format format;
  // The tensor's numbers were brought to the type when the network was trained; of a result, hls4ml hands it to the layer before where that
  // one's is open.
  bool quantizer = true;
  bool operator==(const OwnType&) const = default;
};

struct Layer {
  std::string name;         // as in Keras; a fused activation is a layer of its own, `phi1_relu`, as in hls4ml
  std::string keras_class;  // `Dense`, `KSum`; of a fused activation, `Activation`
  OperationPtr op;
  std::vector<int> inputs;  // indices of earlier layers
  Shape shape;              // of the output
  // Of an activation of QKeras: it computes y = the quantized x in float32, and hls4ml's configuration gives its result a type.
  std::optional<TrainedQuantizer> quantizer = {};
  std::vector<OwnType> own = {};
  // Of ONNX the node that it was made of, and hls4ml's class of that: `MatMul_0`, a `MatMul`, of `Dense_MatMul_0`. Its configuration goes
  // before the layer's own.
  std::string configured_as = {};
  std::string made_of = {};
  // The same of the node before a Transpose, whose type that has.
  std::string behind = {};
  std::string behind_class = {};

  const OwnType* own_type(TypeName type) const;       // null for none
  const OwnType* own_quantizer(TypeName type) const;  // of those by a quantizer
  void set_own(TypeName type, const OwnType* to);     // null takes it away
};

// A float network: a graph of layers in topological order (each layer's inputs come before it). Copies share their weights.
struct Model {
  std::string name;  // what the user calls it: the file's name without its ending
  std::vector<Layer> layers;
  std::vector<std::string> dropped;        // names of Keras layers that do nothing at inference
  std::vector<std::string> linear;         // of those behind which hls4ml's reader of Keras 2 puts a linear activation, NAME_linear
  std::vector<std::string> separable;      // of those that are two layers here, NAME_depthwise and NAME_pointwise, as in hls4ml
  std::optional<Preparation> preparation;  // how its inputs were made from clusters, where that is known
  std::optional<SeenSamples> seen;         // what it was trained on, where that is known
  std::vector<std::string> other_names;    // of no layer, of which an hls4ml configuration may speak all the same
  std::vector<std::string> notes;          // what a user should know of the file, one line each
  std::vector<int> outputs;                // indices of layers; their values side by side are the prediction
  // Of one whose weights were changed for fixed point (recover): the network whose float predictions it is to give. Null: its own.
  std::shared_ptr<const Model> stands_for;

  std::vector<int> inputs() const;         // indices of the layers that take samples, in the order in which Keras takes them
  int find(std::string_view layer) const;  // -1 where there is none
  std::size_t input_size() const;          // values of a sample: those of all inputs, side by side
  std::size_t output_size() const;
  std::vector<Shape> input_shapes(const Layer& layer) const;
};

// The network with whose float predictions those in fixed point are compared.
const Model& float_network(const Model& model);

// A layer's shape from its inputs'. Throws Error, naming the layer, where they do not fit the operation.
Shape output_shape(const Layer& layer, const std::vector<Shape>& inputs);

std::size_t parameters(const Layer& layer);       // as Keras counts them, of BatchNormalization mean and variance too
std::size_t multiplications(const Layer& layer);  // for one sample

// What the study calls {nodes}: the width of every hidden Dense layer where they are all equal, 0 where they are not.
// The last Dense layer is the output and does not count.
int common_width(const Model& model);

// The operation as a certain layer of src/layers/, or null. What can be asked of any Operation should be.
template <class T>
const T* as(const Layer& layer) {
  return dynamic_cast<const T*>(layer.op.get());
}

}  // namespace narrow

#endif  // NARROW_MODEL_MODEL_H_
