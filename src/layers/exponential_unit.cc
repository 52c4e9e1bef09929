#include "layers/exponential_unit.h"

#include <algorithm>
#include <cmath>

#include "layers/product.h"
#include "layers/sloped.h"
#include "layers/turns.h"

namespace narrow {
namespace {

constexpr double kSeluScale = 1.0507009873554805;
constexpr double kSeluAlpha = 1.6732632423543772;

// A factor in its type; by default one that changes nothing.
struct Factor {
  Int128 raw = 1;
  bool overflow = false;  // it did not fit its type
  Format format{0, 0, false, false, Rounding::kTrn, Overflow::kWrap, 0};
};

// Of a value of type `x` times a factor.
int product_bits(const Format& x, const Factor& factor) { return x.width + factor.format.width + 1; }
int product_fraction(const Format& x, const Factor& factor) { return x.fraction() + factor.format.fraction(); }
CastResult cast_product(Int128 value, const Format& x, const Factor& factor, const Format& to) {
  return cast(value * factor.raw, product_fraction(x, factor), to, x.integer + factor.format.integer <= 0);
}
Interval cast_product(const Interval& values, const Format& x, const Factor& factor, const Format& to) {
  const auto [low, high] = std::minmax({values.low * factor.raw, values.high * factor.raw});
  return cast_interval({low, high}, product_fraction(x, factor), to);
}

}  // namespace

struct ExponentialUnit::Factors {
  Factor above;  // of x
  Factor below;  // of the table's entry
};

ExponentialUnit::Factors ExponentialUnit::factors(const Place& place, const Step& step) const {
  if (!alpha_) {
    const Format type = parallel_ ? ufixed(16, 1) : place.input();
    const CastResult scale = cast(kSeluScale, type);
    return {{scale.raw, scale.overflow, type}, {}};
  }
  return {{}, {step[TypeName::kParam].raw.front(), false, place.types[TypeName::kParam]}};
}

std::vector<Setting> ExponentialUnit::settings() const {
  if (alpha_) return {{"alpha", *alpha_}};
  if (parallel_) return {{"activation", std::string("selu")}, {"parallel", true}};
  return {{"activation", std::string("selu")}};
}

FloatFunction ExponentialUnit::float_function() const {
  const auto scale = static_cast<float>(alpha_ ? 1.0 : kSeluScale);
  const auto alpha = static_cast<float>(alpha_ ? *alpha_ : kSeluScale * kSeluAlpha);
  return [=](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(),
                   [=](float v) { return v >= 0.F ? scale * v : alpha * std::expm1(v); });
  };
}

LayerPrecision ExponentialUnit::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  if (alpha_) types.set(TypeName::kParam, request.choice(TypeName::kParam).value_or(type_of_constant(*alpha_)));
  types.set(TypeName::kTable, request.choice(TypeName::kTable).value_or(default_table()));
  types.table_size = request.table_size.value_or(kTableSize);
  if (!alpha_ && !parallel_) {
    request.notes.push_back(
        request.layer +
        " (selu): its factor 1.0507 is of the type of its input, as with io_stream; with io_parallel hls4ml 1.3.0 takes "
        "it as ap_ufixed<16,1>");
  }
  return types;
}

void ExponentialUnit::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  const Format& table = place.types[TypeName::kTable];
  const Format& to = place.types.result();
  step.weights = {{TypeName::kTable, function_table(function(), *place.types.table_size, table)}};
  if (alpha_) step.weights.emplace_back(TypeName::kParam, literal(*alpha_, place.types[TypeName::kParam]));
  const auto [above, below] = factors(place, step);
  step.bits = std::max({TableIndex(function(), *place.types.table_size).bits(x), product_bits(x, above), product_bits(table, below)});
  step.word_bits = std::max({step.bits, cast_bits(product_bits(x, above), product_fraction(x, above), to),
                             cast_bits(product_bits(table, below), product_fraction(table, below), to)});
}

template <class Raw>
void ExponentialUnit::compute(const ExactCall<Raw>& call) const {
  const Format& from = call.place.input();
  const Format& table = call.place.types[TypeName::kTable];
  const Format& to = call.place.types.result();
  const std::vector<Int128>& entries = call.step[TypeName::kTable].raw;
  const TableIndex index(function(), *call.place.types.table_size);
  const auto [above, below] = factors(call.place, call.step);
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    const Int128 entry = x >= 0 ? 0 : entries[static_cast<std::size_t>(index.of(x, from))];
    CastResult y = x >= 0 ? cast_product(x, from, above, to) : cast_product(entry, table, below, to);
    // No weight is counted for it: what a factor outside of its type makes wrong is the value.
    y.overflow |= x > 0 && above.overflow;
    count(call.counts, y, x >= 0 ? x != 0 : entry * below.raw != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void ExponentialUnit::compute(const ExactCall<std::int64_t>&) const;
template void ExponentialUnit::compute(const ExactCall<Int128>&) const;

Interval ExponentialUnit::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const Format& from = place.input();
  const Format& to = place.types.result();
  const auto [above, below] = factors(place, step);
  const auto& [low, high] = inputs.front();
  const Interval linear = cast_product({std::max<Int128>(low, 0), std::max<Int128>(high, 0)}, from, above, to);
  if (low >= 0) return linear;
  const auto [first, last] = TableIndex(function(), *place.types.table_size).range({low, std::min<Int128>(high, -1)}, from);
  const std::vector<Int128>& entries = step[TypeName::kTable].raw;
  const auto [least, most] = std::minmax_element(entries.begin() + first, entries.begin() + last + 1);
  const Interval table = cast_product({*least, *most}, place.types[TypeName::kTable], below, to);
  return high >= 0 ? hull(linear, table) : table;
}

}  // namespace narrow
