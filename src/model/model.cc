#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "error.h"

namespace narrow {

std::size_t size_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, [](std::size_t n, int d) { return n * static_cast<std::size_t>(d); });
}

std::string to_string(const Shape& shape) {
  std::string text;
  for (const int d : shape) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

std::vector<float> BatchNormOp::scale() const {
  std::vector<float> result(gamma.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = gamma[i] / std::sqrt(variance[i] + epsilon);
  return result;
}

std::vector<float> BatchNormOp::bias() const {
  const std::vector<float> factor = scale();
  std::vector<float> result(beta.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const float shift = factor[i] * mean[i];
    result[i] = beta[i] - shift;
  }
  return result;
}

std::vector<int> Model::inputs() const {
  std::vector<int> found;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (as<InputOp>(layers[i]) != nullptr) found.push_back(static_cast<int>(i));
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

namespace {

struct ShapeOf {
  const Layer& layer;
  const std::vector<Shape>& inputs;

  Error wrong(const std::string& wanted) const {
    return Error("layer " + layer.name + " (" + layer.keras_class + ") has an input of shape " + to_string(inputs.front()) + " and needs " +
                 wanted);
  }
  const Shape& set() const {
    if (inputs.front().size() != 2) throw wrong("a set of rows, such as 128x64");
    return inputs.front();
  }
  Shape operator()(const InputOp&) const { return layer.shape; }
  Shape operator()(const DenseOp& dense) const {
    Shape shape = inputs.front();
    if (shape.back() != dense.n_in) throw wrong(std::to_string(dense.n_in) + " features, the rows of its kernel");
    shape.back() = dense.n_out;
    return shape;
  }
  Shape operator()(const ReluOp&) const { return inputs.front(); }
  Shape operator()(const LinearOp&) const { return inputs.front(); }
  Shape operator()(const SetSumOp&) const { return {set().back()}; }
  Shape operator()(const SetMeanOp&) const { return {set().back()}; }
  Shape operator()(const BatchNormOp& norm) const {
    if (static_cast<std::size_t>(inputs.front().back()) != norm.gamma.size()) {
      throw wrong(std::to_string(norm.gamma.size()) + " features, the length of its weights");
    }
    return inputs.front();
  }
  Shape operator()(const FlattenOp&) const { return {static_cast<int>(size_of(inputs.front()))}; }
};

}  // namespace

Shape output_shape(const Layer& layer, const std::vector<Shape>& inputs) {
  const std::size_t wanted = as<InputOp>(layer) != nullptr ? 0 : 1;
  if (inputs.size() != wanted) {
    throw Error("layer " + layer.name + " (" + layer.keras_class + ") has " + std::to_string(inputs.size()) + " inputs and needs " +
                std::to_string(wanted));
  }
  return std::visit(ShapeOf{layer, inputs}, layer.op);
}

std::size_t parameters(const Layer& layer) {
  if (const auto* dense = as<DenseOp>(layer)) return dense->kernel.size() + dense->bias.size();
  if (const auto* norm = as<BatchNormOp>(layer)) return 4 * norm->gamma.size();
  return 0;
}

std::size_t multiplications(const Layer& layer) {
  if (const auto* dense = as<DenseOp>(layer)) return size_of(layer.shape) * static_cast<std::size_t>(dense->n_in);
  if (as<BatchNormOp>(layer) != nullptr) return size_of(layer.shape);
  return 0;
}

int common_width(const Model& model) {
  std::vector<int> widths;
  for (const Layer& layer : model.layers) {
    if (const auto* dense = as<DenseOp>(layer)) widths.push_back(dense->n_out);
  }
  if (widths.size() < 2) return 0;
  widths.pop_back();
  return std::adjacent_find(widths.begin(), widths.end(), std::not_equal_to<>()) == widths.end() ? widths.front() : 0;
}

}  // namespace narrow
