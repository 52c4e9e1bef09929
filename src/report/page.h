#ifndef NARROW_REPORT_PAGE_H_
#define NARROW_REPORT_PAGE_H_

#include <string>
#include <vector>

#include "report/figures.h"
#include "report/report.h"

namespace narrow {

// How the report's user would make it, or one of its figures, again.
struct Command {
  std::string studies;  // `narrow report study`
  std::string bounds;   // `--metric mpe --below 5`
  std::string options;  // the others
};

// The report as one HTML page that needs nothing else: what was studied and what came out in words and tables, then the figures,
// with sliders through the grid and every figure's data as CSV. Throws Error where narrow was built without the
// drawing library (CMake option NARROW_VEGA_BUNDLE).
std::string report_page(const Report& report, const std::vector<Figure>& figures, const Command& command);

}  // namespace narrow

#endif  // NARROW_REPORT_PAGE_H_
