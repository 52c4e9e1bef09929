#include "app/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

namespace narrow {
namespace {

std::atomic<bool> noted = false;

}  // namespace

void stop_at_ctrl_c() {
  std::signal(SIGINT, [](int) {
    noted = true;
    std::signal(SIGINT, SIG_DFL);
  });
}

bool interrupted() { return noted; }

void stop_at_end_of_input() {
  std::thread([] {
    std::array<char, 64> ignored{};
    ssize_t size = 0;
    do size = read(STDIN_FILENO, ignored.data(), ignored.size());
    while (size > 0 || (size < 0 && errno == EINTR));
    kill(getpid(), SIGINT);
  }).detach();
}

}  // namespace narrow
