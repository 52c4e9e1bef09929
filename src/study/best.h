#ifndef NARROW_STUDY_BEST_H_
#define NARROW_STUDY_BEST_H_

#include <optional>
#include <string>
#include <vector>

#include "study/store.h"

namespace narrow {

// A metric by its name: mae, mpe, rmse, bias or largest. Of bias the magnitude counts. Throws Error for another name.
double metric_of(const Metrics& metrics, const std::string& name);

// v_full + wb_full.
int bits_of(const Point& point);

// The finished point of the fewest bits whose metric is at most `bound`; of several the one with the least. Nothing where none
// is good enough.
std::optional<StoredPoint> fewest_bits(const std::vector<StoredPoint>& points, const std::string& metric, double bound);

// Finished points that no other beats in bits and metric at once, by rising bits.
std::vector<StoredPoint> pareto_front(const std::vector<StoredPoint>& points, const std::string& metric);

}  // namespace narrow

#endif  // NARROW_STUDY_BEST_H_
