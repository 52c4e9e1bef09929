#include "study/best.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "error.h"

namespace narrow {

int bits_of(const Point& point) { return point.v_full + point.wb_full; }

int bits_of(const StoredPoint& point) { return point.point ? bits_of(*point.point) : std::numeric_limits<int>::max(); }

double cost_of(const std::string& metric, double value) {
  const bool signed_one = metric == "bias" || metric.starts_with("turn_on_shift") || metric.starts_with("rate_change");
  return signed_one ? std::abs(value) : value;
}

namespace {

// Of points of a grid; others cannot be compared.
bool has_no_fewer_bits(const StoredPoint& point, const StoredPoint& than) {
  if (!point.point || !than.point) return false;
  const Point& p = *point.point;
  const Point& from = *than.point;
  return p.v_int >= from.v_int && p.wb_int >= from.wb_int && p.v_full - p.v_int >= from.v_full - from.v_int &&
         p.wb_full - p.wb_int >= from.wb_full - from.wb_int;
}

bool is_steady(const std::vector<StoredPoint>& points, const StoredPoint& from, const Criterion& criterion) {
  return std::all_of(points.begin(), points.end(),
                     [&](const StoredPoint& p) { return !p.finished || criterion.met_by(p) || !has_no_fewer_bits(p, from); });
}

}  // namespace

std::optional<StoredPoint> fewest_bits(const std::vector<StoredPoint>& points, const Criterion& criterion) {
  const StoredPoint* best = nullptr;
  const auto key = [&](const StoredPoint& point) { return std::pair(bits_of(point), criterion.cost(point)); };
  for (const StoredPoint& point : points) {
    if (criterion.met_by(point) && (best == nullptr || key(point) < key(*best))) best = &point;
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

std::optional<StoredPoint> fewest_steady_bits(const std::vector<StoredPoint>& points, const Criterion& criterion) {
  const StoredPoint* best = nullptr;
  const auto key = [&](const StoredPoint& point) { return std::pair(bits_of(point), criterion.cost(point)); };
  for (const StoredPoint& point : points) {
    if (!criterion.met_by(point) || (best != nullptr && key(*best) < key(point))) continue;
    if (is_steady(points, point, criterion)) best = &point;
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

std::optional<StoredPoint> worse_with_more_bits(const std::vector<StoredPoint>& points, const StoredPoint& from,
                                                const Criterion& criterion) {
  const StoredPoint* worst = nullptr;
  const auto cost = [&](const StoredPoint& point) {
    const double cost = criterion.cost(point);
    return std::isnan(cost) ? std::numeric_limits<double>::infinity() : cost;
  };
  for (const StoredPoint& point : points) {
    if (!point.finished || criterion.met_by(point) || !has_no_fewer_bits(point, from)) continue;
    if (worst == nullptr || cost(point) > cost(*worst)) worst = &point;
  }
  return worst == nullptr ? std::nullopt : std::optional(*worst);
}

std::vector<StoredPoint> pareto_front(const std::vector<StoredPoint>& points, const Criterion& criterion) {
  const auto cost = [&](const StoredPoint& point) { return criterion.cost(point); };
  std::vector<StoredPoint> sorted;
  for (const StoredPoint& point : points) {
    if (point.finished && !std::isnan(cost(point))) sorted.push_back(point);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&](const StoredPoint& a, const StoredPoint& b) {
    return std::pair(bits_of(a), cost(a)) < std::pair(bits_of(b), cost(b));
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
