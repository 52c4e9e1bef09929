#include "layers/set_max.h"

#include <algorithm>

#include "error.h"
#include "layers/set_mean.h"
#include "layers/turns.h"

namespace narrow {

Shape SetMax::shape(const std::vector<Shape>& inputs) const { return pooled_shape(inputs.front(), image_); }

FloatFunction SetMax::float_function() const {
  return [](const FloatCall& call) {
    const auto channels = static_cast<std::size_t>(call.shapes.front().back());
    const std::size_t size = size_of(call.shapes.front());
    for (std::size_t s = 0; s < call.samples; ++s) {
      const float* x = call.inputs.front().data() + s * size;
      float* y = call.y.data() + s * channels;
      std::copy_n(x, channels, y);
      for (std::size_t i = channels; i < size; ++i) y[i % channels] = std::max(y[i % channels], x[i]);
    }
  };
}

LayerPrecision SetMax::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kAccum, request.asked(TypeName::kAccum));
  if (types[TypeName::kAccum].saturated_bits > 0) {
    throw Error("layer " + request.layer + ": its accum type has saturated bits, of which hls4ml 1.3.0 has no least value to start from");
  }
  return types;
}

void SetMax::plan(const Place& place, Step& step) const {
  step.bits = std::max(place.types[TypeName::kAccum].width, place.input().width) + 1;
  step.word_bits = kMaxSumWidth;
}

template <class Raw>
void SetMax::compute(const ExactCall<Raw>& call) const {
  const Format& x = call.place.input();
  const Format& accum = call.place.types[TypeName::kAccum];
  const std::size_t width = call.y.size();
  for (std::size_t j = 0; j < width; ++j) {
    bool left = false;
    Int128 largest = min_raw(accum);
    for (std::size_t i = j; i < call.x().size(); i += width) {
      const auto value = static_cast<Int128>(call.x()[i]);
      const CastResult term = cast(value, x, accum);
      left |= term.overflow;
      largest = std::max(largest, term.raw);
    }
    call.counts.accum_overflows += left ? 1 : 0;
    const CastResult y = cast(largest, accum, call.place.types.result());
    count(call.counts, y, largest != 0);
    call.y[j] = static_cast<Raw>(y.raw);
  }
}
template void SetMax::compute(const ExactCall<std::int64_t>&) const;
template void SetMax::compute(const ExactCall<Int128>&) const;

Interval SetMax::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const Format& accum = place.types[TypeName::kAccum];
  constexpr int kMaxBits = 100;
  if (step.bits > kMaxBits) return range_of(place.types.result());
  return cast_interval(cast_interval(inputs.front(), place.input().fraction(), accum), accum.fraction(), place.types.result());
}

}  // namespace narrow
