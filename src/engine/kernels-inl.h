// The few SIMD operations that the kernels are made of, for each of Highway's targets: 16 lanes of int32 (or 32 of int16,
// 64 of bytes) as `Wide` registers, whatever their real number.
#if defined(NARROW_ENGINE_KERNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_ENGINE_KERNELS_INL_H_
#undef NARROW_ENGINE_KERNELS_INL_H_
#else
#define NARROW_ENGINE_KERNELS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#undef NARROW_PLAIN
#undef NARROW_HAS_DOT_FOURS

HWY_BEFORE_NAMESPACE();
namespace narrow::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL

// One 512-bit register.
struct Wide {
  __m512i v;
};
inline constexpr int kRows = 8;         // rows of a tile: enough sums to keep the multipliers busy, few enough for the registers
inline constexpr int kBlocks = 2;       // blocks of outputs of a tile
inline constexpr int kRoundedRows = 8;  // where each product is rounded
#if HWY_TARGET == HWY_AVX3_DL
inline constexpr int kByteRows = 8;  // the same for bytes; without a dot product of fours each sum needs a second register
inline constexpr int kByteBlocks = 2;
#else
inline constexpr int kByteRows = 8;
inline constexpr int kByteBlocks = 1;
#endif
HWY_INLINE Wide load(const void* p) { return {_mm512_loadu_si512(p)}; }
HWY_INLINE void store(Wide a, void* p) { _mm512_storeu_si512(p, a.v); }
HWY_INLINE Wide zero() { return {_mm512_setzero_si512()}; }
HWY_INLINE Wide every32(std::int32_t n) { return {_mm512_set1_epi32(n)}; }
HWY_INLINE Wide add32(Wide a, Wide b) { return {_mm512_add_epi32(a.v, b.v)}; }
HWY_INLINE Wide add16(Wide a, Wide b) { return {_mm512_add_epi16(a.v, b.v)}; }
// sum[i] += a[2 i] * b[2 i] + a[2 i + 1] * b[2 i + 1], int16 into int32.
HWY_INLINE Wide dot_pairs(Wide sum, Wide a, Wide b) {
#if HWY_TARGET == HWY_AVX3_DL
  // By hand: Highway 1.0 checks that the machine has VNNI for this target but does not tell the compiler.
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
  return sum;
#else
  return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
#endif
}
// a[2 i] * b[2 i] + a[2 i + 1] * b[2 i + 1], bytes without and with sign into int16.
HWY_INLINE Wide dot_bytes(Wide a, Wide b) { return {_mm512_maddubs_epi16(a.v, b.v)}; }
#if HWY_TARGET == HWY_AVX3_DL
#define NARROW_HAS_DOT_FOURS 1
// The same of four into int32, exactly.
HWY_INLINE Wide dot_fours(Wide sum, Wide a, Wide b) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
  return sum;
}
#endif
// (a * b) >> 16 of int16.
HWY_INLINE Wide high_half(Wide a, Wide b) { return {_mm512_mulhi_epi16(a.v, b.v)}; }
HWY_INLINE Wide every16(std::int16_t n) { return {_mm512_set1_epi16(n)}; }
// (a * b + 2^14) >> 15 of int16; -32768 * -32768 has no such result.
HWY_INLINE Wide rounded_half(Wide a, Wide b) { return {_mm512_mulhrs_epi16(a.v, b.v)}; }
// The low 16 bits of a * b.
HWY_INLINE Wide low_half(Wide a, Wide b) { return {_mm512_mullo_epi16(a.v, b.v)}; }
HWY_INLINE Wide sub16(Wide a, Wide b) { return {_mm512_sub_epi16(a.v, b.v)}; }
// a + b clamped into int16.
HWY_INLINE Wide add_saturated16(Wide a, Wide b) { return {_mm512_adds_epi16(a.v, b.v)}; }
HWY_INLINE Wide max_all16(Wide a, Wide b) { return {_mm512_max_epi16(a.v, b.v)}; }
HWY_INLINE Wide min_all16(Wide a, Wide b) { return {_mm512_min_epi16(a.v, b.v)}; }
HWY_INLINE Wide shift_left16(Wide a, int bits) { return {_mm512_sll_epi16(a.v, _mm_cvtsi32_si128(bits))}; }
HWY_INLINE Wide shift_right16(Wide a, int bits) { return {_mm512_sra_epi16(a.v, _mm_cvtsi32_si128(bits))}; }
// Ones in lanes of 16 bits where a == b.
HWY_INLINE Wide equal16(Wide a, Wide b) { return {_mm512_movm_epi16(_mm512_cmpeq_epi16_mask(a.v, b.v))}; }
HWY_INLINE Wide both(Wide a, Wide b) { return {_mm512_and_si512(a.v, b.v)}; }
HWY_INLINE Wide differing(Wide a, Wide b) { return {_mm512_xor_si512(a.v, b.v)}; }
// seen | (a ^ b)
HWY_INLINE Wide or_differing(Wide seen, Wide a, Wide b) { return {_mm512_ternarylogic_epi32(seen.v, a.v, b.v, 0xf6)}; }
// Lanes of 16 bits that are not 0.
HWY_INLINE int count_nonzero16(Wide a) { return __builtin_popcount(_mm512_test_epi16_mask(a.v, a.v)); }
HWY_INLINE Wide max32(Wide a, Wide b) { return {_mm512_max_epi32(a.v, b.v)}; }
HWY_INLINE Wide min32(Wide a, Wide b) { return {_mm512_min_epi32(a.v, b.v)}; }
HWY_INLINE Wide shift_right32(Wide a, int bits) { return {_mm512_sra_epi32(a.v, _mm_cvtsi32_si128(bits))}; }
// count + 1 where low < a < high, as int32.
HWY_INLINE Wide count_between(Wide count, Wide low, Wide a, Wide high) {
  const __mmask16 between = _mm512_mask_cmpgt_epi32_mask(_mm512_cmpgt_epi32_mask(a.v, low.v), high.v, a.v);
  return {_mm512_mask_sub_epi32(count.v, between, count.v, _mm512_set1_epi32(-1))};
}
// The low 16 bits of each int32.
using Half = __m256i;
HWY_INLINE Half low_halves(Wide a) { return _mm512_cvtepi32_epi16(a.v); }
// Each int32 clamped into int16.
HWY_INLINE Half clamped_halves(Wide a) { return _mm512_cvtsepi32_epi16(a.v); }

