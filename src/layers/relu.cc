#include "layers/relu.h"

#include <algorithm>

namespace narrow {

FloatFunction Relu::float_function() const {
  return [](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(), [](float v) { return v > 0.F ? v : 0.F; });
  };
}

Interval Relu::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  const Interval positive{std::max<Int128>(inputs.front().low, 0), std::max<Int128>(inputs.front().high, 0)};
  return cast_interval(positive, place.input().fraction(), place.types.result());
}

}  // namespace narrow
