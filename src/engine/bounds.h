#ifndef NARROW_ENGINE_BOUNDS_H_
#define NARROW_ENGINE_BOUNDS_H_

#include <optional>
#include <vector>

#include "engine/interval.h"
#include "engine/program.h"

namespace narrow {

// The whole range of a type.
Interval range_of(const Format& format);

// What is proven of a Dense layer's sums from its quantized weights and its inputs' interval (interval arithmetic).
struct SumBounds {
  Interval sum;          // of the exact sum with its bias, at `fraction` bits; products are not cast
  Int128 magnitude = 0;  // of any partial sum in any order: max over outputs of |bias| + sum of |w| * max |x|
  int fraction = 0;      // the product's fractional bits or the bias's, whichever are more
};

// For each layer the interval of its results, whatever the input: nothing that the layer computes lies outside.
std::vector<Interval> result_intervals(const Program& program);

// Nothing where sums of 128 bits would not hold them.
std::optional<SumBounds> sum_bounds(const Program& program, std::size_t layer, const Interval& input);

}  // namespace narrow

#endif  // NARROW_ENGINE_BOUNDS_H_
