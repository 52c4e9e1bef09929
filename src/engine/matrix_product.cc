#include "engine/matrix_product.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "engine/program.h"
#include "fixed/cast.h"
#include "layers/product.h"

namespace narrow {

std::vector<Interval> column_sums(const MatrixProduct& product) {
  const auto n_out = static_cast<std::size_t>(product.n_out);
  std::vector<Interval> sums(n_out);
  for (std::size_t i = 0; i < product.weights.size(); i += n_out) {
    for (std::size_t j = 0; j < n_out; ++j) {
      const Int128 w = product.weights[i + j];
      sums[j].low += std::min<Int128>(w, 0);
      sums[j].high += std::max<Int128>(w, 0);
    }
  }
  return sums;
}

namespace {

// Whether 128 bits hold all that prove_sums adds up: the sum of the |weights| of an output times the largest |input|, in accum's
// steps, and the biases, with a bit to spare.
bool fits_128(const MatrixProduct& product, const std::vector<Interval>& columns, int product_up, int bias_up) {
  constexpr int kMost = 125;
  Uint128 column = 0;
  Uint128 bias = 0;
  for (const Interval& each : columns) column = std::max(column, magnitude_of(each.high - each.low));
  for (const Int128 each : product.biases) bias = std::max(bias, magnitude_of(each));
  const auto shifted = [](int bits, int up) { return std::abs(up) <= kMost && bits + std::max(up, 0) <= kMost; };
  return shifted(bits_of(column) + bits_of(magnitude_of(product.x.magnitude())), product_up) && shifted(bits_of(bias), bias_up);
}

}  // namespace

std::optional<ProvenSums> prove_sums(const MatrixProduct& product) {
  const int product_up = product.accum.fraction() - product.input.fraction() - product.weight.fraction();
  const int bias_up = product.accum.fraction() - product.bias.fraction();
  const std::vector<Interval> columns = column_sums(product);
  if (!fits_128(product, columns, product_up, bias_up)) return std::nullopt;
  // The ends in accum's steps, rounded away from the middle: whatever accum's rounding is, its result lies between them.
  const auto floor_at = [](Int128 value, int up) { return up >= 0 ? value << up : value >> -up; };
  const auto ceil_at = [&](Int128 value, int up) { return -floor_at(-value, up); };
  const Interval& x = product.x;
  const Int128 rounding = product_up < 0 ? product.n_in : 0;  // each product is rounded by less than one step
  ProvenSums proven;
  for (std::size_t j = 0; j < columns.size(); ++j) {
    const auto& [negative, positive] = columns[j];
    const Interval bias{floor_at(product.biases[j], bias_up), ceil_at(product.biases[j], bias_up)};
    const Interval sum{floor_at(positive * x.low + negative * x.high, product_up) - rounding + bias.low,
                       ceil_at(positive * x.high + negative * x.low, product_up) + rounding + bias.high};
    proven.sum = j == 0 ? sum : Interval{std::min(proven.sum.low, sum.low), std::max(proven.sum.high, sum.high)};
    const Int128 partial = ceil_at((positive - negative) * x.magnitude(), product_up) + rounding + bias.magnitude();
    proven.magnitude = std::max(proven.magnitude, partial);
    proven.never_falls &= bias.low >= 0 && (x.low >= 0 || positive == 0) && (x.high <= 0 || negative == 0);
  }
  return proven;
}

bool stays_in_accum(const MatrixProduct& product, const ProvenSums& sums) {
  const Format& accum = product.accum;
  return sums.magnitude <= max_raw(accum) && (sums.never_falls || -sums.magnitude >= least_raw(accum));
}

Int128 end_of_accum(const MatrixProduct& product) { return std::min(max_raw(product.accum), -least_raw(product.accum)); }

Int128 largest_within(const MatrixProduct& product, Int128 end) {
  const int drop = product.input.fraction() + product.weight.fraction() - product.accum.fraction();
  const std::vector<Interval> columns = column_sums(product);
  const Format free = unbounded(product.accum);
  constexpr int kMostBits = 126;
  if (std::abs(drop) + bits_of(magnitude_of(end)) > kMostBits) return -1;
  Int128 largest = product.x.magnitude();
  for (std::size_t j = 0; j < columns.size(); ++j) {
    const CastResult bias = cast(product.biases[j], product.bias, free);
    // Each product is rounded by less than one step.
    const Int128 room = end - (bias.raw < 0 ? -bias.raw : bias.raw) - product.n_in;
    if (bias.overflow || room < 0) return -1;
    const Int128 column = columns[j].high - columns[j].low;
    if (column > 0) largest = std::min(largest, (drop >= 0 ? room << drop : room >> -drop) / column);
  }
  return largest;
}

MatrixProduct make_matrix_product(const Program& program, std::size_t layer, std::optional<std::size_t> relu, const Interval& x) {
  const Place place = program.place(layer);
  const Step& step = program.steps[layer];
  MatrixProduct product;
  product.n_in = static_cast<int>(step.order.size());
  product.n_out = place.shape.back();
  product.weights = step[TypeName::kWeight].raw;
  product.biases = step[TypeName::kBias].raw;
  product.order = step.order;
  product.input = place.input();
  product.weight = place.types[TypeName::kWeight];
  product.bias = place.types[TypeName::kBias];
  product.accum = place.types[TypeName::kAccum];
  product.result = place.types.result();
  product.product_integer = product_integer(product.input, product.weight);
  if (relu) product.relu = program.format(*relu);
  product.x = x;
  product.word_bits = step.word_bits;
  product.relu_word_bits = relu ? program.steps[*relu].word_bits : 0;
  return product;
}

}  // namespace narrow
