#ifndef NARROW_STUDY_STORE_LOCK_H_
#define NARROW_STUDY_STORE_LOCK_H_

#include <string>

namespace narrow {

// The right to write to a study, held until it is destroyed: the operating system gives it back however the program ends. Throws Error
// with its holder where another process has it.
class StoreLock {
 public:
  explicit StoreLock(const std::string& folder);
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  ~StoreLock();

  // Throws Error where another machine writes to the study: SQLite's log is shared in the memory of one machine, and what is still being
  // written could be misread.
  static void check_readable(const std::string& folder);

 private:
  int file_ = -1;
};

}  // namespace narrow

#endif  // NARROW_STUDY_STORE_LOCK_H_
