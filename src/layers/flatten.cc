#include "layers/flatten.h"

#include <algorithm>
#include <numeric>

namespace narrow {

FloatFunction Flatten::float_function() const {
  return [](const FloatCall& call) { std::copy(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin()); };
}

LayerPrecision Flatten::types(const TypeRequest& request) const {
  LayerPrecision types;
  types.set(TypeName::kResult, request.choice(TypeName::kResult).value_or(request.inputs.front()));
  return types;
}

std::vector<std::ptrdiff_t> Flatten::sources(const Place& place) const {
  std::vector<std::ptrdiff_t> sources(size_of(place.shape));
  std::iota(sources.begin(), sources.end(), 0);
  return sources;
}

Interval Flatten::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  const Format& x = place.input();
  return x == place.types.result() ? inputs.front() : cast_interval(inputs.front(), x.fraction(), place.types.result());
}

}  // namespace narrow
