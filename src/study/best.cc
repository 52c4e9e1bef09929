#include "study/best.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "error.h"

namespace narrow {

double metric_of(const Metrics& metrics, const std::string& name) {
  if (name == "mae") return metrics.mae;
  if (name == "mpe") return metrics.mpe;
  if (name == "rmse") return metrics.rmse;
  if (name == "bias") return std::abs(metrics.bias);
  if (name == "largest") return metrics.largest;
  throw Error("there is no metric '" + name + "'; there are mae, mpe, rmse, bias and largest");
}

int bits_of(const Point& point) { return point.v_full + point.wb_full; }

std::optional<StoredPoint> fewest_bits(const std::vector<StoredPoint>& points, const std::string& metric, double bound) {
  std::optional<StoredPoint> best;
  for (const StoredPoint& point : points) {
    const double value = metric_of(point.metrics, metric);
    if (!point.finished || !(value <= bound)) continue;
    if (!best || std::pair(bits_of(point.point), value) < std::pair(bits_of(best->point), metric_of(best->metrics, metric))) best = point;
  }
  return best;
}

std::vector<StoredPoint> pareto_front(const std::vector<StoredPoint>& points, const std::string& metric) {
  std::vector<StoredPoint> sorted;
  for (const StoredPoint& point : points) {
    if (point.finished && !std::isnan(metric_of(point.metrics, metric))) sorted.push_back(point);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&](const StoredPoint& a, const StoredPoint& b) {
    return std::pair(bits_of(a.point), metric_of(a.metrics, metric)) < std::pair(bits_of(b.point), metric_of(b.metrics, metric));
  });
  std::vector<StoredPoint> front;
  for (const StoredPoint& point : sorted) {
    if (front.empty() || metric_of(point.metrics, metric) < metric_of(front.back().metrics, metric)) front.push_back(point);
  }
  return front;
}

}  // namespace narrow
