#include "layers/input.h"

#include "layers/turns.h"

namespace narrow {

FloatFunction Input::float_function() const {
  return [](const FloatCall&) {};  // the samples are there already
}

LayerPrecision Input::types(const TypeRequest& request) const {
  LayerPrecision types;
  types.set(TypeName::kResult, request.asked(TypeName::kResult));
  return types;
}

void Input::plan(const Place& place, Step& step) const { step.bits = step.word_bits = place.types.result().width + 1; }

template <class Raw>
void Input::compute(const ExactCall<Raw>& call) const {
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const CastResult result = cast(static_cast<double>(call.sample[i]), call.place.types.result());
    count(call.counts, result, call.sample[i] != 0);
    call.y[i] = static_cast<Raw>(result.raw);
  }
}
template void Input::compute(const ExactCall<std::int64_t>&) const;
template void Input::compute(const ExactCall<Int128>&) const;

Interval Input::bounds(const Place& place, const Step&, const std::vector<Interval>&) const { return range_of(place.types.result()); }

}  // namespace narrow
