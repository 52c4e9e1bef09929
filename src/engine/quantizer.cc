#include "engine/quantizer.h"

#include <cmath>

#include "engine/kernels.h"
#include "fixed/cast.h"

namespace narrow {

Quantizer::Quantizer(const Format& format) : format_(format) {
  const bool floors = !format.is_integer && (format.rounding == Rounding::kTrn || format.rounding == Rounding::kRnd);
  constexpr int kMaxFraction = 60;
  constexpr int kWidest = 29;  // quantize32's range, with a bit to spare
  range_ = floors && format.width <= kWidest && std::abs(format.fraction()) <= kMaxFraction
               ? make_lane_cast(format.fraction(), format, format.width + 2)
               : std::nullopt;
  scale_ = std::ldexp(1.0, format.fraction());
  add_ = format.rounding == Rounding::kRnd ? 0.5 : 0.0;
}

void Quantizer::run(const float* x, std::size_t n, Tensor& y, Scratch& scratch, LayerCounts& counts, bool& overflowed,
                    Counting counting) const {
  counts.values += n;
  if (range_ && run_fast(x, n, y, scratch, counts, overflowed, counting)) return;
  for (std::size_t i = 0; i < n; ++i) {
    const CastResult result = cast(static_cast<double>(x[i]), format_);
    counts.overflows += result.overflow ? 1 : 0;
    counts.zeros += x[i] != 0 && result.raw == 0 && !result.overflow ? 1 : 0;
    overflowed |= result.overflow;
    y.put(i, 1, &result.raw);
  }
}

bool Quantizer::run_fast(const float* x, std::size_t n, Tensor& y, Scratch& scratch, LayerCounts& counts, bool& overflowed,
                         Counting counting) const {
  Buffer<std::int32_t>& values = scratch.pairs;
  values.resize(n);
  const std::optional<std::uint64_t> zeros = quantize32(x, n, scale_, add_, values.data());
  if (!zeros) return false;
  counts.zeros += *zeros;
  if (y.small && range_->fit != Fit::kZero && counting != Counting::kAll) {
    const Epilogue into{.clamp = range_->fit == Fit::kClamp,
                        .low = static_cast<std::int32_t>(range_->low),
                        .high = static_cast<std::int32_t>(range_->high)};
    const Extremes seen = finish16(into, values.data(), 1, n, n, y.s.data());
    overflowed |= seen.least < into.low || seen.most > into.high;
    return true;
  }
  // Values of 31 bits and types of kWidest bits leave room for bringing one into the other.
  const CastCounts seen = run_lane_cast32(*range_, false, values.data(), values.data(), n);
  counts.overflows += seen.overflows;
  overflowed |= seen.overflows > 0;
  if (y.small) narrow32(values.data(), 1, n, n, y.s.data());
  else std::copy_n(values.data(), n, y.w.data());
  return true;
}

}  // namespace narrow
