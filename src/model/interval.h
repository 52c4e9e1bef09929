#ifndef NARROW_MODEL_INTERVAL_H_
#define NARROW_MODEL_INTERVAL_H_

#include "fixed/format.h"

namespace narrow {

// Raw values between which something lies, both ends included.
struct Interval {
  Int128 low = 0;
  Int128 high = 0;
  Int128 magnitude() const { return -low > high ? -low : high; }
  bool within(const Interval& other) const { return low >= other.low && high <= other.high; }
  bool operator==(const Interval&) const = default;
};

inline Interval operator+(const Interval& a, const Interval& b) { return {a.low + b.low, a.high + b.high}; }

// The smallest interval that holds both.
Interval hull(const Interval& a, const Interval& b);
// What is left of values when those below 0 become 0.
Interval positive_part(const Interval& values);

// The whole range of a type.
Interval range_of(const Format& format);

// What values of `from`, with `fraction` fractional bits, become when they are cast to `to` (fixed/cast.h). Rounding and
// saturating keep the order of values, so the casts of the ends bound it; where a value may wrap, be set to zero, or is
// converted to an ap_int, it is the whole range of the type.
Interval cast_interval(const Interval& from, int fraction, const Format& to);

// s = start; s = (sum)(s + term), `times` times, with any terms of the interval `term`, all exact before each cast. `start` has
// `sum`'s fractional bits, `term` has `fraction`.
Interval running_sum(const Interval& start, const Interval& term, int fraction, int times, const Format& sum);

}  // namespace narrow

#endif  // NARROW_MODEL_INTERVAL_H_
