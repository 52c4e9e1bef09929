#include "study/store_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "error.h"

namespace narrow {
namespace {

struct flock whole_file(short type) {
  struct flock whole {};
  whole.l_type = type;
  whole.l_whence = SEEK_SET;
  return whole;
}

std::string holder_in(int file) {
  std::array<char, 256> text{};
  const ssize_t got = ::pread(file, text.data(), text.size() - 1, 0);
  return got > 0 ? text.data() : "another narrow";
}

std::string host() {
  std::array<char, 128> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string path_of(const std::string& folder) { return folder + "/study.lock"; }

}  // namespace

StoreLock::StoreLock(const std::string& folder) {
  const std::string path = path_of(folder);
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) throw Error(path + ": it cannot be written; does its folder exist, and do you have permission to write there?");
  struct flock whole = whole_file(F_WRLCK);
  if (fcntl(file_, F_OFD_SETLK, &whole) != 0) {
    const int why = errno;
    const std::string holder = holder_in(file_);
    ::close(file_);
    if (why != EAGAIN && why != EACCES) {
      throw Error(path + ": it cannot be locked (" + std::generic_category().message(why) + "); a study needs a file system with locks");
    }
    throw Error(folder + ": the study is being run by " + holder + "; wait until it ends, or look with narrow status");
  }
  const std::string text = "process " + std::to_string(getpid()) + " on " + host();
  if (ftruncate(file_, 0) != 0 || ::write(file_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    ::close(file_);
    throw Error(path + ": writing failed; is the disk full?");
  }
}

StoreLock::~StoreLock() { ::close(file_); }

void StoreLock::check_readable(const std::string& folder) {
  const int file = ::open(path_of(folder).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  struct flock held = whole_file(F_RDLCK);
  const bool is_held = fcntl(file, F_OFD_GETLK, &held) == 0 && held.l_type != F_UNLCK;
  const std::string holder = holder_in(file);
  ::close(file);
  if (is_held && !holder.ends_with(" on " + host())) {
    throw Error(folder + ": the study is being run by " + holder + "; look at it from there, or wait until it ends");
  }
}

}  // namespace narrow
