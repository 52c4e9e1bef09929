#include "app/progress.h"

#include <unistd.h>

#include <cstdio>

namespace narrow {

Progress::Progress(std::string unit, bool quiet) : unit_(std::move(unit)), quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::show(std::size_t done, std::size_t all) {
  if (quiet_) return;
  const auto now = Clock::now();
  const double since = std::chrono::duration<double>(now - shown_).count();
  constexpr double kBarSeconds = 0.1;
  constexpr double kLineSeconds = 10;
  if (done < all && since < (terminal_ ? kBarSeconds : kLineSeconds)) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(all - done) / rate : 0;
  if (terminal_) {
    constexpr std::size_t kWidth = 30;
    const std::size_t filled = all == 0 ? kWidth : kWidth * done / all;
    std::fprintf(stderr, "\r[%s%s] %zu/%zu %s, %.1f/s, %.0f s left \x1b[K%s", std::string(filled, '=').c_str(),
                 std::string(kWidth - filled, ' ').c_str(), done, all, unit_.c_str(), rate, left, done == all ? "\n" : "");
  } else {
    std::fprintf(stderr, "%zu of %zu %s, %.1f/s, %.0f s left\n", done, all, unit_.c_str(), rate, left);
  }
}

}  // namespace narrow
