#include "study/best.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "error.h"

namespace narrow {

int bits_of(const Point& point) { return point.v_full + point.wb_full; }

double cost_of(const std::string& metric, double value) {
  const bool signed_one = metric == "bias" || metric.starts_with("turn_on_shift") || metric.starts_with("rate_change");
  return signed_one ? std::abs(value) : value;
}

std::optional<StoredPoint> fewest_bits(const std::vector<StoredPoint>& points, const std::string& metric, double bound) {
  std::optional<StoredPoint> best;
  const auto key = [&](const StoredPoint& point) { return std::pair(bits_of(point.point), cost_of(metric, point.values.front())); };
  for (const StoredPoint& point : points) {
    if (!point.finished || !(cost_of(metric, point.values.front()) <= bound)) continue;
    if (!best || key(point) < key(*best)) best = point;
  }
  return best;
}

std::vector<StoredPoint> pareto_front(const std::vector<StoredPoint>& points, const std::string& metric) {
  const auto cost = [&](const StoredPoint& point) { return cost_of(metric, point.values.front()); };
  std::vector<StoredPoint> sorted;
  for (const StoredPoint& point : points) {
    if (point.finished && !std::isnan(cost(point))) sorted.push_back(point);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&](const StoredPoint& a, const StoredPoint& b) {
    return std::pair(bits_of(a.point), cost(a)) < std::pair(bits_of(b.point), cost(b));
  });
  std::vector<StoredPoint> front;
  for (const StoredPoint& point : sorted) {
    if (front.empty() || cost(point) < cost(front.back())) front.push_back(point);
  }
  return front;
}

MetricName metric_of(const Store& store, const std::string& name) {
  std::vector<std::string> names;
  for (const MetricName& metric : store.metrics()) {
    if (metric.name == name) return metric;
    names.push_back(metric.name);
  }
  throw Error("the study has no metric '" + name + "'; it has " + listed(names));
}

}  // namespace narrow
