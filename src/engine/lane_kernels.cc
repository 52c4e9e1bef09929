#include "engine/lane_kernels.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

// Plain loops, compiled once for each of these; the SSE steps between them gain nothing.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/lane_kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/lanes-inl.h"
#include "fixed/cast.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::HWY_NAMESPACE {

// In place: a loop that may read what it writes elsewhere is not made of vectors. Counts of one call fit a Word.
template <Align kAlign, Fit kFit, class Word>
CastCounts cast_lanes(const LaneCast& cast, bool relu, Word* HWY_RESTRICT values, std::size_t n) {
  using Count = std::make_unsigned_t<Word>;
  Count overflows = 0;
  Count zeros = 0;
  const Word floor = relu ? 0 : std::numeric_limits<Word>::min();
  const auto low = static_cast<Word>(cast.low);
  const auto high = static_cast<Word>(cast.high);
  const int shift = cast.shift;
  for (std::size_t i = 0; i < n; ++i) {
    const Word value = values[i] < floor ? floor : values[i];
    const Word aligned = align_lane<kAlign>(value, shift);
    values[i] = fit_lane<kFit>(aligned, low, high);
    overflows -= static_cast<Count>(out_of_range(aligned, low, high));
    zeros += static_cast<Count>((aligned == 0) & (value != 0));
  }
  return {overflows, zeros};
}

template <class Word>
CastCounts cast_some(const LaneCast& cast, bool relu, const Word* x, Word* y, std::size_t n) {
  if (x != y) std::copy_n(x, n, y);
  return with_modes(cast.align, cast.fit, [&]<Align kAlign, Fit kFit>() { return cast_lanes<kAlign, kFit>(cast, relu, y, n); });
}

CastCounts cast_modes(const LaneCast& cast, bool relu, const std::int64_t* x, std::int64_t* y, std::size_t n) {
  return cast_some(cast, relu, x, y, n);
}
CastCounts cast32_modes(const LaneCast& cast, bool relu, const std::int32_t* x, std::int32_t* y, std::size_t n) {
  return cast_some(cast, relu, x, y, n);
}

template <Align kAlign, Fit kFit>
CastCounts cast128(const LaneCast& cast, bool relu, const Int128* x, Int128* y, std::size_t n) {
  CastCounts counts;
  for (std::size_t i = 0; i < n; ++i) {
    const Int128 value = relu && x[i] < 0 ? 0 : x[i];
    const Int128 aligned = align_lane<kAlign>(value, cast.shift);
    y[i] = fit_lane<kFit>(aligned, cast.low, cast.high);
    counts.overflows += aligned < cast.low || aligned > cast.high ? 1 : 0;
    counts.zeros += aligned == 0 && value != 0 ? 1 : 0;
  }
  return counts;
}
template <Align kAlign>
CastCounts cast_others(const LaneCast& cast, bool relu, const Int128* x, Int128* y, std::size_t n) {
  CastCounts counts;
  for (std::size_t i = 0; i < n; ++i) {
    const Int128 value = relu && x[i] < 0 ? 0 : x[i];
    const Int128 aligned = align_lane<kAlign>(value, cast.shift);
    y[i] = aligned;
    if (aligned < cast.low || aligned > cast.high) {
      ++counts.overflows;
      y[i] = narrow::cast(value, cast.fraction, cast.to).raw;
    }
    counts.zeros += aligned == 0 && value != 0 ? 1 : 0;
  }
  return counts;
}
CastCounts cast128_modes(const LaneCast& cast, bool relu, const Int128* x, Int128* y, std::size_t n) {
  if (cast.fit == Fit::kOther)
    return with_modes(cast.align, cast.fit, [&]<Align kAlign, Fit>() { return cast_others<kAlign>(cast, relu, x, y, n); });
  return with_modes(cast.align, cast.fit, [&]<Align kAlign, Fit kFit>() { return cast128<kAlign, kFit>(cast, relu, x, y, n); });
}

// LaneDense::kLanes words that the compiler keeps in vector registers.
template <class Word>
struct LaneWords {
  using Type __attribute__((vector_size(LaneDense::kLanes * sizeof(Word)))) = Word;
};

