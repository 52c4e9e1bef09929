#include "layers/dot.h"

#include <algorithm>
#include <bit>

#include "error.h"
#include "layers/merge.h"
#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {

Shape Dot::shape(const std::vector<Shape>& inputs) const {
  if (inputs[0] != Shape{size_} || inputs[1] != Shape{size_}) throw Misfit{"two vectors of " + std::to_string(size_) + " values"};
  return {1};
}

FloatFunction Dot::float_function() const {
  return [](const FloatCall& call) {
    const std::size_t size = call.inputs[0].size() / call.samples;
    for (std::size_t s = 0; s < call.samples; ++s) {
      float sum = 0.F;
      for (std::size_t k = s * size; k < (s + 1) * size; ++k) sum += call.inputs[0][k] * call.inputs[1][k];
      call.y[s] = sum;
    }
  };
}

// infer_precision.py, _infer_dot_precision.
LayerPrecision Dot::types(const TypeRequest& request) const {
  LayerPrecision types;
  const Format& a = request.inputs[0];
  const Format& b = request.inputs[1];
  if (a.is_integer && !a.is_signed && a.width == 1) {
    throw Error("layer " + request.layer +
                ": hls4ml 1.3.0 has no Dot whose first input is an ap_uint<1>; give the layer before another type");
  }
  const std::optional<Format> accum = request.choice(TypeName::kAccum);
  if (!accum) {
    throw Error("layer " + request.layer + ": hls4ml 1.3.0 infers no accum type of a Dot; give one, as in {accum: 'ap_fixed<24,12>'}");
  }
  const auto n = static_cast<unsigned>(size_);
  const int log = n < 2 ? 0 : static_cast<int>(std::bit_width(n - 1));
  const Format inferred = capped(
      {.width = a.width + b.width + log, .integer = a.integer + b.integer + log, .is_signed = a.is_signed || b.is_signed}, request.maximum);
  types.set(TypeName::kAccum, *accum);
  types.set(TypeName::kResult, request.choice(TypeName::kResult).value_or(inferred));
  return types;
}

void Dot::plan(const Place& place, Step& step) const {
  step.bits = std::max(place.inputs[0]->width + place.inputs[1]->width + 1, place.types[TypeName::kAccum].width + 2);
  step.word_bits = kMaxSumWidth;
}

template <class Raw>
void Dot::compute(const ExactCall<Raw>& call) const {
  const Format& a = *call.place.inputs[0];
  const Format& b = *call.place.inputs[1];
  const Format& accum = call.place.types[TypeName::kAccum];
  const bool no_integer_bits = product_integer(a, b) <= 0;
  const bool ternary = is_ternary(b);
  Int128 sum = 0;
  Turns turns(accum);
  for (std::size_t k = 0; k < call.inputs[0].size(); ++k) {
    const auto second = static_cast<Int128>(call.inputs[1][k]);
    const Int128 exact = static_cast<Int128>(call.inputs[0][k]) * (ternary && second == -2 ? 1 : second);
    const Int128 term = cast(exact, a.fraction() + b.fraction(), accum, no_integer_bits).raw;
    turns.bring(exact, a.fraction() + b.fraction(), term);
    const Int128 next = sum + term;
    sum = cast(next, accum.fraction(), accum).raw;
    turns.bring(next, accum.fraction(), sum);
  }
  call.counts.accum_overflows += turns.left_range() ? 1 : 0;
  const CastResult y = cast(sum, accum, call.place.types.result());
  count(call.counts, y, sum != 0);
  call.y[0] = static_cast<Raw>(y.raw);
}
template void Dot::compute(const ExactCall<std::int64_t>&) const;
template void Dot::compute(const ExactCall<Int128>&) const;

Interval Dot::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const Format& a = *place.inputs[0];
  const Format& b = *place.inputs[1];
  const Format& accum = place.types[TypeName::kAccum];
  const Format& result = place.types.result();
  constexpr int kMaxBits = 100;
  // An ap_int has rules of its own for what it is made from (fixed/cast.h).
  if (step.bits > kMaxBits || accum.is_integer) return range_of(result);
  Interval second = inputs[1];
  if (is_ternary(b)) second = {std::max<Int128>(second.low, -1), std::max<Int128>(second.high, second.low < -1 ? 1 : second.high)};
  const auto [low, high] =
      std::minmax({inputs[0].low * second.low, inputs[0].low * second.high, inputs[0].high * second.low, inputs[0].high * second.high});
  Interval term = cast_interval({low, high}, a.fraction() + b.fraction(), unbounded(accum));
  if (!wraps(accum)) term = cast_interval(term, accum.fraction(), accum);
  return cast_interval(running_sum({}, term, accum.fraction(), size_, accum), accum.fraction(), result);
}

}  // namespace narrow
