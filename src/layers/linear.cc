#include "layers/linear.h"

#include <algorithm>

#include "layers/quantize.h"

namespace narrow {

std::vector<Setting> Linear::settings() const {
  if (quantizer_) return {{"activation", std::string("linear")}, {"quantizer", to_string(*quantizer_)}};
  return {{"activation", std::string("linear")}};
}

FloatFunction Linear::float_function() const {
  if (quantizer_) {
    return [type = *quantizer_](const FloatCall& call) {
      const Numbers values = quantized_as_trained(std::vector<float>(call.inputs.front().begin(), call.inputs.front().end()), type);
      std::copy(values.singles().begin(), values.singles().end(), call.y.begin());
    };
  }
  return [](const FloatCall& call) { std::copy(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin()); };
}

Interval Linear::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  return cast_interval(inputs.front(), place.input().fraction(), place.types.result());
}

}  // namespace narrow
