#ifndef NARROW_STUDY_NAN_H_
#define NARROW_STUDY_NAN_H_

#include <cmath>
#include <limits>

namespace narrow {

// What is not known: of a metric that no sample has, of a ratio to 0.
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// By how many percent a value differs from another.
inline double change_in_percent(double value, double from) { return from == 0 || !std::isfinite(from) ? kNan : (value / from - 1) * 100; }

}  // namespace narrow

#endif  // NARROW_STUDY_NAN_H_
