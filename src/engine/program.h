#ifndef NARROW_ENGINE_PROGRAM_H_
#define NARROW_ENGINE_PROGRAM_H_

#include <cstddef>
#include <vector>

#include "layers/quantize.h"
#include "precision/precision.h"

namespace narrow {

// A model and its types, ready to run in fixed point.
struct Program {
  Resolved resolved;
  std::vector<Step> steps;  // one a layer

  const Model& model() const { return resolved.model; }
  const Format& format(std::size_t layer) const { return resolved.precision[layer].result(); }
  // Where a layer stands; valid as long as the program is neither moved nor changed.
  Place place(std::size_t layer) const;
};

// Whether every tensor and every accumulator fits an int64.
bool fits_int64(const Program& program);

// Quantizes the weights and settles the order of sums. Throws Error, naming the layer, where an exact value would need more
// than kMaxSumWidth bits.
// Weights come from `cache` where one is given.
Program build_program(Resolved resolved, WeightCache* cache = nullptr);

}  // namespace narrow

#endif  // NARROW_ENGINE_PROGRAM_H_
