#include "layers/table_activation.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {

std::string_view TableActivation::name() const {
  switch (function_) {
    case TableFunction::kSigmoid: return "sigmoid";
    case TableFunction::kTanh: return "tanh";
    case TableFunction::kSoftplus: return "softplus";
    default: break;
  }
  assert(function_ == TableFunction::kSoftsign);
  return "softsign";
}

FloatFunction TableActivation::float_function() const {
  return [function = function_](const FloatCall& call) {
    const auto each = [&](const auto& value) {
      std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(), value);
    };
    switch (function) {
      case TableFunction::kSigmoid: return each([](float x) { return 1.F / (1.F + std::exp(-x)); });
      case TableFunction::kTanh: return each([](float x) { return std::tanh(x); });
      case TableFunction::kSoftplus: return each([](float x) { return std::max(x, 0.F) + std::log1p(std::exp(-std::abs(x))); });
      default: return each([](float x) { return x / (1.F + std::abs(x)); });
    }
  };
}

LayerPrecision TableActivation::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kTable, request.choice(TypeName::kTable).value_or(default_table()));
  types.table_size = request.table_size.value_or(kTableSize);
  return types;
}

void TableActivation::plan(const Place& place, Step& step) const {
  const Format& table = place.types[TypeName::kTable];
  step.weights = {{TypeName::kTable, function_table(function_, *place.types.table_size, table)}};
  step.bits = std::max(TableIndex(function_, *place.types.table_size).bits(place.input()), table.width + 1);
  step.word_bits = std::max(step.bits, cast_bits(table.width + 1, table.fraction(), place.types.result()));
}

template <class Raw>
void TableActivation::compute(const ExactCall<Raw>& call) const {
  const Format& table = call.place.types[TypeName::kTable];
  const std::vector<Int128>& entries = call.step[TypeName::kTable].raw;
  const TableIndex index(function_, *call.place.types.table_size);
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const Int128 entry = entries[static_cast<std::size_t>(index.of(static_cast<Int128>(call.x()[i]), call.place.input()))];
    const CastResult y = cast(entry, table, call.place.types.result());
    count(call.counts, y, entry != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void TableActivation::compute(const ExactCall<std::int64_t>&) const;
template void TableActivation::compute(const ExactCall<Int128>&) const;

Interval TableActivation::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const auto [first, last] = TableIndex(function_, *place.types.table_size).range(inputs.front(), place.input());
  const std::vector<Int128>& entries = step[TypeName::kTable].raw;
  const auto [low, high] = std::minmax_element(entries.begin() + first, entries.begin() + last + 1);
  return cast_interval({*low, *high}, place.types[TypeName::kTable].fraction(), place.types.result());
}

}  // namespace narrow
