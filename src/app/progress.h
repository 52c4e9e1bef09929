#ifndef NARROW_APP_PROGRESS_H_
#define NARROW_APP_PROGRESS_H_

#include <chrono>
#include <cstddef>
#include <string>

namespace narrow {

// How far long work is, on stderr: a bar with rate and time left on a terminal, a plain line now and then elsewhere,
// nothing where it is quiet.
class Progress {
 public:
  Progress(std::string unit, bool quiet);
  void show(std::size_t done, std::size_t all);

 private:
  using Clock = std::chrono::steady_clock;
  std::string unit_;
  bool quiet_;
  bool terminal_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_{};
};

}  // namespace narrow

#endif  // NARROW_APP_PROGRESS_H_
