#include "layers/set_mean.h"

#include <algorithm>

namespace narrow {

Int128 quotient(Int128 sum, Int128 n, const Format& accum) {
  constexpr int kUnsignedInt = 32;
  if (!accum.is_integer || accum.width >= kUnsignedInt || sum >= 0) return sum / n;
  return cast(((Int128{1} << (kUnsignedInt + 1)) + sum) / n, 0, accum).raw;
}

Shape pooled_shape(const Shape& input, bool image) {
  if (!image) return row_shape({input});
  if (input.size() != 3) throw Misfit{"rows and columns of channels, such as 28x28x3"};
  return {input.back()};
}

int pooled_count(const Shape& input) { return static_cast<int>(size_of(input)) / input.back(); }

FloatFunction SetMean::float_function() const {
  return [sum = SetSum().float_function()](const FloatCall& call) {
    const int count = pooled_count(call.shapes.front());
    const std::vector<Shape> rows{{count, call.shapes.front().back()}};
    sum({call.inputs, rows, call.samples, call.y});
    for (float& v : call.y) v /= static_cast<float>(count);
  };
}

LayerPrecision SetMean::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kAccum, request.asked(TypeName::kAccum));
  return types;
}

void SetMean::plan(const Place& place, Step& step) const {
  step.bits = std::max(place.types[TypeName::kAccum].width + 2, place.input().width + 1);
  step.word_bits = kMaxSumWidth;
}

template <class Raw>
void SetMean::compute(const ExactCall<Raw>& call) const {
  const Format& accum = call.place.types[TypeName::kAccum];
  const std::size_t width = call.y.size();
  const auto set = static_cast<Int128>(call.x().size() / width);
  for (std::size_t j = 0; j < width; ++j) {
    Int128 total = 0;
    Turns turns(accum);
    for (std::size_t i = j; i < call.x().size(); i += width) {
      const auto x = static_cast<Int128>(call.x()[i]);
      const Int128 term = cast(x, call.place.input(), accum).raw;
      turns.bring(x, call.place.input().fraction(), term);
      const Int128 exact = total + term;
      total = cast(exact, accum.fraction(), accum).raw;
      turns.bring(exact, accum.fraction(), total);
    }
    call.counts.accum_overflows += turns.left_range() ? 1 : 0;
    const CastResult mean = cast(quotient(total, set, accum), accum, call.place.types.result());
    count(call.counts, mean, total != 0);
    call.y[j] = static_cast<Raw>(mean.raw);
  }
}
template void SetMean::compute(const ExactCall<std::int64_t>&) const;
template void SetMean::compute(const ExactCall<Int128>&) const;

Interval SetMean::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const Format& accum = place.types[TypeName::kAccum];
  const Format& result = place.types.result();
  constexpr int kMaxBits = 100;
  // An ap_int has rules of its own for what it is made from (fixed/cast.h).
  if (step.bits > kMaxBits || accum.is_integer) return range_of(result);
  const int set = pooled_count(*place.shapes.front());
  Interval term = cast_interval(inputs.front(), place.input().fraction(), unbounded(accum));
  if (!wraps(accum)) term = cast_interval(term, accum.fraction(), accum);
  const Interval sum = running_sum({}, term, accum.fraction(), set, accum);
  return cast_interval({sum.low / set, sum.high / set}, accum.fraction(), result);
}

}  // namespace narrow
