#include "layers/unary_lut.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {

std::vector<ParameterArray> UnaryLut::parameters() const { return {{"table", {static_cast<int>(table_.size())}, table_}}; }

FloatFunction UnaryLut::float_function() const {
  return [scale = std::exp2(static_cast<float>(fraction_)), table = table_](const FloatCall& call) {
    const auto size = static_cast<float>(table.size());
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(), [&](float x) {
      const float rest = std::fmod(std::nearbyint(x * scale), size);
      return table[static_cast<std::size_t>(rest < 0.F ? rest + size : rest)];
    });
  };
}

LayerPrecision UnaryLut::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kTable, request.choice(TypeName::kTable).value_or(request.fallback));
  return types;
}

void UnaryLut::plan(const Place& place, Step& step) const {
  assert(place.input().width < kMaxWidth && (std::size_t{1} << place.input().width) <= table_.size());
  const Format& table = place.types[TypeName::kTable];
  step.bits = std::max(bits_at(place.input(), place.input().fraction()), table.width + 1);
  step.word_bits = std::max(step.bits, cast_bits(table.width + 1, table.fraction(), place.types.result()));
}

template <class Raw>
void UnaryLut::compute(const ExactCall<Raw>& call) const {
  const std::vector<Int128>& table = call.step[TypeName::kTable].raw;
  const Format& from = call.place.types[TypeName::kTable];
  const Raw mask = (Raw{1} << call.place.input().width) - 1;
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const Int128 entry = table[static_cast<std::size_t>(call.x()[i] & mask)];
    const CastResult y = cast(entry, from, call.place.types.result());
    count(call.counts, y, entry != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void UnaryLut::compute(const ExactCall<std::int64_t>&) const;
template void UnaryLut::compute(const ExactCall<Int128>&) const;

Interval UnaryLut::bounds(const Place& place, const Step& step, const std::vector<Interval>&) const {
  const std::vector<Int128>& table = step[TypeName::kTable].raw;
  const auto [low, high] = std::minmax_element(table.begin(), table.begin() + (std::ptrdiff_t{1} << place.input().width));
  return cast_interval({*low, *high}, place.types[TypeName::kTable].fraction(), place.types.result());
}

}  // namespace narrow
