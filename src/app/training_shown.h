#ifndef NARROW_APP_TRAINING_SHOWN_H_
#define NARROW_APP_TRAINING_SHOWN_H_

#include "train/family.h"

namespace narrow {

// Training on the terminal: one line per epoch on stderr, with a bar within it where that is a terminal, and one line per model on
// stdout; nothing where it is quiet.
class TrainingShown : public FamilyWatch {
 public:
  TrainingShown(bool quiet, int epochs);
  void notes(const std::vector<std::string>& notes) override;
  bool is_done(const std::string&, const std::string&) override { return false; }
  void begin(const std::string& path, std::size_t samples, std::size_t validation, std::size_t epochs_done) override;
  void batch(std::size_t done, std::size_t all, double loss) override;
  void epoch(const Epoch& epoch) override;
  void end(const std::string& path, const std::string& training, const TrainState& state) override;

 private:
  bool quiet_, terminal_;
  int epochs_;
  int next_ = 1;
};

}  // namespace narrow

#endif  // NARROW_APP_TRAINING_SHOWN_H_
