#ifndef NARROW_REPORT_FIGURES_H_
#define NARROW_REPORT_FIGURES_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/report.h"

namespace narrow {

// A figure as a Vega-Lite (version 6) specification.
struct Figure {
  std::string id;       // `pareto`, `layers-64`: of its file and its place on the page
  std::string section;  // `error`, `layers`, `physics`, `training`
  std::string title, caption;
  nlohmann::ordered_json spec;
};

// Type of the axis that shows a metric: `linear`, `log`, `symlog`.
const char* scale_of(const Metric& metric);

// All figures for which the report has something. Those of the grid (`heatmap-vectors`, `heatmap-weights`) take their points from
// the named data set `points` and are moved by parameters: `scan`, `metric` and the bits that are held; the page sets them.
std::vector<Figure> figures_of(const Report& report);

// Every finished point of every scan: `columns` and, for each, an array of all values.
nlohmann::ordered_json points_table(const Report& report);

// A figure that stands alone: with the points it shows inside, and for the grid at the best precision of the scan that it
// begins with.
nlohmann::ordered_json standalone(const Figure& figure, const Report& report);

}  // namespace narrow

#endif  // NARROW_REPORT_FIGURES_H_
