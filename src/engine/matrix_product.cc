#include "engine/matrix_product.h"

#include <algorithm>
#include <vector>

#include "engine/program.h"
#include "layers/product.h"

namespace narrow {

std::optional<ProvenSums> prove_sums(const MatrixProduct& product) {
  const int product_up = product.accum.fraction() - product.input.fraction() - product.weight.fraction();
  const int bias_up = product.accum.fraction() - product.bias.fraction();
  constexpr int kMaxShift = 40;
  constexpr int kMaxBits = 64;
  if (product_up > kMaxShift || -product_up > kMaxShift || bias_up > kMaxShift || -bias_up > kMaxShift || product.word_bits > kMaxBits)
    return std::nullopt;
  // The ends in accum's steps, rounded away from the middle: whatever accum's rounding is, its result lies between them.
  const auto floor_at = [](Int128 value, int up) { return up >= 0 ? value << up : value >> -up; };
  const auto ceil_at = [&](Int128 value, int up) { return -floor_at(-value, up); };
  const auto n_out = static_cast<std::size_t>(product.n_out);
  std::vector<Interval> sums(n_out);
  std::vector<Int128> partials(n_out);
  ProvenSums proven;
  for (std::size_t j = 0; j < n_out; ++j) {
    sums[j] = {floor_at(product.biases[j], bias_up), ceil_at(product.biases[j], bias_up)};
    partials[j] = sums[j].magnitude();
    proven.never_falls &= product.biases[j] >= 0;
  }
  for (std::size_t i = 0; i < product.weights.size(); i += n_out) {
    for (std::size_t j = 0; j < n_out; ++j) {
      const Int128 w = product.weights[i + j];
      if (w == 0) continue;
      const Interval term{floor_at(w * (w < 0 ? product.x.high : product.x.low), product_up),
                          ceil_at(w * (w < 0 ? product.x.low : product.x.high), product_up)};
      sums[j].low += term.low;
      sums[j].high += term.high;
      partials[j] += term.magnitude();
      proven.never_falls &= term.low >= 0;
    }
  }
  proven.sum = sums.front();
  for (std::size_t j = 0; j < n_out; ++j) {
    proven.sum = {std::min(proven.sum.low, sums[j].low), std::max(proven.sum.high, sums[j].high)};
    proven.magnitude = std::max(proven.magnitude, partials[j]);
  }
  return proven;
}

bool stays_in_accum(const MatrixProduct& product, const ProvenSums& sums) {
  const Format& accum = product.accum;
  const Int128 least = accum.overflow == Overflow::kSatSym && accum.is_signed ? -max_raw(accum) : min_raw(accum);
  return sums.magnitude <= max_raw(accum) && (sums.never_falls || -sums.magnitude >= least);
}

MatrixProduct make_matrix_product(const Program& program, std::size_t layer, std::optional<std::size_t> relu, const Interval& x) {
  const Place place = program.place(layer);
  const Step& step = program.steps[layer];
  MatrixProduct product;
  product.n_in = place.shapes.front()->back();
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
