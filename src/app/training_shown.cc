#include "app/training_shown.h"

#include <unistd.h>

#include <cstdio>

#include "app/inputs.h"
#include "app/interrupt.h"
#include "study/run.h"

namespace narrow {

TrainingShown::TrainingShown(bool quiet, int epochs) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0), epochs_(epochs) {}

void TrainingShown::notes(const std::vector<std::string>& notes) { print_notes(notes, quiet_); }

void TrainingShown::begin(const std::string& path, std::size_t samples, std::size_t validation, std::size_t epochs_done) {
  next_ = static_cast<int>(epochs_done) + 1;
  if (quiet_) return;
  if (epochs_done > 0) std::fprintf(stderr, "narrow: resuming %s after epoch %zu\n", path.c_str(), epochs_done);
  std::fprintf(stderr, "narrow: training %s on %zu samples, %zu for validation\n", path.c_str(), samples, validation);
}

void TrainingShown::batch(std::size_t done, std::size_t all, double loss) {
  if (interrupted()) throw Interrupted();
  if (quiet_ || !terminal_) return;
  constexpr std::size_t kWidth = 30;
  const std::string bar(kWidth * done / all, '=');
  std::fprintf(stderr, "\repoch %d/%d [%-30s] loss %.6g\x1b[K", next_, epochs_, bar.c_str(), loss);
}

void TrainingShown::epoch(const Epoch& e) {
  if (quiet_) return;
  std::fprintf(stderr, "%sepoch %d/%d: loss %.6g, val_loss %.6g, learning rate %.3g, %.2f s%s\n", terminal_ ? "\r" : "", e.epoch, epochs_,
               e.loss, e.val_loss, e.learning_rate, e.seconds, terminal_ ? "\x1b[K" : "");
  next_ = e.epoch + 1;
}

void TrainingShown::end(const std::string& path, const std::string& /*training*/, const TrainState& state) {
  if (quiet_) return;
  std::printf("%s: val_loss %.6g in epoch %d of %zu\n", path.c_str(), state.best_loss, state.best_epoch, state.history.size());
}

}  // namespace narrow
