#include "engine/wide_kernels.h"

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
using Added = WideProducts::Added;

#if HWY_TARGET == HWY_AVX3
inline constexpr int kTileRows = 4;
#elif HWY_TARGET == HWY_AVX2
inline constexpr int kTileRows = 2;
#else
inline constexpr int kTileRows = 1;
#endif

// The product of the low halves of each lane, which are int32.
HWY_INLINE Vector times(Vector a, Vector b) {
  const hn::Repartition<std::int32_t, Tag> d32;
  return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, b));
}

HWY_INLINE Vector unsigned_shift_right(Vector a) {
  const hn::RebindToUnsigned<Tag> du;
  return hn::BitCast(Tag(), hn::ShiftRight<WideProducts::kLowBits>(hn::BitCast(du, a)));
}

// floor(a / 2^31).
HWY_INLINE Vector floor_shift_right(Vector a) {
#if HWY_TARGET == HWY_AVX3
  return hn::ShiftRight<WideProducts::kLowBits>(a);
#else
  // Without such an instruction: as 2^63 + a, which is not negative.
  const Tag d;
  constexpr std::int64_t kRaised = std::int64_t{1} << (63 - WideProducts::kLowBits);
  return hn::Sub(unsigned_shift_right(hn::Xor(a, hn::Set(d, INT64_MIN))), hn::Set(d, kRaised));
#endif
}

// What is left of operands while they are multiplied.
struct Operand {
  Vector low, rest;
};

template <Term kTerm>
HWY_INLINE Vector term_of(const WideProducts& products, const Operand& x, const Operand& w) {
  const Tag d;
  const Vector low = times(x.low, w.low);
  const Vector middle = hn::Add(times(x.rest, w.low), times(x.low, w.rest));
  const Vector high = times(x.rest, w.rest);
  const auto floor = [&](Vector more_low, Vector more_middle) HWY_ATTR __attribute__((always_inline)) {
    const Vector carry = unsigned_shift_right(hn::Add(low, more_low));
    return hn::Add(high, floor_shift_right(hn::Add(hn::Add(middle, more_middle), carry)));
  };
  if constexpr (kTerm == Term::kAdd) return floor(hn::Set(d, products.add.low), hn::Set(d, products.add.rest));
  if constexpr (kTerm == Term::kAddBySign) {
    // Where p is 0, either gives 0.
    const Vector negative = hn::BroadcastSignBit(hn::Xor(x.rest, w.rest));
    const auto either = [&](std::int64_t of_positive, std::int64_t of_negative) HWY_ATTR __attribute__((always_inline)) {
      return hn::Xor(hn::Set(d, of_positive), hn::And(negative, hn::Set(d, of_positive ^ of_negative)));
    };
    return floor(either(products.add.low, products.add_to_negative.low), either(products.add.rest, products.add_to_negative.rest));
  }
  const Vector down = hn::Add(high, floor_shift_right(hn::Add(middle, unsigned_shift_right(low))));
  if constexpr (kTerm == Term::kFloor) return down;
  constexpr std::int64_t kBelow = (std::int64_t{1} << WideProducts::kLowBits) - 1;
  const Vector odd = hn::And(down, hn::Set(d, 1));
  return floor(hn::Add(odd, hn::Set(d, kBelow)), hn::Set(d, kBelow >> 1));
}

template <Fit kFit>
HWY_INLINE Vector fitted(Vector value, Vector least, Vector most) {
  if constexpr (kFit == Fit::kClamp) return hn::Min(hn::Max(value, least), most);
  if constexpr (kFit == Fit::kZero) return hn::IfThenZeroElse(hn::Or(hn::Lt(value, least), hn::Lt(most, value)), value);
  return value;
}

