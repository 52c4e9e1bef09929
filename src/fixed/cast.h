#ifndef NARROW_FIXED_CAST_H_
#define NARROW_FIXED_CAST_H_

#include "fixed/format.h"

namespace narrow {

// A value after a cast, and whether it left the range of its new type on the way (before wrapping or saturating).
struct CastResult {
  Int128 raw = 0;
  bool overflow = false;
};

// Casts raw * 2^-fraction to `to`: rounds to its fractional bits, then handles overflow, exactly as assigning an ap_fixed
// of at most 128 bits to `to` does with AMD's headers (ap_fixed_base.h, operator= and to_ap_int_base).
// `fraction` may be any number of bits, also negative. Requires to.width <= kMaxSumWidth.
//
// One habit of AMD's headers needs more than the value: a negative ap_fixed<W,I> with I <= 0 becomes -1 as an ap_int, not
// 0. Callers that convert such a type to ap_int say so with `no_integer_bits`.
CastResult cast(Int128 raw, int fraction, const Format& to, bool no_integer_bits = false);

// The same for a value of type `from`.
inline CastResult cast(Int128 raw, const Format& from, const Format& to) {
  return cast(raw, from.fraction(), to, from.integer <= 0 && !from.is_integer);
}

// Casts the exact value of a finite double, as ap_fixed(double) and ap_int(double) do (the latter with its habit of
// making +1 of values strictly between -0.5 and 0).
CastResult cast(double value, const Format& to);

// raw * 2^-fraction as the nearest double, ties to even, as ap_fixed::to_double().
double to_double(Int128 raw, int fraction);
// The same for many values of one type.
class ToDouble {
 public:
  explicit ToDouble(int fraction) : fraction_(fraction), step_(to_double(1, fraction)) {}
  double operator()(Int128 raw) const {
    constexpr Int128 kExact = Int128{1} << 53;
    constexpr int kNormal = 900;  // of the exponents of double
    const bool exact = raw <= kExact && raw >= -kExact && fraction_ < kNormal && fraction_ > -kNormal;
    return exact ? static_cast<double>(static_cast<std::int64_t>(raw)) * step_ : to_double(raw, fraction_);
  }

 private:
  int fraction_;
  double step_;
};

}  // namespace narrow

#endif  // NARROW_FIXED_CAST_H_
