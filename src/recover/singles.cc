#include "recover/singles.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace narrow {
namespace {

constexpr int kMantissa = std::numeric_limits<float>::digits;
constexpr int kSmallest = kMantissa - std::numeric_limits<float>::min_exponent;  // the least float32 is 2^-kSmallest

// The largest float32 that is no more than magnitude * 2^-fraction, and a multiple of 2^-fraction.
float end_of(Uint128 magnitude, int fraction) {
  const int dropped = std::max({bits_of(magnitude) - kMantissa, fraction - kSmallest, 0});
  if (dropped >= bits_of(magnitude)) return 0;
  const double end = std::ldexp(static_cast<double>(magnitude >> dropped), dropped - fraction);
  constexpr auto kLargest = static_cast<double>(std::numeric_limits<float>::max());
  return static_cast<float>(end <= kLargest ? end : std::ldexp(std::floor(std::ldexp(kLargest, fraction)), -fraction));
}

}  // namespace

Singles::Singles(const Format& type)
    : least(-end_of(magnitude_of(least_raw(type)), type.fraction())),
      most(end_of(magnitude_of(max_raw(type)), type.fraction())),
      fraction_(type.fraction()) {}

double Singles::steps_of(double value) const {
  return std::ldexp(std::clamp(value, static_cast<double>(least), static_cast<double>(most)), fraction_);
}
double Singles::of_steps(double steps) const { return std::ldexp(steps, -fraction_); }

// From 2^24 steps on every float32 is a whole number of them, and below that every whole number is a float32.
float Singles::nearest(double value) const {
  const double steps = steps_of(value);
  return static_cast<float>(of_steps(std::abs(steps) < std::ldexp(1.0, kMantissa) ? std::nearbyint(steps) : steps));
}
float Singles::down(float value) const { return static_cast<float>(of_steps(std::floor(steps_of(static_cast<double>(value))))); }
float Singles::up(float value) const { return static_cast<float>(of_steps(std::ceil(steps_of(static_cast<double>(value))))); }

}  // namespace narrow
