#ifndef NARROW_STUDY_METRICS_H_
#define NARROW_STUDY_METRICS_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "study/comparison.h"
#include "study/metric.h"

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

// To be raised with every change of what a metric means: what an older narrow measured is measured again (study/store.h).
inline constexpr int kMeasure = 3;

// Throws Error, naming `data`, where the model predicts another quantity than the data's target.
void check_target(const Targets& targets, const std::string& data);

// Measures predictions of one set of samples against the float model's, and against the target where that is known: every metric of
// metrics_of, with its error, and the curves.
// In Measure::notes of a float model that predicts one number.
inline constexpr std::string_view kLearnedNothing = "it has learned nothing";

class Measure {
 public:
  // `reference` are the float model's predictions.
  Measure(const MetricOptions& options, std::vector<double> reference, Targets targets = {});

  struct Values {
    std::vector<Estimate> metrics;            // in the order of names()
    std::vector<std::vector<double>> curves;  // in the order of curves()
  };
  Values measure(std::span<const double> fixed) const;

  const std::vector<Metric>& names() const { return metrics_; }
  std::vector<double> values(std::span<const double> fixed) const;  // of measure()
  std::vector<Estimate> float_values() const;                       // the same of the float model itself
  const std::vector<Curve>& curves() const { return curves_; }
  std::vector<std::vector<double>> curve_values(std::span<const double> fixed) const;
  // Samples that have no part in some metric, a sentence each: those whose target is 0, or outside the bins.
  std::vector<std::string> notes() const;

 private:
  void add_class_curves();
  std::vector<std::vector<double>> class_curves(const Classification& of) const;
  void add_class_notes(std::vector<std::string>& notes) const;
  Values measured(std::span<const double> fixed) const;  // of samples that have a weight

  MetricOptions options_;
  std::size_t weightless_ = 0;  // samples of weight 0, which have no part in anything
  std::vector<bool> counted_;   // the others; empty where these are all
  Reference reference_;
  std::vector<Metric> metrics_;
  std::string poor_float_model() const;
  std::vector<Curve> curves_;
};

}  // namespace narrow

#endif  // NARROW_STUDY_METRICS_H_
