#include "layers/flatten.h"

#include <algorithm>

namespace narrow {

FloatFunction Flatten::float_function() const {
  return [](const FloatCall& call) { std::copy(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin()); };
}

LayerPrecision Flatten::types(const TypeRequest& request) const {
  LayerPrecision types;
  types.set(TypeName::kResult, request.inputs.front());
  return types;
}

Interval Flatten::bounds(const Place&, const Step&, const std::vector<Interval>& inputs) const { return inputs.front(); }

}  // namespace narrow
