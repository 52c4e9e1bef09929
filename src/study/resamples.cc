#include "study/resamples.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "data/portable.h"
#include "study/nan.h"

namespace narrow {
namespace {

double between(double below, double above, double share) {
  // Two infinite values have no difference.
  return share == 0 || below == above ? below : below + share * (above - below);
}

}  // namespace

std::size_t Resamples::usual(std::size_t samples) {
  constexpr std::size_t kMost = 200;
  constexpr std::size_t kLeast = 50;
  constexpr std::size_t kDraws = 1'000'000;
  return std::clamp(kDraws / std::max<std::size_t>(samples, 1), kLeast, kMost);
}

Resamples::Resamples(std::size_t samples, std::size_t replicas)
    : samples_(samples), replicas_(samples == 0 ? 0 : replicas), weights_(samples * replicas_) {
  constexpr std::uint64_t kSeed = 1979;
  PortableRandom random(kSeed);
  for (std::size_t replica = 0; replica < replicas_; ++replica) {
    std::uint8_t* own = weights_.data() + replica * samples_;
    for (std::size_t i = 0; i < samples_; ++i) {
      std::uint8_t& drawn = own[random.integer(0, samples_ - 1)];
      // Of more than 255 samples, none is ever drawn so often.
      if (drawn < std::numeric_limits<std::uint8_t>::max()) ++drawn;
    }
  }
}

Ordered ordered(std::span<const double> values, std::span<const std::uint32_t> samples) {
  assert(values.size() == samples.size());
  std::vector<std::pair<double, std::uint32_t>> pairs;
  pairs.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) pairs.emplace_back(values[i], samples[i]);
  std::sort(pairs.begin(), pairs.end());
  Ordered result;
  result.values.reserve(pairs.size());
  result.samples.reserve(pairs.size());
  for (const auto& [value, sample] : pairs) {
    result.values.push_back(value);
    result.samples.push_back(sample);
  }
  return result;
}

double quantile(std::span<const double> rising, double share) {
  if (rising.empty()) return kNan;
  const double at = share * static_cast<double>(rising.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  if (low + 1 >= rising.size()) return rising.back();
  return between(rising[low], rising[low + 1], at - static_cast<double>(low));
}

void weighted_quantiles(const Ordered& values, std::span<const std::uint8_t> weights, std::span<const double> shares,
                        std::span<double> result) {
  thread_local std::vector<std::uint32_t> drawn;  // up to each value, itself included
  drawn.resize(values.samples.size());
  std::uint32_t all = 0;
  for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] = all += weights[values.samples[i]];
  for (std::size_t k = 0; k < shares.size(); ++k) {
    if (all == 0) {
      result[k] = kNan;
      continue;
    }
    const double at = shares[k] * static_cast<double>(all - 1);
    const auto low = static_cast<std::uint32_t>(at);
    const auto first = std::upper_bound(drawn.begin(), drawn.end(), low);
    const double below = values.values[static_cast<std::size_t>(first - drawn.begin())];
    const auto second = low + 1 >= all || *first > low + 1 ? first : std::upper_bound(first, drawn.end(), low + 1);
    result[k] = between(below, values.values[static_cast<std::size_t>(second - drawn.begin())], at - static_cast<double>(low));
  }
}

void weighted_quantiles(const Ordered& values, std::span<const float> sample_weights, std::span<const std::uint8_t> drawn,
                        std::span<const double> shares, std::span<double> result) {
  // Where a sample's first and last copy stand.
  struct Place {
    double value, first, last;
  };
  thread_local std::vector<Place> places;
  places.clear();
  double before = 0;
  for (std::size_t i = 0; i < values.samples.size(); ++i) {
    const std::uint32_t sample = values.samples[i];
    const double times = drawn.empty() ? 1 : drawn[sample];
    const double weight = static_cast<double>(sample_weights[sample]);
    if (times == 0 || weight == 0) continue;
    places.push_back({values.values[i], before + weight / 2, before + (times - 0.5) * weight});
    before += times * weight;
  }
  for (std::size_t k = 0; k < shares.size(); ++k) {
    if (places.empty()) {
      result[k] = kNan;
      continue;
    }
    const double at = places.front().first + shares[k] * (places.back().last - places.front().first);
    const auto above = std::partition_point(places.begin(), places.end(), [&](const Place& place) { return place.last < at; });
    if (above == places.end()) result[k] = places.back().value;
    else if (above == places.begin() || at >= above->first) result[k] = above->value;
    else result[k] = between((above - 1)->value, above->value, (at - (above - 1)->last) / (above->first - (above - 1)->last));
  }
}

double spread(std::span<const double> replicas, double value) {
  if (!std::isfinite(value) || replicas.size() < 2) return kNan;
  const auto n = static_cast<double>(replicas.size());
  if (std::any_of(replicas.begin(), replicas.end(), [](double each) { return std::isnan(each); })) return kNan;
  if (std::any_of(replicas.begin(), replicas.end(), [](double each) { return std::isinf(each); }))
    return std::numeric_limits<double>::infinity();
  const double mean = std::accumulate(replicas.begin(), replicas.end(), 0.0) / n;
  double squares = 0;
  for (const double each : replicas) squares += (each - mean) * (each - mean);
  return std::sqrt(squares / (n - 1));
}

}  // namespace narrow
