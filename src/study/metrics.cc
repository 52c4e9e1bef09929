#include "study/metrics.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

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

std::string short_text(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The value below which a share of the numbers lies, linear between them, as numpy.quantile does it.
// NaN is left out.
double quantile(std::vector<double>& values, double share) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return kNan;
  const double at = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(low);
  std::nth_element(values.begin(), place, values.end());
  const double below = *place;
  if (low + 1 == values.size() || at == static_cast<double>(low)) return below;
  const double above = *std::min_element(place + 1, values.end());
  return below + (at - static_cast<double>(low)) * (above - below);
}

double standard_deviation(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  const auto n = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return values.empty() ? kNan : std::sqrt(squares / n);
}

// Half of the width of the central 68.27 %, one standard deviation of a normal distribution.
double central_half_width(std::vector<double> values) {
  constexpr double kTail = 0.158655;
  const double low = quantile(values, kTail);
  return (quantile(values, 1 - kTail) - low) / 2;
}

// The nearest rising sequence, by weighted squares: pool adjacent violators.
std::vector<double> rising(const std::vector<double>& values, const std::vector<double>& weights) {
  struct Pool {
    double sum, weight;
    std::size_t size;
    double mean() const { return sum / weight; }
  };
  std::vector<Pool> pools;
  for (std::size_t i = 0; i < values.size(); ++i) {
    pools.push_back({values[i] * weights[i], weights[i], 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() >= pools.back().mean()) {
      const Pool last = pools.back();
      pools.pop_back();
      pools.back() = {pools.back().sum + last.sum, pools.back().weight + last.weight, pools.back().size + last.size};
    }
  }
  std::vector<double> fitted;
  for (const Pool& pool : pools) fitted.insert(fitted.end(), pool.size, pool.mean());
  return fitted;
}

// Of the width of the relative errors in per cent, with the response scaled to 1.
double scaled_resolution(const std::vector<double>& errors) {
  std::vector<double> values = errors;
  const double response = std::abs(1 + quantile(values, 0.5) / 100);
  return response == 0 ? kNan : central_half_width(errors) / response;
}

double change(double value, double from) { return from == 0 ? kNan : (value / from - 1) * 100; }

}  // namespace

Measure::Measure(const MetricOptions& options, std::vector<float> reference, const std::vector<float>& truth, const Feature& target)
    : options_(options), reference_(std::move(reference)), float_(reference_.begin(), reference_.end()), target_(target) {
  assert(truth.empty() || truth.size() == reference_.size());
  names_ = {{"mae", "", "mean of |fixed - float|"},
            {"mpe", "%", "mean of |fixed - float| / |float|"},
            {"left_out", "", "predictions of 0 by the float model, left out of mpe"},
            {"rmse", "", "root of the mean of (fixed - float)^2"},
            {"bias", "", "mean of fixed - float"},
            {"largest", "", "largest |fixed - float|"}};
  for (const double tolerance : options_.tolerances) {
    const std::string text = short_text(tolerance);
    names_.push_back({"beyond@" + text, "%", "samples with |fixed - float| above " + text + " % of |float|"});
  }
  if (truth.empty()) return;
  truth_.reserve(truth.size());
  for (const float prepared : truth) truth_.push_back(target_.undo(prepared));
  std::string bins;
  for (const double edge : options_.bins) bins += (bins.empty() ? "@" : ",") + short_text(edge);
  names_.push_back({"resolution", "%", "standard deviation of the relative error against " + target_.name});
  names_.push_back({"resolution_68", "%", "half of the width of the central 68 % of the relative error against " + target_.name});
  names_.push_back({"resolution_loss", "%", "change of resolution_68, its response scaled to 1, against the float model"});
  names_.push_back({"linearity" + bins, "%", "largest median of the relative error in a bin of " + target_.name});
  make_bins(options_.bins);
  for (const double threshold : options_.thresholds) {
    const std::string text = short_text(threshold);
    const std::string shown = text + (options_.unit.empty() ? "" : " " + options_.unit);
    names_.push_back({"rate@" + text, "%", "samples that pass a threshold of " + shown});
    names_.push_back({"rate_change@" + text, "%", "change of that rate against the float model"});
    names_.push_back({"turn_on@" + text, options_.unit, target_.name + " at which half of the samples pass a threshold of " + shown});
    names_.push_back({"turn_on_shift@" + text, options_.unit, "the same less the float model's"});
    make_turn_on(threshold, truth);
  }
  const std::vector<double> predictions = undone(float_);
  float_resolution_ = scaled_resolution(relative_errors(predictions));
  const Binned own = binned(relative_errors(predictions));
  curves_[0].name += bins;
  curves_[1].name += bins;
  curves_[0].values = own.medians;
  curves_[1].values = own.widths;
  for (std::size_t i = 0; i < turn_ons_.size(); ++i) {
    TurnOn& turn_on = turn_ons_[i];
    curves_[i + 2].values = efficiency(turn_on, predictions);
    turn_on.float_half = half_point(turn_on, curves_[i + 2].values);
    const auto passed = std::count_if(predictions.begin(), predictions.end(), [&](double p) { return p >= turn_on.threshold; });
    turn_on.float_rate = 100.0 * static_cast<double>(passed) / static_cast<double>(predictions.size());
  }
}

