#ifndef NARROW_STUDY_METRIC_H_
#define NARROW_STUDY_METRIC_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "data/preparation.h"

namespace narrow {

class Comparison;
struct Classes;

// A number computed from samples, and its statistical error: the standard deviation that it would have if the study were repeated on
// other samples of the same kind. Estimated by resampling the samples (study/resamples.h), of the float model and of fixed point
// together, or by a closed form that agrees with that. NaN where a value is not finite, or fewer than two samples have a part in it.
struct Estimate {
  double value = std::numeric_limits<double>::quiet_NaN();
  double error = std::numeric_limits<double>::quiet_NaN();
};

// In which values a metric is computed: the network's outputs, such as log(E)/10, or the target's own unit, such as GeV, and what classes
// samples are of.
enum class MetricSpace : std::uint8_t { kOutput, kTarget };
// Which values are better; `kNeither` describes a point and cannot judge it.
enum class Better : std::uint8_t { kLess, kMore, kNeither };
// Of an axis that shows a metric: `kSymlog` is logarithmic on both sides of a linear part about 0, so that it shows zero and below.
enum class AxisScale : std::uint8_t { kLinear, kLog, kSymlog };

// A symlog axis is linear within this part of its largest magnitude.
inline constexpr double kSymlogPart = 1e-3;
// Vega's `constant` of such an axis.
double symlog_constant(double largest);

// Everything that tables, axes, `best` and the page know of a metric. metrics_of is the list of all.
struct Metric {
  std::string name;     // as the store and the user have it: `mpe`, `turn_on_shift@20`
  std::string unit;     // `%`, the target's, or empty
  std::string meaning;  // in a sentence
  std::string title;    // as readers have it: `MPE of log(true_energy)/10`, `turn-on shift at 20`
  MetricSpace space = MetricSpace::kOutput;
  bool is_signed = false;  // best at 0, worse to either side: judged by its magnitude
  Better better = Better::kLess;
  AxisScale scale = AxisScale::kLog;
  std::size_t least_samples = 1;                    // fewer have no value
  bool is_change = false;                           // against the float model: what the fixed-point arithmetic costs
  bool says_space = false;                          // its title says of which values it is
  bool at_target = false;                           // what follows its name's @ is in the target's unit
  std::function<Estimate(const Comparison&)> of{};  // empty where the metric was read from a store
};

using MetricName = Metric;

// A metric bin by bin (Measure::curves), as figures have it.
struct CurveWords {
  std::string title;       // `Turn-on at a threshold of 20 GeV`
  std::string axis;        // of its values, with their unit
  bool from_zero = false;  // the axis begins there
};
// `unit` is the target's. A metric that narrow knows no curve of has its title in both places.
CurveWords words_of_curve(const std::string& name, const std::string& unit);

// How much a value costs: what is compared with a bound, and the less the better.
double cost_of(const Metric& metric, double value);
// Its name, and where it is measured of the network's output: `mpe of the output`.
std::string name_in_words(const Metric& metric);
// Whether what a bound is compared with can be below 0.
bool can_be_negative(const Metric& metric);

// What is measured of every point besides what always is.
struct MetricOptions {
  std::vector<double> tolerances = {1};     // per cent of the float prediction
  std::vector<double> thresholds;           // of a trigger, in the target's unit
  std::vector<double> bins;                 // edges in the target's unit; none for ten bins with equally many samples
  std::vector<std::string> classes;         // names of a classifier's, or `none` for no classifier; none where its model tells (classes.h)
  std::vector<double> backgrounds = {1};    // working points of a classifier: the background's efficiency,
  std::vector<double> efficiencies = {50};  // and the signal's, both in per cent
  std::string unit;                         // the target's, as tables and axes call it
  bool operator==(const MetricOptions&) const = default;
};

// The metrics of a study, in the order of its tables. With fixed and float the predictions of the two models:
//   mae mpe left_out rmse bias largest beyond@T
//                      of |fixed - float|, in the network's output; mpe leaves out the `left_out` samples whose float is 0;
//                      beyond@T is the share of samples, in %, with |fixed - float| > T % of |float|
// `target`, where one is known, tells how the network's output is related to the target; then the same in the target's own unit,
//   mpe_target bias_target beyond_target@T
// and, with E the true value (`has_truth`) and e the relative error of a prediction against it, in the target's unit:
//   resolution         standard deviation of e, %
//   resolution_68      half of the width that the central 68.27 % of e take, %
//   resolution_loss    change of resolution_68, divided by the response 1 + median(e), against the float model's, % of that: an
//                      output that is stuck at 0 has a small width, but no response. Below 0 where the resolution is better
//   linearity          largest |median of e| of a bin of E, %
//   rate@X             % of samples whose prediction is at least the threshold X
//   rate_change@X      change against the float model's rate, % of that
//   turn_on@X          the E at which half of the samples pass
//   turn_on_shift@X    the same less the float model's
// With several outputs, `mae@NAME` and `mpe@NAME` are of the output of that name (a class's, or its number from 0). Of a classifier,
//   agreement disagreement ties kl            against the float model (study/classification.h), and, with true classes,
//   accuracy accuracy_loss                    %, and by how much it is below the float model's
//   auc@CLASS auc_loss@CLASS
//   efficiency@CLASS,B efficiency_loss@CLASS,B      of CLASS where at most B % of the others pass; and the loss, % of the float model's
//   background@CLASS,E background_change@CLASS,E    of the others where at least E % of CLASS pass; and the change, % of the float model's
// and without CLASS and its comma their means over classes.
// Samples whose E is 0 have no relative error and are left out. A metric is infinite where what it is made of is, and NaN (unknown)
// where a prediction is NaN, or too few samples remain.
std::vector<Metric> metrics_of(const MetricOptions& options, const std::optional<Feature>& target, bool has_truth, std::size_t outputs = 1,
                               const Classes* classes = nullptr);

// What is known of a metric by its name alone, as of a store of an older narrow: neither unit nor meaning.
Metric metric_named(const std::string& name);

// `log(true_energy)/10`: what a network's output is, as a formula.
std::string formula_of(const Feature& feature);

}  // namespace narrow

#endif  // NARROW_STUDY_METRIC_H_