#elif HWY_TARGET == HWY_AVX2

struct Wide {
  __m256i v, w;
};
inline constexpr int kRows = 6;
inline constexpr int kBlocks = 1;
inline constexpr int kRoundedRows = 4;
inline constexpr int kByteRows = 3;
inline constexpr int kByteBlocks = 1;
HWY_INLINE Wide load(const void* p) {
  const auto* q = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
HWY_INLINE void store(Wide a, void* p) {
  auto* q = static_cast<__m256i*>(p);
  _mm256_storeu_si256(q, a.v);
  _mm256_storeu_si256(q + 1, a.w);
}
HWY_INLINE Wide zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
HWY_INLINE Wide every32(std::int32_t n) {
  const __m256i v = _mm256_set1_epi32(n);
  return {v, v};
}
HWY_INLINE Wide add32(Wide a, Wide b) { return {_mm256_add_epi32(a.v, b.v), _mm256_add_epi32(a.w, b.w)}; }
HWY_INLINE Wide add16(Wide a, Wide b) { return {_mm256_add_epi16(a.v, b.v), _mm256_add_epi16(a.w, b.w)}; }
HWY_INLINE Wide dot_pairs(Wide sum, Wide a, Wide b) {
  return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(a.v, b.v)), _mm256_add_epi32(sum.w, _mm256_madd_epi16(a.w, b.w))};
}
HWY_INLINE Wide dot_bytes(Wide a, Wide b) { return {_mm256_maddubs_epi16(a.v, b.v), _mm256_maddubs_epi16(a.w, b.w)}; }
HWY_INLINE Wide high_half(Wide a, Wide b) { return {_mm256_mulhi_epi16(a.v, b.v), _mm256_mulhi_epi16(a.w, b.w)}; }
HWY_INLINE Wide every16(std::int16_t n) {
  const __m256i v = _mm256_set1_epi16(n);
  return {v, v};
}
HWY_INLINE Wide rounded_half(Wide a, Wide b) { return {_mm256_mulhrs_epi16(a.v, b.v), _mm256_mulhrs_epi16(a.w, b.w)}; }
HWY_INLINE Wide low_half(Wide a, Wide b) { return {_mm256_mullo_epi16(a.v, b.v), _mm256_mullo_epi16(a.w, b.w)}; }
HWY_INLINE Wide sub16(Wide a, Wide b) { return {_mm256_sub_epi16(a.v, b.v), _mm256_sub_epi16(a.w, b.w)}; }
HWY_INLINE Wide add_saturated16(Wide a, Wide b) { return {_mm256_adds_epi16(a.v, b.v), _mm256_adds_epi16(a.w, b.w)}; }
HWY_INLINE Wide max_all16(Wide a, Wide b) { return {_mm256_max_epi16(a.v, b.v), _mm256_max_epi16(a.w, b.w)}; }
HWY_INLINE Wide min_all16(Wide a, Wide b) { return {_mm256_min_epi16(a.v, b.v), _mm256_min_epi16(a.w, b.w)}; }
HWY_INLINE Wide equal16(Wide a, Wide b) { return {_mm256_cmpeq_epi16(a.v, b.v), _mm256_cmpeq_epi16(a.w, b.w)}; }
HWY_INLINE Wide both(Wide a, Wide b) { return {_mm256_and_si256(a.v, b.v), _mm256_and_si256(a.w, b.w)}; }
HWY_INLINE Wide differing(Wide a, Wide b) { return {_mm256_xor_si256(a.v, b.v), _mm256_xor_si256(a.w, b.w)}; }
HWY_INLINE Wide any(Wide a, Wide b) { return {_mm256_or_si256(a.v, b.v), _mm256_or_si256(a.w, b.w)}; }
HWY_INLINE Wide shift_left16(Wide a, int bits) {
  const __m128i count = _mm_cvtsi32_si128(bits);
  return {_mm256_sll_epi16(a.v, count), _mm256_sll_epi16(a.w, count)};
}
HWY_INLINE Wide shift_right16(Wide a, int bits) {
  const __m128i count = _mm_cvtsi32_si128(bits);
  return {_mm256_sra_epi16(a.v, count), _mm256_sra_epi16(a.w, count)};
}
HWY_INLINE Wide or_differing(Wide seen, Wide a, Wide b) { return any(seen, differing(a, b)); }
HWY_INLINE int count_nonzero16(Wide a) {
  const Wide none = equal16(a, zero());
  const auto bits = [](__m256i v) HWY_ATTR { return __builtin_popcount(static_cast<unsigned>(_mm256_movemask_epi8(v))) / 2; };
  return 32 - bits(none.v) - bits(none.w);
}
HWY_INLINE Wide max32(Wide a, Wide b) { return {_mm256_max_epi32(a.v, b.v), _mm256_max_epi32(a.w, b.w)}; }
HWY_INLINE Wide min32(Wide a, Wide b) { return {_mm256_min_epi32(a.v, b.v), _mm256_min_epi32(a.w, b.w)}; }
HWY_INLINE Wide shift_right32(Wide a, int bits) {
  const __m128i count = _mm_cvtsi32_si128(bits);
  return {_mm256_sra_epi32(a.v, count), _mm256_sra_epi32(a.w, count)};
}
HWY_INLINE __m256i count_between(__m256i count, __m256i low, __m256i a, __m256i high) {
  return _mm256_sub_epi32(count, _mm256_and_si256(_mm256_cmpgt_epi32(a, low), _mm256_cmpgt_epi32(high, a)));
}
HWY_INLINE Wide count_between(Wide count, Wide low, Wide a, Wide high) {
  return {count_between(count.v, low.v, a.v, high.v), count_between(count.w, low.w, a.w, high.w)};
}
using Half = __m256i;
HWY_INLINE Half low_halves(Wide a) {
  const __m256i mask = _mm256_set1_epi32(0xffff);
  const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(a.v, mask), _mm256_and_si256(a.w, mask));
  return _mm256_permute4x64_epi64(packed, 0xd8);
}
HWY_INLINE Half clamped_halves(Wide a) { return _mm256_permute4x64_epi64(_mm256_packs_epi32(a.v, a.w), 0xd8); }

