#include "study/comparison.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "study/means.h"
#include "study/nan.h"

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// One standard deviation of a normal distribution: the central 68.27 %.
constexpr double kTail = 0.158655;
constexpr std::array kShares{kTail, 0.5, 1 - kTail};

double width_of(double low, double high) { return std::isinf(low) || std::isinf(high) ? kInfinity : (high - low) / 2; }

// A width with the response scaled to 1; an output that is stuck at 0 has none.
double scaled_width(double width, double median) {
  const double response = std::abs(1 + median / 100);
  if (std::isinf(width)) return kInfinity;
  return response == 0 ? kNan : width / response;
}

// The nearest rising sequence, by weighted squares: pool adjacent violators. In place; returns it.
template <class Sequence>
void make_rising(Sequence& values, const Sequence& weights, std::size_t size) {
  struct Pool {
    double sum, weight;
    std::size_t size;
    double mean() const { return sum / weight; }
  };
  std::array<Pool, TurnOn::kBins> pools{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; ++i) {
    pools[count++] = {values[i] * weights[i], weights[i], 1};
    while (count > 1 && pools[count - 2].mean() >= pools[count - 1].mean()) {
      const Pool last = pools[--count];
      Pool& before = pools[count - 1];
      before = {before.sum + last.sum, before.weight + last.weight, before.size + last.size};
    }
  }
  std::size_t at = 0;
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t i = 0; i < pools[k].size; ++i) values[at++] = pools[k].mean();
  }
}

// The prepared E at which the nearest rising curve crosses one half.
double half_point(const TurnOn::Replica& bins, const TurnOn::PerBin& passed) {
  TurnOn::PerBin shares{};
  TurnOn::PerBin weights{};
  TurnOn::PerBin at{};
  std::size_t size = 0;
  for (std::size_t i = 0; i < TurnOn::kBins; ++i) {
    if (bins.samples[i] == 0) continue;
    shares[size] = passed[i] / bins.samples[i];
    weights[size] = bins.samples[i];
    at[size++] = bins.positions[i];
  }
  make_rising(shares, weights, size);
  const std::span fitted = std::span(shares).first(size);
  const auto above = std::find_if(fitted.begin(), fitted.end(), [](double share) { return share >= 0.5; });
  if (above == fitted.begin() || above == fitted.end()) return kNan;
  const auto i = static_cast<std::size_t>(above - fitted.begin());
  return at[i - 1] + (at[i] - at[i - 1]) * (0.5 - shares[i - 1]) / (shares[i] - shares[i - 1]);
}

// Prepared edges: how far below one a prepared target may lie that is the edge itself.
struct PreparedEdges {
  PreparedEdges(const Feature& target, const std::vector<double>& edges, bool prepared) : sign(target.divide < 0 ? -1 : 1) {
    constexpr double kRounding = 0x1p-23;
    for (const double edge : edges) {
      const double value = prepared ? edge : target.prepare(edge);
      const double rounded = prepared ? value : target.prepare(edge * (1 + kRounding));
      const double reach = 2 * (std::abs(value) * kRounding + std::abs(rounded - value));
      // The logarithm of what is not above 0: below any target.
      values.push_back(std::isnan(value) ? -kInfinity : sign * value);
      tolerances.push_back(std::isfinite(reach) ? reach : 0);
    }
  }
  // The bin of a prepared target, or the number of bins.
  std::size_t bin(double target, bool last_holds_its_upper_edge) const {
    const std::size_t bins = values.size() - 1;
    const double value = sign * target;
    std::size_t above = 0;
    while (above < values.size() && value >= values[above] - tolerances[above]) ++above;
    if (above == 0) return bins;
    if (above <= bins) return above - 1;
    return last_holds_its_upper_edge && value <= values.back() + tolerances.back() ? bins - 1 : bins;
  }
  double sign;
  std::vector<double> values, tolerances;
};

