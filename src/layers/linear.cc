#include "layers/linear.h"

#include <algorithm>

namespace narrow {

FloatFunction Linear::float_function() const {
  return [](const FloatCall& call) { std::copy(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin()); };
}

Interval Linear::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  return cast_interval(inputs.front(), place.input().fraction(), place.types.result());
}

}  // namespace narrow
