#include "study/classification.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace narrow {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPercent = 100;
// Sums of weights in another order differ by roundings.
constexpr double kRounding = 1e-9;

// Samples by falling score; those of one score end together.
struct Ranked {
  std::vector<std::uint32_t> samples;
  std::vector<std::uint8_t> is_signal, ends;
};

Ranked ranked(std::span<const double> predictions, std::size_t outputs, std::size_t place, const std::vector<std::uint16_t>& truth,
              std::size_t signal) {
  std::vector<std::pair<double, std::uint32_t>> scores;
  scores.reserve(truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) scores.emplace_back(-predictions[i * outputs + place], static_cast<std::uint32_t>(i));
  std::sort(scores.begin(), scores.end());
  Ranked result;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    result.samples.push_back(scores[i].second);
    result.is_signal.push_back(truth[scores[i].second] == signal ? 1 : 0);
    result.ends.push_back(i + 1 == scores.size() || scores[i].first != scores[i + 1].first ? 1 : 0);
  }
  return result;
}

// What passes at every threshold, from above all scores down, until all working points are found.
template <class Weight>
Roc::Points working_points(const ClassSamples& of, const Ranked& order, double signal, double background, const Weight& weight) {
  Roc::Points points{std::vector<double>(of.backgrounds.size(), kNan), std::vector<double>(of.efficiencies.size(), kNan)};
  if (!(signal > 0 && background > 0)) return points;
  double most = 0;
  for (double& each : points.efficiencies) each = 0;
  for (const double each : of.backgrounds) most = std::max(most, each / kPercent * background * (1 + kRounding));
  std::size_t open = of.efficiencies.size();
  double passed = 0;
  double wrong = 0;
  for (std::size_t i = 0; i < order.samples.size(); ++i) {
    (order.is_signal[i] != 0 ? passed : wrong) += weight(order.samples[i]);
    if (order.ends[i] == 0) continue;
    for (std::size_t k = 0; k < of.backgrounds.size(); ++k) {
      if (wrong <= of.backgrounds[k] / kPercent * background * (1 + kRounding)) points.efficiencies[k] = passed / signal * kPercent;
    }
    for (std::size_t k = 0; k < of.efficiencies.size(); ++k) {
      double& found = points.backgrounds[k];
      if (!std::isnan(found) || passed < of.efficiencies[k] / kPercent * signal * (1 - kRounding)) continue;
      found = wrong / background * kPercent;
      --open;
    }
    if (open == 0 && wrong > most) break;
  }
  return points;
}

std::vector<double> curve_of(const Ranked& order, const Weighing& weighing, double signal, double background) {
  std::vector<double> curve(Roc::kBins, kNan);
  double passed = 0;
  double wrong = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < order.samples.size(); ++i) {
    (order.is_signal[i] != 0 ? passed : wrong) += weighing.of_sample(order.samples[i]);
    if (order.ends[i] == 0) continue;
    while (next < Roc::kBins && passed * Roc::kBins >= static_cast<double>(next + 1) * signal * (1 - kRounding))
      curve[next++] = wrong / background * kPercent;
  }
  return curve;
}

// auc and each sample's influence on it: to first order a ratio of sums over pairs is a sum over samples (the structural components of
// DeLong et al. 1988, weighted).
void take_area(Roc& roc, const Ranked& order, const Weighing& weighing, double signal, double background) {
  roc.influence.assign(order.samples.size(), 0);
  double pairs = 0;
  double above_signal = 0;
  double above_background = 0;
  for (std::size_t first = 0; first < order.samples.size();) {
    std::size_t last = first;
    double own_signal = 0;
    double own_background = 0;
    for (bool ends = false; !ends; ++last) {
      (order.is_signal[last] != 0 ? own_signal : own_background) += weighing.of_sample(order.samples[last]);
      ends = order.ends[last] != 0;
    }
    const double below = background - above_background - own_background / 2;
    const double above = above_signal + own_signal / 2;
    pairs += own_signal * below;
    for (std::size_t i = first; i < last; ++i)
      roc.influence[order.samples[i]] = order.is_signal[i] != 0 ? below / background : above / signal;
    above_signal += own_signal;
    above_background += own_background;
    first = last;
  }
  roc.auc = pairs / (signal * background);
  for (std::size_t i = 0; i < order.samples.size(); ++i) {
    const std::uint32_t sample = order.samples[i];
    const double share = weighing.of_sample(sample) / (order.is_signal[i] != 0 ? signal : background);
    roc.influence[sample] = (roc.influence[sample] - roc.auc) * share;
  }
}

