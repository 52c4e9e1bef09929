#include "layers/hard_sigmoid.h"

#include <algorithm>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {
namespace {

// 0.2 as hls4ml has it, in steps of 2^-16, and 0.5 in steps of 2^-2.
struct Slope {
  Int128 raw;
  int fraction;
};
constexpr Slope kFifth{13107, 16};
constexpr Slope kHalf{2, 2};
constexpr int kShiftFraction = 2;
constexpr Int128 kShift = 2;

Slope slope_of(double slope) { return slope == HardSigmoid::kQKeras ? kHalf : kFifth; }

// slope * x + shift, cut at 0 and 1, in steps of 2^-fraction; of a tanh 2 v - 1.
struct Line {
  Slope slope;
  bool tanh;
  int fraction;
  int up;  // of slope * x to those steps
  Line(const Format& x, double of, bool is_tanh)
      : slope(slope_of(of)),
        tanh(is_tanh),
        fraction(std::max(x.fraction() + slope.fraction, kShiftFraction)),
        up(fraction - x.fraction() - slope.fraction) {}
  Int128 of(Int128 x) const {
    const Int128 one = Int128{1} << fraction;
    const Int128 v = std::clamp<Int128>((slope.raw * x << up) + (kShift << (fraction - kShiftFraction)), 0, one);
    return tanh ? 2 * v - one : v;
  }
};

}  // namespace

FloatFunction HardSigmoid::float_function() const {
  return [slope = static_cast<float>(slope_), tanh = tanh_](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(), [=](float v) {
      const float line = std::clamp(slope * v + 0.5F, 0.F, 1.F);
      return tanh ? 2.F * line - 1.F : line;
    });
  };
}

LayerPrecision HardSigmoid::types(const TypeRequest& request) const {
  if (slope_ == kKeras3) {
    request.notes.push_back(request.layer + " (hard_sigmoid): hls4ml 1.3.0 computes Keras 2's, 0.2 x + 0.5; the model's is x / 6 + 0.5");
  }
  return result_alone(request);
}

void HardSigmoid::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  const Line line(x, slope_, tanh_);
  step.bits = std::max(x.width + 1 + line.slope.fraction + line.up, line.fraction + 1) + (tanh_ ? 2 : 1);
  step.word_bits = std::max(step.bits, cast_bits(line.fraction + 2, line.fraction, place.types.result()));
}

template <class Raw>
void HardSigmoid::compute(const ExactCall<Raw>& call) const {
  const Line line(call.place.input(), slope_, tanh_);
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const Int128 v = line.of(static_cast<Int128>(call.x()[i]));
    const CastResult y = cast(v, line.fraction, call.place.types.result());
    count(call.counts, y, v != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void HardSigmoid::compute(const ExactCall<std::int64_t>&) const;
template void HardSigmoid::compute(const ExactCall<Int128>&) const;

Interval HardSigmoid::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  const Line line(place.input(), slope_, tanh_);
  return cast_interval({line.of(inputs.front().low), line.of(inputs.front().high)}, line.fraction, place.types.result());
}

}  // namespace narrow
