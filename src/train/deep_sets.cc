#include <algorithm>
#include <cmath>
#include <map>

#include "data/portable.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/relu.h"
#include "layers/set_sum.h"
#include "train/train.h"

namespace narrow {

Model make_deep_sets(const DeepSets& shape, std::uint64_t seed) {
  PortableRandom random(seed);
  Model model;
  model.name = "deep_sets";
  model.layers.push_back(
      {"cells", "InputLayer", std::make_shared<Input>(Shape{shape.vmax, shape.features}), {}, {shape.vmax, shape.features}});
  const auto push = [&](const std::string& name, OperationPtr op, const std::string& keras_class) {
    Layer layer{name, keras_class, std::move(op), {static_cast<int>(model.layers.size()) - 1}, {}};
    layer.shape = output_shape(layer, {model.layers.back().shape});
    model.layers.push_back(std::move(layer));
  };
  const auto push_dense = [&](const std::string& name, int nodes) {
    const int n_in = model.layers.back().shape.back();
    std::vector<float> kernel(static_cast<std::size_t>(n_in) * static_cast<std::size_t>(nodes));
    // GlorotUniform: Glorot and Bengio, AISTATS 2010, eq. 16.
    const double limit = std::sqrt(6.0 / (n_in + nodes));
    for (float& weight : kernel) weight = static_cast<float>(random.uniform(-limit, limit));
    push(name, std::make_shared<Dense>(n_in, nodes, std::move(kernel), std::vector<float>(static_cast<std::size_t>(nodes))), "Dense");
  };
  for (std::size_t i = 0; i < shape.phi.size(); ++i) {
    const std::string name = "phi" + std::to_string(i + 1);
    push_dense(name, shape.phi[i]);
    push(name + "_relu", std::make_shared<Relu>(), "Activation");
  }
  push("KSum", std::make_shared<SetSum>(), "KSum");
  for (std::size_t i = 0; i < shape.rho.size(); ++i) {
    const std::string name = "rho" + std::to_string(i + 1);
    push_dense(name, shape.rho[i]);
    push(name + "_relu", std::make_shared<Relu>(), "Activation");
  }
  push_dense("regression", shape.outputs);
  model.outputs = {static_cast<int>(model.layers.size()) - 1};
  return model;
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
