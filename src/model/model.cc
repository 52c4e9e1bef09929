#include "model/model.h"

#include <algorithm>

#include "error.h"

namespace narrow {

const OwnType* Layer::own_type(TypeName type) const {
  const auto found = std::find_if(own.begin(), own.end(), [&](const OwnType& each) { return each.type == type; });
  return found == own.end() ? nullptr : &*found;
}

const OwnType* Layer::own_quantizer(TypeName type) const {
  const OwnType* const found = own_type(type);
  return found != nullptr && found->quantizer ? found : nullptr;
}

void Layer::set_own(TypeName type, const OwnType* to) {
  std::optional<OwnType> kept;
  if (to != nullptr) kept = OwnType{type, to->format, to->quantizer};
  std::erase_if(own, [&](const OwnType& each) { return each.type == type; });
  if (kept) own.push_back(*kept);
}

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

std::size_t Model::input_size() const {
  std::size_t size = 0;
  for (const int index : inputs()) size += size_of(layers[static_cast<std::size_t>(index)].shape);
  return size;
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

const Model& float_network(const Model& model) { return model.stands_for ? *model.stands_for : model; }

Shape output_shape(const Layer& layer, const std::vector<Shape>& inputs) {
  const std::string who = "layer " + layer.name + " (" + layer.keras_class + ")";
  const std::size_t wanted = layer.op->inputs();
  if (inputs.size() != wanted) {
    throw Error(who + " has " + std::to_string(inputs.size()) + " inputs and needs " + std::to_string(wanted));
  }
  try {
    return layer.op->shape(inputs);
  } catch (const Misfit& misfit) {
    std::string shapes = inputs.size() == 1 ? "an input of shape " : "inputs of shapes ";
    for (std::size_t i = 0; i < inputs.size(); ++i) shapes += (i == 0 ? "" : " and ") + to_string(inputs[i]);
    throw Error(who + " has " + shapes + " and needs " + misfit.needs);
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
