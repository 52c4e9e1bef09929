#include "engine/row_sums.h"

#include <algorithm>
#include <cstdlib>

#include "fixed/cast.h"

namespace narrow {
namespace {

constexpr int kWord = 62;
constexpr int kMostBits = 120;

// Whether rounding s + x, of which s is a whole number of steps, is s + rounding x.
bool rounds_alone(const Format& sum, const Interval& x) {
  switch (sum.rounding) {
    case Rounding::kTrn:
    case Rounding::kRnd:
    case Rounding::kRndMinInf: return true;
    case Rounding::kTrnZero:
    case Rounding::kRndInf:
    case Rounding::kRndZero:  // by the sign of the sum, which may be negative where it wraps
      return x.low >= 0 && saturates(sum) && max_raw(sum) >= 0;
    case Rounding::kRndConv: break;
  }
  return false;
}

}  // namespace

std::optional<RowSums> RowSums::make(const Program& program, std::size_t layer, const Interval& x) {
  const Place place = program.place(layer);
  const bool mean = program.model().layers[layer].op->form(place) == Form::kRowMean;
  const Format& from = place.input();
  const Format& result = place.types.result();
  const Format& sum = mean ? place.types[TypeName::kAccum] : result;
  if (sum.is_integer || (mean && result.is_integer)) return std::nullopt;
  // The rows of a mean are rounded before they are added.
  if (!mean && sum.fraction() < from.fraction() && !rounds_alone(sum, x)) return std::nullopt;
  const std::optional<LaneCast> fit = take_apart(sum.fraction(), sum, false);
  // What these modes do depends on the bits that a rounding drops.
  if (!fit || (fit->fit == Fit::kOther && sum.fraction() < from.fraction())) return std::nullopt;
  RowSums sums;
  sums.width_ = static_cast<std::size_t>(place.shape.back());
  sums.fit_ = *fit;
  const int up = sum.fraction() - from.fraction();
  const auto rows = static_cast<Uint128>(size_of(*place.shapes.front()) / sums.width_);
  const int bits = std::max(bits_of(magnitude_of(x.magnitude())) + std::max(up, 0), sum.width) + bits_of(rows);
  if (std::abs(up) > kMostBits || bits > kMostBits) return std::nullopt;
  sums.in_128_bits_ = std::max(bits, -up) > kWord || !fits_word(from) || !fits_word(sum) || !fits_word(result);
  if (up != 0) {
    sums.to_steps_ = take_apart(from.fraction(), unbounded(sum), false);
    if (!sums.to_steps_) return std::nullopt;
    sums.to_steps_->fit = Fit::kClamp;
    constexpr Int128 kEnd = (Int128{1} << kWord) - 1;
    if (!sums.in_128_bits_) sums.to_steps_->low = -kEnd, sums.to_steps_->high = kEnd;
  }
  if (mean) {
    sums.to_result_ = take_apart(sum.fraction(), result, false);
    if (!sums.to_result_) return std::nullopt;
    const int cast_bits = lane_cast_bits(*sums.to_result_, range_of(sum));
    if (cast_bits > kMostBits) return std::nullopt;
    sums.in_128_bits_ |= cast_bits > kWord;
  }
  return sums;
}

void RowSums::run(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, std::size_t to, Scratch& scratch,
                  LayerCounts& counts) const {
  if (in_128_bits_) run_in(scratch.large, run_lane_cast128, x, first, count, y, to, counts);
  else run_in(scratch.wide[0], run_lane_cast, x, first, count, y, to, counts);
}

template <class Word, class Cast>
void RowSums::run_in(Buffer<Word>& values, const Cast& cast, const Tensor& x, std::size_t first, std::size_t count, Tensor& y,
                     std::size_t to, LayerCounts& counts) const {
  const std::size_t size = count * width_;
  values.resize(size + 2 * width_);
  Word* rows = values.data();
  x.get(first * width_, size, rows);
  if (to_steps_) cast(*to_steps_, false, rows, rows, size);
  Word* above = rows + size;
  Word* below = above + width_;
  std::fill_n(above, 2 * width_, 0);
  for (std::size_t r = 0; r < count; ++r) {
    const Word* row = rows + r * width_;
    for (std::size_t j = 0; j < width_; ++j) {
      above[j] += row[j] > 0 ? row[j] : 0;
      below[j] += row[j] < 0 ? row[j] : 0;
    }
  }
  std::uint64_t left = 0;
  for (std::size_t j = 0; j < width_; ++j) {
    const bool may_leave = above[j] > fit_.high || below[j] < fit_.low;
    bool leaves = false;
    above[j] = may_leave ? step_by_step(rows + j, count, leaves) : above[j] + below[j];
    left += leaves ? 1 : 0;
  }
  counts.values += width_;
  (to_result_ ? counts.accum_overflows : counts.overflows) += left;
  if (to_result_) divide(above, count, cast, counts);
  y.put(to * width_, width_, above);
}

template <class Word>
Word RowSums::fitted(Word value) const {
  if (value <= fit_.high && value >= fit_.low) return value;
  if (fit_.fit == Fit::kZero) return 0;
  if (fit_.fit == Fit::kClamp) return static_cast<Word>(value < fit_.low ? fit_.low : fit_.high);
  return static_cast<Word>(narrow::cast(value, fit_.fraction, fit_.to).raw);
}

// The sum of a column, and whether it leaves the range: if it wraps, in the end.
template <class Word>
Word RowSums::step_by_step(const Word* column, std::size_t count, bool& left) const {
  const bool mean = to_result_.has_value();
  Word sum = 0;
  Int128 gone = 0;
  for (std::size_t r = 0; r < count; ++r, column += width_) {
    const Word term = mean ? fitted(*column) : *column;
    const Word exact = sum + term;
    sum = fitted(exact);
    left |= term != *column || sum != exact;
    gone += static_cast<Int128>(*column - term) + (exact - sum);
  }
  if (fit_.fit == Fit::kWrap) left = gone != 0;
  return sum;
}

template <class Word, class Cast>
void RowSums::divide(Word* sums, std::size_t count, const Cast& cast, LayerCounts& counts) const {
  const auto rows = static_cast<Word>(count);
  for (std::size_t j = 0; j < width_; ++j) {
    const Word mean = sums[j] / rows;
    counts.zeros += sums[j] != 0 && mean == 0 ? 1 : 0;
    sums[j] = mean;
  }
  const CastCounts seen = cast(*to_result_, false, sums, sums, width_);
  counts.overflows += seen.overflows;
  counts.zeros += seen.zeros;
}

}  // namespace narrow
