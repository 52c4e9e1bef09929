#include "engine/wide_kernels.h"

#include <algorithm>
#include <cstdlib>

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/wide_kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace narrow::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<std::int64_t, WideProducts::kOutputs>;
using Vector = hn::Vec<Tag>;
using Term = WideProducts::Term;

#if HWY_TARGET == HWY_AVX3
inline constexpr int kTileRows = 4;
#elif HWY_TARGET == HWY_AVX2
inline constexpr int kTileRows = 2;
#else
inline constexpr int kTileRows = 1;
#endif

// The product of the low halves of each lane, as they are without a sign.
HWY_INLINE Vector times(Vector a, Vector b) {
  const hn::Repartition<std::uint32_t, Tag> d32;
  return hn::BitCast(Tag(), hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, b)));
}

template <int kBits>
HWY_INLINE Vector unsigned_shift_right(Vector a) {
  const hn::RebindToUnsigned<Tag> du;
  return hn::BitCast(Tag(), hn::ShiftRight<kBits>(hn::BitCast(du, a)));
}

struct Operand {
  Vector low, rest, third;
};

// What is left of the product of two operands that are not negative. Their middle parts need all 64 bits.
template <Term kTerm, bool kLowBits>
HWY_INLINE Vector left_of(const WideProducts& products, const Operand& x, const Operand& w) {
  constexpr int kBits = WideProducts::kLowBits;
  const Tag d;
  const Vector high = times(x.rest, w.rest);
  Vector middle = times(x.low, w.rest);
  Vector low = hn::Zero(d);
  if constexpr (kLowBits) {
    low = times(x.low, w.low);
    middle = hn::Add(middle, times(x.rest, w.low));
    Vector all_low = low;
    if constexpr (kTerm == Term::kMagnitude) all_low = hn::Add(low, hn::Set(d, products.add.low));
    if constexpr (kTerm == Term::kHalfDown) all_low = hn::Add(low, hn::Set(d, (std::int64_t{1} << kBits) - 1));
    middle = hn::Add(middle, unsigned_shift_right<kBits>(all_low));
  }
  constexpr std::int64_t kHalf = std::int64_t{1} << (kBits - 1);
  if constexpr (kTerm == Term::kMagnitude) middle = hn::Add(middle, hn::Set(d, products.add.rest));
  if constexpr (kTerm == Term::kHalfDown) middle = hn::Add(middle, hn::Set(d, kHalf - 1));
  if constexpr (kTerm == Term::kHalfUp || kTerm == Term::kEven) middle = hn::Add(middle, hn::Set(d, kHalf));
  const Vector left = hn::Add(high, unsigned_shift_right<kBits>(middle));
  if constexpr (kTerm != Term::kEven) return left;
  // It was halfway where nothing is left below.
  const Vector below = hn::ShiftLeft<64 - kBits>(kLowBits ? hn::Or(low, middle) : middle);
  const Vector halfway = hn::VecFromMask(d, hn::Eq(below, hn::Zero(d)));
  return hn::AndNot(unsigned_shift_right<63>(halfway), left);
}

template <Fit kFit, class V>
HWY_INLINE V fitted(V value, V least, V most) {
  if constexpr (kFit == Fit::kClamp) return hn::Min(hn::Max(value, least), most);
  if constexpr (kFit == Fit::kZero) return hn::IfThenZeroElse(hn::Or(hn::Lt(value, least), hn::Lt(most, value)), value);
  return value;
}

// How a tile is computed: kNegative where some X may be, of magnitudes; kSmall where each step is brought into range in 32 bits.
template <Term kTermOf, bool kLowBitsOf, Fit kFitOf, bool kNegativeOf, bool kSmallOf>
struct Way {
  static constexpr Term kTerm = kTermOf;
  static constexpr bool kLowBits = kLowBitsOf;
  static constexpr Fit kFit = kFitOf;
  static constexpr bool kNegative = kNegativeOf;
  static constexpr bool kSmall = kSmallOf;
  static constexpr bool kMagnitudes = kTerm == Term::kMagnitude || kTerm == Term::kEven;
  static constexpr bool kStepwise = kFit != Fit::kWrap;
  // Whether what was added to the operands is taken from each term; otherwise from the sum.
  static constexpr bool kEach = kStepwise || (kMagnitudes && kNegative);
};