double root_of_squares(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

}  // namespace

ClassSamples::ClassSamples(const Classes& of, std::size_t values, std::size_t count, std::span<const float> weights,
                           const MetricOptions& options, const Resamples& draws)
    : classes(of),
      outputs(values),
      samples(count),
      weighing{1, weights},
      has_negative(weighing.has_negative()),
      backgrounds(options.backgrounds),
      efficiencies(options.efficiencies),
      resamples(draws) {
  for (std::size_t k = outputs == 1 ? 1 : 0; k < classes.names.size(); ++k) signals.push_back(k);
  if (classes.truth.empty()) return;
  assert(resamples.samples() == samples && classes.truth.size() == samples);
  const auto add = [&](const auto& weight) {
    Totals sums{std::vector<double>(classes.names.size(), 0), 0};
    for (std::size_t i = 0; i < samples; ++i) {
      sums.of_class[classes.truth[i]] += weight(i);
      sums.all += weight(i);
    }
    return sums;
  };
  totals = add([&](std::size_t i) { return weighing.of_sample(i); });
  for (std::size_t r = 0; r < resamples.replicas(); ++r) {
    const auto times = resamples.weights(r);
    drawn.push_back(add([&](std::size_t i) { return times[i] * weighing.of_sample(i); }));
  }
}

Classification::Classification(const ClassSamples& samples, std::span<const double> predictions) : samples_(samples) {
  const std::size_t outputs = samples.outputs;
  assert(predictions.size() == samples.samples * outputs);
  known_ = std::none_of(predictions.begin(), predictions.end(), [](double value) { return std::isnan(value); });
  chosen_.reserve(samples.samples);
  for (std::size_t i = 0; i < samples.samples; ++i) {
    const auto own = predictions.subspan(i * outputs, outputs);
    if (outputs == 1) {
      chosen_.push_back(own.front() > samples.classes.cut ? 1 : 0);
      tied_.push_back(own.front() == samples.classes.cut);
      continue;
    }
    const auto highest = std::max_element(own.begin(), own.end());
    chosen_.push_back(static_cast<std::uint16_t>(highest - own.begin()));
    tied_.push_back(std::count(own.begin(), own.end(), *highest) > 1);
  }
  if (samples.classes.truth.empty()) return;
  for (const std::size_t signal : samples.signals) {
    Roc& roc = rocs_.emplace_back();
    const double weight = samples.totals.of_class[signal];
    const double others = samples.totals.all - weight;
    roc.auc = kNan;
    roc.curve.assign(Roc::kBins, kNan);
    roc.points = {std::vector<double>(samples.backgrounds.size(), kNan), std::vector<double>(samples.efficiencies.size(), kNan)};
    roc.has_both = weight > 0 && others > 0;
    if (!known_ || !roc.has_both) continue;
    const Ranked order = ranked(predictions, outputs, samples.place(signal), samples.classes.truth, signal);
    take_area(roc, order, samples.weighing, weight, others);
    if (samples.has_negative) continue;  // what passes would not rise as the threshold falls
    roc.curve = curve_of(order, samples.weighing, weight, others);
    roc.points = working_points(samples, order, weight, others, [&](std::size_t i) { return samples.weighing.of_sample(i); });
    for (std::size_t r = 0; r < samples.drawn.size(); ++r) {
      const auto times = samples.resamples.weights(r);
      const double own = samples.drawn[r].of_class[signal];
      roc.replicas.push_back(working_points(samples, order, own, samples.drawn[r].all - own,
                                            [&](std::size_t i) { return times[i] * samples.weighing.of_sample(i); }));
    }
  }
}

