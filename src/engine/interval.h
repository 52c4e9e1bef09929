#ifndef NARROW_ENGINE_INTERVAL_H_
#define NARROW_ENGINE_INTERVAL_H_

#include "fixed/format.h"

namespace narrow {

// Raw values between which something lies, both ends included.
struct Interval {
  Int128 low = 0;
  Int128 high = 0;
  Int128 magnitude() const { return -low > high ? -low : high; }
  bool within(const Interval& other) const { return low >= other.low && high <= other.high; }
};

}  // namespace narrow

#endif  // NARROW_ENGINE_INTERVAL_H_