void Measure::make_bins(const std::vector<double>& given) {
  Curve curve{"linearity", given, {}, {}};
  if (given.empty()) {
    constexpr int kBins = 10;
    std::vector<double> values = truth_;
    for (int i = 0; i <= kBins; ++i) curve.edges.push_back(quantile(values, static_cast<double>(i) / kBins));
  }
  const std::size_t bins = curve.edges.size() - 1;
  curve.samples.resize(bins);
  for (const double value : truth_) {
    const auto above = std::upper_bound(curve.edges.begin(), curve.edges.end(), value);
    auto bin = static_cast<std::size_t>(above - curve.edges.begin());
    // The last bin holds its upper edge.
    if (above == curve.edges.end() && value == curve.edges.back()) bin = bins;
    bin_.push_back(bin == 0 || bin > bins ? bins : bin - 1);
    if (bin_.back() < bins) ++curve.samples[bin_.back()];
  }
  curves_ = {curve, curve};
  curves_.back().name = "resolution_68";
}

void Measure::make_turn_on(double threshold, const std::vector<float>& prepared) {
  constexpr std::size_t kBins = 20;
  constexpr double kReach = 0.2;  // to either side, of the range
  constexpr double kTail = 0.01;
  std::vector<double> values(prepared.begin(), prepared.end());
  const double low = quantile(values, kTail);
  const double reach = kReach * (quantile(values, 1 - kTail) - low);
  const double centre = target_.prepare(threshold);
  TurnOn turn_on{threshold, {}, std::vector<double>(kBins), std::vector<std::size_t>(kBins), 0, 0};
  Curve curve{"turn_on@" + short_text(threshold), {}, {}, {}};
  for (std::size_t i = 0; i <= kBins; ++i) curve.edges.push_back(target_.undo(centre + reach * (2 * static_cast<double>(i) / kBins - 1)));
  for (const float value : prepared) {
    const double at = (static_cast<double>(value) - centre + reach) / (2 * reach) * kBins;
    const std::size_t bin = at >= 0 && at < static_cast<double>(kBins) ? static_cast<std::size_t>(at) : kBins;
    turn_on.bin.push_back(bin);
    if (bin == kBins) continue;
    turn_on.positions[bin] += value;
    ++turn_on.samples[bin];
  }
  for (std::size_t i = 0; i < kBins; ++i) turn_on.positions[i] /= static_cast<double>(turn_on.samples[i]);
  curve.samples = turn_on.samples;
  turn_ons_.push_back(std::move(turn_on));
  curves_.push_back(std::move(curve));
}

std::vector<double> Measure::undone(std::span<const double> predictions) const {
  std::vector<double> values;
  values.reserve(predictions.size());
  for (const double prediction : predictions) values.push_back(target_.undo(prediction));
  return values;
}

std::vector<double> Measure::relative_errors(const std::vector<double>& predictions) const {
  std::vector<double> errors;
  errors.reserve(predictions.size());
  for (std::size_t i = 0; i < predictions.size(); ++i)
    errors.push_back(truth_[i] == 0 ? kNan : (predictions[i] - truth_[i]) / std::abs(truth_[i]) * 100);
  return errors;
}

