#ifndef NARROW_DATA_PREPARATION_H_
#define NARROW_DATA_PREPARATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/clusters.h"

namespace narrow {

enum class Logarithm : std::uint8_t { kNone, kNatural, kBase10 };

// A value of a cell, or the target, on its way to the network: its logarithm, where one is wanted, divided. Computed in double
// and rounded to float32 once.
struct Feature {
  std::string name;
  Logarithm logarithm = Logarithm::kNone;
  double divide = 1;
  double prepare(double value) const;
  double undo(double prepared) const;
  bool operator==(const Feature&) const = default;
};

// How clusters become the network's input (vmax, features). It is stored with prepared data and with models, so that training,
// prediction and firmware agree.
struct Preparation {
  std::vector<Feature> features{{"eta"}, {"phi"}, {"layer", Logarithm::kNone, 10}, {"energy", Logarithm::kNatural, 10}};
  std::optional<Feature> target = Feature{"true_energy", Logarithm::kNatural, 10};
  // The feature by which cells are ordered, the largest value first and equal ones as they were; empty leaves them as they are.
  std::string order;
  int vmax = 128;       // of a cluster with more cells the first are kept, after the ordering
  double padding = -6;  // every feature of the rows after the last cell
  bool operator==(const Preparation&) const = default;
};

// `eta`, `layer/10`, `energy:log/10`, `energy:log10`: a name, a logarithm (natural or base 10), a division. Throws Error.
Feature parse_feature(const std::string& text);
std::string to_string(const Feature& feature);

// As JSON on one line. Reading throws Error for anything but what writing makes.
std::string to_json(const Preparation& preparation);
Preparation preparation_from_json(const std::string& json);

// Which data cannot be prepared, and what becomes of it: with `drop` such a cell or cluster is left out, else it is an Error
// that names the file and the cluster.
struct Unfit {
  std::size_t nonpositive = 0;  // cells whose value before a logarithm is not above 0
  std::size_t infinite = 0;     // cells with NaN or an infinite value
  std::size_t uneven = 0;       // clusters with features of unequal lengths
  std::size_t empty = 0;        // clusters without (remaining) cells
  std::size_t target = 0;       // clusters whose target is not finite, or not above 0 before a logarithm
  std::size_t cut = 0;          // clusters with more cells than vmax: no fault, but good to know
  std::vector<std::string> notes() const;
};

struct PreparedBlock {
  std::size_t size = 0;
  std::vector<float> x;  // (size, vmax, features)
  std::vector<float> y;  // (size); empty where there is no target
};

// `clusters` has the features of `preparation` in their order, then the feature to order by if it is none of them.
PreparedBlock prepare(const Clusters& clusters, const Preparation& preparation, bool drop, Unfit& unfit);

// What prepare() needs of a file.
ClusterColumns columns_of(const Preparation& preparation);

}  // namespace narrow

#endif  // NARROW_DATA_PREPARATION_H_
