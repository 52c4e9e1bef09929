#ifndef NARROW_SEARCH_RANGE_H_
#define NARROW_SEARCH_RANGE_H_

#include <array>
#include <cstdint>
#include <span>

#include "fixed/format.h"

namespace narrow {

// How values are distributed: their ends, and how many lie in each power of two. What a type has to hold.
struct Range {
  static constexpr int kLowest = -64;  // values below 2^kLowest are counted there, those of 2^kHighest and more here
  static constexpr int kHighest = 63;
  double low = 0, high = 0;  // of all values, and 0
  std::uint64_t values = 0, zeros = 0;
  std::array<std::uint64_t, kHighest - kLowest + 1> octaves{};  // with |value| in [2^e, 2^(e + 1)), by e - kLowest

  void add(std::span<const float> more);  // finite values
  Range& operator+=(const Range& more);
  bool is_zero() const { return values == zeros; }
};

// The least integer bits, the sign included, with which a type of these steps holds the range once its values are rounded to nearest;
// a value that is rounded up beyond the largest by half a step or less is one that a saturating type brings back. At least as many as the
// width's least: `least_width`.
int integer_bits(const Range& range, bool is_signed, int fraction, int least_width);

}  // namespace narrow

#endif  // NARROW_SEARCH_RANGE_H_
