#include "fixed/cast.h"

#include <cmath>

namespace narrow {
namespace {

constexpr int kBits = 128;

// floor(raw * 2^-shift), shift >= 0.
Int128 shift_right(Int128 raw, int shift) { return raw >> (shift < kBits ? shift : kBits - 1); }

// raw * 2^shift modulo 2^128, shift >= 0.
Int128 shift_left(Int128 raw, int shift) { return shift < kBits ? static_cast<Int128>(static_cast<Uint128>(raw) << shift) : 0; }

bool bit(Int128 raw, int position) { return ((raw >> position) & 1) != 0; }

// raw * 2^-shift, shift > 0, to the nearest integers by `rounding`.
Int128 round_right(Int128 raw, int shift, Rounding rounding) {
  const Int128 down = shift_right(raw, shift);
  const bool exact = shift_left(down, shift) == raw && (shift < kBits || raw == 0);
  if (exact || rounding == Rounding::kTrn) return down;
  if (rounding == Rounding::kTrnZero) return down + (raw < 0 ? 1 : 0);
  // The part cut off is positive and below one step; `half` is its top bit, `above_half` whether more follows.
  const bool half = shift <= kBits ? bit(raw, shift - 1) : raw < 0;
  if (!half) return down;
  const bool above_half = shift > kBits || (raw & static_cast<Int128>((static_cast<Uint128>(1) << (shift - 1)) - 1)) != 0;
  if (above_half) return down + 1;
  switch (rounding) {
    case Rounding::kRnd: return down + 1;
    case Rounding::kRndMinInf: return down;
    case Rounding::kRndZero: return down + (raw < 0 ? 1 : 0);
    case Rounding::kRndInf: return down + (raw < 0 ? 0 : 1);
    case Rounding::kRndConv: return down + (down & 1);
    case Rounding::kTrn:
    case Rounding::kTrnZero: break;
  }
  return down;
}

// The low `to.width` bits as a value of the type.
Int128 wrap(Int128 raw, const Format& to) {
  const int unused = kBits - to.width;
  const Uint128 top = static_cast<Uint128>(raw) << unused;
  return to.is_signed ? static_cast<Int128>(top) >> unused : static_cast<Int128>(top >> unused);
}

// Bits [first, last] of raw set to `value`.
Int128 set_range(Int128 raw, int first, int last, bool value) {
  if (first > last) return raw;
  const Uint128 ones = ((static_cast<Uint128>(1) << (last - first + 1)) - 1) << first;
  return static_cast<Int128>(value ? static_cast<Uint128>(raw) | ones : static_cast<Uint128>(raw) & ~ones);
}

// AP_WRAP with N > 0: the sign is kept and the N - 1 bits below it saturate; ap_ufixed sets its top N bits.
Int128 wrap_saturating(Int128 low_bits, bool negative, const Format& to) {
  const int top = to.width - 1;
  if (!to.is_signed) return set_range(low_bits, to.width - to.saturated_bits, top, true);
  return set_range(set_range(low_bits, top, top, negative), to.width - to.saturated_bits, top - 1, !negative);
}

// AP_WRAP_SM; unsigned types do not have it. `dropped` is the lowest bit of the source that has no place in the type.
Int128 wrap_sign_magnitude(Int128 low_bits, bool negative, bool dropped, const Format& to) {
  const int top = to.width - 1;
  const bool sign = bit(low_bits, top);
  if (to.saturated_bits == 0) return dropped == sign ? low_bits : set_range(~low_bits, top, top, dropped);
  Int128 bits = low_bits;
  if (to.saturated_bits == 1) {
    if (negative != sign) bits = ~bits;
  } else {
    if (bit(bits, to.width - to.saturated_bits) == negative) bits = ~bits;
    bits = set_range(bits, to.width - to.saturated_bits, top - 1, !negative);
  }
  return set_range(bits, top, top, negative);
}

// What `to` makes of a value outside its range: `low_bits` are the value's bits modulo 2^128.
Int128 overflowed(Int128 low_bits, bool negative, bool dropped, const Format& to) {
  switch (to.overflow) {
    case Overflow::kSatZero: return 0;
    case Overflow::kWrap: return wrap(to.saturated_bits == 0 ? low_bits : wrap_saturating(low_bits, negative, to), to);
    case Overflow::kWrapSm: return wrap(wrap_sign_magnitude(low_bits, negative, dropped, to), to);
    case Overflow::kSat: return negative ? min_raw(to) : max_raw(to);
    case Overflow::kSatSym:
      // A type of one bit has no value between its ends: its symmetric low end is its low end.
      return negative ? min_raw(to) + (to.is_signed && to.width > 1 ? 1 : 0) : max_raw(to);
  }
  return 0;
}

}  // namespace

CastResult cast(Int128 raw, int fraction, const Format& to, bool no_integer_bits) {
  const int shift = fraction - to.fraction();
  if (to.is_integer) {
    if (no_integer_bits) return {raw < 0 ? wrap(-1, to) : 0, raw < 0 && !to.is_signed};
    const bool grows = shift < 0 && (raw > shift_right(max_raw(to), -shift) || raw < -shift_right(-min_raw(to), -shift));
    const Int128 value = shift > 0 ? round_right(raw, shift, Rounding::kTrnZero) : shift_left(raw, -shift);
    return {wrap(value, to), grows || value > max_raw(to) || value < min_raw(to)};
  }
  const Int128 low = least_raw(to);
  // Position in the source of the bit just above the type's top bit; only AP_WRAP_SM looks at it.
  const int above = shift + to.width;
  const bool dropped = above >= 0 && above < kBits && bit(raw, above);
  if (shift > 0) {
    const Int128 value = round_right(raw, shift, to.rounding);
    if (value <= max_raw(to) && value >= low) return {value, false};
    return {overflowed(value, value < 0, dropped, to), true};
  }
  const Int128 value = shift_left(raw, -shift);
  const bool fits = raw <= shift_right(max_raw(to), -shift) && raw >= -shift_right(-low, -shift);
  if (fits) return {value, false};
  return {overflowed(value, raw < 0, dropped, to), true};
}

CastResult cast(double value, const Format& to) {
  // AMD's ap_int(double) turns what lies strictly between -0.5 and 0 into +1 (ap_int_base.h shifts it to -1, then negates).
  if (to.is_integer && value < 0 && value > -0.5) return {wrap(1, to), false};
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);
  constexpr int kMantissaBits = 53;
  return cast(static_cast<Int128>(std::ldexp(mantissa, kMantissaBits)), kMantissaBits - exponent, to);
}

double to_double(Int128 raw, int fraction) { return std::ldexp(static_cast<double>(raw), -fraction); }

}  // namespace narrow
