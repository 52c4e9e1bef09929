#ifndef NARROW_ENGINE_WIDE_KERNELS_H_
#define NARROW_ENGINE_WIDE_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "engine/kernels.h"
#include "engine/lanes.h"

namespace narrow {

// Sums in 64-bit lanes of products p of up to 126 bits, each brought to floor((p + add) / 2^62), which fits 63: operands are shifted
// until the bits that a product loses are its 62 lowest. An operand is a * 2^31 + b, 0 <= b < 2^31, of 63 bits; so is what is added.
struct WideProducts {
  static constexpr int kOutputs = 8;  // at a time; weights are padded with zeros to a multiple
  static constexpr int kLowBits = 31;
  static constexpr int kLost = 2 * kLowBits;
  // kEven adds 1 more where floor(p / 2^62) is odd.
  enum class Term : std::uint8_t { kFloor, kAdd, kAddBySign, kEven };
  struct Added {
    std::int64_t rest = 0;
    std::int64_t low = 0;
  };
  int n_in = 0;
  int n_out = 0;
  Term term = Term::kFloor;
  Added add;               // of kAdd, and of kAddBySign where p is not negative; kEven adds 2^61 - 1
  Added add_to_negative;   // of kAddBySign
  Fit fit = Fit::kWrap;    // of each term and each sum; kWrap: nothing, they are known to fit 63 bits
  std::int64_t least = 0;  // of the sums' type
  std::int64_t most = 0;
  Buffer<std::int64_t> weights;    // (blocks, n_in in the order of the sum, 2, kOutputs): b, then a
  Buffer<std::int64_t> bias;       // (blocks * kOutputs)
  Buffer<std::int64_t> bias_left;  // -1 where the bias was changed when it was brought into range
  int blocks() const { return (n_out + kOutputs - 1) / kOutputs; }
};

// sums (rows, blocks * kOutputs) from x (rows, n_in, 2): b, then a. Returns the number of sums that `fit` changed at some step.
std::uint64_t add_wide_products(const WideProducts& products, Fit fit, const std::int64_t* x, std::size_t rows, std::int64_t* sums);

// y (size, 2) from x << shift, which fits 63 bits.
void split_wide(const std::int64_t* x, std::size_t size, int shift, std::int64_t* y);

}  // namespace narrow

#endif  // NARROW_ENGINE_WIDE_KERNELS_H_
