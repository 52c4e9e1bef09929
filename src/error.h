#ifndef NARROW_ERROR_H_
#define NARROW_ERROR_H_

#include <stdexcept>
#include <string>
#include <vector>

namespace narrow {

// The user's input is at fault. The message is one line that names the file, layer, row or option, says what is wrong
// with it, and what would be right. The command line prints it and exits with status 1.
// A broken invariant of narrow itself is an assertion, never an Error.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

// `eta, phi`, as messages list what there is; `nothing` for none.
inline std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "nothing" : text;
}

}  // namespace narrow

#endif  // NARROW_ERROR_H_
