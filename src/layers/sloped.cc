#include "layers/sloped.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {

Format type_of_constant(double value) {
  if (value == 0) return ufixed(1, 1);
  constexpr int kMost = 32;
  constexpr int kMostBits = 8;
  int fraction = -kMost + 1;
  const auto is_whole = [&] { return std::ldexp(value, fraction) == std::floor(std::ldexp(value, fraction)); };
  while (fraction < kMost && !is_whole()) ++fraction;
  const int integer = static_cast<int>(std::ceil(std::log2(value + std::ldexp(1.0, -fraction))));
  return ufixed(std::min(integer + fraction, kMostBits), integer);
}

Int128 steps_below(Int128 raw, int fraction, int to) {
  constexpr int kSumBits = 127;
  return to >= fraction ? raw << (to - fraction) : raw >> std::min(fraction - to, kSumBits);
}

std::shared_ptr<const QuantizedWeights> literal(double value, const Format& format) {
  const CastResult result = cast(value, format);
  const bool lost = result.raw == 0 && value != 0 && !result.overflow;
  return std::make_shared<const QuantizedWeights>(
      QuantizedWeights{{result.raw}, result.overflow ? std::size_t{1} : 0, lost ? std::size_t{1} : 0});
}

void plan_sloped(const Place& place, Step& step) {
  const Format& x = place.input();
  const Format& param = place.types[TypeName::kParam];
  step.bits = x.width + param.width + 1;
  step.word_bits = std::max(cast_bits(step.bits, x.fraction() + param.fraction(), place.types.result()),
                            cast_bits(x.width + 1, x.fraction(), place.types.result()));
}

Form sloped_form(const Place& place, std::size_t slopes) {
  const bool by_node = slopes == 1 || slopes == static_cast<std::size_t>(place.shape.back());
  return by_node && std::abs(place.types[TypeName::kParam].fraction()) <= kMaxAffineShift ? Form::kAffine : Form::kAny;
}

Affine sloped_affine(const Place& place, const std::vector<Int128>& slopes) {
  const Format& from = place.input();
  const Format& param = place.types[TypeName::kParam];
  const int up = std::max(param.fraction(), 0);  // of x itself to the common step
  Affine affine{.fraction = from.fraction() + up,
                .no_integer_bits = from.integer <= 0 || from.integer + param.integer <= 0,
                .factors = std::vector<Int128>(slopes.size(), Int128{1} << up),
                .other_factors = slopes,
                .summands = std::vector<Int128>(slopes.size(), 0)};
  for (Int128& factor : affine.other_factors) factor <<= up - param.fraction();
  return affine;
}

template <class Raw>
void compute_sloped(const ExactCall<Raw>& call, const std::vector<Int128>& slopes) {
  const Format& from = call.place.input();
  const Format& param = call.place.types[TypeName::kParam];
  const Format& to = call.place.types.result();
  const int fraction = from.fraction() + param.fraction();
  const bool no_integer_bits = from.integer + param.integer <= 0;
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    const Int128 product = slopes[slopes.size() == 1 ? 0 : i] * x;
    const CastResult y = x > 0 ? cast(x, from, to) : cast(product, fraction, to, no_integer_bits);
    count(call.counts, y, x > 0 || product != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void compute_sloped(const ExactCall<std::int64_t>&, const std::vector<Int128>&);
template void compute_sloped(const ExactCall<Int128>&, const std::vector<Int128>&);

Interval sloped_bounds(const Place& place, const std::vector<Int128>& slopes, const Interval& x) {
  const Format& from = place.input();
  const Format& to = place.types.result();
  const Interval positive = cast_interval({std::max<Int128>(x.low, 1), x.high}, from.fraction(), to);
  if (x.low > 0) return positive;
  const auto [least, most] = std::minmax_element(slopes.begin(), slopes.end());
  const Int128 top = std::min<Int128>(x.high, 0);
  const auto [low, high] = std::minmax({*least * x.low, *least * top, *most * x.low, *most * top});
  const Interval rest = cast_interval({low, high}, from.fraction() + place.types[TypeName::kParam].fraction(), to);
  return x.high > 0 ? hull(positive, rest) : rest;
}

}  // namespace narrow
