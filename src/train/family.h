#ifndef NARROW_TRAIN_FAMILY_H_
#define NARROW_TRAIN_FAMILY_H_

#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/train.h"

namespace narrow {

// DeepSets networks of one or several sizes, or a dense network, to be trained on the same samples.
struct Family {
  DataOptions data;
  std::string validation;  // files of validation samples; else the last share of the data
  std::string out;         // the model's file; `{nodes}` in it stands for the size, and must be there with several
  std::vector<int> nodes;  // of every layer, a network each; empty for one network of the layers below
  int phi_layers = 5, phi_nodes = 64, rho_layers = 5, rho_nodes = 64;
  std::vector<int> phi, rho;  // nodes of the layers one by one, instead
  std::vector<int> layers;    // of a dense network, its last left out; empty for a DeepSets network
  TrainOptions options;
  bool restart = false;  // begin anew where a checkpoint is found
};

// The files that the family's models get. Throws Error where `out` is no name of a model or lacks {nodes}.
std::vector<std::string> paths_of(const Family& family);

// The networks with their initial weights, as the data make them. Throws Error where the data have no targets.
std::vector<Model> untrained(const Family& family);

// Who looks on while a family is trained.
class FamilyWatch {
 public:
  FamilyWatch() = default;
  FamilyWatch(const FamilyWatch&) = delete;
  FamilyWatch& operator=(const FamilyWatch&) = delete;
  virtual ~FamilyWatch() = default;
  virtual void notes(const std::vector<std::string>& notes) = 0;
  // Whether this training was done before, and its model is there.
  virtual bool is_done(const std::string& path, const std::string& training) = 0;
  virtual void begin(const std::string& path, std::size_t samples, std::size_t validation, std::size_t epochs_done) = 0;
  virtual void batch(std::size_t done, std::size_t all, double loss) = 0;
  virtual void epoch(const Epoch& epoch) = 0;
  virtual void end(const std::string& path, const std::string& training, const TrainState& state) = 0;
};

// Trains each network and writes MODEL, MODEL.history.json and .csv, and while it trains MODEL.checkpoint.h5, from which the same
// call goes on. Throws Error where the data have no targets or the loss becomes infinite.
void train_family(const Family& family, FamilyWatch& watch);

}  // namespace narrow

#endif  // NARROW_TRAIN_FAMILY_H_
