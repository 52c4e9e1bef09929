#ifndef NARROW_REPORT_REPORT_H_
#define NARROW_REPORT_REPORT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/text.h"
#include "study/best.h"
#include "study/kept.h"
#include "study/store.h"

namespace narrow {

// A point of a scan that a report speaks of, with what the store and the kept files know of it.
struct Highlight {
  std::string role;   // `lowest MPE in the grid`, `fewest bits`, `vectors: 1 integer bit less`
  int bits_less = 0;  // than the best point's, of a neighbour
  StoredPoint point;
  std::vector<StoredCounts> counts;  // layers at which something was lost
  std::size_t counted = 0;           // on so many samples
  std::string types;                 // JSON, hls4ml's words
  std::map<std::string, std::vector<double>> curves;
  KeptTrace trace;  // empty where none is kept
};

// Highlight::role of the least value in the grid begins so.
inline constexpr const char* kLowest = "lowest ";

// Highlight::role of the fewest bits within the bounds, where those are not recommended.
inline constexpr const char* kDoubted = "fewest bits, not recommended";
// Of the point that is undecided, and of the one that is recommended.
inline constexpr const char* kUndecided = "fewest bits, undecided";
inline constexpr const char* kRecommended = "fewest bits";

// A scan as a report shows it.
struct ReportScan {
  std::string study;  // its label, where the report has several
  std::string name;   // `64`, `64 uniform`, `64 uniform on test`: as short as the report allows
  Scan scan;
  std::string target;             // what it is, as axes call it: `true_energy [GeV]`; empty where none is known
  std::string unit;               // the target's, where both are known
  std::optional<Feature> output;  // what the model predicts, where that is known
  std::size_t planned = 0;
  bool overflows_known = true;        // of folders of predictions they are not
  std::vector<StoredPoint> points;    // finished, of the grid; values in the order of Report::metrics, NaN where a point lacks one
  std::vector<StoredPoint> labelled;  // finished, without coordinates
  std::vector<double> labelled_bits;  // bits_in of their types
  std::map<std::string, double> float_metrics;
  std::vector<Curve> float_curves;
  std::vector<std::string> classes;  // of a classifier whose true classes are known, in the order of its outputs
  std::vector<Profile> profile;
  KeptTrace float_trace;
  std::vector<std::string> layers;  // of the model, in order; those of the types
  Answer answer;                    // what `narrow best` says; its points have the values of their own study
  std::vector<Highlight>
      highlights;  // the first is the one recommended, else the undecided, else the doubted, else the nearest; none without points
  // Whether the first highlight is recommended.
  bool within() const { return answer.point && answer.point->point; }
};

struct ReportStudy {
  std::string label, folder;
  std::vector<Store::KnownDefinition> definitions;
};

struct TrainingHistory {
  std::string model;
  std::vector<std::map<std::string, double>> epochs;  // epoch, loss, val_loss, learning_rate
};

// Two files of predictions of the same samples.
struct PredictionPair {
  std::string first, second;              // their names; the first is what the second is compared with
  std::vector<double> reference, values;  // row by row
  std::size_t outputs = 1;                // of a row
  std::vector<double> metrics;            // of Report::metrics
};

// What of the 4-D grid the heat maps show: a model, the bits that are held, and the percentile at which colours end.
struct GridView {
  std::size_t scan = 0;  // of Report::scans
  Point at;
  int percentile = 95;
  std::size_t metric = 0;  // of Report::metrics
};

// Whether it has no value in any bin, as where no sample lies in one.
bool is_empty(const Curve& curve);

// What is in one or several studies, ready to be shown.
struct Report {
  std::vector<ReportStudy> studies;
  std::vector<MetricName> metrics;
  std::string unit;        // the target's, of the first study that has one
  Question question;       // the bounds' places are in `metrics`
  std::size_t metric = 0;  // of `metrics`: that of the first bound
  double bound = 0;        // what it may be at most
  std::vector<ReportScan> scans;
  GridView view;           // of a scan with highlights, where there is one
  std::size_t sample = 0;  // whose layers are in the table of traces
  std::vector<TrainingHistory> histories;
  std::optional<PredictionPair> pair;  // where predictions are compared instead of studies
  std::vector<std::string> missing;    // what is not there, a line each
};

struct ReportOptions {
  std::string metric;  // --metric and --below, as parse_bounds takes them
  std::string below{};
  double most_overflow = kMostOverflow;
  bool any = false;
  // The heat maps' view; the first model at its best point where nothing is said.
  std::string shown;  // a metric's name; the first bound's where empty
  std::string model;  // a scan's name, as the report shows it
  std::optional<Point> at;
  int percentile = 95;
  std::size_t sample = 0;
};

// Reads studies: folders with a study.db, or folders in the study's text layout ({nodes}.16.6.wb_12.3.model/), as hls4ml scripts write
// them. `labels` name them where there are several. Throws Error for a folder that is neither, and for a metric, model, point or sample
// that they do not have.
Report read_studies(const std::vector<std::string>& folders, const std::vector<std::string>& labels, const ReportOptions& options);

// Two files of predictions as numpy.savetxt writes them. Throws Error where they are not of equally many samples.
Report read_predictions(const std::string& first, const std::string& second, const std::vector<std::string>& labels);

}  // namespace narrow

#endif  // NARROW_REPORT_REPORT_H_
