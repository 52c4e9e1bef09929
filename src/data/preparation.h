#ifndef NARROW_DATA_PREPARATION_H_
#define NARROW_DATA_PREPARATION_H_

#include <cstddef>
#include <string>
#include <vector>

#include "data/clusters.h"
#include "model/preparation.h"

namespace narrow {

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
  std::size_t weight = 0;       // clusters whose weight is not finite
  std::size_t cut = 0;          // clusters with more cells than vmax: no fault, but good to know
  std::vector<std::string> notes() const;
};

struct PreparedBlock {
  std::size_t size = 0;
  std::vector<float> x;        // (size, vmax, features)
  std::vector<float> y;        // (size); empty where there is no target
  std::vector<float> weights;  // the same
};

// `clusters` has the features of `preparation` in their order, then the feature to order by if it is none of them.
PreparedBlock prepare(const Clusters& clusters, const Preparation& preparation, bool drop, Unfit& unfit);

// What prepare() needs of a file.
ClusterColumns columns_of(const Preparation& preparation);

}  // namespace narrow

#endif  // NARROW_DATA_PREPARATION_H_
