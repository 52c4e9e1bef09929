#ifndef NARROW_FIXED_FORMAT_H_
#define NARROW_FIXED_FORMAT_H_

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace narrow {

using Int128 = __int128;
using Uint128 = unsigned __int128;

// Quantization modes of ap_fixed (AMD UG1399, "Arbitrary Precision Fixed-Point Data Types"), in the order of AMD's enum.
enum class Rounding : std::uint8_t {
  kRnd,        // AP_RND: nearest, ties to plus infinity
  kRndZero,    // AP_RND_ZERO: nearest, ties to zero
  kRndMinInf,  // AP_RND_MIN_INF: nearest, ties to minus infinity
  kRndInf,     // AP_RND_INF: nearest, ties away from zero
  kRndConv,    // AP_RND_CONV: nearest, ties to even
  kTrn,        // AP_TRN: minus infinity (the default)
  kTrnZero,    // AP_TRN_ZERO: zero
};
inline constexpr int kRoundings = 7;

// Overflow modes of ap_fixed, in the order of AMD's enum.
enum class Overflow : std::uint8_t {
  kSat,      // AP_SAT: the nearest end of the range
  kSatZero,  // AP_SAT_ZERO: zero
  kSatSym,   // AP_SAT_SYM: as AP_SAT, but the low end is minus the high end
  kWrap,     // AP_WRAP: the low bits (the default)
  kWrapSm,   // AP_WRAP_SM: sign-magnitude wrap
};
inline constexpr int kOverflows = 5;

// What the bits of a number stand for. hls4ml has types of its own for what binary quantizers and powers of two make, under C++ names
// of integers (model/types.py: XnorPrecisionType, ExponentPrecisionType).
enum class Meaning : std::uint8_t {
  kNumber,
  kSign,      // ap_uint<1>: 0 stands for -1, 1 for 1
  kExponent,  // a sign and, in an ap_int, the exponent of a power of two
};

// One type: ap_fixed<W,I,Q,O,N>, ap_ufixed<...>, ap_int<W> or ap_uint<W>. A value of the type is an integer `raw` of
// `width` bits that stands for raw * 2^-fraction(). `integer` may be negative or exceed `width`.
struct Format {
  int width = 16;   // bits in all, 1 to kMaxWidth
  int integer = 6;  // integer bits, the sign included
  bool is_signed = true;
  // ap_int and ap_uint: integer == width, no modes. A conversion to them truncates toward zero and wraps, as C++ does.
  bool is_integer = false;
  Rounding rounding = Rounding::kTrn;
  Overflow overflow = Overflow::kWrap;
  int saturated_bits = 0;  // N of the wrapping modes
  Meaning meaning = Meaning::kNumber;

  int fraction() const { return width - integer; }
  bool operator==(const Format&) const = default;
};

// Widest type of a tensor, a weight or a bias that a user may ask for, and widest sum that hls4ml may infer from them.
inline constexpr int kMaxWidth = 64;
inline constexpr int kMaxSumWidth = 127;
// Bound on the integer bits a type may name; the rest of the code adds and subtracts a few of them without overflow.
inline constexpr int kMaxIntegerBits = 4096;

inline Format fixed(int width, int integer) { return {.width = width, .integer = integer}; }
inline Format ufixed(int width, int integer) { return {.width = width, .integer = integer, .is_signed = false}; }

// Largest and smallest raw of the type; AP_SAT_SYM's low end is one step above min_raw for widths above 1.
constexpr Int128 max_raw(const Format& format) {
  return static_cast<Int128>((static_cast<Uint128>(1) << (format.width - (format.is_signed ? 1 : 0))) - 1);
}
constexpr Int128 min_raw(const Format& format) {
  return format.is_signed ? -static_cast<Int128>(static_cast<Uint128>(1) << (format.width - 1)) : 0;
}

// The least raw that the type takes as it is: AP_SAT_SYM's is minus the largest. (One bit has no other value below 0 than -1, which
// it keeps, as a value that left its range: fixed/cast.cc.)
constexpr Int128 least_raw(const Format& format) {
  return format.overflow == Overflow::kSatSym && format.is_signed ? -max_raw(format) : min_raw(format);
}
// Bits of a number without its sign's.
constexpr int bits_of(Uint128 magnitude) {
  const auto high = static_cast<std::uint64_t>(magnitude >> 64);
  return static_cast<int>(high != 0 ? 64 + std::bit_width(high) : std::bit_width(static_cast<std::uint64_t>(magnitude)));
}
constexpr Uint128 magnitude_of(Int128 value) { return value < 0 ? -static_cast<Uint128>(value) : static_cast<Uint128>(value); }

// Whether values beyond its ends become the nearer end.
bool saturates(const Format& format);
// A type whose sums may be wrapped once, in the end: AP_WRAP without saturated bits.
bool wraps(const Format& format);
// Whether its rounding looks at the sign of what it rounds (toward zero, or away from it).
bool rounds_by_sign(const Format& format);
// The steps and the rounding of a type, without its ends.
Format unbounded(const Format& format);
// Bits, sign included, of a value of the type seen at `fraction` fractional bits.
int bits_at(const Format& format, int fraction);

// Reads a type as AMD or hls4ml spell it: `ap_fixed<16,6,AP_RND,AP_SAT>`, `ufixed<9,4,RND,SAT,0>`, `ap_int<8>`, `uint<1>`.
// Throws Error, with `text` and what would be right, on anything else, a width outside 1 to kMaxSumWidth or a bad mode.
Format parse_format(std::string_view text);

// Reads the command line's short form of a signed type, `16,6` or `14,5,AP_RND,AP_SAT`; a whole type is taken as well.
Format parse_short_format(std::string_view text);

// Reads a mode with or without `AP_`. Throws Error with the modes there are.
Rounding parse_rounding(std::string_view text);
Overflow parse_overflow(std::string_view text);

// `ap_fixed<16,6>`: AMD's spelling, trailing defaults left out.
std::string to_string(const Format& format);
// `fixed<16,6,TRN,WRAP,0>`: as hls4ml prints a type, nothing left out.
std::string to_hls4ml_string(const Format& format);
std::string to_string(Rounding rounding);  // `AP_RND`
std::string to_string(Overflow overflow);  // `AP_SAT`

}  // namespace narrow

#endif  // NARROW_FIXED_FORMAT_H_