template <class Word, class From>
HWY_INLINE typename LaneWords<Word>::Type load_lanes(const From* from) {
  typename LaneWords<From>::Type lanes;
  __builtin_memcpy(&lanes, from, sizeof lanes);
  return __builtin_convertvector(lanes, typename LaneWords<Word>::Type);
}

// One block of outputs of one row. Word holds every exact sum.
template <class Word, Align kAlign, Fit kFit>
std::uint64_t dense_block(const LaneDense& dense, const std::int32_t* HWY_RESTRICT x, const std::int32_t* HWY_RESTRICT weights,
                          const std::int64_t* HWY_RESTRICT bias, const std::int64_t* HWY_RESTRICT bias_left, std::int64_t* HWY_RESTRICT y,
                          int outputs, char* which) {
  using Vector = typename LaneWords<Word>::Type;
  constexpr int kLanes = LaneDense::kLanes;
  const auto low = every<Vector>(static_cast<Word>(dense.product.low));
  const auto high = every<Vector>(static_cast<Word>(dense.product.high));
  const int shift = dense.product.shift;
  Vector sum = load_lanes<Word>(bias);
  Vector left = load_lanes<Word>(bias_left);
  for (int k = 0; k < dense.n_in; ++k) {
    Vector term = align_lane<kAlign>(load_lanes<Word>(weights + k * kLanes) * static_cast<Word>(x[k]), shift);
    if constexpr (kFit == Fit::kWrap) {
      sum += term;
    } else {
      const Vector fitted = fit_lane<kFit>(term, low, high);
      const Vector next = sum + fitted;
      sum = fit_lane<kFit>(next, low, high);
      left |= (fitted ^ term) | (sum ^ next);  // any bit that saturating changed
    }
  }
  if constexpr (kFit == Fit::kWrap) left = out_of_range(sum, low, high);
  sum = fit_lane<kFit>(sum, low, high);
  std::uint64_t overflows = 0;
  for (int j = 0; j < kLanes; ++j) overflows += left[j] != 0 ? 1 : 0;
  for (int j = 0; j < outputs; ++j) y[j] = sum[j];
  for (int j = 0; which != nullptr && j < outputs; ++j) which[j] = left[j] != 0;
  return overflows;
}

template <class Word>
std::uint64_t dense_modes(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y, char* left) {
  return with_modes(dense.product.align, dense.product.fit, [&]<Align kAlign, Fit kFit>() {
    constexpr int kLanes = LaneDense::kLanes;
    std::vector<std::int32_t> row(static_cast<std::size_t>(dense.n_in));
    std::uint64_t overflows = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      for (int k = 0; k < dense.n_in; ++k)
        row[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(x[dense.order[static_cast<std::size_t>(k)]]);
      for (int first = 0; first < dense.n_out; first += kLanes) {
        overflows += dense_block<Word, kAlign, kFit>(
            dense, row.data(), dense.weights.data() + static_cast<std::ptrdiff_t>(first) * dense.n_in, dense.bias.data() + first,
            dense.bias_left.data() + first, y + first, HWY_MIN(kLanes, dense.n_out - first), left == nullptr ? nullptr : left + first);
      }
      x += dense.n_in;
      y += dense.n_out;
      if (left != nullptr) left += dense.n_out;
    }
    return overflows;
  });
}

std::uint64_t dense_narrow(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y, char* left) {
  return dense_modes<std::int32_t>(dense, x, rows, y, left);
}
std::uint64_t dense_wide(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y, char* left) {
  return dense_modes<std::int64_t>(dense, x, rows, y, left);
}

// One step of a sum; whether it changed anything.
template <Fit kFit, class Word>
HWY_INLINE bool add_step(Word& sum, Int128 term, Word low, Word high) {
  const auto word = static_cast<Word>(term);
  if constexpr (kFit == Fit::kWrap) {
    sum += word;
    return false;
  }
  const Word fitted = fit_lane<kFit>(word, low, high);
  Word next = 0;
  const bool beyond = __builtin_add_overflow(sum, fitted, &next);
  const Word end = kFit == Fit::kZero ? 0 : fitted < 0 ? low : high;
  sum = beyond ? end : fit_lane<kFit>(next, low, high);
  return beyond || fitted != word || sum != next;
}

