#ifndef NARROW_ENGINE_MATRIX_PRODUCT_H_
#define NARROW_ENGINE_MATRIX_PRODUCT_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "fixed/format.h"
#include "model/interval.h"

namespace narrow {

// The largest values of the words that kernels compute in.
inline constexpr Int128 kMax16 = std::numeric_limits<std::int16_t>::max();
inline constexpr Int128 kMax32 = std::numeric_limits<std::int32_t>::max();

struct Gather;
struct Program;

// Rows times a matrix of quantized weights, in fixed point, and perhaps a relu behind it: everything that a kernel needs to
// know, and nothing of networks. For each output j, one operation after the other:
//   sum = accum(bias[j]); for k in order: sum = accum(sum + accum(x[k] * weights[k, j]))
//   y = result(sum), and with a relu y = relu(max(y, 0))
// where a format in place of a function is the cast to it (fixed/cast.h).
struct MatrixProduct {
  int n_in = 0;
  int n_out = 0;
  std::span<const Int128> weights;  // raw, (n_in, n_out)
  std::span<const Int128> biases;   // raw, (n_out)
  std::span<const int> order;       // of the k
  Format input;
  Format weight;
  Format bias;
  Format accum;
  Format result;
  int product_integer = 0;  // integer bits of the products' C++ type (layers/product.h)
  std::optional<Format> relu;
  Interval x;  // every input value lies in it
  // Bits, sign included, in which the sums and the cast to `result`, or the cast to `relu`, can be done (Step::word_bits).
  int word_bits = 0;
  int relu_word_bits = 0;
  const Gather* gather = nullptr;  // of the rows, where those do not follow one another

  const Format& output() const { return relu ? *relu : result; }
  Int128 at(int k, int j) const {
    return weights[static_cast<std::size_t>(k) * static_cast<std::size_t>(n_out) + static_cast<std::size_t>(j)];
  }
};

// For each output the sum of its negative weights and the sum of its positive ones.
std::vector<Interval> column_sums(const MatrixProduct& product);

// What is proven of the sums from the weights and the inputs' interval, in accum's steps: products that have more fractional bits
// than accum may be rounded either way, and nothing is brought into accum's range.
struct ProvenSums {
  Interval sum;             // of the whole sums
  Int128 magnitude = 0;     // of any partial sum in any order, and of any product and any bias alone
  bool never_falls = true;  // biases and products are 0 or more, so every partial sum is
};
// Nothing where 128 bits would not hold the sums.
std::optional<ProvenSums> prove_sums(const MatrixProduct& product);

// Whether every value that is cast to accum on the way is in accum's range, whatever accum does with others.
bool stays_in_accum(const MatrixProduct& product, const ProvenSums& sums);

// The largest |x|, at most that of the inputs' interval, of which no product, no bias and no sum is beyond -end or end at any step,
// whatever the order, in accum's steps, and whatever accum does with it; below 0 where there is none.
Int128 largest_within(const MatrixProduct& product, Int128 end);
// The end up to which values are in accum's range on either side.
Int128 end_of_accum(const MatrixProduct& product);

// A layer of the program whose form is Form::kMatrixProduct, whose rows' values lie in the interval; `relu` is the layer behind it that is
// computed with it. Refers to the program's weights.
MatrixProduct make_matrix_product(const Program& program, std::size_t layer, std::optional<std::size_t> relu, const Interval& x);

}  // namespace narrow

#endif  // NARROW_ENGINE_MATRIX_PRODUCT_H_