Bins bins_of(const std::vector<double>& edges, const Targets& targets, const std::vector<double>& truth) {
  const Weighing weighing{1, targets.weights};
  Bins bins{edges, {}, 0};
  if (edges.empty()) {
    constexpr int kBins = 10;
    std::vector<double> rising = truth;
    std::sort(rising.begin(), rising.end());
    for (int i = 0; i <= kBins; ++i) bins.edges.push_back(quantile(rising, static_cast<double>(i) / kBins));
  }
  const std::size_t count = bins.edges.size() - 1;
  bins.samples.resize(count);
  const PreparedEdges prepared(targets.of_data, edges.empty() ? std::vector<double>{0, 0} : edges, false);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    std::size_t bin = count;
    if (edges.empty()) {
      const auto above = std::upper_bound(bins.edges.begin(), bins.edges.end(), truth[i]);
      bin = std::min(static_cast<std::size_t>(above - bins.edges.begin()), count) - 1;
    } else {
      bin = prepared.bin(static_cast<double>(targets.truth[i]), true);
    }
    if (bin >= count) ++bins.outside;
    else if (truth[i] != 0 && weighing.of_sample(i) != 0) bins.samples[bin].push_back(static_cast<std::uint32_t>(i));
  }
  return bins;
}

TurnOn turn_on_at(double threshold, const Targets& targets, const Resamples& resamples) {
  constexpr double kReach = 0.2;  // to either side, of the range
  constexpr double kOutside = 0.01;
  std::vector<double> rising(targets.truth.begin(), targets.truth.end());
  std::sort(rising.begin(), rising.end());
  const double reach = kReach * (quantile(rising, 1 - kOutside) - quantile(rising, kOutside));
  const double centre = targets.of_data.prepare(threshold);
  TurnOn turn_on;
  turn_on.threshold = threshold;
  std::vector<double> edges;
  for (std::size_t i = 0; i <= TurnOn::kBins; ++i) {
    edges.push_back(centre + (targets.of_data.divide < 0 ? -1 : 1) * reach * (2 * static_cast<double>(i) / TurnOn::kBins - 1));
    turn_on.edges.push_back(targets.of_data.undo(edges.back()));
  }
  const PreparedEdges prepared(targets.of_data, edges, true);
  turn_on.bin.reserve(targets.truth.size());
  for (const float value : targets.truth) turn_on.bin.push_back(static_cast<std::uint8_t>(prepared.bin(static_cast<double>(value), false)));
  const auto fill = [&](TurnOn::Replica& bins, const auto& weight) {
    for (std::size_t i = 0; i < turn_on.bin.size(); ++i) {
      if (turn_on.bin[i] == TurnOn::kBins) continue;
      bins.samples[turn_on.bin[i]] += weight(i);
      bins.positions[turn_on.bin[i]] += weight(i) * static_cast<double>(targets.truth[i]);
    }
    for (std::size_t i = 0; i < TurnOn::kBins; ++i) bins.positions[i] /= bins.samples[i];
  };
  const Weighing weighing{1, targets.weights};
  fill(turn_on.all, [&](std::size_t i) { return weighing.of_sample(i); });
  turn_on.replicas.resize(resamples.replicas());
  for (std::size_t r = 0; r < turn_on.replicas.size(); ++r) {
    const auto weights = resamples.weights(r);
    fill(turn_on.replicas[r], [&](std::size_t i) { return weighing.of_sample(i) * static_cast<double>(weights[i]); });
  }
  return turn_on;
}

}  // namespace

// So many samples have something to be held against that resampling tells the errors of.
static std::size_t resampled(const Targets& targets) { return targets.classes ? targets.classes->truth.size() : targets.truth.size(); }

Reference::Reference(const MetricOptions& options, std::vector<double> predictions, Targets of)
    : outputs(std::move(predictions)), targets(std::move(of)), resamples(resampled(targets), Resamples::usual(resampled(targets))) {
  assert(targets.truth.empty() || targets.truth.size() == outputs.size());
  if (targets.of_model) {
    undone.reserve(outputs.size());
    for (const double output : outputs) undone.push_back(targets.of_model->undo(output));
    known = std::none_of(undone.begin(), undone.end(), [](double value) { return std::isnan(value); });
  }
  has_quantiles = !weighing().has_negative();
  if (targets.classes) {
    class_samples.emplace(*targets.classes, targets.outputs, outputs.size() / targets.outputs, targets.weights, options, resamples);
    float_classes.emplace(*class_samples, outputs);
  }
  if (targets.truth.empty()) return;
  assert(targets.of_model);
  truth.reserve(targets.truth.size());
  for (const float prepared : targets.truth) {
    if (const double value = targets.of_data.undo(prepared); value != 0 && weighing().of_sample(truth.size()) != 0)
      nonzero.push_back(static_cast<std::uint32_t>(truth.size()));
    truth.push_back(targets.of_data.undo(prepared));
  }
  bins = bins_of(options.bins, targets, truth);
  for (const double threshold : options.thresholds) turn_ons.push_back(turn_on_at(threshold, targets, resamples));
  const Comparison own(*this, outputs);
  float_scaled = own.scaled();
  float_scaled_of = own.scaled_of();
  for (std::size_t i = 0; i < turn_ons.size(); ++i) {
    turn_ons[i].float_half = own.half(i).value;
    turn_ons[i].float_halves = own.half(i).replicas;
    turn_ons[i].float_passed = own.half(i).passed;
  }
}

