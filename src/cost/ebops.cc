#include "cost/ebops.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "cost/reading.h"
#include "layers/product.h"

namespace narrow {
namespace {

constexpr double kAddition = 0.65;    // HGQ2: QAdd, QSum
constexpr double kTableEntry = 1e-4;  // HGQ2: QUnaryFunctionLUT

double table_ebops(const Format& key, std::size_t entries, const Format& value) {
  const double reached = std::min(std::ldexp(1.0, std::min(value_bits(key), 64)), static_cast<double>(entries));
  return kTableEntry * reached * value_bits(value);
}

double sum_of_products(const Place& place, const Reading& layer) {
  const Format& type = place.types[TypeName::kWeight];
  const std::vector<Int128>& weights = layer.weights->raw;
  const std::size_t outputs = layer.biases->raw.size();
  const std::vector<std::size_t> uses =
      layer.op.form(place) == Form::kMatrixProduct ? uses_of_inputs(place, layer) : std::vector<std::size_t>();
  double bits = 0;
  for (std::size_t k = 0, i = 0; i < weights.size(); ++k) {
    std::int64_t row = 0;
    for (const std::size_t end = i + outputs; i < end; ++i) row += significant_bits(weights[i], type);
    bits += static_cast<double>(row) * static_cast<double>(uses.empty() ? layer.rows : uses[k]);
  }
  double added = 0;
  for (const Int128 bias : layer.biases->raw) added += significant_bits(bias, place.types[TypeName::kBias]);
  return bits * value_bits(place.input()) + added * static_cast<double>(layer.rows);
}

// Numbers that repeat over the values: of a normalization scales and biases, of a sloped activation its slopes.
double each_times(const std::vector<Int128>& numbers, const Format& type, std::size_t values, double bits_of_value) {
  double bits = 0;
  for (const Int128 number : numbers) bits += significant_bits(number, type);
  return bits * bits_of_value * static_cast<double>(values) / static_cast<double>(numbers.size());
}

double softmax_ebops(const Place& place, const Reading& layer) {
  const SoftmaxKind kind = *place.types.softmax;
  if (layer.exp_table == nullptr) return 0;  // the largest alone
  const auto values = static_cast<double>(layer.values);
  const auto row = static_cast<double>(place.shape.back());
  const bool typed = place.types.has(TypeName::kExpTable);
  const Format exp_type = typed ? place.types[TypeName::kExpTable] : kSoftmaxTable;
  const Format inv_type = typed ? place.types[TypeName::kInvTable] : kSoftmaxTable;
  const Format inverted = typed ? place.types[TypeName::kInvInp] : kSoftmaxTable;
  double bits = values * value_bits(exp_type) * value_bits(inv_type);
  bits += (values - values / row) * value_bits(exp_type);
  if (kind != SoftmaxKind::kLatency) bits += values * value_bits(place.input());
  bits += values * table_ebops(place.input(), layer.exp_table->raw.size(), exp_type);
  return bits + values / row * table_ebops(inverted, layer.inv_table->raw.size(), inv_type);
}

double pair_ebops(const Place& place, const Reading& layer) {
  const int a = value_bits(*place.inputs[0]);
  const int b = value_bits(*place.inputs[1]);
  const auto values = static_cast<double>(layer.values);
  if (layer.is_dot) return static_cast<double>(layer.op.multiplications(place.shape)) * a * b;
  switch (layer.op.pairing(place).kind) {
    case Pairing::Kind::kSum: return values * kAddition * std::max(a, b);
    case Pairing::Kind::kDifference:
    case Pairing::Kind::kLarger:
    case Pairing::Kind::kSmaller: return values * std::max(a, b);
    case Pairing::Kind::kProduct: return values * a * b;
    case Pairing::Kind::kBeside: break;
  }
  return 0;
}

}  // namespace

int value_bits(const Format& format) {
  if (format.meaning != Meaning::kNumber) return 1;
  return format.width - (format.is_signed && format.overflow != Overflow::kSat ? 1 : 0);
}

int significant_bits(Int128 raw, const Format& format) {
  if (format.meaning != Meaning::kNumber) return 1;  // a sign, or a power of two
  if (raw == 0) return 0;
  const Uint128 magnitude = magnitude_of(raw);
  const auto low = static_cast<std::uint64_t>(magnitude);
  const int zeros = low != 0 ? std::countr_zero(low) : 64 + std::countr_zero(static_cast<std::uint64_t>(magnitude >> 64));
  return bits_of(magnitude) - zeros;
}

double ebops(const Program& program, std::size_t index) {
  const Place place = program.place(index);
  const Reading layer(program, index, place);
  switch (layer.work) {
    case Work::kNone: return 0;
    case Work::kProducts: return sum_of_products(place, layer);
    case Work::kScale: {
      const double scaled = each_times(layer.scales->raw, place.types[TypeName::kScale], layer.values, value_bits(place.input()));
      return scaled + each_times(layer.biases->raw, place.types[TypeName::kBias], layer.values, 1);
    }
    case Work::kSlope: return each_times(layer.slopes->raw, place.types[TypeName::kParam], layer.values, value_bits(place.input()));
    case Work::kSum: return kAddition * value_bits(place.input()) * static_cast<double>(layer.values_before - layer.values);
    case Work::kPool: return static_cast<double>(value_bits(place.input())) * static_cast<double>(layer.values_before);
    case Work::kPair: return pair_ebops(place, layer);
    case Work::kTable: return static_cast<double>(layer.values) * table_ebops(place.input(), layer.table->raw.size(), place.types.result());
    case Work::kSoftmax: return softmax_ebops(place, layer);
    case Work::kChoice: return 0;
  }
  return 0;
}

}  // namespace narrow
