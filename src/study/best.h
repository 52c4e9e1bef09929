#ifndef NARROW_STUDY_BEST_H_
#define NARROW_STUDY_BEST_H_

#include <optional>
#include <string>
#include <vector>

#include "study/store.h"

namespace narrow {

// v_full + wb_full.
int bits_of(const Point& point);

// How much a metric costs: of those that may be below 0 and are best at 0 (bias, shifts and changes of the turn-on) the
// magnitude, of others the value.
double cost_of(const std::string& metric, double value);

// These take points with the values of one metric, `metric`.

// The finished point of the fewest bits whose cost is at most `bound`; of several the one with the least. Nothing where none
// is good enough.
std::optional<StoredPoint> fewest_bits(const std::vector<StoredPoint>& points, const std::string& metric, double bound);

// Finished points that no other beats in bits and cost at once, by rising bits.
std::vector<StoredPoint> pareto_front(const std::vector<StoredPoint>& points, const std::string& metric);

// A metric of the study by its name. Throws Error with those that there are.
MetricName metric_of(const Store& store, const std::string& name);

}  // namespace narrow

#endif  // NARROW_STUDY_BEST_H_
