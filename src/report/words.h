#ifndef NARROW_REPORT_WORDS_H_
#define NARROW_REPORT_WORDS_H_

#include <string>
#include <vector>

#include "report/report.h"

namespace narrow {

// What readers call a metric: `MPE`, `turn-on shift at 20`.
std::string title_of(const MetricName& metric);
// With its unit, as axes and tables have it: `MPE [%]`.
std::string label_of(const MetricName& metric);

// What was studied: plain sentences.
std::vector<std::string> studied(const Report& report);
// What came out of one scan: the best precision, what it costs, what breaks first.
std::vector<std::string> came_out(const Report& report, const ReportScan& scan);

}  // namespace narrow

#endif  // NARROW_REPORT_WORDS_H_