// kOutputs outputs side by side, for each waits for its last step. Word holds every term, and every sum where kFit brings it into range.
template <Align kAlign, Fit kFit, class Word, bool kShort, std::size_t kOutputs>
HWY_INLINE std::uint64_t large_sums(const LargeDense& dense, const std::int64_t* HWY_RESTRICT x, std::size_t first, Int128* HWY_RESTRICT y,
                                    char* which) {
  const auto n_in = static_cast<std::size_t>(dense.n_in);
  constexpr int kWord = 64;
  const int shift = kShort ? dense.product.shift % kWord : dense.product.shift;  // which spares 128-bit words a branch
  const auto low = static_cast<Word>(dense.product.low);
  const auto high = static_cast<Word>(dense.product.high);
  const std::int64_t* HWY_RESTRICT weights = dense.weights.data() + first * n_in;
  Word sum[kOutputs];
  bool left[kOutputs];
  for (std::size_t j = 0; j < kOutputs; ++j) {
    sum[j] = static_cast<Word>(dense.bias[first + j]);
    left[j] = dense.bias_left[first + j] != 0;
  }
  for (std::size_t k = 0; k < n_in; ++k) {
    for (std::size_t j = 0; j < kOutputs; ++j)
      left[j] |= add_step<kFit>(sum[j], align_lane<kAlign>(static_cast<Int128>(x[k]) * weights[j * n_in + k], shift), low, high);
  }
  std::uint64_t count = 0;
  for (std::size_t j = 0; j < kOutputs; ++j) {
    count += left[j] ? 1 : 0;
    if (which != nullptr) which[first + j] = left[j];
    y[first + j] = sum[j];
  }
  return count;
}

template <Align kAlign, Fit kFit, class Word, bool kShort>
std::uint64_t large_outputs(const LargeDense& dense, const std::int64_t* x, Int128* y, char* which) {
  constexpr std::size_t kOutputs = std::is_same_v<Word, Int128> ? 2 : 4;
  const auto n_out = static_cast<std::size_t>(dense.n_out);
  std::uint64_t count = 0;
  std::size_t j = 0;
  for (; j + kOutputs <= n_out; j += kOutputs) count += large_sums<kAlign, kFit, Word, kShort, kOutputs>(dense, x, j, y, which);
  for (; j < n_out; ++j) count += large_sums<kAlign, kFit, Word, kShort, 1>(dense, x, j, y, which);
  return count;
}

template <Align kAlign, Fit kFit>
std::uint64_t large_words(const LargeDense& dense, const std::int64_t* x, Int128* y, char* which) {
  constexpr int kWord = 64;
  if constexpr (kFit != Fit::kWrap) {
    if (dense.words && dense.product.shift < kWord) return large_outputs<kAlign, kFit, std::int64_t, true>(dense, x, y, which);
  }
  if (dense.product.shift < kWord) return large_outputs<kAlign, kFit, Int128, true>(dense, x, y, which);
  return large_outputs<kAlign, kFit, Int128, false>(dense, x, y, which);
}

