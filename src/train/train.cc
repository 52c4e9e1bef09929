#include "train/train.h"

#include <cstdlib>

#include "data/plugin.h"
#include "error.h"

namespace narrow {
namespace {

using TrainFunction = void (*)(Model& model, const TrainData& data, const TrainData& validation, const TrainOptions& options,
                               TrainState& state, const OnBatch& on_batch, const OnEpoch& on_epoch);

TrainFunction load() {
  // Threads are narrow's own affair; set before the libraries read it.
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  setenv("OMP_NUM_THREADS", "1", 0);
  return reinterpret_cast<TrainFunction>(load_plugin(
      "libnarrow_torch.so", "narrow_train_with_torch",
      "this narrow was built without libtorch, which training needs; install libtorch-dev and libopenblas0-pthread and build again"));
}

}  // namespace

Loss parse_loss(const std::string& name) {
  for (const Loss loss : {Loss::kMse, Loss::kMae, Loss::kHuber}) {
    if (name == to_string(loss)) return loss;
  }
  throw Error("there is no loss '" + name + "'; there are mse, mae and huber");
}

std::string to_string(Loss loss) { return loss == Loss::kMse ? "mse" : loss == Loss::kMae ? "mae" : "huber"; }

TrainState train(Model& model, const TrainData& data, const TrainData& validation, const TrainOptions& options, TrainState state,
                 const OnBatch& on_batch, const OnEpoch& on_epoch) {
  static const TrainFunction kWithTorch = load();
  kWithTorch(model, data, validation, options, state, on_batch, on_epoch);
  return state;
}

}  // namespace narrow
