#include "layers/leaky_relu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {
namespace {

// The type that hls4ml infers for a constant of at least 0: as many bits as hold it, at most 8 (_get_precision_from_constant and
// minimal_kif, which looks for fractional bits from -32 to 32).
Format type_of_constant(double value) {
  if (value == 0) return ufixed(1, 1);
  constexpr int kMost = 32;
  constexpr int kMaxWidth = 8;
  int fraction = -kMost + 1;
  const auto is_whole = [&] { return std::ldexp(value, fraction) == std::floor(std::ldexp(value, fraction)); };
  while (fraction < kMost && !is_whole()) ++fraction;
  const int integer = static_cast<int>(std::ceil(std::log2(value + std::ldexp(1.0, -fraction))));
  return ufixed(std::min(integer + fraction, kMaxWidth), integer);
}

}  // namespace

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
  const Format& x = place.input();
  const Format& param = place.types[TypeName::kParam];
  // The slope stands in hls4ml's C++ as a double.
  const CastResult slope = cast(slope_, param);
  const bool lost = slope.raw == 0 && slope_ != 0 && !slope.overflow;
  step.weights = {{TypeName::kParam, std::make_shared<const QuantizedWeights>(
                                         QuantizedWeights{{slope.raw}, slope.overflow ? std::size_t{1} : 0, lost ? std::size_t{1} : 0})}};
  step.bits = x.width + param.width + 1;
  step.word_bits = std::max(cast_bits(step.bits, x.fraction() + param.fraction(), place.types.result()),
                            cast_bits(x.width + 1, x.fraction(), place.types.result()));
}

Form LeakyRelu::form(const Place& place) const {
  return std::abs(place.types[TypeName::kParam].fraction()) <= kMaxAffineShift ? Form::kAffine : Form::kAny;
}

Affine LeakyRelu::affine(const Place& place, const Step& step) const {
  const Format& from = place.input();
  const Format& param = place.types[TypeName::kParam];
  const int up = std::max(param.fraction(), 0);  // of x itself to the common step
  return {.fraction = from.fraction() + up,
          .no_integer_bits = from.integer <= 0 || from.integer + param.integer <= 0,
          .factors = {Int128{1} << up},
          .other_factors = {step[TypeName::kParam].raw.front() << (up - param.fraction())},
          .summands = {0}};
}

template <class Raw>
void LeakyRelu::compute(const ExactCall<Raw>& call) const {
  const Format& from = call.place.input();
  const Format& param = call.place.types[TypeName::kParam];
  const Format& to = call.place.types.result();
  const Int128 slope = call.step[TypeName::kParam].raw.front();
  const int fraction = from.fraction() + param.fraction();
  const bool no_integer_bits = from.integer + param.integer <= 0;
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    const CastResult y = x > 0 ? cast(x, from, to) : cast(slope * x, fraction, to, no_integer_bits);
    count(call.counts, y, x > 0 || slope * x != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void LeakyRelu::compute(const ExactCall<std::int64_t>&) const;
template void LeakyRelu::compute(const ExactCall<Int128>&) const;

Interval LeakyRelu::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const Format& from = place.input();
  const Format& to = place.types.result();
  const auto& [low, high] = inputs.front();
  const Interval positive = cast_interval({std::max<Int128>(low, 1), high}, from.fraction(), to);
  if (low > 0) return positive;
  const Int128 slope = step[TypeName::kParam].raw.front();
  const Int128 one = slope * low;
  const Int128 other = slope * std::min<Int128>(high, 0);
  const int fraction = from.fraction() + place.types[TypeName::kParam].fraction();
  const Interval rest = cast_interval({std::min(one, other), std::max(one, other)}, fraction, to);
  return high > 0 ? hull(positive, rest) : rest;
}

}  // namespace narrow