#else  // plain C++
#define NARROW_PLAIN 1

struct Wide {
  std::int32_t lane[16];
};
inline constexpr int kRows = 1;
inline constexpr int kBlocks = 1;
inline constexpr int kRoundedRows = 1;
inline constexpr int kByteRows = 1;
inline constexpr int kByteBlocks = 1;
template <class T>
struct Lanes {
  T lane[64 / sizeof(T)];
};
template <class T>
HWY_INLINE Lanes<T> as_lanes(Wide a) {
  Lanes<T> lanes;
  std::memcpy(&lanes, &a, sizeof a);
  return lanes;
}
template <class T>
HWY_INLINE Wide as_wide(Lanes<T> lanes) {
  Wide a;
  std::memcpy(&a, &lanes, sizeof a);
  return a;
}
HWY_INLINE Wide load(const void* p) {
  Wide a;
  std::memcpy(&a, p, sizeof a);
  return a;
}
HWY_INLINE void store(Wide a, void* p) { std::memcpy(p, &a, sizeof a); }
HWY_INLINE Wide zero() { return {}; }
HWY_INLINE Wide every32(std::int32_t n) {
  Wide a;
  for (std::int32_t& lane : a.lane) lane = n;
  return a;
}
HWY_INLINE Wide add32(Wide a, Wide b) {
  for (int i = 0; i < 16; ++i) a.lane[i] += b.lane[i];
  return a;
}
HWY_INLINE Wide add16(Wide a, Wide b) {
  auto x = as_lanes<std::uint16_t>(a);
  const auto y = as_lanes<std::uint16_t>(b);
  for (int i = 0; i < 32; ++i) x.lane[i] = static_cast<std::uint16_t>(x.lane[i] + y.lane[i]);
  return as_wide(x);
}
HWY_INLINE Wide dot_pairs(Wide sum, Wide a, Wide b) {
  const auto x = as_lanes<std::int16_t>(a);
  const auto y = as_lanes<std::int16_t>(b);
  for (int i = 0; i < 16; ++i) sum.lane[i] += x.lane[2 * i] * y.lane[2 * i] + x.lane[2 * i + 1] * y.lane[2 * i + 1];
  return sum;
}
HWY_INLINE Wide dot_bytes(Wide a, Wide b) {
  const auto x = as_lanes<std::uint8_t>(a);
  const auto y = as_lanes<std::int8_t>(b);
  Lanes<std::int16_t> sums;
  for (int i = 0; i < 32; ++i)
    sums.lane[i] = static_cast<std::int16_t>(x.lane[2 * i] * y.lane[2 * i] + x.lane[2 * i + 1] * y.lane[2 * i + 1]);
  return as_wide(sums);
}
HWY_INLINE Wide high_half(Wide a, Wide b) {
  auto x = as_lanes<std::int16_t>(a);
  const auto y = as_lanes<std::int16_t>(b);
  for (int i = 0; i < 32; ++i) x.lane[i] = static_cast<std::int16_t>((x.lane[i] * y.lane[i]) >> 16);
  return as_wide(x);
}
HWY_INLINE Wide shift_right32(Wide a, int bits) {
  for (std::int32_t& lane : a.lane) lane >>= bits;
  return a;
}
HWY_INLINE Wide count_between(Wide count, Wide low, Wide a, Wide high) {
  for (int i = 0; i < 16; ++i) count.lane[i] += low.lane[i] < a.lane[i] && a.lane[i] < high.lane[i] ? 1 : 0;
  return count;
}
HWY_INLINE Wide every16(std::int16_t n) {
  Lanes<std::int16_t> a;
  for (std::int16_t& lane : a.lane) lane = n;
  return as_wide(a);
}