template <class W>
HWY_INLINE Vector term_of(const WideProducts& products, const Operand& x, const Operand& w) {
  const Vector left = left_of<W::kTerm, W::kLowBits>(products, x, w);
  if constexpr (W::kMagnitudes) {
    const Vector sign = W::kNegative ? hn::Xor(x.third, w.third) : w.third;
    return W::kEach ? hn::Sub(hn::Xor(left, sign), sign) : hn::Xor(left, sign);
  }
  return W::kEach ? hn::Sub(left, hn::Add(x.third, w.third)) : left;
}

// The sum and a term; `left` gets the bits that bringing them into range changed.
template <class W>
HWY_INLINE Vector add_fitted(Vector sum, Vector term, Vector least, Vector most, Vector& left) {
  if constexpr (W::kSmall) {
    // Of each lane the low half alone.
    const Tag d;
    const hn::Repartition<std::int32_t, Tag> d32;
    const auto next = hn::Add(hn::BitCast(d32, sum), hn::BitCast(d32, term));
    const auto fit_next = fitted<W::kFit>(next, hn::BitCast(d32, least), hn::BitCast(d32, most));
    left = hn::Or(left, hn::BitCast(d, hn::Xor(fit_next, next)));
    return hn::BitCast(d, fit_next);
  }
  const Vector fit_term = fitted<W::kFit>(term, least, most);
  const Vector next = hn::Add(sum, fit_term);
  const Vector fit_next = fitted<W::kFit>(next, least, most);
  left = hn::Or(left, hn::Or(hn::Xor(fit_term, term), hn::Xor(fit_next, next)));
  return fit_next;
}

template <int R, class W>
HWY_INLINE std::uint64_t wide_tile(const WideProducts& products, const std::int64_t* HWY_RESTRICT x,
                                   const std::int64_t* HWY_RESTRICT weights, std::size_t column, std::int64_t* HWY_RESTRICT sums,
                                   std::size_t stride) {
  constexpr std::size_t kOutputs = WideProducts::kOutputs;
  constexpr std::size_t kParts = WideProducts::kParts;
  const Tag d;
  const auto n_in = static_cast<std::size_t>(products.n_in);
  const Vector least = hn::Set(d, products.least);
  const Vector most = hn::Set(d, products.most);
  Vector sum[R];
  Vector left[R];
  for (int r = 0; r < R; ++r) {
    sum[r] = hn::LoadU(d, products.bias.data() + column);
    left[r] = hn::LoadU(d, products.bias_left.data() + column);
    if constexpr (W::kEach) continue;
    const Vector excess = hn::LoadU(d, products.excess.data() + column);
    sum[r] = hn::Sub(sum[r], hn::Add(excess, hn::Set(d, x[static_cast<std::size_t>(r) * products.row_size() + kParts * n_in])));
  }
  for (std::size_t k = 0; k < n_in; ++k) {
    const std::int64_t* at = weights + k * kParts * kOutputs;
    const Operand w{hn::LoadU(d, at), hn::LoadU(d, at + kOutputs), hn::LoadU(d, at + 2 * kOutputs)};
    for (int r = 0; r < R; ++r) {
      const std::int64_t* from = x + static_cast<std::size_t>(r) * products.row_size() + k * kParts;
      const Vector term = term_of<W>(products, {hn::Set(d, from[0]), hn::Set(d, from[1]), hn::Set(d, from[2])}, w);
      if constexpr (!W::kStepwise) {
        sum[r] = hn::Add(sum[r], term);
      } else {
        sum[r] = add_fitted<W>(sum[r], term, least, most, left[r]);
      }
    }
  }
  std::uint64_t count = 0;
  for (int r = 0; r < R; ++r) {
    if constexpr (W::kSmall) {
      sum[r] = hn::ShiftRight<32>(hn::ShiftLeft<32>(sum[r]));
      left[r] = hn::ShiftLeft<32>(left[r]);
    }
    hn::StoreU(sum[r], d, sums + static_cast<std::size_t>(r) * stride + column);
    if constexpr (W::kStepwise) count += hn::Lanes(d) - hn::CountTrue(d, hn::Eq(left[r], hn::Zero(d)));
  }
  return count;
}