template <int R, Term kTerm, Fit kFit>
HWY_INLINE std::uint64_t wide_tile(const WideProducts& products, const std::int64_t* HWY_RESTRICT x,
                                   const std::int64_t* HWY_RESTRICT weights, std::size_t column, std::int64_t* HWY_RESTRICT sums,
                                   std::size_t stride) {
  const Tag d;
  const auto n_in = static_cast<std::size_t>(products.n_in);
  const Vector least = hn::Set(d, products.least);
  const Vector most = hn::Set(d, products.most);
  Vector sum[R];
  Vector left[R];
  for (int r = 0; r < R; ++r) {
    sum[r] = hn::LoadU(d, products.bias.data() + column);
    left[r] = hn::LoadU(d, products.bias_left.data() + column);
  }
  for (std::size_t k = 0; k < n_in; ++k) {
    const std::int64_t* at = weights + k * 2 * WideProducts::kOutputs;
    const Operand w{hn::LoadU(d, at), hn::LoadU(d, at + WideProducts::kOutputs)};
    for (int r = 0; r < R; ++r) {
      const std::int64_t* from = x + (static_cast<std::size_t>(r) * n_in + k) * 2;
      const Vector term = term_of<kTerm>(products, {hn::Set(d, from[0]), hn::Set(d, from[1])}, w);
      if constexpr (kFit == Fit::kWrap) {
        sum[r] = hn::Add(sum[r], term);
      } else {
        const Vector fit_term = fitted<kFit>(term, least, most);
        const Vector next = hn::Add(sum[r], fit_term);
        sum[r] = fitted<kFit>(next, least, most);
        left[r] = hn::Or(left[r], hn::Or(hn::Xor(fit_term, term), hn::Xor(sum[r], next)));
      }
    }
  }
  std::uint64_t count = 0;
  for (int r = 0; r < R; ++r) {
    hn::StoreU(sum[r], d, sums + static_cast<std::size_t>(r) * stride + column);
    if constexpr (kFit != Fit::kWrap) count += hn::Lanes(d) - hn::CountTrue(d, hn::Eq(left[r], hn::Zero(d)));
  }
  return count;
}

template <Term kTerm, Fit kFit>
HWY_NOINLINE std::uint64_t wide_rows(const WideProducts& products, const std::int64_t* x, std::size_t rows, std::int64_t* sums) {
  constexpr std::size_t kOutputs = WideProducts::kOutputs;
  const auto n_in = static_cast<std::size_t>(products.n_in);
  const auto blocks = static_cast<std::size_t>(products.blocks());
  const std::size_t stride = blocks * kOutputs;
  std::uint64_t count = 0;
  for (std::size_t row = 0; row < rows;) {
    const bool full = row + kTileRows <= rows;
    for (std::size_t block = 0; block < blocks; ++block) {
      for (std::size_t lane = 0; lane < kOutputs; lane += hn::Lanes(Tag())) {
        const std::int64_t* from = x + row * n_in * 2;
        const std::int64_t* weights = products.weights.data() + block * n_in * 2 * kOutputs + lane;
        std::int64_t* to = sums + row * stride;
        const std::size_t column = block * kOutputs + lane;
        count += full ? wide_tile<kTileRows, kTerm, kFit>(products, from, weights, column, to, stride)
                      : wide_tile<1, kTerm, kFit>(products, from, weights, column, to, stride);
      }
    }
    row += full ? kTileRows : 1;
  }
  return count;
}

template <Term kTerm>
std::uint64_t wide_fits(const WideProducts& products, Fit fit, const std::int64_t* x, std::size_t rows, std::int64_t* sums) {
  switch (fit) {
    case Fit::kWrap: return wide_rows<kTerm, Fit::kWrap>(products, x, rows, sums);
    case Fit::kClamp: return wide_rows<kTerm, Fit::kClamp>(products, x, rows, sums);
    case Fit::kZero:
    case Fit::kOther: break;
  }
  return wide_rows<kTerm, Fit::kZero>(products, x, rows, sums);
}

std::uint64_t wide_all(const WideProducts& products, Fit fit, const std::int64_t* x, std::size_t rows, std::int64_t* sums) {
  switch (products.term) {
    case Term::kFloor: return wide_fits<Term::kFloor>(products, fit, x, rows, sums);
    case Term::kAdd: return wide_fits<Term::kAdd>(products, fit, x, rows, sums);
    case Term::kAddBySign: return wide_fits<Term::kAddBySign>(products, fit, x, rows, sums);
    case Term::kEven: break;
  }
  return wide_fits<Term::kEven>(products, fit, x, rows, sums);
}

void split_wide_all(const std::int64_t* HWY_RESTRICT x, std::size_t size, int shift, std::int64_t* HWY_RESTRICT y) {
  constexpr std::int64_t kMask = (std::int64_t{1} << WideProducts::kLowBits) - 1;
  for (std::size_t i = 0; i < size; ++i) {
    const auto value = static_cast<std::int64_t>(static_cast<std::uint64_t>(x[i]) << shift);
    y[2 * i] = value & kMask;
    y[2 * i + 1] = value >> WideProducts::kLowBits;
  }
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(wide_all);
HWY_EXPORT(split_wide_all);

std::uint64_t add_wide_products(const WideProducts& products, Fit fit, const std::int64_t* x, std::size_t rows, std::int64_t* sums) {
  return HWY_DYNAMIC_DISPATCH(wide_all)(products, fit, x, rows, sums);
}
void split_wide(const std::int64_t* x, std::size_t size, int shift, std::int64_t* y) {
  HWY_DYNAMIC_DISPATCH(split_wide_all)(x, size, shift, y);
}

}  // namespace narrow
#endif