template <class Function>
HWY_INLINE Wide map16(Wide a, Wide b, const Function& function) {
  auto x = as_lanes<std::int16_t>(a);
  const auto y = as_lanes<std::int16_t>(b);
  for (int i = 0; i < 32; ++i) x.lane[i] = static_cast<std::int16_t>(function(x.lane[i], y.lane[i]));
  return as_wide(x);
}
HWY_INLINE Wide rounded_half(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return (x * y + (1 << 14)) >> 15; });
}
HWY_INLINE Wide low_half(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x * y; });
}
HWY_INLINE Wide sub16(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x - y; });
}
HWY_INLINE Wide add_saturated16(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x + y > 32767 ? 32767 : x + y < -32768 ? -32768 : x + y; });
}
HWY_INLINE Wide max_all16(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x < y ? y : x; });
}
HWY_INLINE Wide min_all16(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x < y ? x : y; });
}
HWY_INLINE Wide equal16(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x == y ? -1 : 0; });
}
HWY_INLINE Wide both(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x & y; });
}
HWY_INLINE Wide differing(Wide a, Wide b) {
  return map16(a, b, [](int x, int y) { return x ^ y; });
}
HWY_INLINE Wide shift_left16(Wide a, int bits) {
  return map16(a, a, [&](int x, int) { return x << bits; });
}
HWY_INLINE Wide shift_right16(Wide a, int bits) {
  return map16(a, a, [&](int x, int) { return x >> bits; });
}
HWY_INLINE Wide or_differing(Wide seen, Wide a, Wide b) {
  return map16(seen, differing(a, b), [](int x, int y) { return x | y; });
}
HWY_INLINE int count_nonzero16(Wide a) {
  int count = 0;
  for (const std::int16_t lane : as_lanes<std::int16_t>(a).lane) count += lane != 0 ? 1 : 0;
  return count;
}

