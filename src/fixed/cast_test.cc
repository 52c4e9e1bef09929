// Every cast against AMD's own headers.
#include "fixed/cast.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "fixed/ap_types.h"

#ifndef NARROW_CAST_SEED
#define NARROW_CAST_SEED 20261123
#endif
#ifndef NARROW_CAST_SLICE
#define NARROW_CAST_SLICE 0
#endif

namespace narrow {
namespace {

using ap_types::Fixed;
using ap_types::FormatOf;

std::string text(Int128 raw) {
  return std::to_string(static_cast<long long>(raw >> 64)) + ":" + std::to_string(static_cast<unsigned long long>(raw));
}

// What AMD's headers make of a value of one type in another. Nothing else is a template: there are thousands of pairs to compile.
template <class From, class To>
Int128 amds_cast(Int128 raw) {
  const To to = ap_types::with_raw<From>(raw);
  return ap_types::raw_of(to);
}

void expect_same(Int128 raw, const Format& from, const Format& to, Int128 expected) {
  const Int128 got = cast(raw, from, to).raw;
  if (got == expected) return;
  ADD_FAILURE() << to_string(from) << " " << text(raw) << " to " << to_string(to) << ": " << text(got) << " but AMD's headers say "
                << text(expected);
}

// --- All values of all pairs of small types. The result depends on the difference of the fractional bits alone, so the
// source has none.

void all_values(const Format& from, const Format& to, Int128 (*amds)(Int128)) {
  for (Int128 raw = min_raw(from); raw <= max_raw(from); ++raw) expect_same(raw, from, to, amds(raw));
}
template <class From, class To>
void all_values() {
  all_values(FormatOf<From>::kFormat, FormatOf<To>::kFormat, amds_cast<From, To>);
}

template <class To>
void from_all_sources() {
  all_values<ap_fixed<5, 5>, To>();
  all_values<ap_ufixed<3, 3>, To>();
  all_values<ap_fixed<1, 1>, To>();
#ifdef NARROW_CAST_ALL  // a minute more for the compiler, for each slice
  all_values<ap_ufixed<1, 1>, To>();
  all_values<ap_fixed<3, 3>, To>();
  all_values<ap_ufixed<5, 5>, To>();
#endif
}

// AMD's headers refuse an unsigned AP_WRAP_SM.
template <bool S, int W, int F, ap_q_mode Q>
void to_all_overflows() {
  from_all_sources<Fixed<S, W, W - F, Q, AP_SAT, 0>>();
  from_all_sources<Fixed<S, W, W - F, Q, AP_SAT_ZERO, 0>>();
  from_all_sources<Fixed<S, W, W - F, Q, AP_SAT_SYM, 0>>();
  [&]<int... N>(std::integer_sequence<int, N...>) {
    (from_all_sources<Fixed<S, W, W - F, Q, AP_WRAP, N>>(), ...);
    if constexpr (S) (from_all_sources<Fixed<S, W, W - F, Q, AP_WRAP_SM, N>>(), ...);
  }
  (std::make_integer_sequence<int, (W < 2 ? W : 2) + 1>());
}

// Fractional bits from all bits dropped to bits gained.
#ifdef NARROW_CAST_ALL
using Fractions = std::integer_sequence<int, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2>;
#else
using Fractions = std::integer_sequence<int, -6, -5, -4, -2, -1, 1>;
#endif

template <ap_q_mode Q>
void to_all_small_types() {
  [&]<int... F>(std::integer_sequence<int, F...>) {
    (to_all_overflows<true, 3, F, Q>(), ...);
    (to_all_overflows<false, 2, F, Q>(), ...);
    (to_all_overflows<true, 1, F, Q>(), ...);
    (to_all_overflows<false, 1, F, Q>(), ...);
    (to_all_overflows<true, 2, F, Q>(), ...);
#ifdef NARROW_CAST_ALL
    (to_all_overflows<true, 4, F, Q>(), ...);
#endif
  }
  (Fractions());
}

// --- Random values of random wide types; the types are drawn when this file is compiled.

constexpr std::uint64_t draw(std::uint64_t n) {  // splitmix64
  std::uint64_t z = NARROW_CAST_SEED + 0x9e3779b97f4a7c15ULL * (n + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}
constexpr int draw(std::uint64_t n, int low, int high) { return low + static_cast<int>(draw(n) % static_cast<unsigned>(high - low + 1)); }

template <std::uint64_t K>
struct Pair {
  static constexpr std::uint64_t kBase = 16 * K;
  static constexpr int kFromWidth = draw(kBase, 1, draw(kBase + 1, 0, 3) == 0 ? 127 : 64);
  static constexpr int kToWidth = draw(kBase + 2, 1, draw(kBase + 3, 0, 3) == 0 ? 127 : 64);
  static constexpr int kFromInteger = draw(kBase + 4, -8, kFromWidth + 8);
  // Fractional bits near the source's, so that most casts keep something.
  static constexpr int kToInteger = kToWidth - (kFromWidth - kFromInteger) - draw(kBase + 5, -70, 40) * kFromWidth / 64;
  static constexpr ap_o_mode kO = ap_types::kO[draw(kBase + 6, 0, kOverflows - 1)];
  static constexpr int kN = kO == AP_WRAP || kO == AP_WRAP_SM ? (draw(kBase + 7, 0, 2) == 0 ? draw(kBase + 8, 0, kToWidth) : 0) : 0;
  using From = Fixed<draw(kBase + 9, 0, 1) == 0, kFromWidth, kFromInteger, AP_TRN, AP_WRAP, 0>;
  using To = Fixed<kO == AP_WRAP_SM || draw(kBase + 10, 0, 1) == 0, kToWidth, kToInteger, ap_types::kQ[draw(kBase + 11, 0, kRoundings - 1)],
                   kO, kN>;
};

class Values {
 public:
  explicit Values(std::uint64_t seed) : random_(seed) {}
  // Uniform, near the ends, small, or with few bits set (ties of the rounding).
  Int128 next(const Format& format) {
    const Uint128 bits = (static_cast<Uint128>(random_()) << 64) | random_();
    const auto shift = static_cast<int>(random_() % static_cast<unsigned>(format.width));
    Uint128 value = bits;
    switch (random_() % 4) {
      case 0: break;
      case 1: value = static_cast<Uint128>(bits % 2 == 0 ? max_raw(format) : min_raw(format)) + (bits >> 126) - 1; break;
      case 2: value = static_cast<Uint128>(static_cast<Int128>(bits) >> (127 - shift)); break;
      default: value = bits << shift; break;
    }
    const int unused = 128 - format.width;
    return format.is_signed ? static_cast<Int128>(value << unused) >> unused : static_cast<Int128>((value << unused) >> unused);
  }

 private:
  std::mt19937_64 random_;
};

// 7 slices x 40 x 40,000: 11 million casts.
constexpr int kPairs = 40;
constexpr int kValuesPerPair = 40'000;

void random_values(std::uint64_t pair, const Format& from, const Format& to, Int128 (*amds)(Int128)) {
  Values values(draw(pair + 1'000'000));
  for (int i = 0; i < kValuesPerPair; ++i) {
    const Int128 raw = values.next(from);
    expect_same(raw, from, to, amds(raw));
  }
}

#if NARROW_CAST_SLICE < 7  // one slice a rounding mode
TEST(Cast, AllValuesOfSmallTypes) { to_all_small_types<ap_types::kQ[NARROW_CAST_SLICE]>(); }
#endif

TEST(Cast, RandomWideTypes) {
  RecordProperty("seed", NARROW_CAST_SEED);
  std::printf("seed %llu, slice %d\n", static_cast<unsigned long long>(NARROW_CAST_SEED), NARROW_CAST_SLICE);
  [&]<std::uint64_t... K>(std::integer_sequence<std::uint64_t, K...>) {
    (
        [&] {
          using P = Pair<NARROW_CAST_SLICE * kPairs + K>;
          random_values(K, FormatOf<typename P::From>::kFormat, FormatOf<typename P::To>::kFormat,
                        amds_cast<typename P::From, typename P::To>);
        }(),
        ...);
  }
  (std::make_integer_sequence<std::uint64_t, kPairs>());
}

}  // namespace
}  // namespace narrow
