#include "study/classification.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <type_traits>
#include <utility>

#include "data/text.h"
#include "study/nan.h"

namespace narrow {
namespace {

constexpr double kPercent = 100;
// Sums of weights in another order differ by roundings.
constexpr double kRounding = 1e-9;

// Samples by falling score; those of one score end together.
struct Ranked {
  std::vector<std::uint32_t> samples;
  std::vector<std::uint8_t> is_signal, ends;
};

// Falling scores as rising bits; 0 and -0 are equal. Low bits that are 0 stay 0.
std::uint64_t falling_bits(double score) {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  const auto bits = std::bit_cast<std::uint64_t>(score + 0.0);
  return bits >= kSign ? bits : kSign - bits;
}

// Scores of fixed point differ in few bits: those, with the sample behind them, are sorted by a few digits (LSD radix sort). Each word's
// upper half is the score, in `bits` bits at most.
void sort_words(std::vector<std::uint64_t>& words, int bits) {
  constexpr int kMost = 11;  // bits of a digit: its counts stay in the first cache
  const int digits = (bits + kMost - 1) / kMost;
  if (digits == 0) return;
  const int width = (bits + digits - 1) / digits;
  std::vector<std::uint64_t> sorted(words.size());
  std::vector<std::uint32_t> next(std::size_t{1} << width);
  for (int digit = 0; digit < digits; ++digit) {
    const auto value = [&](std::uint64_t word) { return (word >> (32 + digit * width)) & (next.size() - 1); };
    std::fill(next.begin(), next.end(), 0);
    for (const std::uint64_t word : words) ++next[value(word)];
    std::uint32_t before = 0;
    for (std::uint32_t& each : next) before += std::exchange(each, before);
    for (const std::uint64_t word : words) sorted[next[value(word)]++] = word;
    words.swap(sorted);
  }
}

Ranked ranked(std::span<const double> predictions, std::size_t outputs, std::size_t place, const std::vector<std::uint16_t>& truth,
              std::size_t signal) {
  const std::size_t count = truth.size();
  std::vector<std::uint64_t> scores(count);
  std::uint64_t different = 0;
  for (std::size_t i = 0; i < count; ++i) {
    scores[i] = falling_bits(predictions[i * outputs + place]);
    different |= scores[i] ^ scores.front();
  }
  constexpr int kHalf = 32;
  const int first = different == 0 ? 0 : std::countr_zero(different);
  const int bits = static_cast<int>(std::bit_width(different)) - first;
  Ranked result{std::vector<std::uint32_t>(count), std::vector<std::uint8_t>(count), std::vector<std::uint8_t>(count)};
  if (bits <= kHalf) {
    const std::uint64_t mask = bits == 0 ? 0 : ~std::uint64_t{0} >> (64 - bits);
    for (std::size_t i = 0; i < count; ++i) scores[i] = (((scores[i] >> first) & mask) << kHalf) | i;
    sort_words(scores, bits);
    for (std::size_t i = 0; i < count; ++i) {
      result.samples[i] = static_cast<std::uint32_t>(scores[i]);
      result.ends[i] = i + 1 == count || (scores[i] >> kHalf) != (scores[i + 1] >> kHalf) ? 1 : 0;
    }
  } else {
    std::iota(result.samples.begin(), result.samples.end(), 0U);
    std::stable_sort(result.samples.begin(), result.samples.end(), [&](auto a, auto b) { return scores[a] < scores[b]; });
    for (std::size_t i = 0; i < count; ++i)
      result.ends[i] = i + 1 == count || scores[result.samples[i]] != scores[result.samples[i + 1]] ? 1 : 0;
  }
  for (std::size_t i = 0; i < count; ++i) result.is_signal[i] = truth[result.samples[i]] == signal ? 1 : 0;
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

// Where `holds(a, b)`, the value is put in its place; so written that compilers make vectors of it.
template <class Sum, class Holds>
void take_where(std::size_t count, const Holds& holds, const Sum* __restrict a, const Sum* __restrict b, const Sum* __restrict value,
                Sum* __restrict to) {
  for (std::size_t i = 0; i < count; ++i) {
    const Sum old = to[i];
    const Sum own = value[i];
    to[i] = holds(a[i], b[i]) ? own : old;
  }
}

template <class Sum>
void add_times(std::size_t count, const std::uint8_t* __restrict times, Sum weight, Sum* __restrict to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<Sum>(to[i] + times[i] * weight);
}

// working_points of all replicas at once: they walk down the scores together. Sums of whole numbers are whole, so without weights they are
// kept as such; their order is that of working_points.
template <class Sum>
void take_drawn(Roc& roc, const ClassSamples& of, const Ranked& order, std::size_t class_) {
  const std::size_t replicas = of.drawn.size();
  const std::size_t all = of.backgrounds.size() + of.efficiencies.size();
  std::vector<Sum> sums(2 * replicas, 0);  // of background, of signal
  std::vector<Sum> before(replicas, 0);    // of signal, at the threshold before
  std::vector<Sum> bounds(all * replicas), found(all * replicas, 0);
  const auto whole = [](double bound, bool at_most) {
    if constexpr (std::is_integral_v<Sum>) return static_cast<Sum>(at_most ? std::floor(bound) : std::ceil(bound));
    else return bound;
  };
  const auto signal_of = [&](std::size_t r) { return of.drawn[r].of_class[class_]; };
  const auto background_of = [&](std::size_t r) { return of.drawn[r].all - signal_of(r); };
  for (std::size_t r = 0; r < replicas; ++r) {
    for (std::size_t k = 0; k < of.backgrounds.size(); ++k)
      bounds[k * replicas + r] = whole(of.backgrounds[k] / kPercent * background_of(r) * (1 + kRounding), true);
    for (std::size_t k = 0; k < of.efficiencies.size(); ++k) {
      bounds[(of.backgrounds.size() + k) * replicas + r] = whole(of.efficiencies[k] / kPercent * signal_of(r) * (1 - kRounding), false);
    }
  }
  Sum* const wrong = sums.data();
  Sum* const passed = sums.data() + replicas;
  const std::size_t backgrounds = of.backgrounds.size();
  const auto is_found = [&](std::size_t k) {
    const Sum* const bound = bounds.data() + k * replicas;
    for (std::size_t r = 0; r < replicas; ++r) {
      if (k < backgrounds ? wrong[r] <= bound[r] : passed[r] < bound[r]) return false;
    }
    return true;
  };
  std::vector<std::size_t> open(all);
  std::iota(open.begin(), open.end(), std::size_t{0});
  constexpr std::size_t kLook = 32;  // so many thresholds, before it is asked what is found
  std::size_t thresholds = 0;
  for (std::size_t i = 0; i < order.samples.size() && !open.empty(); ++i) {
    const std::uint8_t* const times = of.times.data() + order.samples[i] * replicas;
    Sum* const own = order.is_signal[i] != 0 ? passed : wrong;
    const auto weight = std::is_integral_v<Sum> ? Sum{1} : static_cast<Sum>(of.weighing.of_sample(order.samples[i]));
    add_times(replicas, times, weight, own);
    if (order.ends[i] == 0) continue;
    for (const std::size_t k : open) {
      const Sum* const bound = bounds.data() + k * replicas;
      Sum* const at = found.data() + k * replicas;
      const auto at_most = [](Sum a, Sum b) { return a <= b; };
      const auto below = [](Sum a, Sum b) { return a < b; };
      if (k < backgrounds) take_where(replicas, at_most, wrong, bound, passed, at);
      else take_where(replicas, below, before.data(), bound, wrong, at);
    }
    std::copy_n(passed, replicas, before.data());
    if (++thresholds % kLook == 0) std::erase_if(open, is_found);
  }
  roc.drawn_efficiencies.assign(of.backgrounds.size(), std::vector<double>(replicas, kNan));
  roc.drawn_backgrounds.assign(of.efficiencies.size(), std::vector<double>(replicas, kNan));
  for (std::size_t r = 0; r < replicas; ++r) {
    const double signal = signal_of(r);
    const double background = background_of(r);
    if (!(signal > 0 && background > 0)) continue;
    for (std::size_t k = 0; k < of.backgrounds.size(); ++k)
      roc.drawn_efficiencies[k][r] = static_cast<double>(found[k * replicas + r]) / signal * kPercent;
    for (std::size_t k = 0; k < of.efficiencies.size(); ++k) {
      const std::size_t at = (of.backgrounds.size() + k) * replicas + r;
      if (passed[r] >= bounds[at]) roc.drawn_backgrounds[k][r] = static_cast<double>(found[at]) / background * kPercent;
    }
  }
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
    const auto own = resamples.weights(r);
    drawn.push_back(add([&](std::size_t i) { return own[i] * weighing.of_sample(i); }));
  }
  times.resize(samples * resamples.replicas());
  for (std::size_t r = 0; r < resamples.replicas(); ++r) {
    const auto own = resamples.weights(r);
    for (std::size_t i = 0; i < samples; ++i) times[i * resamples.replicas() + r] = own[i];
  }
  for (const std::size_t signal : signals) {
    double sums[2] = {0, 0};     // NOLINT(modernize-avoid-c-arrays)
    double squares[2] = {0, 0};  // NOLINT(modernize-avoid-c-arrays)
    for (std::size_t i = 0; i < samples; ++i) {
      const int side = classes.truth[i] == signal ? 1 : 0;
      const double weight = weighing.of_sample(i);
      sums[side] += weight;
      squares[side] += weight * weight;
    }
    fewest.push_back(std::min(sums[0] * sums[0] / squares[0], sums[1] * sums[1] / squares[1]));
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
    if (samples.drawn.empty()) continue;
    // A replica draws as many samples as there are.
    if (!samples.weighing.weights.empty()) take_drawn<double>(roc, samples, order, signal);
    else if (samples.samples <= std::numeric_limits<std::int16_t>::max()) take_drawn<std::int16_t>(roc, samples, order, signal);
    else take_drawn<std::int32_t>(roc, samples, order, signal);
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
  for_classes(rocs, which, [&](std::size_t k) { least = std::min(least, samples.fewest[k]); });
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
using DrawnOf = std::vector<std::vector<double>> Roc::*;

// A working point of a class, or the mean over classes, and that of each replica.
struct Series {
  double own = kNan;
  std::vector<double> replicas;  // NaN where one is unknown
};
Series series_of(const std::vector<Roc>& rocs, std::optional<std::size_t> which, PointsOf points, DrawnOf drawn, std::size_t at,
                 std::size_t replicas) {
  double sum = 0;
  std::vector<double> sums(replicas, 0);
  const std::size_t count = for_classes(rocs, which, [&](std::size_t k) {
    sum += (rocs[k].points.*points)[at];
    const std::vector<std::vector<double>>& own = rocs[k].*drawn;
    for (std::size_t r = 0; r < replicas; ++r) sums[r] += own.empty() ? kNan : own[at][r];
  });
  if (count == 0) return {kNan, std::vector<double>(replicas, kNan)};
  for (double& each : sums) each /= static_cast<double>(count);
  return {sum / static_cast<double>(count), std::move(sums)};
}

// A working point's value, or what `value_of` makes of it and the float model's. Where resamples do not vary, `none` samples tell the
// error.
template <class Value>
Estimate at_working_point(const ClassMetrics& of, std::optional<std::size_t> which, PointsOf points, DrawnOf drawn, std::size_t at,
                          const Value& value_of) {
  const std::size_t replicas = of.samples.resamples.replicas();
  Series fixed = series_of(of.fixed.rocs(), which, points, drawn, at, replicas);
  const Series reference = series_of(of.reference.rocs(), which, points, drawn, at, replicas);
  const double own = value_of(fixed.own, reference.own);
  for (std::size_t r = 0; r < replicas; ++r) fixed.replicas[r] = value_of(fixed.replicas[r], reference.replicas[r]);
  const double error = spread(fixed.replicas, own);
  return {own, error == 0 ? kPercent * error_of_none(fewest(of.samples, of.fixed.rocs(), which)) : error};
}

double itself(double fixed, double /*reference*/) { return fixed; }
double loss(double fixed, double reference) { return -change_in_percent(fixed, reference) + 0.0; }

}  // namespace

Estimate ClassMetrics::auc(std::optional<std::size_t> which) const { return area(*this, which, false); }
Estimate ClassMetrics::auc_loss(std::optional<std::size_t> which) const { return area(*this, which, true); }
Estimate ClassMetrics::efficiency(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::efficiencies, &Roc::drawn_efficiencies, at, itself);
}
Estimate ClassMetrics::efficiency_loss(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::efficiencies, &Roc::drawn_efficiencies, at, loss);
}
Estimate ClassMetrics::background(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::backgrounds, &Roc::drawn_backgrounds, at, itself);
}
Estimate ClassMetrics::background_change(std::optional<std::size_t> which, std::size_t at) const {
  return at_working_point(*this, which, &Roc::Points::backgrounds, &Roc::drawn_backgrounds, at, change_in_percent);
}