struct Half {
  std::int16_t lane[16];
};
HWY_INLINE Half load_half(const void* p) {
  Half a;
  std::memcpy(&a, p, sizeof a);
  return a;
}
HWY_INLINE void store_half(Half a, void* p) { std::memcpy(p, &a, sizeof a); }
HWY_INLINE Half every_half(std::int32_t n) {
  Half a;
  for (std::int16_t& lane : a.lane) lane = static_cast<std::int16_t>(n);
  return a;
}
HWY_INLINE Half max16(Half a, Half b) {
  for (int i = 0; i < 16; ++i) a.lane[i] = a.lane[i] < b.lane[i] ? b.lane[i] : a.lane[i];
  return a;
}
HWY_INLINE Half clamped_halves(Wide a) {
  Half y;
  for (int i = 0; i < 16; ++i) {
    const std::int32_t n = a.lane[i];
    y.lane[i] = static_cast<std::int16_t>(n > 32767 ? 32767 : n < -32768 ? -32768 : n);
  }
  return y;
}

#endif

#ifndef NARROW_PLAIN
HWY_INLINE Half load_half(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
HWY_INLINE void store_half(Half a, void* p) { _mm256_storeu_si256(static_cast<__m256i*>(p), a); }
HWY_INLINE Half max16(Half a, Half b) { return _mm256_max_epi16(a, b); }
HWY_INLINE Half every_half(std::int32_t n) { return _mm256_set1_epi16(static_cast<std::int16_t>(n)); }
#endif
// The first n lanes.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
HWY_INLINE void store_some(Half a, std::int16_t* p, std::ptrdiff_t n) {
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1U << n) - 1), a);
}
#else
HWY_INLINE void store_some(Half a, std::int16_t* p, std::ptrdiff_t n) {
  std::int16_t lanes[sizeof a / sizeof *p];
  store_half(a, lanes);
  for (std::ptrdiff_t i = 0; i < n; ++i) p[i] = lanes[i];
}
#endif

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // NARROW_ENGINE_KERNELS_INL_H_
