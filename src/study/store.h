#ifndef NARROW_STUDY_STORE_H_
#define NARROW_STUDY_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/arithmetic.h"
#include "error.h"
#include "model/model.h"
#include "study/grid.h"
#include "study/metrics.h"
#include "study/profile.h"

namespace narrow {

// A model on a data set, with one way in which types follow from a point's bits: what a 4-D grid is laid over.
struct Scan {
  std::int64_t id = 0;
  std::string label, model;  // {nodes} of the study's layout, or the model's name; the model's name
  std::size_t parameters = 0, multiplications = 0;
  std::string data, data_name;  // path; name, where the study has several data sets
  std::size_t samples = 0;
  std::string options;                       // describe(PrecisionOptions)
  std::string folder;                        // in the study's folder, of the files of this scan; empty for the study's own
  std::vector<std::string> notes;            // what a reader should know: where narrow departs from hls4ml, which samples are left out
  std::optional<Preparation> preparation{};  // of the data, where it is known
};

// Values of metrics, and of curves bin by bin, by their names.
using NamedValues = std::map<std::string, double>;
using NamedEstimates = std::map<std::string, Estimate>;
using NamedCurves = std::map<std::string, std::vector<double>>;

// A point that is to be computed: an assignment of types to all layers of a scan's model. Those of a grid have coordinates; others a
// label, of letters, digits, - and _, which is their name in files and tables.
struct PlannedPoint {
  std::string assignment;  // identity_of(types_json(...))
  std::optional<Point> point;
  std::string label, types;  // where it has no coordinates; types_json, so that what is planned can be run later
};
PlannedPoint grid_point(const Point& point, const std::string& types);
PlannedPoint labelled_point(const std::string& label, const std::string& types);

// Of the layers of a point, the one of which the largest share was lost to overflows; of a point without coordinates, to those of values
// and sums.
struct WorstOverflow {
  enum class Of : std::uint8_t { kValues, kSums, kWeights };
  std::string layer;  // empty where nothing overflowed
  Of of = Of::kValues;
  double share = 0;         // of its values, or weights, %
  std::size_t samples = 0;  // on which this was counted
};

struct StoredPoint {
  std::int64_t id = 0;
  std::optional<Point> point;  // coordinates, where it is one of a grid
  bool finished = false;
  bool measured = false;                    // it has every metric that was asked for, as this narrow measures it
  std::int64_t computed_as = 0;             // the point whose run answers this one; its own id where it was run
  bool clean = false;                       // nothing overflowed anywhere, weights included
  std::string kept;                         // what was written of it (study/kept.h)
  std::vector<double> values;               // of the metrics asked for
  int arithmetic = kArithmetic;             // by which it was computed
  std::string label;                        // where it has no coordinates
  std::vector<double> errors{};             // of the values
  std::optional<WorstOverflow> overflow{};  // nothing where overflows were not counted
  bool outdated() const { return finished && arithmetic != kArithmetic; }
};

// What a layer met on the samples that were counted.
struct StoredCounts {
  std::string layer;
  std::uint64_t values = 0, overflows = 0, sum_overflows = 0, zeros = 0;
  std::uint64_t weights = 0, weight_overflows = 0, weight_zeros = 0;
  bool operator==(const StoredCounts&) const = default;
};

// The result of a point.
struct PointResult {
  std::int64_t id = 0, computed_as = 0;
  bool overflowed = false;  // anything anywhere, on all samples, weights included
  double seconds = 0;
  std::string types, kernels, kept;
  NamedEstimates values;
  NamedCurves curves;                // empty for a point that follows another
  std::size_t counted = 0;           // samples
  std::vector<StoredCounts> counts;  // of the layers at which something was lost; empty for a point that follows another
};

// What a data set's target is (to_string(Feature)), and the unit that the user gave it: facts of a study.
std::string fact_of_target(const std::string& data_name);
// The same of what a model predicts on a data set.
std::string fact_of_model_target(const std::string& label, const std::string& data_name);
inline constexpr const char* kClassesFact = "classes";  // as --classes has them, where the user named them
inline constexpr const char* kUnitFact = "unit of the target";
// With which options the study began to read a data set (to_yaml(DataOptions)).
std::string fact_of_reading(const std::string& data_name);

// What is thrown for data that are not those of the study; `different` says how they differ, where that is known.
Error other_data(const Dataset& data, const std::string& different);

// Of everything that a model's results depend on.
std::string content_hash(const Model& model);
std::string content_hash(const Dataset& data);  // of its samples, targets and weights

// A study in one SQLite file, STUDY/study.db: its definitions, models and data by the hash of their content, every point that
// is planned, and of those that are done the types, metrics, overflows, kernels, time, and the versions of narrow and its arithmetic. A
// point is in it whole or not at all, whenever the program ends. docs/study.md has the tables and views.
//
// Throws Error for a file that is not a study, is damaged, of a version that is not known, or held by another narrow that writes to it.
class Store {
 public:
  enum class Mode : std::uint8_t { kRead, kWrite };  // one writer at a time; readers whenever they like
  // `folder` is the study's; kWrite makes what is missing.
  Store(const std::string& folder, Mode mode);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  // A definition of what is computed, and the command that began it; one that is known is not written again.
  void add_definition(const std::string& definition, const std::string& command);
  // Throws Error where the study has another model under this label.
  void check_model(const Model& model, const std::string& label) const;
  // Whether the study has other samples under this name; of samples of another shape the number is all that can be compared.
  bool has_other(const Dataset& data, const std::string& name) const;
  // Both throw Error where the study has something else under the name.
  std::int64_t add_model(const Model& model, const std::string& label);
  std::int64_t add_data(const Dataset& data, const std::string& name);
  Scan add_scan(std::int64_t model, std::int64_t data, const std::string& options);
  // What is known of the metrics that points have; the view `results` has columns for each.
  void add_metric_names(const std::vector<Metric>& names);
  // The study's classes, as --classes has them. What was measured while they had none stands under their numbers, and is called by the
  // names from now on.
  void name_classes(const std::vector<std::string>& names);
  void set_notes(const Scan& scan, const std::vector<std::string>& notes);
  // The float model's own metrics and curves.
  void set_float(const Scan& scan, const NamedEstimates& values, const std::vector<Curve>& curves);
  // The float model's values, layer by layer.
  void set_profile(const Scan& scan, const std::vector<Profile>& profiles);
  // The scan's points, planned where they are new, in the order given; without values. Those that are outdated, and those that are not
  // measured in all of `metrics`, are to be computed again. Throws Error for a label that is not valid, or another point's.
  std::vector<StoredPoint> plan(const Scan& scan, const std::vector<PlannedPoint>& points, const std::vector<std::string>& metrics);
  // These may be called from any thread.
  // The point is in the store when this or another thread's call, made at the same time, returns.
  void finish(PointResult point);
  void add_metrics(std::int64_t point, const NamedEstimates& values, const NamedCurves& curves);
  bool is_measured(const StoredPoint& point, const std::vector<std::string>& metrics) const;        // in all of them, as it is done today
  std::vector<Estimate> values(std::int64_t point, const std::vector<std::string>& metrics) const;  // NaN where it has none

