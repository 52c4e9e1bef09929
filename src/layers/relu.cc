#include "layers/relu.h"

#include <algorithm>
#include <limits>

namespace narrow {

FloatFunction Relu::float_function() const {
  return [most = most_.value_or(std::numeric_limits<float>::infinity())](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(),
                   [=](float v) { return v > 0.F ? std::min(v, most) : 0.F; });
  };
}

Interval Relu::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  return cast_interval(positive_part(inputs.front()), place.input().fraction(), place.types.result());
}

}  // namespace narrow
