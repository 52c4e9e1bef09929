#ifndef NARROW_TRAIN_TRAIN_H_
#define NARROW_TRAIN_TRAIN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"
#include "train/training.h"

namespace narrow {

// A DeepSets network: `phi`, Dense layers with relu (or another activation) on each row of the input; KSum, the sum over rows; `rho`, Dense
// layers with the same; a linear Dense of `outputs` nodes, `regression`, or one with an activation behind it.
struct DeepSets {
  int vmax = 0;
  int features = 0;
  int outputs = 1;
  std::vector<int> phi, rho;  // nodes of each layer
  Nonlinearity activation = Nonlinearity::kRelu, output = Nonlinearity::kLinear;
};

// A dense network on vectors: Dense layers with an activation, `fc1`, `fc2`, ..., and one of `outputs` nodes, `output`.
struct DenseNetwork {
  int features = 0;
  int outputs = 1;
  std::vector<int> layers;  // nodes of each but the last
  Nonlinearity activation = Nonlinearity::kRelu, output = Nonlinearity::kLinear;
};

// The network with Keras' initial weights: GlorotUniform kernels, biases of 0. The same for the same seed on any machine.
Model make_deep_sets(const DeepSets& shape, std::uint64_t seed);
Model make_dense_network(const DenseNetwork& shape, std::uint64_t seed);

// x (size, vmax, features) and y (size, targets) in TrainData's form. The pad row is the row that most samples end with.
TrainData pack(const std::vector<float>& x, const std::vector<float>& y, std::size_t size, std::size_t vmax, std::size_t features);

// Trains the model, from `state` where that has a history. Afterwards the model has the weights of the best epoch.
// Throws Error for a device that is not there, and where narrow was built without libtorch.
TrainState train(Model& model, const TrainData& data, const TrainData& validation, const TrainOptions& options, TrainState state,
                 const OnBatch& on_batch, const OnEpoch& on_epoch);

}  // namespace narrow

#endif  // NARROW_TRAIN_TRAIN_H_