Comparison::Comparison(const Reference& reference, std::span<const double> predictions) : reference_(reference), outputs_(predictions) {
  assert(predictions.size() == reference.outputs.size());
  if (reference.class_samples) classes_.emplace(*reference.class_samples, predictions);
  if (!reference.targets.of_model) return;
  undone_.reserve(outputs_.size());
  for (const double output : outputs_) undone_.push_back(reference.targets.of_model->undo(output));
  if (reference.truth.empty()) return;
  compare_with_truth();
  for (const TurnOn& turn_on : reference.turn_ons) compare_at(turn_on);
}

void Comparison::compare_with_truth() {
  const Resamples& resamples = reference_.resamples;
  std::vector<double> error_of(reference_.truth.size());
  errors_.reserve(reference_.nonzero.size());
  for (const std::uint32_t i : reference_.nonzero) {
    const double truth = reference_.truth[i];
    errors_.push_back(error_of[i] = (undone_[i] - truth) / std::abs(truth) * 100);
  }
  known_ = std::none_of(undone_.begin(), undone_.end(), [](double value) { return std::isnan(value); });
  // Two infinite values have no difference.
  has_errors_ = known_ && std::none_of(errors_.begin(), errors_.end(), [](double error) { return std::isnan(error); });
  width_ = scaled_ = kNan;
  medians_.assign(reference_.bins.samples.size(), kNan);
  widths_ = medians_;
  if (!has_errors_ || errors_.empty() || !reference_.has_quantiles) return;
  const Ordered all = ordered(errors_, reference_.nonzero);
  std::array<double, kShares.size()> own_at{};
  take_quantiles(all, {}, kShares, own_at);
  width_ = all.values.size() < 2 ? kNan : width_of(own_at[0], own_at[2]);
  scaled_ = scaled_width(width_, own_at[1]);
  for (std::size_t r = 0; r < resamples.replicas(); ++r) {
    std::array<double, kShares.size()> at{};
    take_quantiles(all, resamples.weights(r), kShares, at);
    width_of_.push_back(width_of(at[0], at[2]));
    scaled_of_.push_back(scaled_width(width_of_.back(), at[1]));
  }
  largest_median_of_.assign(resamples.replicas(), kNan);
  for (std::size_t k = 0; k < medians_.size(); ++k) {
    const std::vector<std::uint32_t>& samples = reference_.bins.samples[k];
    std::vector<double> own;
    own.reserve(samples.size());
    for (const std::uint32_t i : samples) own.push_back(error_of[i]);
    const Ordered bin = ordered(own, samples);
    take_quantiles(bin, {}, kShares, own_at);
    medians_[k] = own_at[1];
    if (samples.size() > 1) widths_[k] = width_of(own_at[0], own_at[2]);
    for (std::size_t r = 0; r < resamples.replicas(); ++r) {
      double median = kNan;
      take_quantiles(bin, resamples.weights(r), std::span(kShares).subspan(1, 1), std::span(&median, 1));
      largest_median_of_[r] = std::fmax(largest_median_of_[r], std::abs(median));
    }
  }
}

// Of the samples that were drawn, or of all.
void Comparison::take_quantiles(const Ordered& values, std::span<const std::uint8_t> drawn, std::span<const double> shares,
                                std::span<double> result) const {
  const std::vector<float>& weights = reference_.targets.weights;
  if (!weights.empty()) return weighted_quantiles(values, weights, drawn, shares, result);
  if (!drawn.empty()) return weighted_quantiles(values, drawn, shares, result);
  for (std::size_t i = 0; i < shares.size(); ++i) result[i] = quantile(values.values, shares[i]);
}

