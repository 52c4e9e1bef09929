#ifndef NARROW_FUZZ_FUZZ_H_
#define NARROW_FUZZ_FUZZ_H_

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "error.h"

namespace narrow {

// Any input ends in a result or in an Error of one line; whatever else escapes is a finding. With NARROW_FUZZ_ACCEPT so is an Error:
// seeds must be read, or what is behind a refusal is never reached.
template <class Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    if (*error.what() != '\0' && std::getenv("NARROW_FUZZ_ACCEPT") == nullptr) return;
    std::fprintf(stderr, "refused: %s\n", error.what());
    std::abort();
  }
}

// A file with this content, for readers that take a path: where TMPDIR says, which fuzz/run sets. (HDF5 does not open a memfd.)
class FileOf {
 public:
  FileOf(const std::uint8_t* data, std::size_t size) {
    static int count = 0;
    path_ = (std::filesystem::temp_directory_path() / ("narrow_fuzz_" + std::to_string(getpid()) + "_" + std::to_string(count++))).string();
    if (!std::ofstream(path_, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size)))
      std::abort();
  }
  FileOf(const FileOf&) = delete;
  FileOf& operator=(const FileOf&) = delete;
  ~FileOf() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace narrow

#endif  // NARROW_FUZZ_FUZZ_H_
