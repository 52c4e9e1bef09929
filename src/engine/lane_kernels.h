#ifndef NARROW_ENGINE_LANE_KERNELS_H_
#define NARROW_ENGINE_LANE_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/lanes.h"
#include "model/interval.h"

namespace narrow {

// The interpreter's inner loops, compiled for each instruction set and chosen at run time (Google Highway's dispatch).
// They take types of every rounding, and the overflow modes AP_WRAP without saturated bits, AP_SAT, AP_SAT_SYM and
// AP_SAT_ZERO; make_lane_cast tells whether a cast is one of them.

// The cast of raw * 2^-fraction to `to`, or nothing where it needs fixed/cast.h: `no_integer_bits` (see cast), or shifts of 127 bits
// or more. lane_cast_bits tells in which words it can be done; Fit::kOther in 128 bits alone.
std::optional<LaneCast> take_apart(int fraction, const Format& to, bool no_integer_bits);
// The same for words of 64 bits, where `word_bits` is what its values need; nothing where they do not hold them, or for Fit::kOther.
std::optional<LaneCast> make_lane_cast(int fraction, const Format& to, int word_bits, bool no_integer_bits = false);

struct CastCounts {
  std::uint64_t overflows = 0;  // values outside the range of their new type
  std::uint64_t zeros = 0;      // values other than 0 that became 0 by rounding
};

// y[i] = cast(relu ? max(x[i], 0) : x[i]).
CastCounts run_lane_cast(const LaneCast& cast, bool relu, const std::int64_t* x, std::int64_t* y, std::size_t n);

// The same in 32 bits, which must be enough for the values: lane_cast_bits tells.
CastCounts run_lane_cast32(const LaneCast& cast, bool relu, const std::int32_t* x, std::int32_t* y, std::size_t n);

// The same in 128 bits, one value at a time.
CastCounts run_lane_cast128(const LaneCast& cast, bool relu, const Int128* x, Int128* y, std::size_t n);

// Bits, sign included, in which the cast can be done for such values; more than 128 where no word holds them.
int lane_cast_bits(const LaneCast& cast, const Interval& values);

// A Dense layer whose inputs and weights fit 32 bits.
struct LaneDense {
  static constexpr int kLanes = 16;  // outputs at a time; weights are padded with zeros to a multiple
  int n_in = 0;
  int n_out = 0;
  bool wide = false;                    // sums in 64 bits, else in 32
  LaneCast product;                     // of a product to accum
  std::vector<int> order;               // of the k
  std::vector<std::int32_t> weights;    // (blocks of outputs, n_in in `order`, kLanes)
  std::vector<std::int64_t> bias;       // (padded n_out), with accum's fractional bits; brought into range unless accum wraps
  std::vector<std::int64_t> bias_left;  // (padded n_out), 1 where bringing the bias into range changed it
};

// y (rows, n_out) in accum's format from x (rows, n_in). Returns how many outputs left accum's range: for a wrapping accum
// the whole exact sum, for a saturating one any step on the way. `left` (rows, n_out), where it is asked, tells which.
std::uint64_t run_lane_dense(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y, char* left = nullptr);

// A Dense layer whose inputs and weights fit 64 bits, and whose sums 128.
struct LargeDense {
  int n_in = 0;
  int n_out = 0;
  LaneCast product;                   // of a product to accum
  bool words = false;                 // whether 64 bits hold every product in accum's steps, and accum's range
  std::vector<std::int64_t> weights;  // (n_out, n_in in the order of the sum)
  std::vector<Int128> bias;           // with accum's fractional bits; brought into range unless accum wraps
  std::vector<char> bias_left;        // whether bringing the bias into range changed it
};

// y (rows, n_out) from x (rows, n_in in the order of the sum): in accum's format, but not wrapped where accum wraps. Returns how many
// outputs some step of a sum that does not wrap brought into accum's range, and which, as run_lane_dense does.
std::uint64_t run_large_dense(const LargeDense& dense, const std::int64_t* x, std::size_t rows, Int128* y, char* left = nullptr);

}  // namespace narrow

#endif  // NARROW_ENGINE_LANE_KERNELS_H_
