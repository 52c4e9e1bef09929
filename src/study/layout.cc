#include "study/layout.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "data/text.h"
#include "fixed/format.h"
#include "study/best.h"
#include "study/outdated.h"

namespace narrow {
namespace {

constexpr std::size_t kMpe = 0;
constexpr std::size_t kMae = 1;
constexpr std::size_t kLeftOut = 2;

std::string numbers(const StoredPoint& point) {
  if (!point.point) return "# " + point.label;
  const Point& p = *point.point;
  return std::to_string(p.v_full) + " " + std::to_string(p.v_int) + " " + std::to_string(p.wb_full) + " " + std::to_string(p.wb_int);
}

}  // namespace

std::string vectors_of(const Point& p) { return to_string(fixed(p.v_full, p.v_int)); }
std::string weights_of(const Point& p) { return to_string(fixed(p.wb_full, p.wb_int)); }
std::string types_of(const Point& p) { return vectors_of(p) + " / " + weights_of(p); }
std::string types_in_words(const Point& p) { return "vectors " + vectors_of(p) + ", weights " + weights_of(p); }

std::string types_of(const StoredPoint& point) { return point.point ? types_of(*point.point) : point.label; }

std::size_t least(const std::vector<StoredPoint>& points, std::size_t at) {
  std::size_t best = points.size();
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i].finished) continue;
    if (best == points.size()) {
      best = i;
      continue;
    }
    const double a = points[i].values[at];
    const double b = points[best].values[at];
    const bool better = std::isnan(b) ? !std::isnan(a) : a < b || (a == b && bits_of(points[i]) < bits_of(points[best]));
    if (better) best = i;
  }
  return best;
}

std::string results_text(const Scan& scan, const std::vector<StoredPoint>& points, const std::string& metric, const std::string& title) {
  const bool relative = metric == "mpe";
  const std::size_t at = relative ? kMpe : kMae;
  const StoredPoint& best = points[least(points, at)];
  std::string text = "# best: " + (best.point ? types_in_words(*best.point) : best.label) + ": " + metric + " " +
                     short_text(best.values[at]) + (relative ? " %" : "") + "\n";
  text += "# model " + scan.model + ", " + std::to_string(scan.samples) + " samples";
  if (relative) text += "; predictions of 0 by the float model are left out: " + short_text(best.values[kLeftOut]);
  Outdated outdated;
  outdated.add(points);
  if (outdated.any()) text += "\n# " + outdated.sentence();
  if (!title.empty()) text += "\n# " + metric + ": " + title;
  text += "\n# v_full v_int wb_full wb_int " + metric + "\n";
  for (const StoredPoint& each : points) text += numbers(each) + " " + short_text(each.values[at]) + "\n";
  return text;
}

std::string points_text(const std::vector<StoredPoint>& points) {
  std::string text =
      "# v_full v_int wb_full wb_int: computed, or the point with the same fractional bits and no overflow that it follows\n";
  std::map<std::int64_t, const StoredPoint*> by_id;
  for (const StoredPoint& each : points) by_id[each.id] = &each;
  for (const StoredPoint& each : points) {
    const auto leader = by_id.find(each.computed_as);
    const bool computed = each.computed_as == each.id || leader == by_id.end();
    text += numbers(each) + (computed ? " computed" : " follows " + numbers(*leader->second)) + "\n";
  }
  return text;
}

void write_results(const std::string& study, const Store& store, const Scan& scan) {
  std::vector<StoredPoint> points = store.points(scan, {"mpe", "mae", "left_out"});
  std::erase_if(points, [](const StoredPoint& point) { return !point.finished; });
  if (points.empty()) return;
  const std::string folder = study + (scan.folder.empty() ? "" : "/" + scan.folder);
  write_file(folder + "/points_" + scan.label + ".txt", points_text(points));
  for (const std::string name : {"mpe", "mae"}) {
    // These judge the network's output, whichever the target is.
    write_file(folder + "/results_" + scan.label + "_" + name + ".txt",
               results_text(scan, points, name, metric_named(name).title + " of the network's output"));
  }
}

}  // namespace narrow
