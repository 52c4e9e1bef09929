#include "study/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "data/text.h"
#include "error.h"

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

void check_target(const Targets& targets, const std::string& data) {
  if (!targets.of_model || targets.of_model->name == targets.of_data.name) return;
  throw Error(data + ": its target is " + to_string(targets.of_data) + ", and the model was trained on " + to_string(*targets.of_model) +
              "; give data with that target");
}

namespace {

// Where the data alone are known, the model's outputs are like their targets.
Targets completed(Targets targets) {
  if (!targets.truth.empty() && !targets.of_model) targets.of_model = targets.of_data;
  return targets;
}

// Which samples have a weight; empty where all have one.
std::vector<bool> counted(const Targets& targets, std::size_t weightless) {
  std::vector<bool> which;
  for (std::size_t i = 0; weightless > 0 && i < targets.weights.size(); ++i) which.push_back(targets.weights[i] != 0);
  return which;
}

// Values of those samples, `per_sample` each.
template <class T>
std::vector<T> those(const std::vector<bool>& counted, std::vector<T> values, std::size_t per_sample) {
  if (counted.empty()) return values;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (counted[i / per_sample]) values[kept++] = values[i];
  }
  values.resize(kept);
  return values;
}

Targets those(const std::vector<bool>& counted, Targets targets) {
  targets.truth = those(counted, std::move(targets.truth), 1);
  targets.weights = those(counted, std::move(targets.weights), 1);
  if (targets.classes) targets.classes->truth = those(counted, std::move(targets.classes->truth), 1);
  return targets;
}

}  // namespace

Measure::Measure(const MetricOptions& options, std::vector<double> reference, Targets targets)
    : options_(options),
      weightless_(static_cast<std::size_t>(std::count(targets.weights.begin(), targets.weights.end(), 0.0F))),
      counted_(counted(targets, weightless_)),
      reference_(options, those(counted_, std::move(reference), targets.outputs), completed(those(counted_, targets))),
      metrics_(metrics_of(options_, reference_.targets.of_model, !reference_.truth.empty(), reference_.targets.outputs,
                          reference_.targets.classes ? &*reference_.targets.classes : nullptr)) {
  add_class_curves();
  if (reference_.truth.empty()) return;
  std::string bins;
  for (const double edge : options_.bins) bins += (bins.empty() ? "@" : ",") + short_text(edge);
  const Comparison own(reference_, reference_.outputs);
  Curve curve{"linearity" + bins, reference_.bins.edges, {}, own.medians()};
  for (const auto& samples : reference_.bins.samples) curve.samples.push_back(samples.size());
  curves_ = {curve, curve};
  curves_.back().name = "resolution_68" + bins;
  curves_.back().values = own.widths();
  for (std::size_t i = 0; i < reference_.turn_ons.size(); ++i) {
    const TurnOn& turn_on = reference_.turn_ons[i];
    std::vector<std::size_t> samples(TurnOn::kBins + 1);
    for (const std::uint8_t bin : turn_on.bin) ++samples[bin];
    samples.pop_back();  // those of no bin
    curves_.push_back({"turn_on@" + short_text(turn_on.threshold), turn_on.edges, std::move(samples), own.efficiency(i)});
  }
}

// Of each class its ROC curve in bins of efficiency, and what its samples are taken for.
void Measure::add_class_curves() {
  if (!reference_.class_samples || reference_.class_samples->classes.truth.empty()) return;
  const ClassSamples& samples = *reference_.class_samples;
  const std::vector<std::string>& names = samples.classes.names;
  std::vector<std::size_t> counts(names.size());
  for (const std::uint16_t own : samples.classes.truth) ++counts[own];
  const std::vector<std::vector<double>> values = class_curves(*reference_.float_classes);
  std::vector<double> edges;
  for (std::size_t i = 0; i <= Roc::kBins; ++i) edges.push_back(100.0 * static_cast<double>(i) / Roc::kBins);
  for (const std::size_t k : samples.signals)
    curves_.push_back({"roc@" + names[k], edges, std::vector(Roc::kBins, counts[k]), values[curves_.size()]});
  edges.resize(names.size() + 1);
  std::iota(edges.begin(), edges.end(), 0.0);
  for (std::size_t k = 0; k < names.size(); ++k)
    curves_.push_back({"confusion@" + names[k], edges, std::vector(names.size(), counts[k]), values[curves_.size()]});
}

std::vector<std::vector<double>> Measure::class_curves(const Classification& of) const {
  std::vector<std::vector<double>> values;
  for (const Roc& roc : of.rocs()) values.push_back(roc.curve);
  for (std::size_t k = 0; k < reference_.class_samples->classes.names.size(); ++k) values.push_back(of.confusion(k));
  return values;
}

Measure::Values Measure::measure(std::span<const double> fixed) const {
  if (counted_.empty()) return measured(fixed);
  return measured(those(counted_, std::vector(fixed.begin(), fixed.end()), reference_.targets.outputs));
}

Measure::Values Measure::measured(std::span<const double> fixed) const {
  const Comparison comparison(reference_, fixed);
  Values values;
  values.metrics.reserve(metrics_.size());
  const std::size_t samples = fixed.size() / reference_.targets.outputs;
  for (const Metric& metric : metrics_) values.metrics.push_back(samples < metric.least_samples ? Estimate{} : metric.of(comparison));
  if (reference_.class_samples && !reference_.class_samples->classes.truth.empty())
    values.curves = class_curves(comparison.classification());
  if (reference_.truth.empty()) return values;
  values.curves = {comparison.medians(), comparison.widths()};
  for (std::size_t i = 0; i < reference_.turn_ons.size(); ++i) values.curves.push_back(comparison.efficiency(i));
  return values;
}

