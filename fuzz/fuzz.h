#ifndef NARROW_FUZZ_FUZZ_H_
#define NARROW_FUZZ_FUZZ_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "error.h"

namespace narrow {

// Any input ends in a result or in an Error of one line; whatever else escapes is a finding.
template <class Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    if (*error.what() == '\0') std::abort();
  }
}

// A file in memory with this content, for readers that take a path.
class FileOf {
 public:
  FileOf(const std::uint8_t* data, std::size_t size) : file_(memfd_create("input", MFD_CLOEXEC)) {
    if (file_ < 0 || write(file_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  FileOf(const FileOf&) = delete;
  FileOf& operator=(const FileOf&) = delete;
  ~FileOf() { close(file_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace narrow

#endif  // NARROW_FUZZ_FUZZ_H_
