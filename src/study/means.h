#ifndef NARROW_STUDY_MEANS_H_
#define NARROW_STUDY_MEANS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

#include "study/metric.h"

namespace narrow {

// The samples that a mean is over: several values each, and what each sample weighs.
struct Weighing {
  std::size_t per_sample = 1;
  std::span<const float> weights;  // empty where all weigh the same
  double of_sample(std::size_t sample) const { return weights.empty() ? 1 : static_cast<double>(weights[sample]); }
  // So many samples of one weight would have means with the same error: (sum of w)^2 / sum of w^2 (Kish 1965).
  double effective(std::size_t samples) const;
  bool has_negative() const;
};

// The mean of `value(i)` over the values for which it is not nothing, several of them a sample, and its error: that of a ratio of
// two sums over samples, to first order.
template <class Value>
Estimate mean_over(std::size_t values, const Weighing& weighing, const Value& value) {
  const std::size_t per_sample = weighing.per_sample;
  double sum = 0;
  double count = 0;  // of weights
  for (std::size_t i = 0; i < values; ++i) {
    const double weight = weighing.of_sample(i / per_sample);
    if (weight == 0) continue;
    if (const std::optional<double> own = value(i)) {
      sum += weight * *own;
      count += weight;
    }
  }
  if (!(count > 0)) return {};
  const double mean = sum / count;
  double squares = 0;
  std::size_t samples = 0;
  for (std::size_t first = 0; first < values; first += per_sample) {
    const double weight = weighing.of_sample(first / per_sample);
    if (weight == 0) continue;
    double departure = 0;
    bool counted = false;
    for (std::size_t i = first; i < std::min(values, first + per_sample); ++i) {
      if (const std::optional<double> own = value(i)) {
        departure += weight * (*own - mean);
        counted = true;
      }
    }
    squares += departure * departure;
    samples += counted ? 1 : 0;
  }
  return {mean, std::isfinite(mean) && samples > 1 ? std::sqrt(squares) / count : std::numeric_limits<double>::quiet_NaN()};
}

// Of `count` samples no one, or every one, has a property: its share has the spread 0 in all resamples of these, but not in others. The
// error is then the upper limit of Wilson's score interval (Wilson 1927) at one standard deviation, z^2 / (n + z^2) with z = 1, to which
// that of a single one of n, 1/n, leads on.
double error_of_none(double count);

// The share of values that `has` holds for, %, several of them a sample.
template <class Has>
Estimate share_of(std::size_t values, const Weighing& weighing, const Has& has) {
  bool some = false;
  bool all = true;
  Estimate share = mean_over(values, weighing, [&](std::size_t i) {
    const bool own = has(i);
    some |= own;
    all &= own;
    return std::optional(own ? 100.0 : 0.0);
  });
  if ((some && !all) || std::isnan(share.value)) return share;
  return {all ? 100.0 : 0.0, 100 * error_of_none(weighing.effective(values / weighing.per_sample))};
}

}  // namespace narrow

#endif  // NARROW_STUDY_MEANS_H_
