#include "app/progress.h"

#include <unistd.h>

#include <array>
#include <cstdio>

namespace narrow {

namespace {

double line_seconds = 10;

}  // namespace

void Progress::set_line_seconds(double seconds) { line_seconds = seconds; }

Progress::Progress(std::string unit, bool quiet) : unit_(std::move(unit)), quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::show(const State& state) {
  const auto [done, all, found, samples, more] = state;
  if (quiet_) return;
  const auto now = Clock::now();
  const double since = std::chrono::duration<double>(now - shown_).count();
  constexpr double kBarSeconds = 0.1;
  if ((done < all || all == 0) && since < (terminal_ ? kBarSeconds : line_seconds)) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  // Of a shorter time no rate can be told: it would be that of the clock.
  constexpr double kLeastSeconds = 0.01;
  const auto rate_of = [&](std::size_t number) { return static_cast<double>(number) / seconds; };
  const double rate = seconds < kLeastSeconds ? 0 : rate_of(done - found);
  std::array<char, 128> numbers{};
  int size = all == 0 ? std::snprintf(numbers.data(), numbers.size(), "%zu %s", done, unit_.c_str())
                      : std::snprintf(numbers.data(), numbers.size(), "%zu/%zu %s", done, all, unit_.c_str());
  const auto add = [&](const char* format, double value) {
    size += std::snprintf(numbers.data() + size, numbers.size() - static_cast<std::size_t>(size), format, value);
  };
  if (seconds >= kLeastSeconds) {
    add(", %.1f/s", rate);
    if (samples > 0) add(", %.0f samples/s", rate_of(samples));
    if (all > 0) add(", %.0f s left", rate > 0 ? static_cast<double>(all - done) / rate : 0);
  }
  const std::string text = numbers.data() + (more.empty() ? "" : "; " + more);
  if (terminal_) {
    constexpr std::size_t kWidth = 20;
    const std::size_t filled = all == 0 ? 0 : kWidth * done / all;
    const std::string bar = all == 0 ? "" : "[" + std::string(filled, '=') + std::string(kWidth - filled, ' ') + "] ";
    std::fprintf(stderr, "\r%s%s\x1b[K%s", bar.c_str(), text.c_str(), done == all ? "\n" : "");
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
}

}  // namespace narrow
