#ifndef NARROW_SEARCH_SEARCH_H_
#define NARROW_SEARCH_SEARCH_H_

#include <functional>
#include <string>
#include <vector>

#include "error.h"
#include "search/coster.h"
#include "search/evaluator.h"
#include "search/journal.h"
#include "search/tensors.h"
#include "study/best.h"
#include "study/metrics.h"

namespace narrow {

// With the most bits for every tensor a bound is missed; the text says what they reach.
class BoundMissed : public Error {
 public:
  using Error::Error;
};

// A set of samples with what is measured on it.
struct Samples {
  const Dataset& data;
  const Measure& measure;
};

struct SearchOptions {
  std::vector<Bound> bounds;        // all at once; on metrics of the measures
  double sigmas = 1;                // by so many of its errors each bound is to be met
  Modes modes;                      // of every type that is tried
  int most = 24;                    // widths that are tried, from kLeastWidth on
  CostKind cost = CostKind::kBits;  // the less the better
  Journal* journal = nullptr;       // of what is computed, to resume from; null for none
  // Asked between candidates; where it says so the search throws Interrupted.
  std::function<bool()> stop = [] { return false; };
  std::function<void(const std::string& what, std::size_t candidates)> progress = [](const std::string&, std::size_t) {};
};

// How an assignment does on samples: the bounds' metrics, in their order.
struct Standings {
  std::vector<Estimate> metrics;
  bool met = false;  // every bound, by SearchOptions::sigmas errors of its metric
};

struct Candidate {
  Assignment types;
  double cost = 0;
  double deviation = 0;  // Evaluator::deviation on the samples that guide the search
  Standings on_search;
};

// What one tensor's width does alone, the rest at 16 bits; measured at every second width that stands out of the others' errors, and
// between and above these as errors fall with bits.
struct Sensitivity {
  std::vector<double> added;  // by width from kLeastWidth on: the deviation that it adds, at least 0; infinite where none can be computed
  double at(int width) const { return added[static_cast<std::size_t>(width - kLeastWidth)]; }
};

struct SearchResult {
  Candidate best;
  Standings judged;              // on samples that the search never saw
  std::vector<Candidate> front;  // by falling cost, `best` among them: of none has another both less cost and less deviation
  std::vector<Sensitivity> sensitivity;
  std::vector<double>
      alone;  // deviation that each tensor of `best` adds to that of all others at `most` bits, measured; 0 where less than none
  std::size_t candidates = 0;
  bool is_relative = false;  // deviations are in units of relative_scales
};

// Types for each tensor that meet the bounds at the least cost that it finds.
//
// The guide is the mean squared deviation of the predictions from the float model's (relative to these where the bounds are on relative
// errors of one output), exact and smooth, so that the choice of one tensor
// does not chase the noise of a metric; the metric alone decides how much deviation is allowed. Each tensor's deviation is measured for
// each width alone. What the tensors add (independent errors add in the square) gives a path of assignments from `most` bits down, each
// step the one of least deviation for its cost; bisection finds the last on it that meets the bounds. From there single bits are taken
// away, and bits are exchanged between tensors, by the exact deviation of every neighbour, as long as the bounds are met.
// The same result on any machine, whatever the number of cores.
//
// Throws BoundMissed where `most` bits everywhere miss a bound; Error where the journal cannot be written; Interrupted.
SearchResult search(const Tensors& tensors, const Samples& on, const Samples& judge, SearchOptions options);

// `0.43 +- 0.21`, what a bound is held against; without an error where that is not known.
std::string in_words(const Metric& metric, const Estimate& estimate);

// Of bounds that the answer misses on the samples that it was judged on, or of which nothing says how surely they are met, a sentence each.
std::vector<std::string> bounds_in_doubt(const std::vector<Bound>& bounds, const Standings& on_search, const Standings& judged);

Standings standings(const SearchOptions& options, std::vector<Estimate> metrics);  // of its bounds, in their order
Standings standings(const Measure& measure, const SearchOptions& options, std::span<const double> predictions);

// One type for all results and one for all weights, with fewest bits in all that meet the bounds, as all pairs with more bits do (others
// meet them by chance), integer bits by the widest range, in
// hls4ml's usual modes or in those of the search, whichever costs less: the answer of a study over a grid.
struct SingleTypes {
  Format vector, weight;
  Assignment types;
  double cost = 0;
  Standings on_search, judged;
};
std::optional<SingleTypes> best_single_types(const Tensors& tensors, const Samples& on, const Samples& judge, const SearchOptions& options);

}  // namespace narrow

#endif  // NARROW_SEARCH_SEARCH_H_
