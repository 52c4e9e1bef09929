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

// LaneDense::kLanes words that the compiler keeps in vector registers.
template <class Word>
struct Lanes {
  using Type __attribute__((vector_size(LaneDense::kLanes * sizeof(Word)))) = Word;
};

template <class Word, class From>
HWY_INLINE typename Lanes<Word>::Type load_lanes(const From* from) {
  typename Lanes<From>::Type lanes;
  __builtin_memcpy(&lanes, from, sizeof lanes);
  return __builtin_convertvector(lanes, typename Lanes<Word>::Type);
}

// One block of outputs of one row. Word holds every exact sum.
template <class Word, Align kAlign, Fit kFit>
std::uint64_t dense_block(const LaneDense& dense, const std::int32_t* HWY_RESTRICT x, const std::int32_t* HWY_RESTRICT weights,
                          const std::int64_t* HWY_RESTRICT bias, const std::int64_t* HWY_RESTRICT bias_left, std::int64_t* HWY_RESTRICT y,
                          int outputs) {
  using Vector = typename Lanes<Word>::Type;
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
  return overflows;
}

template <class Word>
std::uint64_t dense_modes(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y) {
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
            dense.bias_left.data() + first, y + first, HWY_MIN(kLanes, dense.n_out - first));
      }
      x += dense.n_in;
      y += dense.n_out;
    }
    return overflows;
  });
}

std::uint64_t dense_narrow(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y) {
  return dense_modes<std::int32_t>(dense, x, rows, y);
}
std::uint64_t dense_wide(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y) {
  return dense_modes<std::int64_t>(dense, x, rows, y);
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(cast_modes);
HWY_EXPORT(cast32_modes);
HWY_EXPORT(dense_narrow);
HWY_EXPORT(dense_wide);

std::optional<LaneCast> make_lane_cast(int fraction, const Format& to, int word_bits, bool no_integer_bits) {
  const int shift = fraction - to.fraction();
  const bool wraps = to.overflow == Overflow::kWrap && to.saturated_bits == 0;
  const bool saturates = to.overflow == Overflow::kSat || to.overflow == Overflow::kSatSym || to.overflow == Overflow::kSatZero;
  constexpr int kWord = 63;
  if (word_bits > kWord || shift >= kWord || -shift >= kWord || no_integer_bits || !(wraps || saturates)) return std::nullopt;
  // A symmetric type of one bit keeps its low end (fixed/cast.cc), which no clamp does.
  if (to.overflow == Overflow::kSatSym && to.is_signed && to.width == 1) return std::nullopt;
  LaneCast cast;
  cast.shift = shift > 0 ? shift : -shift;
  cast.low = static_cast<std::int64_t>(min_raw(to)) + (to.overflow == Overflow::kSatSym && to.is_signed ? 1 : 0);
  cast.high = static_cast<std::int64_t>(max_raw(to));
  cast.fit = wraps ? Fit::kWrap : to.overflow == Overflow::kSatZero ? Fit::kZero : Fit::kClamp;
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

CastCounts run_lane_cast(const LaneCast& cast, bool relu, const std::int64_t* x, std::int64_t* y, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(cast_modes)(cast, relu, x, y, n);
}

CastCounts run_lane_cast32(const LaneCast& cast, bool relu, const std::int32_t* x, std::int32_t* y, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(cast32_modes)(cast, relu, x, y, n);
}

int lane_cast_bits(const LaneCast& cast, const Interval& values) {
  // What align_lane and fit_lane of engine/lanes-inl.h make on the way.
  const Int128 aligned = cast.align == Align::kUp ? values.magnitude() << cast.shift : values.magnitude() + (Int128{1} << cast.shift);
  const Int128 range = static_cast<Int128>(cast.high) - cast.low + 1;
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(std::min<Int128>(aligned + range, INT64_MAX)))) + 1;
}

std::uint64_t run_lane_dense(const LaneDense& dense, const std::int64_t* x, std::size_t rows, std::int64_t* y) {
  return dense.wide ? HWY_DYNAMIC_DISPATCH(dense_wide)(dense, x, rows, y) : HWY_DYNAMIC_DISPATCH(dense_narrow)(dense, x, rows, y);
}

}  // namespace narrow
#endif
