#include "study/means.h"

namespace narrow {

double error_of_none(double count) { return count < 2 ? std::numeric_limits<double>::quiet_NaN() : 1 / (count + 1); }

double Weighing::effective(std::size_t samples) const {
  if (weights.empty()) return static_cast<double>(samples);
  double sum = 0;
  double squares = 0;
  for (const float each : weights) {
    const auto weight = static_cast<double>(each);
    sum += weight;
    squares += weight * weight;
  }
  return sum * sum / squares;
}

bool Weighing::has_negative() const {
  return std::any_of(weights.begin(), weights.end(), [](float weight) { return weight < 0; });
}

}  // namespace narrow
