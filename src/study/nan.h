#ifndef NARROW_STUDY_NAN_H_
#define NARROW_STUDY_NAN_H_

#include <limits>

namespace narrow {

// What is not known: of a metric that no sample has, of a ratio to 0.
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace narrow

#endif  // NARROW_STUDY_NAN_H_
