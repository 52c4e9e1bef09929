#include "model/model.h"

#include <algorithm>

#include "error.h"

namespace narrow {

std::vector<int> Model::inputs() const {
  std::vector<int> found;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].op->inputs() == 0) found.push_back(static_cast<int>(i));
  }
  return found;
}

int Model::find(std::string_view layer) const {
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const Layer& each) { return each.name == layer; });
  return found == layers.end() ? -1 : static_cast<int>(found - layers.begin());
}

std::size_t Model::output_size() const {
  std::size_t size = 0;
  for (const int index : outputs) size += size_of(layers[static_cast<std::size_t>(index)].shape);
  return size;
}

std::vector<Shape> Model::input_shapes(const Layer& layer) const {
  std::vector<Shape> shapes;
  for (const int input : layer.inputs) shapes.push_back(layers[static_cast<std::size_t>(input)].shape);
  return shapes;
}

std::size_t only_input(const Model& model) {
  const std::vector<int> inputs = model.inputs();
  if (inputs.size() != 1) {
    throw Error("model " + model.name + " has " + std::to_string(inputs.size()) + " inputs; narrow takes data for one");
  }
  return static_cast<std::size_t>(inputs.front());
}

Shape output_shape(const Layer& layer, const std::vector<Shape>& inputs) {
  const std::string who = "layer " + layer.name + " (" + layer.keras_class + ")";
  const std::size_t wanted = layer.op->inputs();
  if (inputs.size() != wanted) {
    throw Error(who + " has " + std::to_string(inputs.size()) + " inputs and needs " + std::to_string(wanted));
  }
  try {
    return layer.op->shape(inputs);
  } catch (const Misfit& misfit) {
    throw Error(who + " has an input of shape " + to_string(inputs.front()) + " and needs " + misfit.needs);
  }
}

std::size_t parameters(const Layer& layer) {
  std::size_t count = 0;
  for (const ParameterArray& array : layer.op->parameters()) count += array.values.size();
  return count;
}

std::size_t multiplications(const Layer& layer) { return layer.op->multiplications(layer.shape); }

int common_width(const Model& model) {
  std::vector<int> widths;
  for (const Layer& layer : model.layers) {
    if (layer.op->keras_class() == "Dense") widths.push_back(layer.shape.back());
  }
  if (widths.size() < 2) return 0;
  widths.pop_back();
  return std::adjacent_find(widths.begin(), widths.end(), std::not_equal_to<>()) == widths.end() ? widths.front() : 0;
}

}  // namespace narrow