std::vector<double> Classification::confusion(std::size_t of) const {
  std::vector<double> shares(samples_.classes.names.size(), 0);
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    if (samples_.classes.truth[i] == of) shares[chosen_[i]] += samples_.weighing.of_sample(i);
  }
  const double weight = samples_.totals.of_class[of];
  for (double& share : shares) share = known_ && weight > 0 ? share / weight * kPercent : kNan;
  return shares;
}

Estimate ClassMetrics::accuracy() const {
  if (!fixed.known()) return {};
  return share_of(samples.samples, samples.weighing, [&](std::size_t i) { return fixed.chosen()[i] == samples.classes.truth[i]; });
}

Estimate ClassMetrics::accuracy_loss() const {
  if (!fixed.known() || !reference.known()) return {};
  bool same = true;
  const Estimate loss = mean_over(samples.samples, samples.weighing, [&](std::size_t i) {
    const std::uint16_t truth = samples.classes.truth[i];
    const int lost = static_cast<int>(reference.chosen()[i] == truth) - static_cast<int>(fixed.chosen()[i] == truth);
    same = same && lost == 0;
    return std::optional(lost * kPercent);
  });
  if (!same || std::isnan(loss.value)) return loss;
  return {0, kPercent * error_of_none(samples.weighing.effective(samples.samples))};
}

Estimate ClassMetrics::agreement() const {
  if (!fixed.known() || !reference.known()) return {};
  return share_of(samples.samples, samples.weighing, [&](std::size_t i) { return fixed.chosen()[i] == reference.chosen()[i]; });
}

Estimate ClassMetrics::disagreement() const {
  if (!fixed.known() || !reference.known()) return {};
  return share_of(samples.samples, samples.weighing, [&](std::size_t i) { return fixed.chosen()[i] != reference.chosen()[i]; });
}

Estimate ClassMetrics::ties() const {
  if (!fixed.known()) return {};
  return share_of(samples.samples, samples.weighing, [&](std::size_t i) { return fixed.tied()[i]; });
}

