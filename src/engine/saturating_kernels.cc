#include "engine/saturating_kernels.h"

#include <algorithm>

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/saturating_kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::HWY_NAMESPACE {

using Term = Saturating16::Term;

// What happens to a term before it is added.
enum class Fitting {
  kFree,   // nothing: no sum saturates, and none is shifted
  kNone,   // it has the sum's 16 bits
  kShift,  // it is shifted to them
  kClamp,  // it is clamped, and shifted; the sum may have a raised floor
};

#if HWY_TARGET == HWY_AVX3
inline constexpr int kSaturatingRows = 8;
inline constexpr int kWatchingRows = 4;
inline constexpr int kSaturatingBlocks = 2;
#elif HWY_TARGET == HWY_AVX2
inline constexpr int kSaturatingRows = 3;
inline constexpr int kWatchingRows = 2;
inline constexpr int kSaturatingBlocks = 1;
#else
inline constexpr int kSaturatingRows = 1;
inline constexpr int kWatchingRows = 1;
inline constexpr int kSaturatingBlocks = 1;
#endif

template <Term kTerm>
HWY_INLINE Wide term_of(Wide x, Wide w) {
  if constexpr (kTerm == Term::kFloor) return high_half(x, w);
  Wide term = rounded_half(x, w);
  if constexpr (kTerm == Term::kRoundEven) {
    const Wide low = low_half(x, w);
    const Wide tie = equal16(add16(low, low), every16(-32768));
    term = sub16(term, both(both(tie, term), every16(1)));
  }
  return term;
}

template <int R, int B, Term kTerm, bool kSigns, Fitting kFitting, bool kWatch>
HWY_INLINE std::uint64_t saturate16_tile(const Saturating16& product, const std::int32_t* HWY_RESTRICT x, std::ptrdiff_t block,
                                         std::int16_t* HWY_RESTRICT sums, std::ptrdiff_t stride) {
  const std::ptrdiff_t n_in = product.n_in;
  const std::int16_t* HWY_RESTRICT weights = product.weights.data() + block * n_in * kHighBlock;
  const std::int16_t* HWY_RESTRICT signs = kSigns ? product.signs.data() + block * n_in * kHighBlock : nullptr;
  const int up = product.up;
  const Wide low = every16(product.low);
  const Wide high = every16(product.high);
  const Wide floor = every16(product.raised_floor ? static_cast<std::int16_t>(product.low * (1 << up)) : std::int16_t{-32768});
  Wide sum[R][B];
  Wide left[R][B];
  for (int b = 0; b < B; ++b) {
    for (int r = 0; r < R; ++r) {
      sum[r][b] = load(product.bias.data() + (block + b) * kHighBlock);
      if constexpr (kFitting == Fitting::kFree) sum[r][b] = shift_right16(sum[r][b], up);
      if constexpr (kWatch) left[r][b] = load(product.bias_left.data() + (block + b) * kHighBlock);
    }
  }
  const char* in[R];
  for (int r = 0; r < R; ++r) {
    in[r] = reinterpret_cast<const char*>(x + r * n_in);
    __asm__("" : "+r"(in[r]));
  }
  for (std::ptrdiff_t k = 0; k < n_in; ++k) {
    Wide w[B];
    Wide sign[B];
    for (int b = 0; b < B; ++b) {
      w[b] = load(weights + (b * n_in + k) * kHighBlock);
      if constexpr (kSigns) sign[b] = load(signs + (b * n_in + k) * kHighBlock);
    }
    for (int r = 0; r < R; ++r) {
      std::int32_t pair = 0;
      std::memcpy(&pair, in[r] + 4 * k, sizeof pair);
      const Wide value = every32(pair);
      for (int b = 0; b < B; ++b) {
        Wide term = term_of<kTerm>(value, w[b]);
        if constexpr (kSigns) term = sub16(differing(term, sign[b]), sign[b]);
        if constexpr (kFitting == Fitting::kClamp) {
          const Wide fitted = max_all16(min_all16(term, high), low);
          if constexpr (kWatch) left[r][b] = or_differing(left[r][b], fitted, term);
          term = fitted;
        }
        if constexpr (kFitting == Fitting::kFree) {
          sum[r][b] = add16(sum[r][b], term);
          continue;
        }
        if constexpr (kFitting != Fitting::kNone) term = shift_left16(term, up);
        Wide next = add_saturated16(sum[r][b], term);
        if constexpr (kFitting == Fitting::kClamp) next = max_all16(next, floor);
        if constexpr (kWatch) left[r][b] = or_differing(left[r][b], next, add16(sum[r][b], term));
        sum[r][b] = next;
      }
    }
  }
  std::uint64_t count = 0;
  for (int r = 0; r < R; ++r) {
    for (int b = 0; b < B; ++b) {
      store(kFitting == Fitting::kNone || kFitting == Fitting::kFree ? sum[r][b] : shift_right16(sum[r][b], up),
            sums + r * stride + (block + b) * kHighBlock);
      if constexpr (kWatch) count += static_cast<std::uint64_t>(count_nonzero16(left[r][b]));
    }
  }
  return count;
}

template <Term kTerm, bool kSigns, Fitting kFitting, bool kWatch>
HWY_NOINLINE std::uint64_t saturate16_rows(const Saturating16& product, const std::int32_t* x, std::size_t rows, std::int16_t* sums) {
  constexpr int kTileRows = kWatch ? kWatchingRows : kSaturatingRows;
  const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(product.blocks()) * kHighBlock;
  std::uint64_t count = 0;
  const auto some_rows = [&]<int R>(std::size_t row) HWY_ATTR __attribute__((always_inline)) {
    const std::int32_t* from = x + row * static_cast<std::size_t>(product.n_in);
    std::int16_t* to = sums + static_cast<std::ptrdiff_t>(row) * stride;
    int block = 0;
    for (; block + kSaturatingBlocks <= product.blocks(); block += kSaturatingBlocks)
      count += saturate16_tile<R, kSaturatingBlocks, kTerm, kSigns, kFitting, kWatch>(product, from, block, to, stride);
    for (; block < product.blocks(); ++block)
      count += saturate16_tile<R, 1, kTerm, kSigns, kFitting, kWatch>(product, from, block, to, stride);
  };
  std::size_t row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) some_rows.template operator()<kTileRows>(row);
  for (; row < rows; ++row) some_rows.template operator()<1>(row);
  return count;
}

