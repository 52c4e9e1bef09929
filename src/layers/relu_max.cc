#include "layers/relu_max.h"

#include <algorithm>

#include "layers/product.h"
#include "layers/sloped.h"
#include "layers/turns.h"

namespace narrow {
namespace {

constexpr int kMostBits = 4;  // of 6 and of 1, sign included

// The largest raw value of x that is not above the maximum.
Int128 last_below(int most, const Format& x) { return steps_below(most, 0, x.fraction()); }

}  // namespace

FloatFunction ReluMax::float_function() const {
  return [most = static_cast<float>(most_)](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(),
                   [=](float v) { return std::clamp(v, 0.F, most); });
  };
}

LayerPrecision ReluMax::types(const TypeRequest& request) const {
  request.notes.push_back(request.layer + " (" + name() +
                          "): hls4ml 1.3.0 has it with io_parallel alone; with io_stream it does not compile");
  return result_alone(request);
}

void ReluMax::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  const Format& to = place.types.result();
  step.bits = std::max(x.width + 1, kMostBits + std::max(x.fraction(), 0));
  step.word_bits = std::max({step.bits, cast_bits(x.width + 1, x.fraction(), to), cast_bits(kMostBits, 0, to)});
}

template <class Raw>
void ReluMax::compute(const ExactCall<Raw>& call) const {
  const Format& from = call.place.input();
  const Format& to = call.place.types.result();
  const Int128 below = last_below(most_, from);
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    const CastResult y = x <= 0 ? CastResult{} : x > below ? cast(Int128{most_}, 0, to) : cast(x, from, to);
    count(call.counts, y, x > 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void ReluMax::compute(const ExactCall<std::int64_t>&) const;
template void ReluMax::compute(const ExactCall<Int128>&) const;

Interval ReluMax::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  const Format& to = place.types.result();
  const Int128 below = last_below(most_, place.input());
  const auto& [low, high] = inputs.front();
  const Interval most = cast_interval({most_, most_}, 0, to);
  if (low > below) return most;
  const Interval rest = cast_interval({std::max<Int128>(low, 0), std::clamp<Int128>(high, 0, below)}, place.input().fraction(), to);
  return high > below ? hull(rest, most) : rest;
}

}  // namespace narrow
