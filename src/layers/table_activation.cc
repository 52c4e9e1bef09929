#include "layers/table_activation.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <type_traits>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {

namespace {

// What a table's entry becomes, its raw above what was seen on the way; of types that leave room for that.
constexpr int kFlagBits = 2;
bool has_room(const Format& result) { return result.width + kFlagBits < 128; }
constexpr Int128 kOverflow = 2;
constexpr Int128 kZero = 1;

}  // namespace

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
  if (has_room(place.types.result())) {
    QuantizedWeights results;
    for (const Int128 entry : step.weights.front().second->raw) {
      const CastResult y = cast(entry, table, place.types.result());
      results.raw.push_back((y.raw << kFlagBits) + (y.overflow ? kOverflow : 0) + (entry != 0 && y.raw == 0 && !y.overflow ? kZero : 0));
    }
    step.weights.emplace_back(TypeName::kResult, std::make_shared<const QuantizedWeights>(std::move(results)));
  }
  step.bits = std::max(TableIndex(function_, *place.types.table_size).bits(place.input()), table.width + 1);
  step.word_bits = std::max(step.bits, cast_bits(table.width + 1, table.fraction(), place.types.result()));
}

template <class Raw>
void TableActivation::compute(const ExactCall<Raw>& call) const {
  const bool made = has_room(call.place.types.result());
  const std::vector<Int128>& results = call.step[made ? TypeName::kResult : TypeName::kTable].raw;
  const auto look_up = [&](const auto& index) {
    for (std::size_t i = 0; i < call.y.size(); ++i) {
      const Int128 result = results[static_cast<std::size_t>(index(call.x()[i]))];
      if (!made) {
        const CastResult y = cast(result, call.place.types[TypeName::kTable], call.place.types.result());
        count(call.counts, y, result != 0);
        call.y[i] = static_cast<Raw>(y.raw);
        continue;
      }
      call.counts.overflows += (result & kOverflow) != 0 ? 1 : 0;
      call.counts.zeros += (result & kZero) != 0 ? 1 : 0;
      call.y[i] = static_cast<Raw>(result >> kFlagBits);
    }
  };
  const TableIndex index(function_, *call.place.types.table_size);
  const Format& from = call.place.input();
  const auto fast = index.fast(from);
  if (std::is_same_v<Raw, std::int64_t> && fast) return look_up([&](Raw x) { return (*fast)(static_cast<std::int64_t>(x)); });
  look_up([&](Raw x) { return index.of(static_cast<Int128>(x), from); });
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