template <class W>
HWY_NOINLINE std::uint64_t wide_rows(const WideProducts& products, const std::int64_t* x, std::size_t rows, std::int64_t* sums) {
  constexpr std::size_t kOutputs = WideProducts::kOutputs;
  const std::size_t block_size = static_cast<std::size_t>(products.n_in) * WideProducts::kParts * kOutputs;
  const auto blocks = static_cast<std::size_t>(products.blocks());
  const std::size_t stride = blocks * kOutputs;
  std::uint64_t count = 0;
  // The weights of a block stay in the first cache.
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t lane = 0; lane < kOutputs; lane += hn::Lanes(Tag())) {
      const std::int64_t* weights = products.weights.data() + block * block_size + lane;
      const std::size_t column = block * kOutputs + lane;
      std::size_t row = 0;
      for (; row + kTileRows <= rows; row += kTileRows)
        count += wide_tile<kTileRows, W>(products, x + row * products.row_size(), weights, column, sums + row * stride, stride);
      for (; row < rows; ++row)
        count += wide_tile<1, W>(products, x + row * products.row_size(), weights, column, sums + row * stride, stride);
    }
  }
  return count;
}

template <Term kTerm, bool kLowBits>
std::uint64_t wide_fits(const WideProducts& products, Fit fit, const WideRows& known, const std::int64_t* x, std::size_t rows,
                        std::int64_t* sums) {
  const auto run = [&]<Fit kFit, bool kNegative, bool kSmall>() {
    return wide_rows<Way<kTerm, kLowBits, kFit, kNegative, kSmall>>(products, x, rows, sums);
  };
  constexpr bool kMagnitudes = kTerm == Term::kMagnitude || kTerm == Term::kEven;
  switch (fit) {
    case Fit::kWrap:
      if constexpr (kMagnitudes) {
        if (!known.negative) return run.template operator()<Fit::kWrap, false, false>();
      }
      return run.template operator()<Fit::kWrap, true, false>();
    case Fit::kClamp:
      return known.small_terms ? run.template operator()<Fit::kClamp, true, true>() : run.template operator()<Fit::kClamp, true, false>();
    case Fit::kZero:
    case Fit::kOther: break;
  }
  return known.small_terms ? run.template operator()<Fit::kZero, true, true>() : run.template operator()<Fit::kZero, true, false>();
}

template <bool kLowBits>
std::uint64_t wide_terms(const WideProducts& products, Fit fit, const WideRows& known, const std::int64_t* x, std::size_t rows,
                         std::int64_t* sums) {
  switch (products.term) {
    case Term::kFloor: return wide_fits<Term::kFloor, kLowBits>(products, fit, known, x, rows, sums);
    case Term::kHalfUp: return wide_fits<Term::kHalfUp, kLowBits>(products, fit, known, x, rows, sums);
    case Term::kHalfDown: return wide_fits<Term::kHalfDown, kLowBits>(products, fit, known, x, rows, sums);
    case Term::kMagnitude: return wide_fits<Term::kMagnitude, kLowBits>(products, fit, known, x, rows, sums);
    case Term::kEven: break;
  }
  return wide_fits<Term::kEven, kLowBits>(products, fit, known, x, rows, sums);
}

