#include "engine/dense_kernel.h"

#include <algorithm>
#include <array>
#include <limits>

#include "fixed/cast.h"
#include "layers/dense.h"

namespace narrow {
namespace {

constexpr Int128 kMax16 = std::numeric_limits<std::int16_t>::max();
constexpr int kMaxByte = std::numeric_limits<std::uint8_t>::max();
constexpr Int128 kMax32 = std::numeric_limits<std::int32_t>::max();
// int16 planes of wider values: bits of each, and how many of them are still worth it.
constexpr int kPlaneBits = 15;
constexpr int kLeastPlaneBits = 8;
constexpr std::size_t kMaxPlanes = 3;
constexpr std::size_t kMaxProducts = 6;
// Rows at a time: operands and sums stay in the first cache.
constexpr std::size_t kChunk = 48;

// A rounding that is `add` half a step or nothing, then floor. `nonnegative` values have more such modes.
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

}  // namespace

void Tensor::put(std::size_t at, std::size_t count, const std::int64_t* values) {
  if (small) {
    std::transform(values, values + count, s.data() + at, [](std::int64_t v) { return static_cast<std::int16_t>(v); });
  } else {
    std::copy_n(values, count, w.data() + at);
  }
}

void Tensor::get(std::size_t at, std::size_t count, std::int64_t* values) const {
  if (small) {
    std::copy_n(s.data() + at, count, values);
  } else {
    std::copy_n(w.data() + at, count, values);
  }
}

bool fits_small(const Format& format) { return format.width + (format.is_signed ? 0 : 1) <= 16; }

DenseKernel::DenseKernel(const Program& program, std::size_t layer, std::optional<std::size_t> relu, const Interval& input,
                         Counting counting)
    : layer_(layer), relu_(relu), counting_(counting) {
  const auto& dense = dynamic_cast<const Dense&>(*program.model().layers[layer].op);
  const LayerPrecision& types = program.resolved.precision[layer];
  n_in_ = dense.n_in;
  n_out_ = dense.n_out;
  input_ = program.format(static_cast<std::size_t>(program.model().layers[layer].inputs.front()));
  accum_ = types[TypeName::kAccum];
  result_ = types.result();
  output_ = program.format(output_layer());
  const int word_bits = program.steps[layer].word_bits;
  const auto quirk = [](const Format& from, const Format& to) { return to.is_integer && from.integer <= 0; };
  // The casts behind accum; without them nothing here can run.
  to_result_ = make_lane_cast(accum_.fraction(), result_, word_bits, quirk(accum_, result_));
  if (relu_) to_relu_ = make_lane_cast(result_.fraction(), output_, program.steps[*relu_].word_bits, quirk(result_, output_));
  if (!to_result_ || (relu_ && !to_relu_)) return;
  // The fastest that is proven exact.
  if (try_high(program, input) || try_planes(program, input) || try_truncating(program, input) || try_lanes(program)) return;
  family_ = Family::kNone;
}

std::string DenseKernel::name() const {
  switch (family_) {
    case Family::kNone: break;
    case Family::kPlanes: {
      const std::size_t products = x_shift_.size() * w_shift_.size();
      if (bytes_) return "int8 or int16";
      return products == 1 ? "int16" : "int16 x " + std::to_string(products);
    }
    case Family::kTruncating: return "truncating int16";
    case Family::kHigh: return "high half";
    case Family::kLanes: return "lanes";
  }
  return "interpreter";
}

// --- choosing

// The shifts of the int16 planes that hold the values of the interval, `bits` in each; the last takes what is left, at most
// `top`, and the sign.
static std::vector<int> planes_of(const Interval& interval, int bits, Int128 top) {
  std::vector<int> shifts{0};
  const Int128 least = top == kMax16 ? -top - 1 : -top;
  while ((interval.high >> shifts.back() > top || interval.low >> shifts.back() < least) && shifts.size() <= kMaxPlanes) {
    shifts.push_back(shifts.back() + bits);
  }
  return shifts;
}

// The part of `value` in plane p of `shifts`.
static Int128 plane(Int128 value, const std::vector<int>& shifts, std::size_t p) {
  const Int128 rest = value >> shifts[p];
  return p + 1 == shifts.size() ? rest : rest & ((static_cast<Int128>(1) << (shifts[p + 1] - shifts[p])) - 1);
}

bool DenseKernel::try_planes(const Program& program, const Interval& input) {
  const Step& step = program.steps[layer_];
  const LayerPrecision& types = program.resolved.precision[layer_];
  const std::optional<SumBounds> known =
      sum_bounds(dynamic_cast<const Dense&>(*program.model().layers[layer_].op), program.place(layer_), step, input);
  if (!known) return false;
  const SumBounds& bounds = *known;
  const int product_fraction = input_.fraction() + types[TypeName::kWeight].fraction();
  up_ = accum_.fraction() - product_fraction;
  constexpr int kMaxUp = 24;
  if (up_ < 0 || up_ > kMaxUp || step.word_bits > 62 || accum_.is_integer) return false;
  // A saturating sum must be known to stay in range at every step; a wrapping one is brought into range in the end.
  const Int128 magnitude = bounds.fraction <= accum_.fraction() ? bounds.magnitude << (accum_.fraction() - bounds.fraction)
                                                                : (bounds.magnitude >> (bounds.fraction - accum_.fraction())) + n_in_ + 1;
  const Int128 least = accum_.overflow == Overflow::kSatSym && accum_.is_signed ? -max_raw(accum_) : min_raw(accum_);
  const bool stays = magnitude <= max_raw(accum_) && -magnitude >= least;
  const bool unsigned_stays =
      !accum_.is_signed && bounds.sum.low >= 0 && input.low >= 0 && magnitude <= max_raw(accum_) &&
      std::all_of(step[TypeName::kWeight].raw.begin(), step[TypeName::kWeight].raw.end(), [](Int128 w) { return w >= 0; });
  if (!stays && !unsigned_stays) {
    if (!wraps(accum_)) return false;
    fit_accum_ = make_lane_cast(accum_.fraction(), accum_, step.word_bits);
    if (!fit_accum_) return false;
  }
  Interval weights;
  for (const Int128 w : step[TypeName::kWeight].raw) weights = {std::min(weights.low, w), std::max(weights.high, w)};
  w_shift_ = planes_of(weights, kPlaneBits, kMax16);
  // Each pair of planes must sum in int32, whatever the order: planes of fewer bits where the weights are large.
  const auto n_out = static_cast<std::size_t>(n_out_);
  Int128 column = 0;
  for (std::size_t q = 0; q < w_shift_.size(); ++q) {
    for (std::size_t j = 0; j < n_out; ++j) {
      Int128 sum = 0;
      for (std::size_t i = j; i < step[TypeName::kWeight].raw.size(); i += n_out) {
        const Int128 w = plane(step[TypeName::kWeight].raw[i], w_shift_, q);
        sum += w < 0 ? -w : w;
      }
      column = std::max(column, sum);
    }
  }
  bool fits = false;
  for (int bits = kPlaneBits; bits >= kLeastPlaneBits && !fits; --bits) {
    x_shift_ = planes_of(input, bits, std::min(kMax16, kMax32 / std::max<Int128>(column, 1)));
    if (x_shift_.size() > kMaxPlanes) continue;
    const Int128 low_planes = x_shift_.size() > 1 ? (static_cast<Int128>(1) << bits) - 1 : 0;
    const Int128 top_plane = std::max(input.high >> x_shift_.back(), -(input.low >> x_shift_.back()));
    fits = x_shift_.size() <= kMaxPlanes && x_shift_.size() * w_shift_.size() <= kMaxProducts &&
           column * std::max(low_planes, top_plane) <= kMax32;
  }
  if (!fits) return false;
  family_ = Family::kPlanes;
  for (std::size_t q = 0; q < w_shift_.size(); ++q) {
    planes_.push_back(pack16(n_in_, n_out_, [&](int i, int j) {
      return plane(step[TypeName::kWeight].raw[static_cast<std::size_t>(i * n_out_ + j)], w_shift_, q);
    }));
  }
  // The bias with accum's fractional bits, rounded as accum rounds but never wrapped.
  bias32_.resize(static_cast<std::size_t>(planes_.front().blocks()) * kBlock);
  bias32_.fill(0);
  bias_.assign(static_cast<std::size_t>(n_out_), 0);
  const bool one_sum = x_shift_.size() * w_shift_.size() == 1 && up_ == 0 && magnitude <= kMax32;
  for (std::size_t j = 0; j < bias_.size(); ++j) {
    const CastResult bias = cast(step[TypeName::kBias].raw[j], types[TypeName::kBias], unbounded(accum_));
    if (one_sum) bias32_[j] = static_cast<std::int32_t>(bias.raw);
    else bias_[j] = static_cast<std::int64_t>(bias.raw);
  }
  if (one_sum) {
    plan_epilogue(bounds.fraction == accum_.fraction() ? bounds.sum : Interval{-magnitude, magnitude});
    if (epilogue_ && epilogue_->relu && fits_small(input_) && n_out_ % kBlock == 0 && magnitude + epilogue_->add <= kMax32) {
      // (max(s, 0) + add) >> right is max((s + add) >> right, 0): add is less than a step.
      relu_bias_.resize(bias32_.size());
      std::transform(bias32_.data(), bias32_.data() + bias32_.size(), relu_bias_.data(),
                     [&](std::int32_t b) { return b + epilogue_->add; });
    }
  } else {
    plan_wide_epilogue(magnitude);
  }
  // Bytes: weights of 8 bits, inputs that may turn out to be small.
  const bool small_weights = weights.low >= -128 && weights.high <= 127;
  if (one_sum && small_weights && fits_small(input_)) {
    std::vector<std::int8_t> narrow(step[TypeName::kWeight].raw.size());
    std::transform(step[TypeName::kWeight].raw.begin(), step[TypeName::kWeight].raw.end(), narrow.begin(),
                   [](Int128 w) { return static_cast<std::int8_t>(w); });
    bytes_ = pack8(n_in_, n_out_, narrow);
    for (const std::int64_t sum : bytes_->sums_of) {
      const int limit = static_cast<int>(std::min<std::int64_t>(kMax16 / std::max<std::int64_t>(sum, 1), kMaxByte));
      byte_limits_.push_back(limit);
    }
  }
  return true;
}

// One pass from int32 sums to an int16 output: where nothing is counted, accum keeps or wraps the sum, the result type
// takes it as it is, and at most a relu follows.
bool DenseKernel::plan_epilogue(const Interval& sum) {
  if (counting_ == Counting::kAll || !fits_small(output_) || accum_ != result_) return false;
  if (fit_accum_ && (accum_.width > 31 || (relu_ && output_ != result_))) return false;
  const int shift = relu_ ? result_.fraction() - output_.fraction() : 0;
  if (shift < 0 || shift > 30) return false;
  const Format& to = fit_accum_ ? accum_ : output_;
  const std::optional<int> halves = halves_to_add(to, relu_.has_value());
  const bool saturates = to.overflow == Overflow::kSat || to.overflow == Overflow::kSatSym;
  if ((shift > 0 && !halves) || !(wraps(to) || saturates) || (to.is_signed && to.width == 1)) return false;
  const Int128 add = shift > 0 && *halves == 1 ? static_cast<Int128>(1) << (shift - 1) : 0;
  // Room for the rounding and for bringing values into range.
  const Int128 range = static_cast<Int128>(1) << to.width;
  if (std::max(sum.high, -sum.low) + add + range > kMax32) return false;
  Epilogue epilogue;
  epilogue.relu = relu_.has_value() && !fit_accum_;
  epilogue.relu_last = relu_.has_value() && fit_accum_.has_value();
  epilogue.clamp = saturates;
  epilogue.add = static_cast<std::int32_t>(add);
  epilogue.right = shift;
  epilogue.low = static_cast<std::int32_t>(min_raw(to)) + (to.overflow == Overflow::kSatSym && to.is_signed ? 1 : 0);
  epilogue.high = static_cast<std::int32_t>(max_raw(to));
  epilogue_ = epilogue;
  const Interval reached{(epilogue.relu ? std::max<Int128>(sum.low, 0) : sum.low) >> shift, (std::max<Int128>(sum.high, 0) + add) >> shift};
  check_extremes_ = !reached.within({epilogue.low, epilogue.high});
  return true;
}

void DenseKernel::plan_wide_epilogue(Int128 magnitude) {
  constexpr std::size_t kMaxSums = 3;
  if (counting_ == Counting::kAll || !relu_ || output_.width > 62 || accum_ != result_ || fit_accum_ ||
      x_shift_.size() * w_shift_.size() > kMaxSums) {
    return;
  }
  const int shift = result_.fraction() - output_.fraction();
  const std::optional<int> halves = halves_to_add(output_, true);
  const bool saturates = output_.overflow == Overflow::kSat || output_.overflow == Overflow::kSatSym;
  const Int128 add = shift > 0 && halves == 1 ? static_cast<Int128>(1) << (shift - 1) : 0;
  const Int128 range = static_cast<Int128>(1) << output_.width;
  if (shift < 0 || shift > 62 || (shift > 0 && !halves) || !(wraps(output_) || saturates) ||
      magnitude + add + range > (static_cast<Int128>(1) << 62))
    return;
  wide_epilogue_ = WideEpilogue{up_,
                                static_cast<std::int64_t>(add),
                                shift,
                                saturates,
                                static_cast<std::int64_t>(min_raw(output_)),
                                static_cast<std::int64_t>(max_raw(output_))};
}

// Products cut below accum's last bit, floor(x * w / 2^drop), summed exactly: with x = xh * 2^drop + xl each is
// xh * w + floor(xl * w / 2^drop). The first part is a plain product; the second is the high half of a 16-bit one.
bool DenseKernel::try_truncating(const Program& program, const Interval& input) {
  const Step& step = program.steps[layer_];
  const LayerPrecision& types = program.resolved.precision[layer_];
  drop_ = input_.fraction() + types[TypeName::kWeight].fraction() - accum_.fraction();
  constexpr int kMaxDrop = 15;
  constexpr Int128 kMaxWeight = 1 << 14;
  const Format& bias_type = types[TypeName::kBias];
  if (drop_ < 1 || drop_ > kMaxDrop || accum_.rounding != Rounding::kTrn || accum_.is_integer || !wraps(accum_) || !fits_small(input_) ||
      bias_type.fraction() > accum_.fraction() || accum_.width > 31 || step.word_bits > 62) {
    return false;
  }
  const int bias_up = accum_.fraction() - bias_type.fraction();
  if (bias_up > 20 || bias_type.width + bias_up > 30) return false;
  const Int128 x_high = std::max(input.high >> drop_, -(input.low >> drop_));
  const auto n_out = static_cast<std::size_t>(n_out_);
  Int128 largest = 0;
  for (std::size_t j = 0; j < n_out; ++j) {
    Int128 column = 0;
    for (std::size_t i = j; i < step[TypeName::kWeight].raw.size(); i += n_out) {
      const Int128 w = step[TypeName::kWeight].raw[i] < 0 ? -step[TypeName::kWeight].raw[i] : step[TypeName::kWeight].raw[i];
      if (w >= kMaxWeight) return false;
      column += w;
    }
    if (column + n_in_ > kMax16) return false;
    const Int128 bias = step[TypeName::kBias].raw[j] << bias_up;
    largest = std::max(largest, column * (x_high + 1) + n_in_ + (bias < 0 ? -bias : bias));
  }
  if (largest > kMax32) return false;
  family_ = Family::kTruncating;
  fit_accum_.reset();
  if (largest > max_raw(accum_) || (!accum_.is_signed)) {
    fit_accum_ = make_lane_cast(accum_.fraction(), accum_, 62);
    if (!fit_accum_) return false;
  }
  const auto weight = [&](int i, int j) { return step[TypeName::kWeight].raw[static_cast<std::size_t>(i * n_out_ + j)]; };
  planes_.push_back(pack16(n_in_, n_out_, weight));
  high_ = pack_high(n_in_, n_out_, [&](int i, int j) { return 2 * weight(i, j); });
  bias32_.resize(static_cast<std::size_t>(planes_.front().blocks()) * kBlock);
  bias32_.fill(0);
  for (std::size_t j = 0; j < n_out; ++j) bias32_[j] = static_cast<std::int32_t>(step[TypeName::kBias].raw[j] << bias_up);
  bias16_.resize(static_cast<std::size_t>(high_->blocks()) * kHighBlock);
  bias16_.fill(0);
  plan_epilogue({-largest, largest});
  return true;
}

// Where nothing is counted and every type is one of at most 16 bits that wraps, the sum may be kept modulo 2^16: the high
// half of (x << a) * (w << b), a + b = 16 - drop, is floor(x * w / 2^drop) modulo 2^16. Weights that do not fit int16 when
// shifted are w << b = hi * 2^16 + lo; x * hi goes into a second sum.
bool DenseKernel::try_high(const Program& program, const Interval& input) {
  const Step& step = program.steps[layer_];
  const LayerPrecision& types = program.resolved.precision[layer_];
  const int drop = input_.fraction() + types[TypeName::kWeight].fraction() - accum_.fraction();
  if (counting_ != Counting::kNone || drop < 1 || drop > 15 || accum_.width > 16 || !accum_.is_signed || accum_.is_integer ||
      accum_.rounding != Rounding::kTrn || !wraps(accum_) || accum_ != result_ || output_ != result_ || !fits_small(input_) ||
      types[TypeName::kWeight].width > 16 || !types[TypeName::kWeight].is_signed || types[TypeName::kBias].fraction() > accum_.fraction() ||
      types[TypeName::kBias].width > 32) {
    return false;
  }
  const int up = 16 - drop;
  x_up_ = 0;
  while (x_up_ < up && (input.high << (x_up_ + 1)) <= kMax16 && (input.low << (x_up_ + 1)) >= -kMax16 - 1) ++x_up_;
  const int w_up = up - x_up_;
  const auto shifted = [&](int i, int j) { return step[TypeName::kWeight].raw[static_cast<std::size_t>(i * n_out_ + j)] << w_up; };
  const auto low_part = [&](int i, int j) { return static_cast<Int128>(static_cast<std::int16_t>(shifted(i, j))); };
  const auto rest = [&](int i, int j) { return (shifted(i, j) - low_part(i, j)) >> 16; };
  for (int i = 0; i < n_in_; ++i) {
    for (int j = 0; j < n_out_; ++j) {
      if (rest(i, j) == 0) continue;
      rest_inputs_.push_back(i);
      break;
    }
  }
  family_ = Family::kHigh;
  high_ = pack_high(n_in_, n_out_, low_part);
  if (!rest_inputs_.empty()) {
    // Modulo 2^16 as well: the int32 sums may be as large as they like, for they are cut after wrapping as int32 does.
    Int128 bound = 0;
    for (int j = 0; j < n_out_; ++j) {
      Int128 column = 0;
      for (const int i : rest_inputs_) column += rest(i, j) < 0 ? -rest(i, j) : rest(i, j);
      bound = std::max(bound, column * (kMax16 + 1));
    }
    if (bound > kMax32) return false;
    high_rest_ = pack16(static_cast<int>(rest_inputs_.size()), n_out_,
                        [&](int i, int j) { return rest(rest_inputs_[static_cast<std::size_t>(i)], j); });
    bias32_.resize(static_cast<std::size_t>(high_rest_->blocks()) * kBlock);
    bias32_.fill(0);
  }
  bias16_.resize(static_cast<std::size_t>(high_->blocks()) * kHighBlock);
  bias16_.fill(0);
  for (std::size_t j = 0; j < static_cast<std::size_t>(n_out_); ++j)
    bias16_[j] = static_cast<std::int16_t>(cast(step[TypeName::kBias].raw[j], types[TypeName::kBias], accum_).raw);
  return true;
}

bool DenseKernel::try_lanes(const Program& program) {
  lanes_ = make_lane_step(program, layer_).dense;
  if (!lanes_) return false;
  family_ = Family::kLanes;
  return true;
}

// --- running

void DenseKernel::run(const Tensor& x, std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const {
  y.small = fits_small(output_);
  y.resize(rows * static_cast<std::size_t>(n_out_));
  if (scratch.left.size() <= layer_) scratch.left.resize(layer_ + 1);
  for (std::size_t first = 0; first < rows; first += kChunk) {
    const std::size_t count = std::min(kChunk, rows - first);
    switch (family_) {
      case Family::kNone: return;
      case Family::kHigh: run_high(x, first, count, y, scratch); continue;
      case Family::kPlanes:
        if (relu_bias_.size() > 0 && !scratch.left[layer_]) {
          if (run_relu(x, first, count, y, scratch)) continue;
          scratch.left[layer_] = true;
        }
        run_planes(x, first, count, scratch);
        break;
      case Family::kTruncating: run_truncating(x, first, count, scratch); break;
      case Family::kLanes: {
        const auto n_in = static_cast<std::size_t>(n_in_);
        const std::int64_t* from = x.w.data() + first * n_in;
        if (x.small) {
          scratch.wide[1].resize(count * n_in);
          x.get(first * n_in, count * n_in, scratch.wide[1].data());
          from = scratch.wide[1].data();
        }
        scratch.wide[0].resize(count * static_cast<std::size_t>(n_out_));
        const std::uint64_t overflows = run_lane_dense(*lanes_, from, count, scratch.wide[0].data());
        tally.counts[layer_].accum_overflows += overflows;
        tally.overflowed |= overflows > 0;
        break;
      }
    }
    if (epilogue_) {
      const auto stride = static_cast<std::size_t>(planes_.front().blocks()) * kBlock;
      const auto width = static_cast<std::size_t>(n_out_);
      const Extremes seen = finish16(*epilogue_, scratch.sums[0].data(), count, width, stride, y.s.data() + first * width);
      tally.overflowed |= check_extremes_ && (seen.least < epilogue_->low || seen.most > epilogue_->high);
    } else if (wide_epilogue_) {
      const std::size_t products = x_shift_.size() * w_shift_.size();
      std::array<const std::int32_t*, 3> sums{};
      std::array<int, 3> shifts{};
      for (std::size_t i = 0; i < products; ++i) {
        sums[i] = scratch.sums[i].data();
        shifts[i] = x_shift_[i / w_shift_.size()] + w_shift_[i % w_shift_.size()];
      }
      const auto stride = static_cast<std::size_t>(planes_.front().blocks()) * kBlock;
      const auto width = static_cast<std::size_t>(n_out_);
      scratch.wide[0].resize(count * width);
      std::int64_t* to = y.small ? scratch.wide[0].data() : y.w.data() + first * width;
      const std::int64_t most =
          finish_planes(*wide_epilogue_, sums.data(), shifts.data(), static_cast<int>(products), bias_.data(), count, width, stride, to);
      if (y.small) y.put(first * width, count * width, to);
      tally.overflowed |= most > wide_epilogue_->high;
    } else {
      finish_wide(first, count, y, scratch, tally);
    }
  }
  tally.counts[layer_].values += rows * static_cast<std::size_t>(n_out_);
  if (relu_) tally.counts[*relu_].values += rows * static_cast<std::size_t>(n_out_);
}

// The rows as bytes, where all of them fit: how many products of each pair may then be added in 16 bits, as a power of two.
std::optional<int> DenseKernel::pack_bytes(const std::int16_t* x, std::size_t rows, Scratch& scratch) const {
  const auto stride = static_cast<std::size_t>(bytes_->fours()) * 4;
  scratch.x8.resize(rows * stride);
  const std::uint16_t most = to_bytes(x, rows, static_cast<std::size_t>(n_in_), stride, scratch.x8.data());
  std::optional<int> group;
  for (std::size_t i = 0; i < byte_limits_.size() && most <= byte_limits_[i]; ++i) group = static_cast<int>(i);
  return group;
}

// A layer of one sum and its relu, rows in, rows out, the sums never in memory. False where a value leaves the output's type;
// y is then of no use.
bool DenseKernel::run_relu(const Tensor& x, std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch) const {
  const std::int16_t* from = x.s.data() + first * static_cast<std::size_t>(n_in_);
  std::int16_t* to = y.s.data() + first * static_cast<std::size_t>(n_out_);
  const int right = epilogue_->right;
  const std::optional<int> group = bytes_ ? pack_bytes(from, rows, scratch) : std::nullopt;
  const std::int16_t most = group ? dot8_relu(*bytes_, scratch.x8.data(), rows, relu_bias_.data(), *group, right, to)
                                  : dot16_relu(planes_.front(), paired_rows(from, rows, scratch), rows, relu_bias_.data(), right, to);
  return most <= epilogue_->high && most < kMax16;
}

// The rows as dot16 reads them: with a 0 behind an odd number of inputs.
const std::int16_t* DenseKernel::paired_rows(const std::int16_t* x, std::size_t rows, Scratch& scratch) const {
  const auto n_in = static_cast<std::size_t>(n_in_);
  const auto stride = static_cast<std::size_t>(planes_.front().pairs()) * 2;
  if (stride == n_in) return x;
  scratch.x16[0].resize(rows * stride);
  for (std::size_t r = 0; r < rows; ++r) {
    std::copy_n(x + r * n_in, n_in, scratch.x16[0].data() + r * stride);
    scratch.x16[0][r * stride + n_in] = 0;
  }
  return scratch.x16[0].data();
}

void DenseKernel::run_planes(const Tensor& x, std::size_t first, std::size_t rows, Scratch& scratch) const {
  const auto n_in = static_cast<std::size_t>(n_in_);
  const auto stride = static_cast<std::size_t>(planes_.front().pairs()) * 2;
  const auto sums = static_cast<std::size_t>(planes_.front().blocks()) * kBlock;
  for (std::size_t i = 0; i < x_shift_.size() * w_shift_.size(); ++i) scratch.sums[i].resize(rows * sums);
  if (x.small && x_shift_.size() == 1) {
    const std::int16_t* from = x.s.data() + first * n_in;
    const std::optional<int> group = bytes_ ? pack_bytes(from, rows, scratch) : std::nullopt;
    if (group) return dot8(*bytes_, scratch.x8.data(), rows, bias32_.data(), *group, scratch.sums[0].data());
    from = paired_rows(from, rows, scratch);
    for (std::size_t q = 0; q < w_shift_.size(); ++q) dot16(planes_[q], from, rows, bias32_.data(), scratch.sums[q].data());
    return;
  }
  for (std::size_t p = 0; p < x_shift_.size(); ++p) {
    Buffer<std::int16_t>& part = scratch.x16[p];
    part.resize(rows * stride);
    const bool last = p + 1 == x_shift_.size();
    const int shift = x_shift_[p];
    const std::int64_t mask = last ? -1 : (std::int64_t{1} << (x_shift_[p + 1] - shift)) - 1;
    const std::int64_t* from = x.w.data() + first * n_in;
    if (x.small) {
      scratch.wide[1].resize(rows * n_in);
      x.get(first * n_in, rows * n_in, scratch.wide[1].data());
      from = scratch.wide[1].data();
    }
    split_plane(from, rows, n_in, stride, shift, mask, part.data());
    if (stride != n_in) {
      for (std::size_t r = 0; r < rows; ++r) part[r * stride + n_in] = 0;
    }
    for (std::size_t q = 0; q < w_shift_.size(); ++q)
      dot16(planes_[q], part.data(), rows, bias32_.data(), scratch.sums[p * w_shift_.size() + q].data());
  }
}

void DenseKernel::run_truncating(const Tensor& x, std::size_t first, std::size_t rows, Scratch& scratch) const {
  const auto n_in = static_cast<std::size_t>(n_in_);
  const auto stride = static_cast<std::size_t>(planes_.front().pairs()) * 2;
  const auto sums = static_cast<std::size_t>(planes_.front().blocks()) * kBlock;
  const auto sums16 = static_cast<std::size_t>(high_->blocks()) * kHighBlock;
  scratch.x16[0].resize(rows * stride);
  scratch.x16[1].resize(rows * n_in);
  const std::int16_t* from = x.s.data() + first * n_in;
  const int mask = (1 << drop_) - 1;
  for (std::size_t r = 0; r < rows; ++r) {
    std::int16_t* to = scratch.x16[0].data() + r * stride;
    for (std::size_t k = 0; k < n_in; ++k) to[k] = static_cast<std::int16_t>(from[r * n_in + k] >> drop_);
    if (stride != n_in) to[n_in] = 0;
  }
  for (std::size_t i = 0; i < rows * n_in; ++i) scratch.x16[1][i] = static_cast<std::int16_t>((from[i] & mask) << (15 - drop_));
  scratch.sums[0].resize(rows * sums);
  scratch.sums16.resize(rows * sums16);
  dot16(planes_.front(), scratch.x16[0].data(), rows, bias32_.data(), scratch.sums[0].data());
  high16(*high_, scratch.x16[1].data(), rows, bias16_.data(), scratch.sums16.data());
  for (std::size_t r = 0; r < rows; ++r) {
    std::int32_t* to = scratch.sums[0].data() + r * sums;
    const std::int16_t* low = scratch.sums16.data() + r * sums16;
    for (std::size_t j = 0; j < sums; ++j) to[j] += low[j];
  }
}

void DenseKernel::run_high(const Tensor& x, std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch) const {
  const auto n_in = static_cast<std::size_t>(n_in_);
  const auto n_out = static_cast<std::size_t>(n_out_);
  const auto sums16 = static_cast<std::size_t>(high_->blocks()) * kHighBlock;
  const std::int16_t* from = x.s.data() + first * n_in;
  const std::int16_t* shifted = from;
  if (x_up_ > 0) {
    scratch.x16[1].resize(rows * n_in);
    shift_left16(from, rows * n_in, x_up_, scratch.x16[1].data());
    shifted = scratch.x16[1].data();
  }
  scratch.sums16.resize(rows * sums16);
  high16(*high_, shifted, rows, bias16_.data(), scratch.sums16.data());
  if (high_rest_) {
    const auto stride = static_cast<std::size_t>(high_rest_->pairs()) * 2;
    const auto sums = static_cast<std::size_t>(high_rest_->blocks()) * kBlock;
    scratch.x16[0].resize(rows * stride);
    scratch.sums[0].resize(rows * sums);
    for (std::size_t r = 0; r < rows; ++r) {
      std::int16_t* to = scratch.x16[0].data() + r * stride;
      for (std::size_t k = 0; k < rest_inputs_.size(); ++k)
        to[k] = static_cast<std::int16_t>(from[r * n_in + static_cast<std::size_t>(rest_inputs_[k])] << x_up_);
      if (stride != rest_inputs_.size()) to[stride - 1] = 0;
    }
    dot16(*high_rest_, scratch.x16[0].data(), rows, bias32_.data(), scratch.sums[0].data());
    for (std::size_t r = 0; r < rows; ++r) {
      std::int16_t* to = scratch.sums16.data() + r * sums16;
      const std::int32_t* rest = scratch.sums[0].data() + r * sums;
      for (std::size_t j = 0; j < n_out; ++j) to[j] = static_cast<std::int16_t>(to[j] + rest[j]);
    }
  }
  finish_high(accum_.width, relu_.has_value(), scratch.sums16.data(), rows, n_out, sums16, y.s.data() + first * n_out);
}

// The general way behind any kernel: sums in 64 bits, each cast in turn, everything counted.
void DenseKernel::finish_wide(std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const {
  const auto n_out = static_cast<std::size_t>(n_out_);
  const std::size_t size = rows * n_out;
  std::int64_t* values = nullptr;
  if (family_ == Family::kLanes) {
    values = scratch.wide[0].data();
  } else {
    scratch.wide[0].resize(size);
    values = scratch.wide[0].data();
    const auto stride = static_cast<std::size_t>(planes_.front().blocks()) * kBlock;
    const std::size_t products = family_ == Family::kTruncating ? 1 : x_shift_.size() * w_shift_.size();
    for (std::size_t r = 0; r < rows; ++r) {
      std::int64_t* to = values + r * n_out;
      const std::int32_t* sums = scratch.sums[0].data() + r * stride;
      for (std::size_t j = 0; j < n_out; ++j) to[j] = sums[j];
      for (std::size_t i = 1; i < products; ++i) {
        const int shift = x_shift_[i / w_shift_.size()] + w_shift_[i % w_shift_.size()];
        const std::int32_t* more = scratch.sums[i].data() + r * stride;
        for (std::size_t j = 0; j < n_out; ++j) to[j] += static_cast<std::int64_t>(more[j]) << shift;
      }
      if (!bias_.empty()) {
        for (std::size_t j = 0; j < n_out; ++j) to[j] = (to[j] << up_) + bias_[j];
      }
    }
    if (fit_accum_) {
      const CastCounts seen = run_lane_cast(*fit_accum_, false, values, values, size);
      tally.counts[layer_].accum_overflows += seen.overflows;
      tally.overflowed |= seen.overflows > 0;
    }
  }
  const auto count = [&](std::size_t layer, const CastCounts& seen) {
    tally.counts[layer].overflows += seen.overflows;
    tally.counts[layer].zeros += seen.zeros;
    tally.overflowed |= seen.overflows > 0;
  };
  if (accum_ != result_) count(layer_, run_lane_cast(*to_result_, false, values, values, size));
  if (relu_) count(*relu_, run_lane_cast(*to_relu_, true, values, values, size));
  y.put(first * n_out, size, values);
}

}  // namespace narrow