void Comparison::compare_at(const TurnOn& turn_on) {
  Half& half = halves_.emplace_back();
  const Resamples& resamples = reference_.resamples;
  const Weighing weighing = reference_.weighing();
  std::vector<std::uint32_t> near;  // those that pass and have a bin
  TurnOn::PerBin passed{};
  half.passed.resize(undone_.size());
  for (std::size_t i = 0; i < undone_.size(); ++i) {
    half.passed[i] = undone_[i] >= turn_on.threshold;
    if (!half.passed[i] || turn_on.bin[i] == TurnOn::kBins) continue;
    near.push_back(static_cast<std::uint32_t>(i));
    passed[turn_on.bin[i]] += weighing.of_sample(i);
  }
  const Feature& target = reference_.targets.of_data;
  half.value = known_ && reference_.has_quantiles ? target.undo(half_point(turn_on.all, passed)) : kNan;
  half.replicas.reserve(resamples.replicas());
  for (std::size_t r = 0; r < resamples.replicas(); ++r) {
    const auto weights = resamples.weights(r);
    TurnOn::PerBin drawn{};
    if (weighing.weights.empty()) {
      std::array<std::uint32_t, TurnOn::kBins> whole{};
      for (const std::uint32_t i : near) whole[turn_on.bin[i]] += weights[i];
      std::copy(whole.begin(), whole.end(), drawn.begin());
    } else {
      for (const std::uint32_t i : near) drawn[turn_on.bin[i]] += weighing.of_sample(i) * weights[i];
    }
    half.replicas.push_back(reference_.has_quantiles ? target.undo(half_point(turn_on.replicas[r], drawn)) : kNan);
  }
}

Comparison::Pair Comparison::in(MetricSpace space) const {
  if (space == MetricSpace::kTarget) return {undone_, reference_.undone};
  return {outputs_, reference_.outputs};
}

Estimate Comparison::mae() const {
  return mean_over(outputs_.size(), reference_.weighing(),
                   [&](std::size_t i) { return std::optional(std::abs(outputs_[i] - reference_.outputs[i])); });
}

Estimate Comparison::mae(std::size_t output) const {
  const std::size_t outputs = reference_.targets.outputs;
  return mean_over(outputs_.size() / outputs, {1, reference_.targets.weights}, [&](std::size_t i) {
    return std::optional(std::abs(outputs_[i * outputs + output] - reference_.outputs[i * outputs + output]));
  });
}

Estimate Comparison::left_out() const {
  // A number of samples, whatever they weigh.
  const Estimate share = mean_over(outputs_.size(), Weighing{reference_.targets.outputs, {}},
                                   [&](std::size_t i) { return std::optional(reference_.outputs[i] == 0 ? 1.0 : 0.0); });
  const auto n = static_cast<double>(outputs_.size());
  return {outputs_.empty() ? 0 : std::round(share.value * n), share.error * n};
}

Estimate Comparison::rmse() const {
  const Estimate square = mean_over(outputs_.size(), reference_.weighing(), [&](std::size_t i) {
    const double error = outputs_[i] - reference_.outputs[i];
    return std::optional(error * error);
  });
  const double root = std::sqrt(square.value);
  return {root, root == 0 ? square.error : square.error / (2 * root)};
}

// The largest of as many draws is at most the k-th largest with the probability (1 - k/n)^n: all moments of the replicas follow, none
// need be drawn.
Estimate Comparison::largest() const {
  const std::size_t per_sample = reference_.targets.outputs;
  std::vector<double> of_sample(outputs_.size() / per_sample, 0);
  if (of_sample.empty()) return {0, kNan};
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (reference_.weighing().of_sample(i / per_sample) == 0) continue;
    const double error = std::abs(outputs_[i] - reference_.outputs[i]);
    double& largest = of_sample[i / per_sample];
    largest = std::isnan(error) || std::isnan(largest) ? kNan : std::max(largest, error);
  }
  if (std::any_of(of_sample.begin(), of_sample.end(), [](double e) { return std::isnan(e); })) return {};
  constexpr std::size_t kLargest = 64;  // a draw misses all of them with the probability e^-64
  const auto n = static_cast<double>(of_sample.size());
  const auto last = of_sample.begin() + static_cast<std::ptrdiff_t>(std::min(kLargest, of_sample.size()));
  std::partial_sort(of_sample.begin(), last, of_sample.end(), std::greater<>());
  const double value = of_sample.front();
  if (!std::isfinite(value) || of_sample.size() < 2) return {value, kNan};
  double mean = 0;
  double squares = 0;
  for (auto each = of_sample.begin(); each != last; ++each) {
    const auto k = static_cast<double>(each - of_sample.begin());
    const double probability = std::pow(1 - k / n, n) - std::pow(1 - (k + 1) / n, n);
    mean += probability * (*each - value);
    squares += probability * (*each - value) * (*each - value);
  }
  return {value, std::sqrt(std::max(0.0, squares - mean * mean))};
}

