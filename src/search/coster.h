#ifndef NARROW_SEARCH_COSTER_H_
#define NARROW_SEARCH_COSTER_H_

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
  double operator()(const Assignment& types);

 private:
  const Tensors& tensors_;
  CostKind kind_;
  WeightCache weights_;
  double divisor_ = 1;                   // of bits the number of tensors, which no type changes
  std::map<std::string, double> known_;  // of a layer, by its place, its types and those of what it reads
};

}  // namespace narrow

#endif  // NARROW_SEARCH_COSTER_H_