namespace {

// Of a class, the mean of its value; of none, that over all classes that have one. Nothing where there is none.
template <class Add>
std::size_t for_classes(const std::vector<Roc>& rocs, std::optional<std::size_t> which, const Add& add) {
  std::size_t count = 0;
  for (std::size_t k = 0; k < rocs.size(); ++k) {
    if (!rocs[k].has_both || (which && *which != k)) continue;
    add(k);
    ++count;
  }
  return count;
}

// Samples that vary least: of the rarest class, or of all others, as effective numbers.
double fewest(const ClassSamples& samples, const std::vector<Roc>& rocs, std::optional<std::size_t> which) {
  double least = std::numeric_limits<double>::infinity();
  for_classes(rocs, which, [&](std::size_t k) {
    double sums[2] = {0, 0};     // NOLINT(modernize-avoid-c-arrays)
    double squares[2] = {0, 0};  // NOLINT(modernize-avoid-c-arrays)
    for (std::size_t i = 0; i < samples.samples; ++i) {
      const int side = samples.classes.truth[i] == samples.signals[k] ? 1 : 0;
      const double weight = samples.weighing.of_sample(i);
      sums[side] += weight;
      squares[side] += weight * weight;
    }
    least = std::min({least, sums[0] * sums[0] / squares[0], sums[1] * sums[1] / squares[1]});
  });
  return least;
}

// `sign` of the reference's area is subtracted.
Estimate area(const ClassMetrics& of, std::optional<std::size_t> which, bool loss) {
  if (!of.fixed.known() || (loss && !of.reference.known())) return {};
  double value = 0;
  std::vector<double> influence(of.samples.samples, 0);
  const std::size_t count = for_classes(of.fixed.rocs(), which, [&](std::size_t k) {
    const Roc& own = of.fixed.rocs()[k];
    const Roc& reference = of.reference.rocs()[k];
    value += loss ? reference.auc - own.auc : own.auc;
    for (std::size_t i = 0; i < influence.size(); ++i) influence[i] += loss ? reference.influence[i] - own.influence[i] : own.influence[i];
  });
  if (count == 0) return {};
  const double error = root_of_squares(influence) / static_cast<double>(count);
  if (error == 0) return {value / static_cast<double>(count), error_of_none(fewest(of.samples, of.fixed.rocs(), which))};
  return {value / static_cast<double>(count), error};
}

using PointsOf = std::vector<double> Roc::Points::*;

double mean_at(const std::vector<Roc>& rocs, std::optional<std::size_t> which, PointsOf points, std::size_t at,
               std::optional<std::size_t> replica) {
  double sum = 0;
  bool unknown = false;
  const std::size_t count = for_classes(rocs, which, [&](std::size_t k) {
    const Roc& roc = rocs[k];
    if (replica && *replica >= roc.replicas.size()) unknown = true;
    else sum += ((replica ? roc.replicas[*replica] : roc.points).*points)[at];
  });
  return count == 0 || unknown ? kNan : sum / static_cast<double>(count);
}

// A working point's value, or what `change` makes of it and the float model's. Where resamples do not vary, `none` samples tell the error.
template <class Value>
Estimate at_working_point(const ClassMetrics& of, std::optional<std::size_t> which, PointsOf points, std::size_t at,
                          const Value& value_of) {
  const auto value = [&](std::optional<std::size_t> replica) {
    return value_of(mean_at(of.fixed.rocs(), which, points, at, replica), mean_at(of.reference.rocs(), which, points, at, replica));
  };
  const double own = value(std::nullopt);
  std::vector<double> replicas;
  for (std::size_t r = 0; r < of.samples.resamples.replicas(); ++r) replicas.push_back(value(r));
  const double error = spread(replicas, own);
  return {own, error == 0 ? kPercent * error_of_none(fewest(of.samples, of.fixed.rocs(), which)) : error};
}

double itself(double fixed, double /*reference*/) { return fixed; }
double change(double fixed, double reference) { return reference == 0 ? kNan : (fixed / reference - 1) * kPercent; }
double loss(double fixed, double reference) { return -change(fixed, reference) + 0.0; }

}  // namespace

Estimate ClassMetrics::auc(std::optional<std::size_t> which) const { return area(*this, which, false); }
Estimate ClassMetrics::auc_loss(std::optional<std::size_t> which) const { return area(*this, which, true); }
Estimate ClassMetrics::efficiency(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::efficiencies, at, itself);
}
Estimate ClassMetrics::efficiency_loss(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::efficiencies, at, loss);
}
Estimate ClassMetrics::background(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::backgrounds, at, itself);
}
Estimate ClassMetrics::background_change(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::backgrounds, at, change);
}

Estimate divergence(std::span<const double> fixed, std::span<const double> reference, std::size_t outputs, const Weighing& weighing) {
  constexpr double kLeast = 1e-7;
  // NaN stays.
  const auto raised = [](double value) { return value < kLeast ? kLeast : value; };
  const auto at = [&](std::span<const double> values, std::size_t sample, std::size_t k) {
    if (outputs > 1) return raised(values[sample * outputs + k]);
    return raised(k == 1 ? values[sample] : 1 - values[sample]);
  };
  const std::size_t classes = std::max<std::size_t>(outputs, 2);
  return mean_over(fixed.size() / outputs, weighing, [&](std::size_t i) {
    double all_p = 0;
    double all_q = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      all_p += at(reference, i, k);
      all_q += at(fixed, i, k);
    }
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      const double p = at(reference, i, k) / all_p;
      sum += p * std::log(p / (at(fixed, i, k) / all_q));
    }
    // Roundings of equal ones.
    return std::optional(sum < 0 ? 0 : sum);
  });
}

}  // namespace narrow