namespace {

// For each class the one that its samples are mostly taken for, where no two classes are taken for one and the model would then
// be right for far more samples: for `share` % of them. Else empty.
struct OtherOrder {
  std::vector<std::size_t> classes;
  double share = 0;
};
OtherOrder other_order(const ClassSamples& samples, const Classification& of, const Estimate& accuracy) {
  OtherOrder order;
  std::set<std::size_t> taken;
  for (std::size_t k = 0; k < samples.classes.names.size(); ++k) {
    order.classes.push_back(k);
    if (!(samples.totals.of_class[k] > 0)) continue;
    const std::vector<double> shares = of.confusion(k);
    const auto most = static_cast<std::size_t>(std::max_element(shares.begin(), shares.end()) - shares.begin());
    if (!taken.insert(most).second) return {};
    order.classes.back() = most;
    order.share += shares[most] * samples.totals.of_class[k] / samples.totals.all;
  }
  constexpr double kFar = 3;  // standard deviations
  return order.share > accuracy.value + kFar * std::max(accuracy.error, 1.0) ? order : OtherOrder{};
}

}  // namespace

std::string doubt_of_labels(const ClassSamples& samples, const Classification& of) {
  if (samples.classes.truth.empty() || !of.known() || samples.has_negative || !(samples.totals.all > 0)) return "";
  const ClassMetrics own{samples, of, of};
  const Estimate accuracy = own.accuracy();
  const auto largest = std::max_element(samples.totals.of_class.begin(), samples.totals.of_class.end());
  const double share = *largest / samples.totals.all * kPercent;
  const std::string& name = samples.classes.names[static_cast<std::size_t>(largest - samples.totals.of_class.begin())];
  const Estimate auc = own.auc(std::nullopt);
  const bool below_largest = accuracy.value <= share * (1 + kRounding);
  constexpr double kHalf = 0.5;
  constexpr double kFar = 3;
  const OtherOrder order = other_order(samples, of, accuracy);
  const auto number = [](double value) { return number_text(value, 3); };
  const std::string right = "it is right for " + number(accuracy.value) + " % of the samples";
  if (!order.classes.empty()) {
    std::string taken;
    for (std::size_t k = 0; k < order.classes.size(); ++k) {
      if (order.classes[k] == k) continue;
      taken += (taken.empty() ? "" : ", ") + samples.classes.names[k] + " for " + samples.classes.names[order.classes[k]];
    }
    return "the labels of the data and the model's outputs seem to be in different orders: the float model takes most samples of " + taken +
           "; " + right + ", and would be for " + number(order.share) + " % in that order";
  }
  if (auc.value <= kHalf || (below_largest && auc.value < kHalf + kFar * auc.error)) {
    return "the float model itself is no better than chance: " + right + " (" + number(share) + " % are of class " + name +
           "), and its area under the ROC curve is " + number(auc.value) +
           ". Are the labels in the order of the samples and of the model's outputs, and are the inputs prepared as the model's?";
  }
  if (below_largest) {
    return "the float model itself is no better than one that takes every sample for " + name + ": " + right + ", that one for " +
           number(share) + " %; judge by auc_loss or efficiency_loss rather than by accuracy_loss, if the labels are right";
  }
  return "";
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
