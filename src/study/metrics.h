#ifndef NARROW_STUDY_METRICS_H_
#define NARROW_STUDY_METRICS_H_

#include <cstddef>
#include <span>

namespace narrow {

// How far fixed-point predictions lie from the float model's.
struct Metrics {
  double mpe = 0;            // mean(|fixed - float| / |float|) x 100 over values whose float is not 0; NaN where there is none
  double mae = 0;            // mean(|fixed - float|)
  std::size_t left_out = 0;  // values whose float is 0, left out of mpe
  double rmse = 0;           // sqrt(mean((fixed - float)^2))
  double bias = 0;           // mean(fixed - float)
  double largest = 0;        // max(|fixed - float|)
};

// `fixed` and `reference` are predictions of the same samples, in the same order.
Metrics compare(std::span<const double> fixed, std::span<const float> reference);

}  // namespace narrow

#endif  // NARROW_STUDY_METRICS_H_
