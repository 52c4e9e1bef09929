#ifndef NARROW_SEARCH_COSTER_H_
#define NARROW_SEARCH_COSTER_H_

#include <cmath>
#include <map>
#include <string>

#include "cost/cost.h"
#include "search/tensors.h"

namespace narrow {

// What assignments cost, as cost/cost.h has it, where most of a network's layers have types that were asked for before. From one thread at
// a time.
class Coster {
 public:
  Coster(const Tensors& tensors, CostKind kind) : tensors_(tensors), kind_(kind) {}
  // Of kDsp, of which many assignments need as many, a thousandth of the average bits of a tensor is added, so that of these the one with
  // fewer bits is the cheaper; `shown` is without it.
  double operator()(const Assignment& types);
  double shown(double cost) const { return kind_ == CostKind::kDsp ? std::floor(cost) : cost; }

 private:
  const Tensors& tensors_;
  CostKind kind_;
  WeightCache weights_;
  double tensors_of_ = 1;                // that have bits; no type changes how many there are
  std::map<std::string, double> known_;  // of a layer, by its place, its types and those of what it reads
};

}  // namespace narrow

#endif  // NARROW_SEARCH_COSTER_H_