std::uint64_t large_dense(const LargeDense& dense, const std::int64_t* x, std::size_t rows, Int128* y, char* left) {
  return with_modes(dense.product.align, dense.product.fit, [&]<Align kAlign, Fit kFit>() {
    std::uint64_t count = 0;
    for (std::size_t r = 0; r < rows; ++r, x += dense.n_in, y += dense.n_out) {
      count += large_words<kAlign, kFit>(dense, x, y, left);
      if (left != nullptr) left += dense.n_out;
    }
    return count;
  });
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(cast_modes);
HWY_EXPORT(cast32_modes);
HWY_EXPORT(cast128_modes);
HWY_EXPORT(dense_narrow);
HWY_EXPORT(dense_wide);
HWY_EXPORT(large_dense);

std::optional<LaneCast> take_apart(int fraction, const Format& to, bool no_integer_bits) {
  const int shift = fraction - to.fraction();
  constexpr int kMaxShift = 126;
  if (shift > kMaxShift || -shift > kMaxShift || no_integer_bits) return std::nullopt;
  LaneCast cast;
  cast.fraction = fraction;
  cast.to = to;
  cast.shift = shift > 0 ? shift : -shift;
  cast.low = least_raw(to);
  cast.high = max_raw(to);
  // A symmetric type of one bit keeps its low end (fixed/cast.cc), which no clamp does.
  const bool clamps = saturates(to) && !(to.overflow == Overflow::kSatSym && to.is_signed && to.width == 1);
  cast.fit = wraps(to) ? Fit::kWrap : clamps ? Fit::kClamp : to.overflow == Overflow::kSatZero ? Fit::kZero : Fit::kOther;
  if (shift <= 0) return cast;
  switch (to.is_integer ? Rounding::kTrnZero : to.rounding) {
    case Rounding::kRnd: cast.align = Align::kRnd; break;
    case Rounding::kRndZero: cast.align = Align::kRndZero; break;
    case Rounding::kRndMinInf: cast.align = Align::kRndMinInf; break;
    case Rounding::kRndInf: cast.align = Align::kRndInf; break;
    case Rounding::kRndConv: cast.align = Align::kRndConv; break;
    case Rounding::kTrn: cast.align = Align::kTrn; break;
    case Rounding::kTrnZero: cast.align = Align::kTrnZero; break;
  }
  return cast;
}

std::optional<LaneCast> make_lane_cast(int fraction, const Format& to, int word_bits, bool no_integer_bits) {
  constexpr int kWord = 63;
  std::optional<LaneCast> cast = take_apart(fraction, to, no_integer_bits);
  if (word_bits > kWord || (cast && (cast->shift >= kWord || cast->fit == Fit::kOther))) return std::nullopt;
  return cast;
}

CastCounts run_lane_cast(const LaneCast& cast, bool relu, const std::int64_t* x, std::int64_t* y, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(cast_modes)(cast, relu, x, y, n);
}

CastCounts run_lane_cast32(const LaneCast& cast, bool relu, const std::int32_t* x, std::int32_t* y, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(cast32_modes)(cast, relu, x, y, n);
}

CastCounts run_lane_cast128(const LaneCast& cast, bool relu, const Int128* x, Int128* y, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(cast128_modes)(cast, relu, x, y, n);
}

int lane_cast_bits(const LaneCast& cast, const Interval& values) {
  // What align_lane and fit_lane of engine/lanes-inl.h make on the way, without a sign.
  constexpr int kTooMany = 129;
  constexpr int kMost = 125;
  const auto magnitude = static_cast<Uint128>(std::max<Int128>(values.magnitude(), 1));
  if (cast.shift > kMost || (cast.align == Align::kUp && bits_of(magnitude) + cast.shift > kMost)) return kTooMany;
  const Uint128 aligned = cast.align == Align::kUp ? magnitude << cast.shift : magnitude + (Uint128{1} << cast.shift);
  const Uint128 range = static_cast<Uint128>(cast.high) - static_cast<Uint128>(cast.low) + 1;
  constexpr int kMoreThanAWord = 65;
  return std::max(bits_of(aligned + range) + 1, cast.fit == Fit::kOther ? kMoreThanAWord : 0);
}

std::uint64_t run_lane_dense(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y, char* left) {
  return dense.wide ? HWY_DYNAMIC_DISPATCH(dense_wide)(dense, x, rows, y, left)
                    : HWY_DYNAMIC_DISPATCH(dense_narrow)(dense, x, rows, y, left);
}

std::uint64_t run_large_dense(const LargeDense& dense, const std::int64_t* x, std::size_t rows, Int128* y, char* left) {
  return HWY_DYNAMIC_DISPATCH(large_dense)(dense, x, rows, y, left);
}

}  // namespace narrow
#endif
