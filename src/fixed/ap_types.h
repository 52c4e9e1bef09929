// For tests: AMD's own ap_types headers beside narrow's Format, so that one can be checked against the other.
#ifndef NARROW_FIXED_AP_TYPES_H_
#define NARROW_FIXED_AP_TYPES_H_

#include <ap_fixed.h>
#include <ap_int.h>

#include "fixed/format.h"

namespace narrow::ap_types {

inline constexpr ap_q_mode kQ[] = {AP_RND, AP_RND_ZERO, AP_RND_MIN_INF, AP_RND_INF, AP_RND_CONV, AP_TRN, AP_TRN_ZERO};
inline constexpr ap_o_mode kO[] = {AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM};

template <class T>
struct FormatOf;
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
struct FormatOf<ap_fixed<W, I, Q, O, N>> {
  static constexpr Format kFormat{W, I, true, false, static_cast<Rounding>(Q), static_cast<Overflow>(O), N};
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
struct FormatOf<ap_ufixed<W, I, Q, O, N>> {
  static constexpr Format kFormat{W, I, false, false, static_cast<Rounding>(Q), static_cast<Overflow>(O), N};
};
template <int W>
struct FormatOf<ap_int<W>> {
  static constexpr Format kFormat{W, W, true, true, Rounding::kTrn, Overflow::kWrap, 0};
};
template <int W>
struct FormatOf<ap_uint<W>> {
  static constexpr Format kFormat{W, W, false, true, Rounding::kTrn, Overflow::kWrap, 0};
};

// ap_fixed<...> or ap_ufixed<...>.
template <bool S, int W, int I, ap_q_mode Q, ap_o_mode O, int N>
using Fixed = std::conditional_t<S, ap_fixed<W, I, Q, O, N>, ap_ufixed<W, I, Q, O, N>>;

// The value's bits as narrow's raw.
template <class T>
Int128 raw_of(const T& value) {
  constexpr Format kFormat = FormatOf<T>::kFormat;
  Uint128 bits = 0;
  if constexpr (kFormat.width <= 64) {
    bits = ap_uint<64>(ap_uint<kFormat.width>(value.range(kFormat.width - 1, 0))).to_uint64();
  } else {
    const ap_uint<128> wide = ap_uint<kFormat.width>(value.range(kFormat.width - 1, 0));
    bits = (static_cast<Uint128>(ap_uint<64>(wide >> 64).to_uint64()) << 64) | ap_uint<64>(wide).to_uint64();
  }
  const int unused = 128 - kFormat.width;
  return kFormat.is_signed ? static_cast<Int128>(bits << unused) >> unused : static_cast<Int128>(bits);
}

// A value of type T with the low bits of `raw`.
template <class T>
T with_raw(Int128 raw) {
  constexpr int kWidth = FormatOf<T>::kFormat.width;
  T value = 0;
  if constexpr (kWidth <= 64) {
    value.range(kWidth - 1, 0) = ap_uint<kWidth>(static_cast<std::uint64_t>(raw));
  } else {
    ap_uint<128> wide = static_cast<std::uint64_t>(static_cast<Uint128>(raw) >> 64);
    wide <<= 64;
    wide |= ap_uint<128>(static_cast<std::uint64_t>(raw));
    value.range(kWidth - 1, 0) = ap_uint<kWidth>(wide);
  }
  return value;
}

}  // namespace narrow::ap_types

#endif  // NARROW_FIXED_AP_TYPES_H_
