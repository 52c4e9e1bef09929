#ifndef NARROW_STUDY_BEST_H_
#define NARROW_STUDY_BEST_H_

#include <optional>
#include <string>
#include <vector>

#include "study/store.h"

namespace narrow {

// v_full + wb_full.
int bits_of(const Point& point);
// The same; more than any of a point without coordinates, whose bits cannot be compared with theirs.
int bits_of(const StoredPoint& point);

// How much a metric costs: of those that may be below 0 and are best at 0 (bias, shifts and changes of the turn-on) the
// magnitude, of others the value.
double cost_of(const std::string& metric, double value);

// By what points are judged.
struct Criterion {
  std::string metric;
  double bound = 0;    // what its cost may be at most
  std::size_t at = 0;  // of StoredPoint::values
  double cost(const StoredPoint& point) const { return cost_of(metric, point.values[at]); }
  bool met_by(const StoredPoint& point) const { return point.finished && cost(point) <= bound; }
};

// The point of the fewest bits that meets the criterion; of several the one of least cost. Nothing where none does.
std::optional<StoredPoint> fewest_bits(const std::vector<StoredPoint>& points, const Criterion& criterion);

// The same among the steady points: those from which on every point with at least as many integer and fractional bits, of
// vectors and of weights, meets it too. Where errors cancel, or overflows happen to do little, a bound is met by chance.
std::optional<StoredPoint> fewest_steady_bits(const std::vector<StoredPoint>& points, const Criterion& criterion);

// Of the points with at least as many integer and fractional bits everywhere, the one of largest cost that does not meet the
// criterion (a cost that is not known is the largest); nothing where all meet it.
std::optional<StoredPoint> worse_with_more_bits(const std::vector<StoredPoint>& points, const StoredPoint& from,
                                                const Criterion& criterion);

// Finished points that no other beats in bits and cost at once, by rising bits.
std::vector<StoredPoint> pareto_front(const std::vector<StoredPoint>& points, const Criterion& criterion);

// A metric of the study by its name. Throws Error with those that there are.
MetricName metric_of(const Store& store, const std::string& name);

}  // namespace narrow

#endif  // NARROW_STUDY_BEST_H_