Estimate Comparison::mpe(MetricSpace space) const {
  const auto [fixed, reference] = in(space);
  return mean_over(fixed.size(), reference_.weighing(), [&, fixed = fixed, reference = reference](std::size_t i) {
    return reference[i] == 0 ? std::nullopt : std::optional(std::abs(fixed[i] - reference[i]) / std::abs(reference[i]) * 100);
  });
}

Estimate Comparison::mpe(std::size_t output) const {
  const std::size_t outputs = reference_.targets.outputs;
  return mean_over(outputs_.size() / outputs, {1, reference_.targets.weights}, [&](std::size_t i) {
    const double exact = reference_.outputs[i * outputs + output];
    return exact == 0 ? std::nullopt : std::optional(std::abs(outputs_[i * outputs + output] - exact) / std::abs(exact) * 100);
  });
}

Estimate Comparison::bias(MetricSpace space) const {
  const auto [fixed, reference] = in(space);
  return mean_over(fixed.size(), reference_.weighing(),
                   [fixed = fixed, reference = reference](std::size_t i) { return std::optional(fixed[i] - reference[i]); });
}

Estimate Comparison::beyond(MetricSpace space, double tolerance) const {
  const auto [fixed, reference] = in(space);
  return share_of(fixed.size(), reference_.weighing(), [&, fixed = fixed, reference = reference](std::size_t i) {
    // Written so that NaN counts as beyond, and everything does of a prediction that is infinite.
    return !(std::isfinite(reference[i]) && std::abs(fixed[i] - reference[i]) <= tolerance / 100 * std::abs(reference[i]));
  });
}

Estimate Comparison::resolution() const {
  if (!has_errors_ || errors_.size() < 2) return {};
  if (std::any_of(errors_.begin(), errors_.end(), [](double e) { return std::isinf(e); })) return {kInfinity, kNan};
  if (!reference_.targets.weights.empty()) return weighted_resolution();
  const auto n = static_cast<double>(errors_.size());
  double mean = 0;
  for (const double error : errors_) mean += error / n;
  double second = 0;
  double fourth = 0;
  for (const double error : errors_) {
    const double square = (error - mean) * (error - mean);
    second += square / n;
    fourth += square * square / n;
  }
  // The error of a variance is sqrt((m4 - m2^2) / n) (Kendall and Stuart, volume 1, 10.9), of its root by first order.
  const double root = std::sqrt(second);
  if (!std::isfinite(root)) return {root, kNan};
  // (Rounding may take the difference below 0; where it is not known, neither is the error.)
  const double spread = fourth - second * second;
  return {root, root == 0 || spread < 0 ? 0 : std::sqrt(spread / n) / (2 * root)};
}

// The same by weights, of the first order in each of the sums.
Estimate Comparison::weighted_resolution() const {
  const Weighing weighing = reference_.weighing();
  const auto sum = [&](const auto& value) {
    double all = 0;
    for (std::size_t i = 0; i < errors_.size(); ++i) all += value(weighing.of_sample(reference_.nonzero[i]), errors_[i]);
    return all;
  };
  const double all = sum([](double w, double) { return w; });
  const double mean = sum([](double w, double e) { return w * e; }) / all;
  const double square = sum([&](double w, double e) { return w * (e - mean) * (e - mean); }) / all;
  // Negative weights may leave nothing to have a width.
  if (!(all > 0) || !(square >= 0)) return {};
  const double departures = sum([&](double w, double e) {
    const double departure = w * ((e - mean) * (e - mean) - square);
    return departure * departure;
  });
  const double root = std::sqrt(square);
  return {root, root == 0 ? 0 : std::sqrt(departures) / all / (2 * root)};
}

Estimate Comparison::resolution_68() const { return {width_, spread(width_of_, width_)}; }

Estimate Comparison::resolution_loss() const {
  const double value = change_in_percent(scaled_, reference_.float_scaled);
  std::vector<double> replicas;
  for (std::size_t r = 0; r < scaled_of_.size() && r < reference_.float_scaled_of.size(); ++r)
    replicas.push_back(change_in_percent(scaled_of_[r], reference_.float_scaled_of[r]));
  return {value, spread(replicas, value)};
}

Estimate Comparison::linearity() const {
  double value = kNan;
  std::size_t samples = 0;
  for (const double median : medians_) value = std::fmax(value, std::abs(median));
  for (const auto& bin : reference_.bins.samples) samples += bin.size();
  return {value, samples < 2 ? kNan : spread(largest_median_of_, value)};
}

