#include "engine/dense/finish.h"

#include <algorithm>

#include "engine/program.h"

namespace narrow {
namespace {

constexpr int kWord = 64;
constexpr int kLargeWord = 128;

// A negative ap_fixed without integer bits becomes -1 as an ap_int (fixed/cast.h).
bool no_integer_bits(const Format& from, const Format& to) { return to.is_integer && from.integer <= 0; }

}  // namespace

std::optional<Finish> Finish::make(const MatrixProduct& product, const TallyAt& at, const Interval& sums, bool wrap) {
  Finish finish;
  finish.at_ = at;
  finish.n_out_ = static_cast<std::size_t>(product.n_out);
  Interval values = sums;
  const auto plan = [&](const Format& from, const Format& to, bool relu) {
    const std::optional<LaneCast> cast = take_apart(from.fraction(), to, no_integer_bits(from, to));
    if (!cast) return cast;
    if (relu) values = positive_part(values);
    finish.bits_ = std::max(finish.bits_, lane_cast_bits(*cast, values));
    values = cast->fit == Fit::kOther ? range_of(to) : Interval{cast->low, cast->high};
    return cast;
  };
  if (wrap && !(finish.fit_accum_ = plan(unbounded(product.accum), product.accum, false))) return std::nullopt;
  if (product.accum != product.result && !(finish.to_result_ = plan(product.accum, product.result, false))) return std::nullopt;
  if (product.relu && !(finish.to_relu_ = plan(product.result, *product.relu, true))) return std::nullopt;
  if (finish.bits_ > kLargeWord) return std::nullopt;
  return finish;
}

template <class Word, class Cast>
void Finish::cast_all(Word* values, std::size_t size, Tally& tally, const Cast& cast) const {
  if (fit_accum_) {
    const CastCounts seen = cast(*fit_accum_, false, values, values, size);
    tally.counts[at_.layer].accum_overflows += seen.overflows;
    tally.overflowed |= seen.overflows > 0;
  }
  const auto count = [&](std::size_t layer, const CastCounts& seen) {
    tally.counts[layer].overflows += seen.overflows;
    tally.counts[layer].zeros += seen.zeros;
    tally.overflowed |= seen.overflows > 0;
  };
  if (to_result_) count(at_.layer, cast(*to_result_, false, values, values, size));
  if (to_relu_) count(*at_.relu, cast(*to_relu_, true, values, values, size));
}

void Finish::run(std::int32_t* sums, std::size_t stride, const Rows& rows, Scratch& scratch, Tally& tally) const {
  const bool in_place = in_32_bits();
  if (in_place) cast_all(sums, rows.count * stride, tally, run_lane_cast32);
  if (in_place && rows.y.small) {
    narrow32(sums, rows.count, n_out_, stride, rows.y.s.data() + rows.first * n_out_);
    return;
  }
  scratch.wide[0].resize(rows.count * n_out_);
  const bool into_output = in_place && !rows.y.large;
  std::int64_t* wide = into_output ? rows.y.w.data() + rows.first * n_out_ : scratch.wide[0].data();
  widen32(sums, rows.count, n_out_, stride, wide);
  if (into_output) return;
  if (in_place) rows.y.put(rows.first * n_out_, rows.count * n_out_, wide);
  else run(wide, rows, scratch, tally);
}

void Finish::run(std::int64_t* values, const Rows& rows, Scratch& scratch, Tally& tally) const {
  const std::size_t size = rows.count * n_out_;
  if (bits_ > kWord) {
    scratch.large.resize(size);
    std::copy_n(values, size, scratch.large.data());
    return run(scratch.large.data(), rows, scratch, tally);
  }
  cast_all(values, size, tally, run_lane_cast);
  rows.y.put(rows.first * n_out_, size, values);
}

void Finish::run(Int128* values, const Rows& rows, Scratch&, Tally& tally) const {
  const std::size_t size = rows.count * n_out_;
  cast_all(values, size, tally, run_lane_cast128);
  rows.y.put(rows.first * n_out_, size, values);
}

std::optional<int> halves_to_add(const Format& format, bool nonnegative) {
  switch (format.is_integer ? Rounding::kTrnZero : format.rounding) {
    case Rounding::kTrn: return 0;
    case Rounding::kRnd: return 1;
    case Rounding::kTrnZero: return nonnegative ? std::optional(0) : std::nullopt;
    case Rounding::kRndInf: return nonnegative ? std::optional(1) : std::nullopt;
    case Rounding::kRndMinInf:
    case Rounding::kRndZero:
    case Rounding::kRndConv: break;
  }
  return std::nullopt;
}

bool CheckedEpilogue::run(const std::int32_t* sums, std::size_t stride, std::size_t n_out, const Rows& rows) const {
  const Extremes seen = finish16(epilogue, sums, rows.count, n_out, stride, rows.y.s.data() + rows.first * n_out);
  return check && (seen.least < epilogue.low || seen.most > epilogue.high);
}

std::optional<CheckedEpilogue> make_epilogue(const MatrixProduct& product, const Interval& sums, bool wrap) {
  const Format& output = product.output();
  if (!fits_small(output) || product.accum != product.result) return std::nullopt;
  constexpr int kMaxBits = 31;
  if (wrap && (product.accum.width > kMaxBits || (product.relu && output != product.result))) return std::nullopt;
  const int shift = product.relu ? product.result.fraction() - output.fraction() : 0;
  if (shift < 0 || shift >= kMaxBits) return std::nullopt;
  const Format& to = wrap ? product.accum : output;
  const std::optional<int> halves = halves_to_add(to, product.relu.has_value());
  if ((shift > 0 && !halves) || !(wraps(to) || saturates(to)) || (to.is_signed && to.width == 1)) return std::nullopt;
  const Int128 add = shift > 0 && *halves == 1 ? static_cast<Int128>(1) << (shift - 1) : 0;
  // Room for the rounding and for bringing values into range.
  const Int128 range = static_cast<Int128>(1) << to.width;
  if (sums.magnitude() + add + range > kMax32) return std::nullopt;
  Epilogue epilogue;
  epilogue.relu = product.relu && !wrap;
  epilogue.relu_last = product.relu && wrap;
  epilogue.clamp = saturates(to);
  epilogue.add = static_cast<std::int32_t>(add);
  epilogue.right = shift;
  epilogue.low = static_cast<std::int32_t>(least_raw(to));
  epilogue.high = static_cast<std::int32_t>(max_raw(to));
  const Interval reached{(epilogue.relu ? std::max<Int128>(sums.low, 0) : sums.low) >> shift,
                         ((epilogue.relu ? std::max<Int128>(sums.high, 0) : sums.high) + add) >> shift};
  return CheckedEpilogue{epilogue, !reached.within({epilogue.low, epilogue.high})};
}

}  // namespace narrow
