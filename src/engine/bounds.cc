#include "engine/bounds.h"

#include <algorithm>

#include "fixed/cast.h"

namespace narrow {
namespace {

Int128 magnitude_of(Int128 value) { return value < 0 ? -value : value; }

// The interval after a cast. Rounding and saturating do not change the order of values, so the ends' casts bound it; what
// wraps may be anything.
Interval cast_interval(const Interval& from, int fraction, const Format& to) {
  const CastResult low = cast(from.low, fraction, to);
  const CastResult high = cast(from.high, fraction, to);
  const bool saturates = to.overflow == Overflow::kSat || to.overflow == Overflow::kSatSym;
  if (((low.overflow || high.overflow) && !saturates) || to.is_integer) return range_of(to);
  return {low.raw, high.raw};
}

}  // namespace

Interval range_of(const Format& format) { return {min_raw(format), max_raw(format)}; }

std::optional<SumBounds> sum_bounds(const Program& program, std::size_t layer, const Interval& input) {
  const auto& dense = std::get<DenseOp>(program.model().layers[layer].op);
  const Step& step = program.steps[layer];
  const LayerPrecision& types = program.resolved.precision[layer];
  const Format& x = program.format(static_cast<std::size_t>(program.model().layers[layer].inputs.front()));
  const int product_fraction = x.fraction() + types.weight.fraction();
  SumBounds bounds;
  bounds.fraction = std::max(product_fraction, types.bias.fraction());
  const int product_shift = bounds.fraction - product_fraction;
  const int bias_shift = bounds.fraction - types.bias.fraction();
  constexpr int kMaxShift = 40;
  constexpr int kMaxBits = 64;
  if (product_shift > kMaxShift || bias_shift > kMaxShift || step.word_bits > kMaxBits) return std::nullopt;
  const auto n_out = static_cast<std::size_t>(dense.n_out);
  for (std::size_t j = 0; j < n_out; ++j) {
    const Int128 bias = step.bias.raw[j] << bias_shift;
    Interval sum{bias, bias};
    Int128 partial = magnitude_of(bias);
    for (std::size_t i = j; i < step.kernel.raw.size(); i += n_out) {
      const Int128 a = (step.kernel.raw[i] * input.low) << product_shift;
      const Int128 b = (step.kernel.raw[i] * input.high) << product_shift;
      sum.low += std::min(a, b);
      sum.high += std::max(a, b);
      partial += std::max(magnitude_of(a), magnitude_of(b));
    }
    bounds.sum = {j == 0 ? sum.low : std::min(bounds.sum.low, sum.low), j == 0 ? sum.high : std::max(bounds.sum.high, sum.high)};
    bounds.magnitude = std::max(bounds.magnitude, partial);
  }
  return bounds;
}

std::vector<Interval> result_intervals(const Program& program) {
  const Model& model = program.model();
  std::vector<Interval> intervals;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const LayerPrecision& types = program.resolved.precision[i];
    Interval result = range_of(types.result);
    if (!layer.inputs.empty()) {
      const auto from = static_cast<std::size_t>(layer.inputs.front());
      const Interval& x = intervals[from];
      const Format& format = program.format(from);
      if (as<ReluOp>(layer) != nullptr) {
        result = cast_interval({std::max<Int128>(x.low, 0), std::max<Int128>(x.high, 0)}, format.fraction(), types.result);
      } else if (as<LinearOp>(layer) != nullptr || as<FlattenOp>(layer) != nullptr) {
        result = cast_interval(x, format.fraction(), types.result);
      } else if (as<DenseOp>(layer) != nullptr && types.accum == types.result) {
        const std::optional<SumBounds> bounds = sum_bounds(program, i, x);
        // Products that lose bits in accum are not bounded by the exact sum's ends.
        if (bounds && types.accum.fraction() >= bounds->fraction) result = cast_interval(bounds->sum, bounds->fraction, types.result);
      } else if (as<SetSumOp>(layer) != nullptr && types.result.fraction() == format.fraction()) {
        const Int128 set = model.layers[from].shape.front();
        // A running sum of saturating type stays between its ends and these.
        result = cast_interval({std::min<Int128>(x.low * set, 0), std::max<Int128>(x.high * set, 0)}, format.fraction(), types.result);
      }
    }
    intervals.push_back(result);
  }
  return intervals;
}

}  // namespace narrow
