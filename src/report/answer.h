#ifndef NARROW_REPORT_ANSWER_H_
#define NARROW_REPORT_ANSWER_H_

#include <string>
#include <vector>

#include "report/report.h"

namespace narrow {

// The answer as a table: of a model, at a number of bits, the point of least cost.
struct AnswerRow {
  std::size_t scan = 0;  // of Report::scans
  double bits = 0;       // total of vectors + total of weights; of a point without coordinates bits_in its types
  std::string types;     // types_of the point
  double value = 0;      // of the report's metric, as it is judged (cost_of)
  double error = 0;      // its statistical error; NaN where it is not known
  bool front = false;    // no point with fewer bits has a lower value
  std::string mark;  // of the first highlight: `recommended`, `undecided` or `doubted` where none is, or `nearest` where none is within the
                     // bounds; `searched` of a point without coordinates
};

// Rows by model and rising bits. The point that is marked has a row even where another one of its bits has a lower value.
std::vector<AnswerRow> answer_of(const Report& report);

}  // namespace narrow

#endif  // NARROW_REPORT_ANSWER_H_
