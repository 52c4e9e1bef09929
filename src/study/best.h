#ifndef NARROW_STUDY_BEST_H_
#define NARROW_STUDY_BEST_H_

#include <optional>
#include <string>
#include <vector>

#include "study/store.h"

namespace narrow {

// v_full + wb_full.
int bits_of(const Point& point);
// The same; more than any of a point without coordinates.
int bits_of(const StoredPoint& point);

std::vector<std::string> names_of(const std::vector<Metric>& metrics);

// What a point must keep to, unless the user says otherwise, in `best` and in the report alike.
inline constexpr double kDefaultBound = 5;
// The target's MPE where a target is known, else a classifier's accuracy loss, or where no true classes are known its disagreement with the
// float model; else the MPE of the network's output.
std::string default_metric(const std::vector<Metric>& metrics);
// What is told of points while they are computed: of a classifier its accuracy loss or disagreement, else the MPE of the network's output.
std::string headline_of(const std::vector<std::string>& metrics);
// kDefaultBound, but 1 of a classifier's accuracy loss and disagreement: percentage points.
double default_bound(const std::string& metric);
// Points of which a larger share of some layer's values, sums or weights overflows are not recommended, %.
inline constexpr double kMostOverflow = 1;

// What a metric's cost may be at most.
struct Bound {
  Metric metric;
  double most = kDefaultBound;
  std::size_t at = 0;  // of StoredPoint::values
};

// How a point stands to a bound. The error of a metric is one standard deviation; a bound is met, or missed, within the error where it lies
// within one of them from the value. Where the error is unknown, a bound is met with an unknown error, or missed.
enum class Standing : std::uint8_t { kMet, kMetWithinError, kMetErrorUnknown, kMissedWithinError, kMissed, kUnknown };
struct Judgement {
  double cost = 0;  // what is compared with the bound
  double error = 0;
  Standing standing = Standing::kUnknown;
  // How many samples would decide, as the error falls with their square root; nothing where it is decided, or cannot be.
  std::optional<double> samples;
};
Judgement judge(const StoredPoint& point, const Bound& bound, std::size_t samples);

// Of which tensors more integer bits bring a point no further from the float model, as long as nothing overflows. Where a softmax looks its
// scores up in a table, steps of the table grow with the integer bits of the scores (docs/numerics.md, Softmax).
struct MoreIntegerBits {
  bool of_vectors = true, of_weights = true;
};
// Of the types of a point, as Store::types has them, that follow from its bits as `options` say (Scan::options).
MoreIntegerBits more_integer_bits(const std::string& types, const std::string& options);

// What is asked of a study.
struct Question {
  std::vector<Bound> bounds{};  // all at once; of points with equal bits the first decides
  double most_overflow = kMostOverflow;
  bool any = false;        // every point that meets the bounds counts, whatever overflows and whatever its neighbours do
  bool grid_only = false;  // points without coordinates do not count; of a study alone
};

// `text` is what --below says: `5`, a bound on `metric` (default_metric where that is empty), nothing for default_bound, or
// `mpe=5,rate_change@20=2`. The bounds' `at` is the place in `metrics`. Throws Error, naming --below or --metric, for a metric that is not
// there or cannot judge, and for what is not a number.
std::vector<Bound> parse_bounds(const std::string& text, const std::string& metric, const std::vector<Metric>& metrics);

// Why a point that meets the bounds is not recommended.
enum class Doubt : std::uint8_t { kNone, kOverflow, kFailsAbove, kEdge, kUnfinished, kUndecided };

// Which precision is best, for one scan.
struct Answer {
  // The fewest bits that meet the bounds and are recommended: each bound by at least its error (where that is known); the point overflows
  // no more than is allowed; in every direction in which the grid varies bits (integer and fractional, of vectors and of weights) there are
  // finished points with more of them; and no point with at least as many bits of every kind misses a bound beyond its error. (More integer
  // bits change nothing where nothing overflows, so there need be no such points then; where they may harm, MoreIntegerBits, points with
  // more of them do not count.) Points without coordinates have no neighbours and are held against bounds and overflows alone.
  std::optional<StoredPoint> point;
  double bits = 0;                    // v_full + wb_full; of a point without coordinates bits_in its types
  std::vector<Judgement> judgements;  // of its bounds
  // The fewest bits that meet the bounds, where those are not recommended, and why not.
  std::optional<StoredPoint> doubted;
  Doubt doubt = Doubt::kNone;
  // The fewest bits that would be recommended but for a bound that they meet by less than its error, where none that are have fewer.
  std::optional<StoredPoint> undecided;
  std::optional<double> samples;         // that would decide
  std::optional<StoredPoint> worse;      // kFailsAbove: with more bits, beyond a bound
  std::optional<StoredPoint> nearest;    // where none meets the bounds: the finished point that misses them least, relative to each
  std::vector<std::string> extend;       // kEdge: options that extend the grid, such as `--v-full 8:26:2`
  std::vector<std::string> extend_down;  // of `point`: those that extend the grid where no fewer bits were tried, such as `--v-full 6:8`
  std::size_t points = 0, missing = 0;   // planned; of those not finished
  std::string without_effect;            // a sentence, where the grid varies bits that change no type; it is among `said`
  std::vector<std::string> said;         // all that a reader should know, a sentence each
};

// `points` have values of the metrics for which the question's bounds were parsed. `bits` are those of points without coordinates, in
// the order of `points` (others are ignored), empty where there are none. `has_more`: the data may hold more samples.
Answer best_of(const std::vector<StoredPoint>& points, const Question& question, std::size_t samples, bool has_more,
               const std::vector<double>& bits = {}, const MoreIntegerBits& more = {});
// The same of a scan in a store, with its notes among what is said; where the answer has no coordinates, the best of the grid too.
Answer best_of(const Store& store, const Scan& scan, const Question& question);

// Finished points that no other beats in bits and in the first bound's cost at once, by rising bits; of those that meet the other bounds,
// by their errors, and do not overflow too much (where any count, of those that meet the other bounds).
struct Front {
  std::vector<StoredPoint> points;
  std::vector<std::string> said;  // what is left out, and why; a sentence each
};
Front pareto_front(const std::vector<StoredPoint>& points, const Question& question, const std::vector<double>& bits = {});

// Bits by which points without coordinates are ranked: the average width of the layers' results, and that of their weights, added. `types`
// is the JSON of Store::types.
double bits_in(const std::string& types);
// Of a scan's points as best_of takes them.
std::vector<double> bits_without_coordinates(const Store& store, const std::vector<StoredPoint>& points);

// `KSum overflows in 44 % of its values`, `nothing overflows`: the worst layer, on how many samples.
std::string overflow_in_words(const StoredPoint& point);

// A fact of a study (Store::known): of which data all samples were used.
std::string fact_of_all_samples(const std::string& data_name);

}  // namespace narrow

#endif  // NARROW_STUDY_BEST_H_
