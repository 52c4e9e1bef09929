#ifndef NARROW_STUDY_COMPARISON_H_
#define NARROW_STUDY_COMPARISON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "study/classes.h"
#include "study/classification.h"
#include "study/means.h"
#include "study/metric.h"
#include "study/resamples.h"

namespace narrow {

// What is known of the targets of a set of samples, and what the samples weigh.
struct Targets {
  std::vector<float> truth;           // as the data have them, prepared, one a sample; empty where there are none
  Feature of_data{"target"};          // how `truth` was prepared
  std::optional<Feature> of_model{};  // how the target was on which the model was trained; nothing where that is not known
  std::size_t outputs = 1;            // values of a prediction; several are compared, but have no target
  std::vector<float> weights{};       // one a sample; empty where all weigh the same
  std::optional<Classes> classes{};   // of a classifier, whose `truth` is in there
  bool assumed = false;               // nothing says how `truth` was prepared: it is taken to be as the model's target
};

// A value for each bin of the true value; NaN for a bin without samples, and of a width for one with a single sample.
struct Curve {
  std::string name;           // `linearity`, `resolution_68` (the same bins), `turn_on@50`
  std::vector<double> edges;  // of the bins, in the target's unit
  std::vector<std::size_t> samples;
  std::vector<double> values;  // the float model's
};

// Samples in bins of the true value, each with its lower edge (the last with both). Edges that a user gives are compared as prepared
// targets with a tolerance of a few float32 roundings, for a target that is 20 GeV is not 20 after it was prepared, stored and undone.
struct Bins {
  std::vector<double> edges;                        // in the target's unit
  std::vector<std::vector<std::uint32_t>> samples;  // of each bin, those that have a relative error
  std::size_t outside = 0;                          // samples in no bin
};

// A trigger's threshold, and the turn-on curve about it: the share of samples that pass in 20 bins of E, equal in prepared units and
// together 40 % of the central 98 % range of the target. Its 50 % point lies between two bins of the nearest rising curve
// (isotonic regression, Barlow et al. 1972, weighted by samples), linearly at the bins' mean E in prepared units; NaN where the
// curve does not cross one half.
struct TurnOn {
  static constexpr std::size_t kBins = 20;
  using PerBin = std::array<double, kBins>;
  struct Replica {
    PerBin samples{}, positions{};  // what they weigh together, and their mean prepared E
  };
  double threshold = 0;
  std::vector<double> edges;
  std::vector<std::uint8_t> bin;  // of each sample; kBins for none
  Replica all;                    // the samples as they are
  std::vector<Replica> replicas;
  double float_half = 0;
  std::vector<double> float_halves;  // of the replicas
  std::vector<bool> float_passed;    // of each sample
};

// What the predictions of all points are compared with: the float model's, and the truth, on one set of samples.
struct Reference {
  Reference(const MetricOptions& options, std::vector<double> predictions, Targets of);
  // What is known of classes points into it.
  Reference(const Reference&) = delete;
  Reference(Reference&&) = delete;
  Reference& operator=(const Reference&) = delete;
  Reference& operator=(Reference&&) = delete;
  ~Reference() = default;

  std::vector<double> outputs;         // the float model's
  std::vector<double> undone;          // the same in the target's unit; empty where none is known
  bool known = false;                  // none of these is NaN
  std::vector<double> truth;           // in the target's unit; empty where it is not known
  std::vector<std::uint32_t> nonzero;  // samples whose truth is not 0, nor their weight
  Targets targets;
  bool has_quantiles = true;  // no weight is negative
  Weighing weighing() const { return {targets.outputs, targets.weights}; }
  Bins bins;
  std::vector<TurnOn> turn_ons;
  Resamples resamples;
  double float_scaled = 0;                    // resolution_68 with the response scaled to 1
  std::vector<double> float_scaled_of;        // of the replicas
  std::optional<ClassSamples> class_samples;  // of a classifier
  std::optional<Classification> float_classes;
};

// Predictions of a point beside a Reference: what metrics are made of. Each function is a metric of metrics_of, or two that differ in
// whether outputs or undone values are compared.
class Comparison {
 public:
  Comparison(const Reference& reference, std::span<const double> predictions);

  Estimate mae() const;
  Estimate mae(std::size_t output) const;
  Estimate left_out() const;
  Estimate rmse() const;
  Estimate largest() const;
  Estimate mpe(MetricSpace space) const;
  Estimate mpe(std::size_t output) const;
  Estimate bias(MetricSpace space) const;
  Estimate beyond(MetricSpace space, double tolerance) const;
  Estimate resolution() const;
  Estimate resolution_68() const;
  Estimate resolution_loss() const;
  Estimate linearity() const;
  Estimate rate(std::size_t threshold) const;  // which of MetricOptions::thresholds
  Estimate rate_change(std::size_t threshold) const;
  Estimate turn_on(std::size_t threshold) const;
  Estimate turn_on_shift(std::size_t threshold) const;
  Estimate kl() const;
  // Of a classifier alone.
  ClassMetrics classes() const { return {*reference_.class_samples, *classes_, *reference_.float_classes}; }
  const Classification& classification() const { return *classes_; }

  std::vector<double> medians() const { return medians_; }  // of the relative errors in each of Reference::bins
  std::vector<double> widths() const { return widths_; }
  std::vector<double> efficiency(std::size_t threshold) const;  // in the bins of the turn-on curve
  const std::vector<double>& scaled_of() const { return scaled_of_; }
  double scaled() const { return scaled_; }
  struct Half {
    double value = 0;
    std::vector<double> replicas;
    std::vector<bool> passed;  // of each sample
  };
  const Half& half(std::size_t threshold) const { return halves_[threshold]; }

 private:
  struct Pair {
    std::span<const double> fixed, reference;
  };
  Pair in(MetricSpace space) const;
  double shift_of_one_sample(const TurnOn& turn_on) const;
  Estimate weighted_resolution() const;
  void compare_with_truth();
  void take_quantiles(const Ordered& values, std::span<const std::uint8_t> drawn, std::span<const double> shares,
                      std::span<double> result) const;
  void compare_at(const TurnOn& turn_on);

  const Reference& reference_;
  std::span<const double> outputs_;
  std::vector<double> undone_;
  bool known_ = false;          // no prediction is NaN, in the target's unit
  bool has_errors_ = false;     // nor is any relative error: the truth is finite, too
  std::vector<double> errors_;  // of Reference::nonzero, %
  double width_ = 0, scaled_ = 0;
  std::vector<double> width_of_, scaled_of_;  // of the replicas
  std::vector<double> medians_, widths_;
  std::vector<double> largest_median_of_;
  std::vector<Half> halves_;
  std::optional<Classification> classes_;
};

}  // namespace narrow

#endif  // NARROW_STUDY_COMPARISON_H_
