#ifndef NARROW_PRECISION_WORDS_H_
#define NARROW_PRECISION_WORDS_H_

#include <string>
#include <vector>

#include "precision/config.h"

namespace narrow {

// A precision as the command line and Python take it: `16,6` for a type, empty where one is not given.
struct PrecisionWords {
  std::string vector;          // v
  std::string weight;          // wb
  std::string types = "auto";  // or `uniform`
  std::string relu;            // modes of relu results, `AP_RND,AP_SAT`
  std::string maximum;         // widest inferred type
};

// The same with its types read; `vector` is left alone where it is empty. Throws Error, naming the option (`v`, `wb`, ... behind `dashes`)
// and what would be right.
PrecisionOptions parse_words(const PrecisionWords& words, const std::string& dashes);

// One line for each type whose two numbers may have been swapped.
std::vector<std::string> notes_on(const PrecisionWords& words, const PrecisionOptions& parsed, const std::string& dashes);

}  // namespace narrow

#endif  // NARROW_PRECISION_WORDS_H_
