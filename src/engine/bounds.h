#ifndef NARROW_ENGINE_BOUNDS_H_
#define NARROW_ENGINE_BOUNDS_H_

#include <vector>

#include "engine/program.h"

namespace narrow {

// For each layer the interval of its results, whatever the input: nothing that the layer computes lies outside.
std::vector<Interval> result_intervals(const Program& program);

}  // namespace narrow

#endif  // NARROW_ENGINE_BOUNDS_H_
