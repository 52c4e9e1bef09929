// The arithmetic of fixed/cast.h on machine words, without branches, for one value or for a vector of them (lanes). Which
// rounding and which overflow is settled by template arguments; whoever instantiates them has checked that the word is wide
// enough (Step::word_bits). Included once for each of Highway's targets.
#if defined(NARROW_ENGINE_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_ENGINE_LANES_INL_H_
#undef NARROW_ENGINE_LANES_INL_H_
#else
#define NARROW_ENGINE_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <type_traits>

#include "engine/lanes.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::HWY_NAMESPACE {

template <class T>
inline constexpr bool kIsNumber = std::is_arithmetic_v<T> || std::is_same_v<T, Int128>;

// The functions below take a machine word or a SIMD vector of them (the compiler's vector_size types). A condition is a
// word of ones or zeros, as comparing vectors gives it.
template <class T>
HWY_INLINE T less(T a, T b) {
  if constexpr (kIsNumber<T>) return static_cast<T>(-static_cast<T>(a < b));
  else return (T)(a < b);  // NOLINT(google-readability-casting): no other cast goes between vectors of one size
}
// T{} + n in every lane.
template <class T, class Word>
HWY_INLINE T every(Word n) {
  return T{} + n;
}

template <Align kAlign, class T>
HWY_INLINE T align_lane(T value, int shift) {
  if constexpr (kAlign == Align::kUp) return value << shift;
  if constexpr (kAlign == Align::kTrn) return value >> shift;
  const T one = every<T>(1);
  const T negative = less(value, every<T>(0));
  if constexpr (kAlign == Align::kTrnZero) return (value + (negative & ((one << shift) - 1))) >> shift;
  // Nearest: half a step up, less the smallest step there is where a tie has to go down.
  T tie_up = one;
  if constexpr (kAlign == Align::kRndMinInf) tie_up = every<T>(0);
  if constexpr (kAlign == Align::kRndZero) tie_up = negative & 1;
  if constexpr (kAlign == Align::kRndInf) tie_up = ~negative & 1;
  if constexpr (kAlign == Align::kRndConv) tie_up = (value >> shift) & 1;
  return (value + ((one << (shift - 1)) - 1) + tie_up) >> shift;
}

template <class T>
HWY_INLINE T out_of_range(T value, T low, T high) {
  return less(value, low) | less(high, value);
}

template <Fit kFit, class T>
HWY_INLINE T fit_lane(T value, T low, T high) {
  // high - low is 2^width - 1. Modulo the word, so that the difference may leave it.
  if constexpr (kFit == Fit::kWrap && std::is_same_v<T, Int128>) {
    const auto start = static_cast<Uint128>(low);
    return static_cast<T>(((static_cast<Uint128>(value) - start) & (static_cast<Uint128>(high) - start)) + start);
  }
  if constexpr (kFit == Fit::kWrap) return ((value - low) & (high - low)) + low;
  if constexpr (kFit == Fit::kClamp) {
    const T raised = value < low ? low : value;
    return raised > high ? high : raised;
  }
  return ~out_of_range(value, low, high) & value;
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // NARROW_ENGINE_LANES_INL_H_
