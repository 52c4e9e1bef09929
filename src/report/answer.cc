#include "report/answer.h"

#include <cmath>
#include <limits>
#include <map>

#include "study/best.h"
#include "study/layout.h"

namespace narrow {

static std::string mark_of(const std::string& role) {
  return role == kRecommended ? "recommended" : role == kUndecided ? "undecided" : role == kDoubted ? "doubted" : "nearest";
}

std::vector<AnswerRow> answer_of(const Report& report) {
  const MetricName& metric = report.metrics[report.metric];
  const auto cost = [&](const StoredPoint& point) { return cost_of(metric, point.values[report.metric]); };
  const auto error_of = [&](const StoredPoint& point) {
    return report.metric < point.errors.size() ? point.errors[report.metric] : std::numeric_limits<double>::quiet_NaN();
  };
  std::vector<AnswerRow> rows;
  for (std::size_t i = 0; i < report.scans.size(); ++i) {
    const ReportScan& scan = report.scans[i];
    const StoredPoint* marked = scan.highlights.empty() ? nullptr : &scan.highlights.front().point;
    std::map<int, const StoredPoint*> least;
    for (const StoredPoint& point : scan.points) {
      if (!std::isfinite(cost(point))) continue;
      const StoredPoint*& best = least[bits_of(*point.point)];
      if (best == nullptr || cost(point) < cost(*best)) best = &point;
    }
    double lowest = std::numeric_limits<double>::infinity();
    const auto row = [&](const StoredPoint& point) {
      const bool is_marked = marked != nullptr && point.id == marked->id;
      const std::string mark = is_marked ? mark_of(scan.highlights.front().role) : "";
      const double error = error_of(point);
      rows.push_back({i, static_cast<double>(bits_of(*point.point)), types_of(point), cost(point), error, cost(point) < lowest, mark});
    };
    for (const auto& [bits, point] : least) {
      row(*point);
      if (marked != nullptr && bits_of(*marked->point) == bits && marked->id != point->id && std::isfinite(cost(*marked))) row(*marked);
      lowest = std::min(lowest, cost(*point));
    }
    for (std::size_t k = 0; k < scan.labelled.size(); ++k) {
      const StoredPoint& point = scan.labelled[k];
      if (!std::isfinite(cost(point))) continue;
      rows.push_back({i, scan.labelled_bits[k], point.label, cost(point), error_of(point), false, "searched"});
    }
  }
  return rows;
}

}  // namespace narrow
