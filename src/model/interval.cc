#include "model/interval.h"

#include <algorithm>

#include "fixed/cast.h"

namespace narrow {

Interval hull(const Interval& a, const Interval& b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

Interval positive_part(const Interval& values) { return {std::max<Int128>(values.low, 0), std::max<Int128>(values.high, 0)}; }

Interval range_of(const Format& format) { return {min_raw(format), max_raw(format)}; }

Interval cast_interval(const Interval& from, int fraction, const Format& to) {
  const CastResult low = cast(from.low, fraction, to);
  const CastResult high = cast(from.high, fraction, to);
  if (((low.overflow || high.overflow) && !saturates(to)) || to.is_integer) return range_of(to);
  return {low.raw, high.raw};
}

Interval running_sum(const Interval& start, const Interval& term, int fraction, int times, const Format& sum) {
  // The exact sum has both operands' fractional bits. A wrapping type may be wrapped once, in the end, unless a rounding looks at
  // the sign, which a wrap may have turned.
  const int common = std::max(fraction, sum.fraction());
  const bool once = wraps(sum) && (fraction <= sum.fraction() || !rounds_by_sign(sum));
  const Format step = once ? unbounded(sum) : sum;
  const auto aligned = [](const Interval& x, int up) { return Interval{x.low << up, x.high << up}; };
  const Interval more = aligned(term, common - fraction);
  Interval running = start;
  for (int i = 0; i < times; ++i) {
    const Interval next = cast_interval(aligned(running, common - sum.fraction()) + more, common, step);
    if (next == running) break;  // it has settled
    running = next;
  }
  return once ? cast_interval(running, sum.fraction(), sum) : running;
}

}  // namespace narrow
