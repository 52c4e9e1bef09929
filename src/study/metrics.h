#ifndef NARROW_STUDY_METRICS_H_
#define NARROW_STUDY_METRICS_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/preparation.h"

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

// What is measured of every point besides Metrics.
struct MetricOptions {
  std::vector<double> tolerances = {1};  // per cent of the float prediction
  std::vector<double> thresholds;        // of a trigger, in the target's unit
  std::vector<double> bins;              // edges in the target's unit; none for ten bins with equally many samples
  std::string unit;                      // the target's, as tables and axes call it
  bool operator==(const MetricOptions&) const = default;
};

// A metric's name in stores and tables, its unit, and what it is.
struct MetricName {
  std::string name, unit, meaning;
};

// A value for each bin of the true value; NaN for a bin without samples.
struct Curve {
  std::string name;           // `linearity`, `resolution_68` (the same bins), `turn_on@50`
  std::vector<double> edges;  // of the bins, in the target's unit
  std::vector<std::size_t> samples;
  std::vector<double> values;  // the float model's
};

// Measures predictions of one set of samples against the float model's, and against the target where that is known:
//   mae mpe left_out rmse bias largest   of Metrics
//   beyond@T           % of samples with |fixed - float| > T % of |float|
// and with E the true value, e the relative error of a prediction against it (in the target's unit, its preparation undone):
//   resolution         standard deviation of e, %
//   resolution_68      half of the width that the central 68.27 % of e take, %
//   resolution_loss    change of resolution_68, divided by the response 1 + median(e), against the float model's, % of that: an
//                      output that is stuck at 0 has a small width, but no response
//   linearity          largest |median of e| of a bin of E, %
//   rate@X             % of samples whose prediction is at least the threshold X
//   rate_change@X      change against the float model's rate, % of that
//   turn_on@X          the E at which half of the samples pass
//   turn_on_shift@X    the same less the float model's
// The turn-on curve is the share of samples that pass in 20 bins of E about X, equal in prepared units and together 40 % of the
// central 98 % range of the target. Its 50 % point lies between two bins of the nearest rising curve (isotonic regression, Barlow
// et al. 1972, weighted by samples), linearly at the bins' mean E in prepared units; NaN where the curve does not cross one half.
class Measure {
 public:
  // `truth` are prepared targets, one a prediction, or empty; `target` tells how they were prepared.
  Measure(const MetricOptions& options, std::vector<float> reference, const std::vector<float>& truth, const Feature& target);

  const std::vector<MetricName>& names() const { return names_; }
  std::vector<double> values(std::span<const double> fixed) const;  // in the order of names()
  std::vector<double> float_values() const;                         // the same of the float model itself
  const std::vector<Curve>& curves() const { return curves_; }
  std::vector<std::vector<double>> curve_values(std::span<const double> fixed) const;  // in the order of curves()

 private:
  struct TurnOn {
    double threshold = 0;
    std::vector<std::size_t> bin;   // of each sample; the number of bins for none
    std::vector<double> positions;  // mean prepared E of each bin
    std::vector<std::size_t> samples;
    double float_half = 0, float_rate = 0;
  };
  std::vector<double> undone(std::span<const double> predictions) const;
  std::vector<double> relative_errors(const std::vector<double>& predictions) const;
  std::vector<double> efficiency(const TurnOn& turn_on, const std::vector<double>& predictions) const;
  double half_point(const TurnOn& turn_on, const std::vector<double>& efficiency) const;
  // Of the relative errors in each bin of E: their median, and half of the width of their central 68.27 %.
  struct Binned {
    std::vector<double> medians, widths;
  };
  Binned binned(const std::vector<double>& errors) const;
  void make_bins(const std::vector<double>& edges);
  void make_turn_on(double threshold, const std::vector<float>& prepared);

  MetricOptions options_;
  std::vector<float> reference_;
  std::vector<double> float_;  // the same as double
  std::vector<double> truth_;  // in the target's unit
  Feature target_;
  std::vector<MetricName> names_;
  std::vector<Curve> curves_;
  std::vector<std::size_t> bin_;  // of each sample, for linearity
  std::vector<TurnOn> turn_ons_;
  double float_resolution_ = 0;
};

// `50`, `0.5`: a number as names of metrics have it.
std::string short_text(double value);

}  // namespace narrow

#endif  // NARROW_STUDY_METRICS_H_