  // Facts of the study as a whole, by name, such as those above; `known` gives "" for one that is not there.
  void set(const std::string& name, const std::string& value);
  std::string known(const std::string& name) const;

  // Takes over everything of another study: its points where this one has not finished them, outdated ones only as planned. Throws Error,
  // and takes nothing, where models or data of one name are not the same.
  void take(const std::string& folder);

  struct KnownModel {
    std::string label, name, hash;  // content_hash; empty where an older narrow left it unknown
  };
  std::vector<KnownModel> models() const;
  struct KnownDefinition {
    std::string definition, command, version, started;
  };
  std::vector<KnownDefinition> definitions() const;
  std::vector<Scan> scans() const;
  std::vector<Metric> metrics() const;  // without their functions
  // A scan's points by their bits, those without coordinates behind, with the values and errors of these metrics (NaN where a point has
  // none) and their worst overflow.
  std::vector<StoredPoint> points(const Scan& scan, const std::vector<std::string>& metrics) const;
  NamedValues float_metrics(const Scan& scan) const;
  NamedValues float_errors(const Scan& scan) const;  // of those
  std::vector<Curve> float_curves(const Scan& scan) const;
  std::vector<Profile> profile(const Scan& scan) const;
  // Of a point, or the one that answers it: its curves by name; the layers at which something was lost, and on how many samples that
  // was counted; its own types, as JSON.
  NamedCurves curves(const StoredPoint& point) const;
  std::vector<StoredCounts> counts(const StoredPoint& point) const;
  std::size_t counted(const StoredPoint& point) const;
  std::string types(const StoredPoint& point) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace narrow

#endif  // NARROW_STUDY_STORE_H_
