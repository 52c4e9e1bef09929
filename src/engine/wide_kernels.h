#ifndef NARROW_ENGINE_WIDE_KERNELS_H_
#define NARROW_ENGINE_WIDE_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "engine/kernels.h"
#include "engine/lanes.h"

namespace narrow {

// Sums in 64-bit lanes of products p of up to 124 bits, each brought to floor(p / 2^62) or another rounding of p / 2^62, which fits 63:
// operands X and W are shifted until the bits that a product loses are its 62 lowest; they have 62 bits and a sign. They are multiplied
// as numbers that are not negative, a * 2^31 + b with 0 <= a < 2^32, 0 <= b < 2^31: either as X + 2^62 and W + 2^62, which adds
// X + W + 2^62 to what is left of a product, or as |X| and |W|.
struct WideProducts {
  static constexpr int kOutputs = 8;  // at a time; weights are padded with zeros to a multiple
  static constexpr int kParts = 3;    // of an operand: b, a, and what was added to it or its sign
  static constexpr int kLowBits = 31;
  static constexpr int kLost = 2 * kLowBits;
  // floor(p / 2^62), and the nearest to p / 2^62, the higher or the lower one of two, of operands to which 2^62 is added;
  // floor((|p| + add) / 2^62), and the nearest to |p| / 2^62, the even one of two, of magnitudes, both with p's sign.
  enum class Term : std::uint8_t { kFloor, kHalfUp, kHalfDown, kMagnitude, kEven };
  bool of_magnitudes() const { return term == Term::kMagnitude || term == Term::kEven; }
  struct Added {
    std::int64_t rest = 0;
    std::int64_t low = 0;
  };
  int n_in = 0;
  int n_out = 0;
  Term term = Term::kFloor;
  Added add;               // of kMagnitude
  std::int64_t least = 0;  // of the sums' type
  std::int64_t most = 0;
  std::int64_t largest = 0;        // |W|
  bool low_bits = false;           // whether b is other than 0 in any weight
  Buffer<std::int64_t> weights;    // (blocks, n_in in the order of the sum, kParts, kOutputs): b, a, W + 2^62 or -1 where W < 0
  Buffer<std::int64_t> excess;     // (blocks * kOutputs): what the third parts of the weights add up to
  Buffer<std::int64_t> bias;       // (blocks * kOutputs)
  Buffer<std::int64_t> bias_left;  // -1 where the bias was changed when it was brought into range
  int blocks() const { return (n_out + kOutputs - 1) / kOutputs; }
  std::size_t row_size() const { return static_cast<std::size_t>(n_in) * kParts + 1; }
};

// Makes `weights` and what depends on them from W (n_in in the order of the sum, n_out).
void set_wide_weights(WideProducts& products, const std::int64_t* weights);

// y (rows, row_size): for each of x (rows, n_in) the parts of X = x << shift, which fits 62 bits and a sign: b, a, X or -1 where X < 0;
// behind each row the sum of what was added to products for X.
void split_wide(const WideProducts& products, const std::int64_t* x, std::size_t rows, int shift, std::int64_t* y);

// What is known of some rows: whether some X is negative, and whether the sums' type has at most 31 bits and takes every term as it is.
struct WideRows {
  bool negative = true;
  bool small_terms = false;
};
// For |X| up to largest_x: whether small_terms holds.
bool terms_are_small(const WideProducts& products, std::int64_t largest_x);

// sums (rows, blocks * kOutputs) from x as split_wide makes it. `fit` is what is done with each term and each sum; kWrap: nothing, the
// whole sums are known to fit 63 bits. Returns the number of sums that it changed at some step.
std::uint64_t add_wide_products(const WideProducts& products, Fit fit, const WideRows& known, const std::int64_t* x, std::size_t rows,
                                std::int64_t* sums);

}  // namespace narrow

#endif  // NARROW_ENGINE_WIDE_KERNELS_H_
