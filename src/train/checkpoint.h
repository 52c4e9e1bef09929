#ifndef NARROW_TRAIN_CHECKPOINT_H_
#define NARROW_TRAIN_CHECKPOINT_H_

#include <string>

#include "train/family.h"
#include "train/train.h"

namespace narrow {

// The version of the trainer. Raise it with every change after which the same settings and data train to other weights: in the first
// weights (make_deep_sets), the order of samples, the steps, the learning rates or what is kept as best. What another version trained
// is trained again, and its checkpoints are not taken.
inline constexpr int kTrainer = 1;

// Everything that the result of training depends on but its state, as JSON: two trainings with the same text are the same.
// The number of epochs is left out where training may resume for longer than was first asked for: it may not where the learning rate
// follows the share that is done.
std::string describe_training(const Model& model, const TrainData& data, const TrainData& validation, const Family& family,
                              int trainer = kTrainer);

// How two trainings differ, each in the text of describe_training with ` epochs N` behind it, as the store has it: `batch 100 and 200,
// padding -6 and 0`. Empty where they are the same, and where that cannot be told: an older narrow described them otherwise.
std::string difference_of_trainings(const std::string& before, const std::string& now);

// The state of a training in an HDF5 file, exactly. Writing takes the name only when all is written.
void write_checkpoint(const std::string& path, const TrainState& state, const std::string& training);
// Throws Error where the file is damaged or is of another training.
TrainState read_checkpoint(const std::string& path, const std::string& training);

// Losses and learning rates by epoch, as Keras' History.history: {"loss": [...], "val_loss": [...], "learning_rate": [...]}.
std::string history_json(const TrainState& state);
// The same as Keras' CSVLogger writes it, with seconds.
std::string history_csv(const TrainState& state);

}  // namespace narrow

#endif  // NARROW_TRAIN_CHECKPOINT_H_