Measure::Binned Measure::binned(const std::vector<double>& errors) const {
  std::vector<std::vector<double>> of_bin(curves_.front().samples.size());
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (bin_[i] < of_bin.size()) of_bin[bin_[i]].push_back(errors[i]);
  }
  Binned result;
  for (std::vector<double>& bin : of_bin) {
    result.medians.push_back(quantile(bin, 0.5));
    result.widths.push_back(central_half_width(bin));
  }
  return result;
}

std::vector<double> Measure::efficiency(const TurnOn& turn_on, const std::vector<double>& predictions) const {
  std::vector<double> share(turn_on.samples.size());
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    if (turn_on.bin[i] < share.size() && predictions[i] >= turn_on.threshold) share[turn_on.bin[i]] += 1;
  }
  for (std::size_t i = 0; i < share.size(); ++i) share[i] /= static_cast<double>(turn_on.samples[i]);  // NaN for an empty bin
  return share;
}

double Measure::half_point(const TurnOn& turn_on, const std::vector<double>& efficiency) const {
  std::vector<double> values;
  std::vector<double> weights;
  std::vector<double> at;
  for (std::size_t i = 0; i < efficiency.size(); ++i) {
    if (turn_on.samples[i] == 0) continue;
    values.push_back(efficiency[i]);
    weights.push_back(static_cast<double>(turn_on.samples[i]));
    at.push_back(turn_on.positions[i]);
  }
  const std::vector<double> fitted = rising(values, weights);
  const auto above = std::find_if(fitted.begin(), fitted.end(), [](double share) { return share >= 0.5; });
  if (above == fitted.begin() || above == fitted.end()) return kNan;
  const auto i = static_cast<std::size_t>(above - fitted.begin());
  return target_.undo(at[i - 1] + (at[i] - at[i - 1]) * (0.5 - fitted[i - 1]) / (fitted[i] - fitted[i - 1]));
}

std::vector<double> Measure::values(std::span<const double> fixed) const {
  const Metrics metrics = compare(fixed, reference_);
  std::vector<double> values{metrics.mae, metrics.mpe, static_cast<double>(metrics.left_out), metrics.rmse, metrics.bias, metrics.largest};
  for (const double tolerance : options_.tolerances) {
    std::size_t beyond = 0;
    for (std::size_t i = 0; i < fixed.size(); ++i) {
      // Written so that NaN counts as beyond.
      if (!(std::abs(fixed[i] - float_[i]) <= tolerance / 100 * std::abs(float_[i]))) ++beyond;
    }
    values.push_back(100.0 * static_cast<double>(beyond) / static_cast<double>(fixed.size()));
  }
  if (truth_.empty()) return values;
  const std::vector<double> predictions = undone(fixed);
  const std::vector<double> errors = relative_errors(predictions);
  double linearity = kNan;
  for (const double median : binned(errors).medians) linearity = std::fmax(linearity, std::abs(median));
  values.insert(values.end(),
                {standard_deviation(errors), central_half_width(errors), change(scaled_resolution(errors), float_resolution_), linearity});
  for (const TurnOn& turn_on : turn_ons_) {
    const auto passed = std::count_if(predictions.begin(), predictions.end(), [&](double p) { return p >= turn_on.threshold; });
    const double rate = 100.0 * static_cast<double>(passed) / static_cast<double>(predictions.size());
    const double half = half_point(turn_on, efficiency(turn_on, predictions));
    values.insert(values.end(), {rate, change(rate, turn_on.float_rate), half, half - turn_on.float_half});
  }
  return values;
}

std::vector<double> Measure::float_values() const { return values(float_); }

std::vector<std::vector<double>> Measure::curve_values(std::span<const double> fixed) const {
  std::vector<std::vector<double>> all;
  if (truth_.empty()) return all;
  const std::vector<double> predictions = undone(fixed);
  const Binned own = binned(relative_errors(predictions));
  all = {own.medians, own.widths};
  for (const TurnOn& turn_on : turn_ons_) all.push_back(efficiency(turn_on, predictions));
  return all;
}

}  // namespace narrow
