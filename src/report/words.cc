#include "report/words.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "data/text.h"
#include "study/best.h"
#include "study/layout.h"

namespace narrow {
namespace {

std::string rounded(double value) {
  constexpr int kDigits = 3;
  return number_text(value, kDigits);
}

std::string unit_after(const MetricName& metric) { return metric.unit.empty() ? "" : " " + metric.unit; }

std::string with_unit(const MetricName& metric, double value) {
  return title_of(metric) + " " + rounded(value) + (std::isnan(value) ? "" : unit_after(metric));
}

std::string with_unit(const MetricName& metric, double value, double error) {
  return title_of(metric) + " " + rounded(value) + (std::isfinite(error) ? " +- " + rounded(error) : "") +
         (std::isnan(value) ? "" : unit_after(metric));
}

// A change in %, however large: a number says nothing where next to nothing is left of the float model's.
std::string change_in_words(const MetricName& metric, double change) {
  constexpr double kTenfold = 900;
  if (metric.unit == "%" && change > kTenfold) return "more than tenfold";
  return (change > 0 ? "+" : "") + rounded(change) + unit_after(metric);
}

// What `best` says, as a sentence of a page. Names of metrics and layers stay as they are.
std::string as_sentence(std::string text) {
  if (text.starts_with("the ") || text.starts_with("there, ") || text.starts_with("a point "))
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text + (text.ends_with(".") || text.ends_with("?") ? "" : ".");
}

std::string plural(std::size_t number, const std::string& noun) { return std::to_string(number) + " " + noun + (number == 1 ? "" : "s"); }

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

// The layer at which most more is lost than at the best point, and what: the reason for a worse error, where there is one.
std::string reason(const Highlight& worse, const Highlight& best) {
  struct Loss {
    double share = 0;
    std::string text;
  } most;
  const auto of = [](const Highlight& highlight, const std::string& layer) {
    const auto found =
        std::find_if(highlight.counts.begin(), highlight.counts.end(), [&](const StoredCounts& c) { return c.layer == layer; });
    return found == highlight.counts.end() ? StoredCounts{} : *found;
  };
  // An overflow is worse than any loss to 0: a little of it comes first.
  for (const bool overflow : {true, false}) {
    for (const StoredCounts& now : worse.counts) {
      const StoredCounts before = of(best, now.layer);
      const auto consider = [&](double more, const std::string& what) {
        if (more > most.share) most = {more, now.layer + " " + what};
      };
      if (overflow) {
        consider(share(now.overflows, now.values) - share(before.overflows, before.values),
                 "overflows (" + rounded(share(now.overflows, now.values)) + " % of its values)");
        consider(share(now.sum_overflows, now.values) - share(before.sum_overflows, before.values),
                 "has sums that overflow (" + rounded(share(now.sum_overflows, now.values)) + " % of its values)");
        consider(share(now.weight_overflows, now.weights) - share(before.weight_overflows, before.weights),
                 "has weights that do not fit (" + rounded(share(now.weight_overflows, now.weights)) + " %)");
      } else {
        consider(share(now.zeros, now.values) - share(before.zeros, before.values),
                 "has values that underflow to 0 (" + rounded(share(now.zeros, now.values)) + " %)");
        consider(share(now.weight_zeros, now.weights) - share(before.weight_zeros, before.weights),
                 "has weights that become 0 (" + rounded(share(now.weight_zeros, now.weights)) + " %)");
      }
    }
    if (most.share > 0) return most.text;
  }
  return "";
}

bool is_of_class(const Metric& metric) {
  return metric.name.starts_with("auc_loss@") ||
         ((metric.name.starts_with("efficiency_loss@") || metric.name.starts_with("background_change@")) &&
          metric.name.find(',') != std::string::npos);
}

template <class Of>
std::string range(const Report& report, const Of& of) {
  int low = std::numeric_limits<int>::max();
  int high = std::numeric_limits<int>::min();
  for (const ReportScan& scan : report.scans) {
    for (const StoredPoint& point : scan.points) {
      low = std::min(low, of(*point.point));
      high = std::max(high, of(*point.point));
    }
  }
  return low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
}

}  // namespace

std::string title_of(const MetricName& metric) { return metric.title; }

std::string label_of(const MetricName& metric) { return title_of(metric) + (metric.unit.empty() ? "" : " [" + metric.unit + "]"); }

std::vector<std::string> studied(const Report& report) {
  if (report.pair) {
    std::string metrics;
    for (std::size_t i = 0; i < report.metrics.size(); ++i)
      metrics += (metrics.empty() ? "" : ", ") + with_unit(report.metrics[i], report.pair->metrics[i]);
    const std::size_t outputs = report.pair->outputs;
    return {std::to_string(report.pair->values.size() / outputs) + " predictions" +
                (outputs == 1 ? "" : " of " + std::to_string(outputs) + " outputs each") + " of " + report.pair->second +
                " against those of " + report.pair->first + ".",
            metrics + "."};
  }
  std::size_t points = 0;
  std::size_t in_grid = 0;
  std::set<std::array<int, 4>> grid;  // precisions, each once
  std::vector<std::string> models;    // in the order of the scans
  std::set<std::string> data;
  for (const ReportScan& scan : report.scans) {
    points += scan.points.size() + scan.labelled.size();
    in_grid += scan.points.size();
    for (const StoredPoint& each : scan.points) {
      const Point& p = *each.point;
      grid.insert({p.v_full, p.v_int, p.wb_full, p.wb_int});
    }
    if (std::find(models.begin(), models.end(), scan.scan.label) == models.end()) models.push_back(scan.scan.label);
    data.insert(std::to_string(scan.scan.samples) + " samples of " + scan.scan.data);
  }
  if (points == 0) return {"Nothing has been computed yet."};
  std::string names;
  for (const std::string& name : models) names += (names.empty() ? "" : ", ") + name;
  std::string samples;
  for (const std::string& each : data) samples += (samples.empty() ? "" : "; ") + each;
  std::vector<std::string> said{
      plural(models.size(), "model") + " (" + names + ") at " + plural(grid.size() + points - in_grid, "precision") +
      (points > grid.size() + points - in_grid ? ", " + plural(points, "point") + " in all" : "") + ", on " + samples + "."};
  if (in_grid > 0) {
    said.push_back("Vectors of " + range(report, [](const Point& p) { return p.v_full; }) + " bits, of which " +
                   range(report, [](const Point& p) { return p.v_int; }) + " integer bits; weights and biases of " +
                   range(report, [](const Point& p) { return p.wb_full; }) + " bits, of which " +
                   range(report, [](const Point& p) { return p.wb_int; }) + " integer bits.");
  }
  return said;
}

// The points without coordinates: of each its bits and its value of the report's metric.
static std::vector<std::string> labelled(const Report& report, const ReportScan& scan) {
  const MetricName& metric = report.metrics[report.metric];
  std::vector<std::string> said;
  for (std::size_t i = 0; i < scan.labelled.size(); ++i) {
    const StoredPoint& point = scan.labelled[i];
    if (std::isnan(cost_of(metric, point.values[report.metric]))) continue;
    said.push_back("A type for each tensor, " + point.label + ": " +
                   with_unit(metric, point.values[report.metric], point.errors[report.metric]) + " with " + rounded(scan.labelled_bits[i]) +
                   " bits (the averages of results and of weights together).");
  }
  return said;
}

std::vector<std::string> came_out(const Report& report, const ReportScan& scan) {
  const MetricName& metric = report.metrics[report.metric];
  std::vector<std::string> said;
  if (scan.points.empty() && scan.labelled.empty()) return {"No point is done."};
  const std::vector<std::string> others = labelled(report, scan);
  if (scan.highlights.empty() && others.empty()) return {"No point has a value of " + title_of(metric) + "; judge by another --metric."};
  const auto value = [&](const Highlight& highlight) { return highlight.point.values[report.metric]; };
  const auto cost = [&](const Highlight& highlight) { return cost_of(metric, value(highlight)); };
  std::string bounds;
  for (const Bound& bound : report.question.bounds)
    bounds += (bounds.empty() ? "" : " and ") + title_of(bound.metric) + " of at most " + rounded(bound.most) + unit_after(bound.metric);
  const std::string& without_effect = scan.answer.without_effect;
  if (!without_effect.empty()) said.push_back(as_sentence(without_effect));
  if (scan.within()) {
    const StoredPoint& best = scan.highlights.front().point;
    std::string values;
    for (const Bound& bound : report.question.bounds)
      values += (values.empty() ? "" : " and ") + with_unit(bound.metric, best.values[bound.at], best.errors[bound.at]);
    said.push_back("For " + bounds + ", " + std::to_string(bits_of(best)) + " bits are enough: " + types_in_words(*best.point) + ", with " +
                   values + ".");
  } else if (!scan.points.empty()) {
    said.push_back(std::string("No precision of the grid ") +
                   (scan.answer.doubted || scan.answer.undecided ? "is recommended for " : "reaches ") + bounds + ".");
  }
  said.insert(said.end(), others.begin(), others.end());
  for (const std::string& sentence : scan.answer.said) {
    if (sentence != without_effect) said.push_back(as_sentence(sentence));
  }
  if (scan.highlights.empty()) return said;
  const Highlight& best = scan.highlights.front();
  // What each bit that is taken away costs; a value that is not known any more costs most. Grids have other steps in each direction.
  const auto per_bit = [&](const Highlight& other) {
    if (other.bits_less == 0) return 0.0;
    if (std::isnan(cost(other))) return std::numeric_limits<double>::infinity();
    return (cost(other) - cost(best)) / other.bits_less;
  };
  const Highlight* first = nullptr;
  for (std::size_t i = 1; i < scan.highlights.size(); ++i) {
    const Highlight& other = scan.highlights[i];
    if (other.role.starts_with(kLowest)) {
      said.push_back("The lowest " + title_of(metric) + " in the grid is " + rounded(value(other)) + unit_after(metric) + ", at " +
                     std::to_string(bits_of(*other.point.point)) + " bits: " + types_in_words(*other.point.point) + ".");
    } else if (per_bit(other) > 0 && (first == nullptr || per_bit(other) > per_bit(*first))) {
      first = &other;
    }
  }
  if (first != nullptr) {
    const std::string why = reason(*first, best);
    said.push_back("What costs most per bit that is taken away: " + first->role + " gives " + with_unit(metric, value(*first)) +
                   (why.empty() ? "" : "; " + why) + ".");
  }
  // Of a classifier's classes the means stand for all.
  const bool has_mean =
      std::any_of(report.metrics.begin(), report.metrics.end(), [](const Metric& each) { return each.name == "auc_loss"; });
  std::string costs;
  for (std::size_t i = 0; i < report.metrics.size(); ++i) {
    const MetricName& other = report.metrics[i];
    const double change = best.point.values[i];
    if (!other.is_change || std::isnan(change) || (has_mean && is_of_class(other))) continue;
    costs += (costs.empty() ? "" : ", ") + title_of(other) + " " + change_in_words(other, change);
  }
  if (!costs.empty()) said.push_back("Against the float model: " + costs + ".");
  return said;
}

}  // namespace narrow