std::uint64_t wide_all(const WideProducts& products, Fit fit, const WideRows& known, const std::int64_t* x, std::size_t rows,
                       std::int64_t* sums) {
  return products.low_bits ? wide_terms<true>(products, fit, known, x, rows, sums) : wide_terms<false>(products, fit, known, x, rows, sums);
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(wide_all);

namespace {

constexpr std::int64_t kAdded = std::int64_t{1} << WideProducts::kLost;

// b, a and the third part, `step` apart.
void split(bool of_magnitudes, std::int64_t value, std::int64_t third, std::int64_t* to, std::size_t step) {
  const std::int64_t positive = of_magnitudes ? std::abs(value) : value + kAdded;
  to[0] = positive & ((std::int64_t{1} << WideProducts::kLowBits) - 1);
  to[step] = positive >> WideProducts::kLowBits;
  to[2 * step] = third;
}

}  // namespace

void set_wide_weights(WideProducts& products, const std::int64_t* weights) {
  constexpr std::size_t kOutputs = WideProducts::kOutputs;
  constexpr std::size_t kParts = WideProducts::kParts;
  const auto n_in = static_cast<std::size_t>(products.n_in);
  const auto n_out = static_cast<std::size_t>(products.n_out);
  const std::size_t columns = static_cast<std::size_t>(products.blocks()) * kOutputs;
  products.weights.resize(columns * n_in * kParts);
  products.excess.resize(columns);
  products.low_bits = false;
  products.largest = 0;
  for (std::size_t j = 0; j < columns; ++j) {
    std::uint64_t excess = 0;
    for (std::size_t k = 0; k < n_in; ++k) {
      const std::int64_t weight = j < n_out ? weights[k * n_out + j] : 0;
      const std::int64_t third = products.of_magnitudes() ? -std::int64_t{weight < 0} : weight + kAdded;
      std::int64_t* to = products.weights.data() + (j / kOutputs * n_in + k) * kParts * kOutputs + j % kOutputs;
      split(products.of_magnitudes(), weight, third, to, kOutputs);
      products.low_bits |= to[0] != 0;
      products.largest = std::max(products.largest, std::abs(weight));
      excess += static_cast<std::uint64_t>(third);
    }
    products.excess[j] = static_cast<std::int64_t>(excess);
  }
}

void split_wide(const WideProducts& products, const std::int64_t* x, std::size_t rows, int shift, std::int64_t* y) {
  constexpr std::size_t kParts = WideProducts::kParts;
  const auto n_in = static_cast<std::size_t>(products.n_in);
  const bool of_magnitudes = products.of_magnitudes();
  for (std::size_t r = 0; r < rows; ++r, x += n_in) {
    std::uint64_t sum = 0;
    for (std::size_t k = 0; k < n_in; ++k, y += kParts) {
      const auto value = static_cast<std::int64_t>(static_cast<std::uint64_t>(x[k]) << shift);
      const std::int64_t third = of_magnitudes ? value >> 63 : value;
      split(of_magnitudes, value, third, y, 1);
      sum += static_cast<std::uint64_t>(third);
    }
    *y++ = of_magnitudes ? 0 : static_cast<std::int64_t>(sum);
  }
}

bool terms_are_small(const WideProducts& products, std::int64_t largest_x) {
  constexpr std::int64_t kEnd = std::int64_t{1} << 30;
  if (products.least < -kEnd || products.most >= kEnd) return false;
  // Rounded by at most one step.
  const Int128 term = ((static_cast<Int128>(largest_x) * products.largest) >> WideProducts::kLost) + 1;
  return term <= products.most && -term >= products.least;
}

std::uint64_t add_wide_products(const WideProducts& products, Fit fit, const WideRows& known, const std::int64_t* x, std::size_t rows,
                                std::int64_t* sums) {
  return HWY_DYNAMIC_DISPATCH(wide_all)(products, fit, known, x, rows, sums);
}

}  // namespace narrow
#endif
