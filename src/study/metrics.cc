#include "study/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace narrow {

Metrics compare(std::span<const double> fixed, std::span<const float> reference) {
  assert(fixed.size() == reference.size());
  Metrics metrics;
  double absolute = 0;
  double relative = 0;
  double signed_sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < fixed.size(); ++i) {
    const double exact = reference[i];
    const double error = std::abs(fixed[i] - exact);
    absolute += error;
    signed_sum += fixed[i] - exact;
    squares += error * error;
    metrics.largest = std::max(metrics.largest, error);
    if (exact == 0) ++metrics.left_out;
    else relative += error / std::abs(exact);
  }
  const auto n = static_cast<double>(fixed.size());
  const auto counted = static_cast<double>(fixed.size() - metrics.left_out);
  metrics.mae = fixed.empty() ? std::numeric_limits<double>::quiet_NaN() : absolute / n;
  metrics.rmse = fixed.empty() ? metrics.mae : std::sqrt(squares / n);
  metrics.bias = fixed.empty() ? metrics.mae : signed_sum / n;
  metrics.mpe = counted == 0 ? std::numeric_limits<double>::quiet_NaN() : relative / counted * 100;
  return metrics;
}

}  // namespace narrow
