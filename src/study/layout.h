#ifndef NARROW_STUDY_LAYOUT_H_
#define NARROW_STUDY_LAYOUT_H_

#include <string>
#include <vector>

#include "study/store.h"

namespace narrow {

// `ap_fixed<16,6>`: a point's type of vectors, and that of weights and biases.
std::string vectors_of(const Point& point);
std::string weights_of(const Point& point);
// `ap_fixed<16,6> / ap_fixed<12,3>`: both.
std::string types_of(const Point& point);
// `vectors ap_fixed<16,6>, weights ap_fixed<12,3>`.
std::string types_in_words(const Point& point);
// The same, or the label of a point without coordinates.
std::string types_of(const StoredPoint& point);

// The finished point with the least value of the metric at `at` of StoredPoint::values, NaN after any number; ties go to the fewest
// bits. The number of points where there is none.
std::size_t least(const std::vector<StoredPoint>& points, std::size_t at);

// Contents of the study's text files: the best precision, then every precision's value; and for each point whether it was computed,
// or which it follows. `points` have the values of mpe, mae and left_out; `title` is the metric's, where readers are to see it.
std::string results_text(const Scan& scan, const std::vector<StoredPoint>& points, const std::string& metric,
                         const std::string& title = "");
std::string points_text(const std::vector<StoredPoint>& points);

// Writes points_{nodes}.txt and results_{nodes}_{mpe|mae}.txt of what is finished into the scan's folder.
void write_results(const std::string& study, const Store& store, const Scan& scan);

}  // namespace narrow

#endif  // NARROW_STUDY_LAYOUT_H_
