#ifndef NARROW_ERROR_H_
#define NARROW_ERROR_H_

#include <stdexcept>
#include <string>

namespace narrow {

// The user's input is at fault. The message is one line that names the file, layer, row or option, says what is wrong
// with it, and what would be right. The command line prints it and exits with status 1.
// A broken invariant of narrow itself is an assertion, never an Error.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace narrow

#endif  // NARROW_ERROR_H_
