#ifndef NARROW_SUGGESTION_H_
#define NARROW_SUGGESTION_H_

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "error.h"

namespace narrow {

// Edits (a letter put in, taken out or exchanged) from one word to another; `_` is `-`.
inline std::size_t distance_of(const std::string& from, const std::string& to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t corner = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const bool same = from[i] == to[j] || (from[i] == '_' && to[j] == '-');
      const std::size_t best = std::min({row[j] + 1, row[j + 1] + 1, corner + (same ? 0 : 1)});
      corner = std::exchange(row[j + 1], best);
    }
  }
  return row.back();
}

// The word that was meant, if one is near enough.
inline std::optional<std::string> nearest_word(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t kNear = 3;  // of three letters one may be wrong
  const auto nearest = std::min_element(known.begin(), known.end(),
                                        [&](const auto& a, const auto& b) { return distance_of(word, a) < distance_of(word, b); });
  if (nearest == known.end() || distance_of(word, *nearest) > std::max<std::size_t>(1, word.size() / kNear)) return std::nullopt;
  return *nearest;
}

// `; did you mean predict?`, or what there is.
inline std::string suggestion(const std::string& word, const std::vector<std::string>& known, const std::string& otherwise = "there are") {
  if (const auto nearest = nearest_word(word, known)) return "; did you mean " + *nearest + "?";
  return "; " + otherwise + " " + listed(known);
}

}  // namespace narrow

#endif  // NARROW_SUGGESTION_H_