std::vector<double> Measure::values(std::span<const double> fixed) const {
  std::vector<double> values;
  for (const Estimate& estimate : measure(fixed).metrics) values.push_back(estimate.value);
  return values;
}

std::vector<Estimate> Measure::float_values() const { return measured(reference_.outputs).metrics; }

std::vector<std::vector<double>> Measure::curve_values(std::span<const double> fixed) const { return measure(fixed).curves; }

// Where the float model is so far from the truth that something else is at fault than its training.
std::string Measure::poor_float_model() const {
  if (reference_.nonzero.empty()) return "";
  std::vector<double> errors;
  for (const std::uint32_t i : reference_.nonzero)
    errors.push_back((reference_.undone[i] - reference_.truth[i]) / std::abs(reference_.truth[i]) * 100);
  if (std::any_of(errors.begin(), errors.end(), [](double error) { return std::isnan(error); })) return "";
  std::sort(errors.begin(), errors.end());
  constexpr double kTail = 0.16;
  const double median = quantile(errors, 0.5);
  const double width = (quantile(errors, 1 - kTail) - quantile(errors, kTail)) / 2;
  constexpr double kAll = 100;
  if (median > -kAll + 1 && median < kAll && width < kAll) return "";
  const auto per_cent = [](double value) { return std::isfinite(value) ? number_text(value, 3) + " %" : std::string("not finite"); };
  return "the float model itself is far from the target: its median relative error is " + per_cent(median) + ", its central resolution " +
         per_cent(width) + ". The target was taken as " + to_string(*reference_.targets.of_model) + " in the model and " +
         to_string(reference_.targets.of_data) + " in the data" + (reference_.targets.assumed ? ", which do not say it" : "") +
         "; is it (--target), and are the inputs prepared as the model's?";
}

void Measure::add_class_notes(std::vector<std::string>& notes) const {
  if (!reference_.class_samples) return;
  const ClassSamples& samples = *reference_.class_samples;
  if (!samples.classes.recognised.empty()) notes.push_back(samples.classes.recognised);
  notes.insert(notes.end(), samples.classes.notes.begin(), samples.classes.notes.end());
  if (std::string doubt = doubt_of_labels(samples, *reference_.float_classes); !doubt.empty()) notes.push_back(std::move(doubt));
  for (std::size_t k = 0; k < samples.totals.of_class.size(); ++k) {
    const std::uint16_t own = static_cast<std::uint16_t>(k);
    if (std::find(samples.classes.truth.begin(), samples.classes.truth.end(), own) == samples.classes.truth.end())
      notes.push_back("no sample is of class " + samples.classes.names[k] + ": it has no ROC curve, and no part in means over classes");
  }
  constexpr double kMany = 0.01;
  const std::vector<bool>& tied = reference_.float_classes->tied();
  const auto ties = static_cast<double>(std::count(tied.begin(), tied.end(), true));
  if (ties > kMany * static_cast<double>(tied.size())) {
    notes.push_back("the float model's highest scores are tied for " + count_text(ties) + " of " + std::to_string(tied.size()) +
                    " samples: they are taken to be of the first class of these");
  }
}

std::vector<std::string> Measure::notes() const {
  std::vector<std::string> notes;
  const std::size_t all = reference_.truth.size();
  const auto add = [&](std::size_t count, const std::string& what) {
    if (count > 0) notes.push_back(std::to_string(count) + " of " + std::to_string(all) + " samples " + what);
  };
  const std::vector<double>& outputs = reference_.outputs;
  if (outputs.size() > 1 && std::all_of(outputs.begin(), outputs.end(), [&](double output) { return output == outputs.front(); })) {
    notes.push_back("the float model predicts " + short_text(outputs.front()) + " for every sample: " + std::string(kLearnedNothing) +
                    ", and nothing here tells what precision a network needs");
  } else if (const std::string poor = poor_float_model(); !poor.empty()) {
    notes.push_back(poor);
  }
  const auto zeros = std::count(reference_.undone.begin(), reference_.undone.end(), 0.0);
  if (zeros > 0) {
    notes.push_back("the float model predicts 0 in the target's unit for " + std::to_string(zeros) + " of " +
                    std::to_string(reference_.undone.size()) + " samples, which have no part in mpe_target");
  }
  add_class_notes(notes);
  if (const Weighing weighing = reference_.weighing(); !weighing.weights.empty()) {
    const std::size_t samples = weighing.weights.size();
    const auto count = [&](const auto& which) {
      return static_cast<std::size_t>(std::count_if(weighing.weights.begin(), weighing.weights.end(), which));
    };
    notes.push_back("samples are weighted: the effective size of these " + std::to_string(samples) + " is " +
                    short_text(std::round(weighing.effective(samples))));
    const std::size_t negative = count([](float w) { return w < 0; });
    if (negative > 0) {
      notes.push_back(std::to_string(negative) + " of " + std::to_string(samples) +
                      " samples have a negative weight: quantiles (central resolution, linearity), 50 % points and a classifier's working "
                      "points are unknown");
    }
    if (weightless_ > 0) {
      notes.push_back(
          std::to_string(weightless_) + " of " + std::to_string(samples + weightless_) +
          (weightless_ == 1 ? " samples has the weight 0 and enters no metric" : " samples have the weight 0 and enter no metric"));
    }
  }
  add(static_cast<std::size_t>(std::count(reference_.truth.begin(), reference_.truth.end(), 0.0)),
      "have a target of 0, and no part in resolution and linearity");
  if (!options_.bins.empty()) {
    add(reference_.bins.outside, "lie outside the bins from " + short_text(options_.bins.front()) + " to " +
                                     short_text(options_.bins.back()) + ", and have no part in linearity");
  }
  return notes;
}

}  // namespace narrow
