#ifndef NARROW_STUDY_SCAN_H_
#define NARROW_STUDY_SCAN_H_

#include <functional>
#include <string>
#include <vector>

#include "study/kept.h"
#include "study/metrics.h"
#include "study/run.h"

namespace narrow {

// Everything that the points of one scan share.
struct ScanJob {
  const Model& model;
  const Dataset& data;  // as the model takes it
  const Measure& measure;
  const KeptFiles& files;
  const PrecisionOptions& precision;
  std::size_t counted = 0;  // samples of which overflows are counted by layer
  const Scan& scan;
  Store& store;
  const RunOptions& options;
  Metric headline;  // what is told of each point
};

enum class PointEnd : std::uint8_t { kFound, kComputed, kFollowed, kMeasured };

// Called after each point from any thread: what became of it, and its value of ScanJob::headline (NaN where it has none).
using PointDone = std::function<void(PointEnd end, const Point& point, double cost)>;

// The types of a model at a point.
PrecisionConfig config_at(const Model& model, PrecisionOptions options, const Point& point);

// Names of the metrics, in the measure's order.
std::vector<std::string> metric_names(const Measure& measure);

// Computes the points, of a grid and as Store::plan gave them, that are not done, and tells the store of each when it is. Points that may
// answer each other (same fractional bits) run one after the other, fewest integer bits first; others run side by side on all cores, as far
// as memory allows, and each run uses the cores that are free. The same bits result whatever the number of cores. Throws Interrupted, or
// the first error, when the points that were being run are done.
void run_scan(const ScanJob& job, std::vector<StoredPoint> points, const PointDone& done);

// Computes a point without coordinates, which `types` gives its types. `counted` gives the same predictions, and its layers are those whose
// overflows are counted: types that cut what no reader looks at (of a Dense in front of a relu, what is below 0) may be wider there.
void run_point(const ScanJob& job, const StoredPoint& point, const Resolved& types, const Resolved& counted);

}  // namespace narrow

#endif  // NARROW_STUDY_SCAN_H_
