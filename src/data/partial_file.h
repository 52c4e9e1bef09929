#ifndef NARROW_DATA_PARTIAL_FILE_H_
#define NARROW_DATA_PARTIAL_FILE_H_

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "error.h"

namespace narrow {

// A file that is written under a temporary name, `path` + ".partial", and takes its own only when it is whole: nobody sees a half of it,
// and what stood there before stays until then. Who writes it opens and closes it. (Also for C++17.)
class PartialFile {
 public:
  explicit PartialFile(std::string path) : path_(std::move(path)) {}
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  // Removes what was not committed.
  ~PartialFile() {
    std::error_code ignored;
    if (opened_) std::filesystem::remove(name(), ignored);
  }

  const std::string& path() const { return path_; }
  std::string name() const { return path_ + ".partial"; }  // to write to

  // To be told whether it could be opened. Throws Error where not.
  void opened(bool is_open) {
    if (!is_open) throw Error(path_ + ": it cannot be written; does its folder exist, and do you have permission to write there?");
    opened_ = true;
  }
  // To throw where writing or closing failed, and why, where that is known.
  Error failed(const std::string& why = "") const {
    return Error(path_ + ": writing failed" + (why.empty() ? "" : " (" + why + ")") + "; is the disk full?");
  }
  // Gives the file, closed, its name. Throws Error where it cannot have it.
  void commit() {
    std::error_code error;
    std::filesystem::rename(name(), path_, error);
    if (error) throw Error(path_ + ": it cannot be written: " + error.message());
    opened_ = false;
  }

 private:
  std::string path_;
  bool opened_ = false;
};

}  // namespace narrow

#endif  // NARROW_DATA_PARTIAL_FILE_H_