Estimate Comparison::rate(std::size_t threshold) const {
  if (!known_) return {};
  const std::vector<bool>& passed = halves_[threshold].passed;
  return share_of(passed.size(), reference_.weighing(), [&](std::size_t i) { return passed[i]; });
}

// Of the ratio of two rates on the same samples, to first order; where no sample passes one alone, by error_of_none.
Estimate Comparison::rate_change(std::size_t threshold) const {
  const std::vector<bool>& passed = halves_[threshold].passed;
  const std::vector<bool>& float_passed = reference_.turn_ons[threshold].float_passed;
  const Weighing weighing = reference_.weighing();
  const auto weight_of = [&](const std::vector<bool>& which) {
    double weight = 0;
    for (std::size_t i = 0; i < which.size(); ++i) weight += which[i] ? weighing.of_sample(i) : 0;
    return weight;
  };
  const double all = weight_of(float_passed);
  if (!known_ || !reference_.known || !(all > 0)) return {};
  const double ratio = weight_of(passed) / all;
  double squares = 0;
  for (std::size_t i = 0; i < passed.size(); ++i) {
    const double departure = weighing.of_sample(i) * ((passed[i] ? 1 : 0) - (float_passed[i] ? ratio : 0));
    squares += departure * departure;
  }
  if (passed == float_passed) {
    const double whole = weight_of(std::vector<bool>(passed.size(), true));
    return {0, error_of_none(weighing.effective(passed.size())) * whole / all * 100};
  }
  return {(ratio - 1) * 100, passed.size() < 2 ? kNan : std::sqrt(squares) / all * 100};
}

Estimate Comparison::turn_on(std::size_t threshold) const {
  const Half& half = halves_[threshold];
  return {half.value, spread(half.replicas, half.value)};
}

Estimate Comparison::turn_on_shift(std::size_t threshold) const {
  const Half& half = halves_[threshold];
  const TurnOn& own = reference_.turn_ons[threshold];
  const double value = half.value - own.float_half;
  std::vector<double> replicas;
  for (std::size_t r = 0; r < half.replicas.size(); ++r) replicas.push_back(half.replicas[r] - own.float_halves[r]);
  // Where no sample crosses the threshold, every resample has the same curve twice, but other samples need not.
  if (half.passed == own.float_passed && half.passed.size() > 1) return {value, shift_of_one_sample(own)};
  return {value, spread(replicas, value)};
}

// The largest change of the float model's 50 % point that one sample makes which passes, or passes no more.
double Comparison::shift_of_one_sample(const TurnOn& turn_on) const {
  const Weighing weighing = reference_.weighing();
  TurnOn::PerBin passed{};
  double weight = 0;
  for (std::size_t i = 0; i < turn_on.float_passed.size(); ++i) {
    const double own = weighing.of_sample(i);
    weight += own / static_cast<double>(turn_on.float_passed.size());
    if (turn_on.float_passed[i] && turn_on.bin[i] < TurnOn::kBins) passed[turn_on.bin[i]] += own;
  }
  double largest = 0;
  for (std::size_t k = 0; k < TurnOn::kBins; ++k) {
    for (const double changed : {std::min(passed[k] + weight, turn_on.all.samples[k]), std::max(passed[k] - weight, 0.0)}) {
      TurnOn::PerBin others = passed;
      others[k] = changed;
      const double moved = reference_.targets.of_data.undo(half_point(turn_on.all, others));
      largest = std::isnan(largest) ? kNan : std::max(std::abs(moved - turn_on.float_half), largest);
      if (std::isnan(moved)) largest = kNan;
    }
  }
  return largest;
}

Estimate Comparison::kl() const {
  return divergence(outputs_, reference_.outputs, reference_.targets.outputs, {1, reference_.targets.weights});
}

std::vector<double> Comparison::efficiency(std::size_t threshold) const {
  const TurnOn& turn_on = reference_.turn_ons[threshold];
  std::vector<double> shares(TurnOn::kBins);
  for (std::size_t i = 0; i < undone_.size(); ++i) {
    if (turn_on.bin[i] < TurnOn::kBins && halves_[threshold].passed[i]) shares[turn_on.bin[i]] += reference_.weighing().of_sample(i);
  }
  for (std::size_t k = 0; k < shares.size(); ++k) shares[k] /= turn_on.all.samples[k];  // NaN for an empty bin
  return shares;
}

}  // namespace narrow
