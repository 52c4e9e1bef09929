// What a training is made of, without the network's layers: shared with the library beside the program that trains
// (train/torch_library.cc), which is C++17.
#ifndef NARROW_TRAIN_TRAINING_H_
#define NARROW_TRAIN_TRAINING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace narrow {

struct DenseWeights {
  int n_in = 0, n_out = 0;
  std::vector<float> kernel, bias;  // (n_in, n_out), (n_out)
};

// The trained layers of a DeepSets network, in order; of a dense network all are in rho.
struct DeepSetsWeights {
  std::vector<DenseWeights> phi, rho;
  std::vector<DenseWeights*> all() {
    std::vector<DenseWeights*> both;
    for (auto* part : {&phi, &rho}) {
      for (DenseWeights& dense : *part) both.push_back(&dense);
    }
    return both;
  }
};

// Huber with delta 1. The crossentropies take a network that ends in a softmax, or in a sigmoid.
enum class Loss : std::uint8_t { kMse, kMae, kHuber, kCategoricalCrossentropy, kBinaryCrossentropy };
inline bool is_crossentropy(Loss loss) { return loss == Loss::kCategoricalCrossentropy || loss == Loss::kBinaryCrossentropy; }
// Values of a sample of so many targets whose mean is the loss. A categorical crossentropy is one value.
inline std::size_t values_of(Loss loss, std::size_t targets) { return loss == Loss::kCategoricalCrossentropy ? 1 : targets; }

// Behind the hidden layers, and behind the last.
enum class Nonlinearity : std::uint8_t { kLinear, kRelu, kTanh, kSigmoid, kSoftmax };

// How the learning rate changes with the steps: not at all, or as keras.optimizers.schedules.CosineDecay over all steps, to 0.
enum class Schedule : std::uint8_t { kConstant, kCosineDecay };

// Names and meanings are Keras'; the defaults are the study's.
struct TrainOptions {
  Loss loss = Loss::kMse;
  Nonlinearity activation = Nonlinearity::kRelu;  // of hidden layers
  Nonlinearity output = Nonlinearity::kLinear;
  // What the losses of samples of each class are multiplied by, in training alone (Keras' class_weight); empty for none.
  std::vector<double> class_weights{};
  int epochs = 100;
  int batch_size = 250;
  double learning_rate = 1e-3;  // Adam with beta_1 0.9, beta_2 0.999, epsilon 1e-7
  Schedule schedule = Schedule::kConstant;
  double validation_split = 0.25;  // the last share of the data, before shuffling; unused where validation data are given
  bool shuffle = true;
  // ReduceLROnPlateau on val_loss; a patience of 0 switches it off, as it must be with a schedule
  double reduce_factor = 0.2;
  int reduce_patience = 10;
  double reduce_min_delta = 1e-4;
  double min_learning_rate = 1e-5;
  // EarlyStopping on val_loss, min_delta 0; 0 switches it off. The weights of the best epoch are kept in any case.
  int stop_patience = 10;
  std::uint64_t seed = 1;      // of the order of samples
  std::string device = "cpu";  // or cuda, where libtorch has it
  bool count_padding = true;   // phi of the pad row once a batch, times their number; else every row like any other
  int threads = 0;             // 0: all cores; results do not depend on it
  // Computes in double precision, so that a test can tell rounding from a fault. What is kept (weights, checkpoints) is float32.
  bool double_precision = false;
};

// Samples in memory, the rows at a sample's end that repeat the pad row left out.
struct TrainData {
  std::size_t size = 0;
  std::size_t features = 0, targets = 0, vmax = 0;
  std::vector<float> rows;          // of all samples, one behind the other
  std::vector<std::size_t> starts;  // first row of each sample, and the end
  std::vector<float> pad;           // the pad row
  std::vector<float> y;             // (size, targets)
  std::vector<float> weights;       // (size): of each sample's loss, as Keras' sample_weight; empty where all are 1
};

struct Epoch {
  int epoch = 0;  // from 1
  double loss = 0, val_loss = 0;
  double learning_rate = 0;  // with which it was trained
  double seconds = 0;
};

// Everything that the next epoch depends on: training that goes on from it ends as if it had not stopped.
struct TrainState {
  std::vector<Epoch> history;
  std::vector<std::vector<float>> weights, first_moments, second_moments;  // kernel and bias of each Dense layer in turn
  std::vector<std::vector<float>> best_weights;
  double best_loss = 0, reduce_best = 0;
  int best_epoch = 0, reduce_wait = 0, stop_wait = 0;
  double learning_rate = 0;
  std::uint64_t step = 0;  // of Adam
  bool failed = false;     // the loss became NaN or infinite in the epoch after the last of `history`
};

// Called after each batch with the batches done and all of the epoch and the mean loss so far.
using OnBatch = std::function<void(std::size_t done, std::size_t all, double loss)>;
// Called after each epoch, with what it takes to go on from there.
using OnEpoch = std::function<void(const TrainState& state)>;

}  // namespace narrow

#endif  // NARROW_TRAIN_TRAINING_H_