template <Term kTerm, bool kSigns>
std::uint64_t saturate16_fitting(const Saturating16& product, const std::int32_t* x, std::size_t rows, Saturation saturation,
                                 std::int16_t* sums) {
  const auto run = [&]<Fitting kFitting>() {
    return saturation == Saturation::kCounted ? saturate16_rows<kTerm, kSigns, kFitting, true>(product, x, rows, sums)
                                              : saturate16_rows<kTerm, kSigns, kFitting, false>(product, x, rows, sums);
  };
  if (saturation == Saturation::kNone) return saturate16_rows<kTerm, kSigns, Fitting::kFree, false>(product, x, rows, sums);
  if (product.clamp_terms || product.raised_floor) return run.template operator()<Fitting::kClamp>();
  return product.up > 0 ? run.template operator()<Fitting::kShift>() : run.template operator()<Fitting::kNone>();
}

std::uint64_t saturate16_all(const Saturating16& product, const std::int32_t* x, std::size_t rows, Saturation saturation,
                             std::int16_t* sums) {
  switch (product.term) {
    case Term::kFloor:
      return product.has_signs ? saturate16_fitting<Term::kFloor, true>(product, x, rows, saturation, sums)
                               : saturate16_fitting<Term::kFloor, false>(product, x, rows, saturation, sums);
    case Term::kRound:
      return product.has_signs ? saturate16_fitting<Term::kRound, true>(product, x, rows, saturation, sums)
                               : saturate16_fitting<Term::kRound, false>(product, x, rows, saturation, sums);
    case Term::kRoundEven: break;
  }
  return saturate16_fitting<Term::kRoundEven, false>(product, x, rows, saturation, sums);
}

int pair_all(const std::int16_t* HWY_RESTRICT x, std::size_t size, int shift, std::int32_t* HWY_RESTRICT y) {
  int most = 0;
  int least = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const int value = x[i];
    most = value > most ? value : most;
    least = value < least ? value : least;
    const auto shifted = static_cast<std::uint32_t>(value) << shift;
    y[i] = static_cast<std::int32_t>((shifted & 0xffff) | shifted << 16);
  }
  return std::max(most, -least);
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(saturate16_all);
HWY_EXPORT(pair_all);

std::uint64_t saturate16(const Saturating16& product, const std::int32_t* x, std::size_t rows, Saturation saturation, std::int16_t* sums) {
  return HWY_DYNAMIC_DISPATCH(saturate16_all)(product, x, rows, saturation, sums);
}
int pair_rows(const std::int16_t* x, std::size_t size, int shift, std::int32_t* y) {
  return HWY_DYNAMIC_DISPATCH(pair_all)(x, size, shift, y);
}

}  // namespace narrow
#endif
