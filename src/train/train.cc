#include "train/train.h"

#include <algorithm>
#include <cstdlib>

#include "data/plugin.h"
#include "error.h"
#include "layers/dense.h"
#include "layers/set_sum.h"

namespace narrow {
namespace {

using TrainFunction = void (*)(DeepSetsWeights& network, const TrainData& data, const TrainData& validation, const TrainOptions& options,
                               TrainState& state, const OnBatch& on_batch, const OnEpoch& on_epoch);

TrainFunction load() {
  // Threads are narrow's own affair; set before the libraries read it.
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  setenv("OMP_NUM_THREADS", "1", 0);
  return reinterpret_cast<TrainFunction>(load_plugin(
      "libnarrow_torch.so", "narrow_train_with_torch",
      "this narrow was built without libtorch, which training needs; install libtorch-dev and libopenblas0-pthread and build again"));
}

// The Dense layers of a model, each with the place of its weights in `network`: before the sum over rows, and behind it.
std::vector<std::pair<Layer*, DenseWeights*>> layers_of(Model& model, DeepSetsWeights& network) {
  std::vector<Layer*> phi, rho;
  bool after_sum = std::none_of(model.layers.begin(), model.layers.end(), [](const Layer& layer) { return as<SetSum>(layer) != nullptr; });
  for (Layer& layer : model.layers) {
    if (as<SetSum>(layer) != nullptr) after_sum = true;
    if (as<Dense>(layer) != nullptr) (after_sum ? rho : phi).push_back(&layer);
  }
  network.phi.resize(phi.size());
  network.rho.resize(rho.size());
  std::vector<std::pair<Layer*, DenseWeights*>> layers;
  for (std::size_t i = 0; i < phi.size(); ++i) layers.emplace_back(phi[i], &network.phi[i]);
  for (std::size_t i = 0; i < rho.size(); ++i) layers.emplace_back(rho[i], &network.rho[i]);
  return layers;
}

}  // namespace

TrainState train(Model& model, const TrainData& data, const TrainData& validation, const TrainOptions& options, TrainState state,
                 const OnBatch& on_batch, const OnEpoch& on_epoch) {
  static const TrainFunction kWithTorch = load();
  DeepSetsWeights network;
  const auto layers = layers_of(model, network);
  for (const auto& [layer, weights] : layers) {
    const auto* dense = as<Dense>(*layer);
    *weights = {dense->n_in, dense->n_out, dense->kernel, dense->bias};
  }
  kWithTorch(network, data, validation, options, state, on_batch, on_epoch);
  for (const auto& [layer, weights] : layers) {
    layer->op = std::make_shared<Dense>(weights->n_in, weights->n_out, std::move(weights->kernel), std::move(weights->bias));
  }
  return state;
}

}  // namespace narrow
