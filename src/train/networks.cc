#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "data/portable.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/relu.h"
#include "layers/set_sum.h"
#include "layers/softmax.h"
#include "layers/table_activation.h"
#include "train/train.h"

namespace narrow {

namespace {

// A network that grows layer by layer.
class Builder {
 public:
  Builder(const std::string& name, const std::string& input, const Shape& shape, std::uint64_t seed) : random_(seed) {
    model_.name = name;
    model_.layers.push_back({input, "InputLayer", std::make_shared<Input>(shape), {}, shape});
  }
  void push(const std::string& name, OperationPtr op, const std::string& keras_class) {
    Layer layer{name, keras_class, std::move(op), {static_cast<int>(model_.layers.size()) - 1}, {}};
    layer.shape = output_shape(layer, {model_.layers.back().shape});
    model_.layers.push_back(std::move(layer));
  }
  void push_dense(const std::string& name, int nodes) {
    const int n_in = model_.layers.back().shape.back();
    std::vector<float> kernel(static_cast<std::size_t>(n_in) * static_cast<std::size_t>(nodes));
    // GlorotUniform: Glorot and Bengio, AISTATS 2010, eq. 16.
    const double limit = std::sqrt(6.0 / (n_in + nodes));
    for (float& weight : kernel) weight = static_cast<float>(random_.uniform(-limit, limit));
    push(name, std::make_shared<Dense>(n_in, nodes, std::move(kernel), std::vector<float>(static_cast<std::size_t>(nodes))), "Dense");
  }
  void push_activation(const std::string& layer, Nonlinearity function) {
    switch (function) {
      case Nonlinearity::kLinear: return;
      case Nonlinearity::kRelu: return push(layer + "_relu", std::make_shared<Relu>(), "Activation");
      case Nonlinearity::kTanh: return push(layer + "_tanh", std::make_shared<TableActivation>(TableFunction::kTanh), "Activation");
      case Nonlinearity::kSigmoid:
        return push(layer + "_sigmoid", std::make_shared<TableActivation>(TableFunction::kSigmoid), "Activation");
      case Nonlinearity::kSoftmax: return push(layer + "_softmax", std::make_shared<Softmax>(true), "Activation");
    }
  }
  void push_hidden(const std::string& name, const std::vector<int>& nodes, Nonlinearity function) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const std::string own = name + std::to_string(i + 1);
      push_dense(own, nodes[i]);
      push_activation(own, function);
    }
  }
  Model finish() {
    model_.outputs = {static_cast<int>(model_.layers.size()) - 1};
    return std::move(model_);
  }

 private:
  PortableRandom random_;
  Model model_;
};

}  // namespace

Model make_deep_sets(const DeepSets& shape, std::uint64_t seed) {
  Builder builder("deep_sets", "cells", {shape.vmax, shape.features}, seed);
  builder.push_hidden("phi", shape.phi, shape.activation);
  builder.push("KSum", std::make_shared<SetSum>(), "KSum");
  builder.push_hidden("rho", shape.rho, shape.activation);
  builder.push_dense("regression", shape.outputs);
  builder.push_activation("regression", shape.output);
  return builder.finish();
}

Model make_dense_network(const DenseNetwork& shape, std::uint64_t seed) {
  Builder builder("dense", "features", {shape.features}, seed);
  builder.push_hidden("fc", shape.layers, shape.activation);
  builder.push_dense("output", shape.outputs);
  builder.push_activation("output", shape.output);
  return builder.finish();
}

TrainData pack(const std::vector<float>& x, const std::vector<float>& y, std::size_t size, std::size_t vmax, std::size_t features) {
  TrainData data;
  data.size = size;
  data.features = features;
  data.vmax = vmax;
  data.targets = size == 0 ? 0 : y.size() / size;
  data.y = y;
  data.starts = {0};
  const auto row = [&](std::size_t sample, std::size_t r) {
    return x.begin() + static_cast<std::ptrdiff_t>((sample * vmax + r) * features);
  };
  const auto width = static_cast<std::ptrdiff_t>(features);
  std::map<std::vector<float>, std::size_t> last;
  for (std::size_t s = 0; s < size; ++s) ++last[std::vector<float>(row(s, vmax - 1), row(s, vmax - 1) + width)];
  const auto most = std::max_element(last.begin(), last.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  data.pad = most == last.end() ? std::vector<float>(features) : most->first;
  for (std::size_t s = 0; s < size; ++s) {
    std::size_t rows = vmax;
    while (rows > 0 && std::equal(data.pad.begin(), data.pad.end(), row(s, rows - 1))) --rows;
    data.rows.insert(data.rows.end(), row(s, 0), row(s, rows));
    data.starts.push_back(data.starts.back() + rows);
  }
  return data;
}

}  // namespace narrow
