#include "layers/thresholded_relu.h"

#include <algorithm>

#include "layers/product.h"
#include "layers/sloped.h"
#include "layers/turns.h"

namespace narrow {
namespace {

// The largest raw value of x that is not above theta.
Int128 last_below(const Place& place, const Step& step) {
  return steps_below(step[TypeName::kParam].raw.front(), place.types[TypeName::kParam].fraction(), place.input().fraction());
}

}  // namespace

FloatFunction ThresholdedRelu::float_function() const {
  return [theta = static_cast<float>(theta_)](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(), [=](float v) { return v > theta ? v : 0.F; });
  };
}

LayerPrecision ThresholdedRelu::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kParam, request.choice(TypeName::kParam).value_or(request.inputs.front()));
  request.notes.push_back(request.layer +
                          " (ReLU with a threshold): hls4ml 1.3.0 takes it for a plain relu where it reads it with Keras 2");
  return types;
}

void ThresholdedRelu::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  const Format& param = place.types[TypeName::kParam];
  step.weights = {{TypeName::kParam, literal(theta_, param)}};
  step.bits = std::max(x.width + 1, param.width + 1 + std::max(x.fraction() - param.fraction(), 0));
  step.word_bits = std::max(step.bits, cast_bits(x.width + 1, x.fraction(), place.types.result()));
}

template <class Raw>
void ThresholdedRelu::compute(const ExactCall<Raw>& call) const {
  const Int128 below = last_below(call.place, call.step);
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    const CastResult y = x > below ? cast(x, call.place.input(), call.place.types.result()) : CastResult{};
    count(call.counts, y, x > below && x != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void ThresholdedRelu::compute(const ExactCall<std::int64_t>&) const;
template void ThresholdedRelu::compute(const ExactCall<Int128>&) const;

Interval ThresholdedRelu::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const auto& [low, high] = inputs.front();
  const Int128 below = last_below(place, step);
  if (high <= below) return {0, 0};
  const Interval passed = cast_interval({std::max(low, below + 1), high}, place.input().fraction(), place.types.result());
  return low > below ? passed : hull(passed, {0, 0});
}

}  // namespace narrow
