#include "layers/leaky_relu.h"

#include <algorithm>

namespace narrow {

FloatFunction LeakyRelu::float_function() const {
  return [slope = static_cast<float>(slope_)](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(),
                   [=](float v) { return v > 0.F ? v : slope * v; });
  };
}

LayerPrecision LeakyRelu::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kParam, request.choice(TypeName::kParam).value_or(type_of_constant(slope_)));
  return types;
}

void LeakyRelu::plan(const Place& place, Step& step) const {
  step.weights = {{TypeName::kParam, literal(slope_, place.types[TypeName::kParam])}};
  plan_sloped(place, step);
}

}  // namespace narrow
