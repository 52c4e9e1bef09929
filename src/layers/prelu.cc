#include "layers/prelu.h"

#include <cassert>

namespace narrow {

PRelu::PRelu(Shape shape, std::vector<float> alpha) : shape_(std::move(shape)), alpha_(std::move(alpha)) {
  assert(alpha_.size() == size_of(shape_));
}

Shape PRelu::shape(const std::vector<Shape>& inputs) const {
  if (inputs.front() != shape_) throw Misfit{"a sample of shape " + to_string(shape_) + ", that of its alpha"};
  return shape_;
}

FloatFunction PRelu::float_function() const {
  return [alpha = alpha_](const FloatCall& call) {
    const std::span<const float> x = call.inputs.front();
    for (std::size_t i = 0; i < x.size(); ++i) call.y[i] = x[i] > 0.F ? x[i] : alpha[i % alpha.size()] * x[i];
  };
}

LayerPrecision PRelu::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kParam, request.choice(TypeName::kParam).value_or(request.inputs.front()));
  return types;
}

}  // namespace narrow
