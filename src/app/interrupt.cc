#include "app/interrupt.h"

#include <atomic>
#include <csignal>

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

}  // namespace narrow
