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
  // How often a line is printed where there is no terminal; 10 s at first.
  static void set_line_seconds(double seconds);
  // Time counts from here.
  void restart() { start_ = shown_ = Clock::now(); }
  struct State {
    std::size_t done = 0, all = 0;  // 0 where nobody knows how many there will be: no bar, and no time left
    std::size_t found = 0;          // of those done, which took no time
    std::size_t samples = 0;        // computed so far; 0 shows no such rate
    std::string more;               // said behind the numbers
  };
  void show(const State& now);

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
