#ifndef NARROW_ENGINE_SATURATING_KERNELS_H_
#define NARROW_ENGINE_SATURATING_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "engine/kernels.h"

namespace narrow {

// A matrix product whose sums saturate in 16 bits at every step, in order. A sum of fewer bits stands in the upper ones, shifted
// to the left by `up`: what saturating sets below it is never seen, for adding to a sum whose low bits are ones clamps exactly
// where the sum itself does (and a sum at the low end has zeros there).
struct Saturating16 {
  // How a product loses its low bits: floor(x * w / 2^16), or floor(x * w / 2^15 + 1/2), the same with ties to even.
  enum class Term : std::uint8_t { kFloor, kRound, kRoundEven };
  int n_in = 0;
  int n_out = 0;
  Term term = Term::kRound;
  bool has_signs = false;    // products are negated where `signs` is -1
  bool clamp_terms = false;  // into [low, high] before they are added; else they are known to lie there
  int up = 0;
  std::int16_t low = 0;  // of the sums' type, not shifted
  std::int16_t high = 0;
  bool raised_floor = false;       // sums do not fall below low << up, which is above -2^15
  Buffer<std::int16_t> weights;    // (blocks, n_in, kHighBlock), in the order of the sum
  Buffer<std::int16_t> signs;      // the same, 0 or -1
  Buffer<std::int16_t> bias;       // (blocks * kHighBlock), shifted
  Buffer<std::int16_t> bias_left;  // -1 where the bias was changed when it was brought into range
  int blocks() const { return (n_out + kHighBlock - 1) / kHighBlock; }
};

// What is known or asked of the saturating.
enum class Saturation : std::uint8_t {
  kNone,       // it is known that no sum saturates: an ordinary sum does
  kUncounted,  // sums may
  kCounted,    // and it is asked how many do
};

// sums (rows, blocks * kHighBlock), not shifted. x holds pairs as pair_rows makes them. Returns the number of sums that saturated
// at some step, where that is asked.
std::uint64_t saturate16(const Saturating16& product, const std::int32_t* x, std::size_t rows, Saturation saturation, std::int16_t* sums);

// The largest |x| of (rows, n), and y (rows, n): x[k] << shift twice in each int32, where that fits.
int pair_rows(const std::int16_t* x, std::size_t size, int shift, std::int32_t* y);

}  // namespace narrow

#endif  // NARROW_ENGINE_SATURATING_KERNELS_H_
