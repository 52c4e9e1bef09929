#include "layers/softmax.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "error.h"
#include "layers/product.h"
#include "layers/table.h"
#include "layers/turns.h"

namespace narrow {
namespace {

int bits_of(int size) { return std::countr_zero(static_cast<unsigned>(size)); }

bool has_tables(SoftmaxKind kind) { return kind == SoftmaxKind::kStable || kind == SoftmaxKind::kLatency; }

// The type whose top bits index the exp table: `stable` has max(x) - x, in the bits of x without its sign.
Format key_type(SoftmaxKind kind, const Format& x) {
  if (kind == SoftmaxKind::kLatency) return x;
  const int sign = x.is_signed ? 1 : 0;
  return ufixed(x.width - sign, x.integer - sign);
}

int exp_size(SoftmaxKind kind, int size, const Format& x) {
  constexpr int kMost = 30;
  if (kind != SoftmaxKind::kStable || !x.is_signed || x.width > kMost) return size;
  return std::min(size, 1 << (x.width - 1));
}

// The `count` top bits of a raw's pattern.
std::size_t top_bits(Int128 raw, const Format& format, int count) {
  const Uint128 pattern = static_cast<Uint128>(raw) & ((static_cast<Uint128>(1) << format.width) - 1);
  return static_cast<std::size_t>(pattern >> (format.width - count));
}

// legacy: table_t and the sizes are those of nnet::activ_config, whatever is configured.
Format difference_type(const Format& x) { return {.width = x.width + 1, .integer = x.integer + 1, .is_integer = x.is_integer}; }

// One row of scores.
class Row {
 public:
  Row(const Place& place, const Step& step) : step_(step), x_(place.input()), types_(place.types) {}

  void run(std::span<const Int128> x, std::span<Int128> y, LayerCounts& counts) {
    switch (*types_.softmax) {
      case SoftmaxKind::kStable:
      case SoftmaxKind::kLatency: return by_tables(x, y, counts);
      case SoftmaxKind::kArgmax: return argmax(x, y, counts);
      case SoftmaxKind::kLegacy: return legacy(x, y, counts);
    }
  }

 private:
  void put(Int128& y, const CastResult& result, bool was_nonzero, LayerCounts& counts) const {
    count(counts, result, was_nonzero);
    y = result.raw;
  }

  Int128 brought(const CastResult& result) {
    left_ |= result.overflow;
    return result.raw;
  }

  // reduce of nnet_common.h: the left part is the largest power of two below the number of terms.
  Int128 sum(std::span<const Int128> terms) {
    if (terms.size() == 1) return terms.front();
    const std::size_t left = std::bit_floor(terms.size() - 1);
    const Format& accum = types_[TypeName::kAccum];
    return brought(cast(sum(terms.first(left)) + sum(terms.subspan(left)), accum.fraction(), accum));
  }

  void by_tables(std::span<const Int128> x, std::span<Int128> y, LayerCounts& counts) {
    const SoftmaxKind kind = *types_.softmax;
    const Format key = key_type(kind, x_);
    const Format& accum = types_[TypeName::kAccum];
    const Format& inverted = types_[TypeName::kInvInp];
    const Format& inverse_type = types_[TypeName::kInvTable];
    const std::vector<Int128>& exps = step_[TypeName::kExpTable].raw;
    const std::vector<Int128>& inverses = step_[TypeName::kInvTable].raw;
    const Int128 highest = kind == SoftmaxKind::kStable ? *std::max_element(x.begin(), x.end()) : 0;
    left_ = false;
    terms_.clear();
    const Int128 largest_key = max_raw(key);
    for (const Int128 score : x) {
      const Int128 raw = kind == SoftmaxKind::kStable ? highest - score : score;
      left_ |= raw > largest_key;  // a difference that wraps
      const std::size_t index = top_bits(raw, key, bits_of(static_cast<int>(exps.size())));
      terms_.push_back(brought(cast(exps[index], types_[TypeName::kExpTable], accum)));
    }
    const Int128 total = brought(cast(sum(terms_), accum, inverted));
    const Int128 inverse = inverses[top_bits(total, inverted, bits_of(static_cast<int>(inverses.size())))];
    counts.accum_overflows += left_ ? y.size() : 0;
    const bool no_integer_bits = accum.integer + inverse_type.integer <= 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const Int128 product = terms_[i] * inverse;
      put(y[i], cast(product, accum.fraction() + inverse_type.fraction(), types_.result(), no_integer_bits), product != 0, counts);
    }
  }

  void argmax(std::span<const Int128> x, std::span<Int128> y, LayerCounts& counts) const {
    const auto best = static_cast<std::size_t>(std::max_element(x.begin(), x.end()) - x.begin());  // the first
    for (std::size_t i = 0; i < y.size(); ++i) put(y[i], cast(i == best ? 1 : 0, 0, types_.result()), i == best, counts);
  }

  void legacy(std::span<const Int128> x, std::span<Int128> y, LayerCounts& counts) {
    const Format table = default_table();
    const std::vector<Int128>& exps = step_[TypeName::kExpTable].raw;
    const std::vector<Int128>& inverses = step_[TypeName::kInvTable].raw;
    const TableIndex of_difference(TableFunction::kLegacyExp, kTableSize);
    const TableIndex of_sum(TableFunction::kLegacyInverse, kTableSize);
    const Format difference = difference_type(x_);
    for (std::size_t i = 0; i < y.size(); ++i) {
      left_ = false;
      Int128 total = 0;
      for (std::size_t j = 0; j < x.size(); ++j) {
        const Int128 one = static_cast<Int128>(1) << table.fraction();
        const Int128 term = i == j ? one : exps[static_cast<std::size_t>(of_difference.of(x[j] - x[i], difference))];
        total = brought(cast(total + term, table.fraction(), table));
      }
      counts.accum_overflows += left_ ? 1 : 0;
      const Int128 inverse = inverses[static_cast<std::size_t>(of_sum.of(total, table))];
      put(y[i], cast(inverse, table, types_.result()), inverse != 0, counts);
    }
  }

  const Step& step_;
  const Format& x_;
  const LayerPrecision& types_;
  std::vector<Int128> terms_;
  bool left_ = false;  // a sum left its range, or a term of it
};

// Rows of scores in words of 64 bits, where no sum leaves its range: terms are not negative, so sums of any order are the exact one.
class FastRow {
 public:
  FastRow(const Place& place, const Step& step) : stable_(*place.types.softmax == SoftmaxKind::kStable) {
    const Format& x = place.input();
    const Format& result = place.types.result();
    const Format& accum = place.types[TypeName::kAccum];
    const Format& inverted = place.types[TypeName::kInvInp];
    const Format& inverse = place.types[TypeName::kInvTable];
    if (!has_tables(*place.types.softmax)) return;
    terms_ = step[TypeName::kAccum].raw;
    inverses_ = step[TypeName::kInvTable].raw;
    shift_ = accum.fraction() + inverse.fraction() - result.fraction();
    const bool plain = !accum.is_integer && !inverted.is_integer && !result.is_integer && accum.integer + inverse.integer > 0;
    const bool rounded = result.rounding == Rounding::kTrn || result.rounding == Rounding::kRnd;
    const int row = static_cast<int>(std::bit_width(static_cast<unsigned>(place.shape.back())));
    fits_ = plain && rounded && shift_ >= 0 && shift_ < kWord && x.width < kWord && accum.width + row < kWord &&
            accum.width + inverse.width < kWord && result.width < kWord && accum.fraction() == inverted.fraction();
    if (!fits_) return;
    const Format key = key_type(*place.types.softmax, x);
    largest_key_ = static_cast<std::int64_t>(max_raw(key));
    mask_ = (std::uint64_t{1} << key.width) - 1;
    key_shift_ = key.width - bits_of(static_cast<int>(terms_.size()));
    largest_sum_ = static_cast<std::int64_t>(std::min(max_raw(accum), max_raw(inverted)));
    inverse_shift_ = inverted.width - bits_of(static_cast<int>(inverses_.size()));
    half_ = result.rounding == Rounding::kRnd && shift_ > 0 ? std::int64_t{1} << (shift_ - 1) : 0;
    low_ = static_cast<std::int64_t>(least_raw(result));
    high_ = static_cast<std::int64_t>(max_raw(result));
    chosen_.resize(static_cast<std::size_t>(place.shape.back()));
  }

  bool fits() const { return fits_; }

  // False, with nothing counted, for a row in which something leaves its range.
  bool run(std::span<const std::int64_t> x, std::span<std::int64_t> y, LayerCounts& counts) {
    const std::int64_t highest = stable_ ? *std::max_element(x.begin(), x.end()) : 0;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::int64_t key = stable_ ? highest - x[i] : x[i];
      if (key > largest_key_) return false;
      const auto term = static_cast<std::int64_t>(terms_[(static_cast<std::uint64_t>(key) & mask_) >> key_shift_]);
      if (term < 0) return false;
      sum += term;
      chosen_[i] = term;
    }
    if (sum > largest_sum_) return false;
    const auto inverse = static_cast<std::int64_t>(inverses_[static_cast<std::uint64_t>(sum) >> inverse_shift_]);
    std::uint64_t zeros = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::int64_t product = chosen_[i] * inverse;
      y[i] = (product + half_) >> shift_;
      if (y[i] < low_ || y[i] > high_) return false;
      zeros += product != 0 && y[i] == 0 ? 1 : 0;
    }
    counts.zeros += zeros;
    return true;
  }

 private:
  static constexpr int kWord = 62;
  bool stable_;
  std::span<const Int128> terms_, inverses_;
  bool fits_ = false;
  int shift_ = 0, key_shift_ = 0, inverse_shift_ = 0;
  std::uint64_t mask_ = 0;
  std::int64_t largest_key_ = 0, largest_sum_ = 0, half_ = 0, low_ = 0, high_ = 0;
  std::vector<std::int64_t> chosen_;
};

// Of the exp table what each entry is in accum's type, -1 for one that does not fit it.
Table terms_of(const Table& exps, const Format& from, const Format& accum) {
  QuantizedWeights terms;
  for (const Int128 raw : exps->raw) {
    const CastResult term = cast(raw, from, accum);
    terms.raw.push_back(term.overflow ? -1 : term.raw);
  }
  return std::make_shared<const QuantizedWeights>(std::move(terms));
}

}  // namespace

int Softmax::step_exponent(const LayerPrecision& types, const Format& input) {
  return key_type(*types.softmax, input).integer - bits_of(exp_size(*types.softmax, *types.table_size, input));
}

FloatFunction Softmax::float_function() const {
  return [](const FloatCall& call) {
    const auto width = static_cast<std::size_t>(call.shapes.front().back());
    for (std::size_t row = 0; row < call.y.size(); row += width) {
      const std::span<const float> x = call.inputs.front().subspan(row, width);
      const std::span<float> y = call.y.subspan(row, width);
      const float highest = *std::max_element(x.begin(), x.end());
      float sum = 0;
      for (std::size_t i = 0; i < width; ++i) sum += y[i] = std::exp(x[i] - highest);
      for (float& value : y) value /= sum;
    }
  };
}

LayerPrecision Softmax::types(const TypeRequest& request) const {
  LayerPrecision types = result_alone(request);
  types.set(TypeName::kAccum, request.asked(TypeName::kAccum));
  for (const TypeName type : {TypeName::kExpTable, TypeName::kInvTable, TypeName::kInvInp})
    types.set(type, request.choice(type).value_or(default_type()));
  types.softmax = request.softmax;
  // fix_softmax_table_size.py
  const Format& input = request.inputs.front();
  constexpr int kMost = 30;
  const int size = std::min(request.table_size.value_or(kTableSize), 1 << std::min({input.width, types[TypeName::kInvTable].width, kMost}));
  types.table_size = size;
  if (!has_tables(request.softmax)) return types;
  const std::string layer = "layer " + request.layer + " (softmax): ";
  if (!std::has_single_bit(static_cast<unsigned>(size)) || size == 1) {
    throw Error(layer + "its tables of " + std::to_string(size) +
                " entries would be read past their end; hls4ml needs a TableSize that is a power of two from 2 on");
  }
  if (exp_size(request.softmax, size, input) == 1)
    throw Error(layer + "its input type " + to_string(input) + " leaves no bit of a difference; it needs at least 2 bits");
  const Format& inverted = types[TypeName::kInvInp];
  if (inverted.width < bits_of(size)) {
    throw Error(layer + "its inv_inp_t " + to_string(inverted) + " has too few bits for a TableSize of " + std::to_string(size) +
                "; it needs at least " + std::to_string(bits_of(size)));
  }
  return types;
}

void Softmax::plan(const Place& place, Step& step) const {
  const LayerPrecision& types = place.types;
  const SoftmaxKind kind = *types.softmax;
  const Format& x = place.input();
  step.bits = x.width + 2;
  step.word_bits = kMaxSumWidth;
  if (kind == SoftmaxKind::kLegacy) {
    step.weights = {{TypeName::kExpTable, function_table(TableFunction::kLegacyExp, kTableSize, default_table())},
                    {TypeName::kInvTable, function_table(TableFunction::kLegacyInverse, kTableSize, default_table())}};
    step.bits = TableIndex(TableFunction::kLegacyExp, kTableSize).bits(difference_type(x));
  } else if (has_tables(kind)) {
    const Format key = key_type(kind, x);
    const Format& inverse = types[TypeName::kInvTable];
    step.weights = {{TypeName::kExpTable,
                     exp_table(key, kind == SoftmaxKind::kStable, exp_size(kind, *types.table_size, x), types[TypeName::kExpTable])},
                    {TypeName::kInvTable, inverse_table(types[TypeName::kInvInp], *types.table_size, inverse)}};
    step.weights.emplace_back(TypeName::kAccum, terms_of(step.weights.front().second, types[TypeName::kExpTable], types[TypeName::kAccum]));
    step.bits = std::max({step.bits, types[TypeName::kExpTable].width + 1, types[TypeName::kAccum].width + inverse.width + 2});
  }
}

template <class Raw>
void Softmax::compute(const ExactCall<Raw>& call) const {
  const auto width = static_cast<std::size_t>(call.place.shape.back());
  std::optional<FastRow> fast;
  if (std::is_same_v<Raw, std::int64_t>) fast.emplace(call.place, call.step);
  std::optional<Row> exact;
  std::vector<Int128> x;
  std::vector<Int128> y;
  for (std::size_t i = 0; i < call.x().size(); i += width) {
    const std::span<const Raw> from = call.x().subspan(i, width);
    const std::span<Raw> to = call.y.subspan(i, width);
    if constexpr (std::is_same_v<Raw, std::int64_t>) {
      if (fast->fits() && fast->run(from, to, call.counts)) continue;
    }
    if (!exact) exact.emplace(call.place, call.step);
    x.assign(from.begin(), from.end());
    y.resize(width);
    exact->run(x, y, call.counts);
    std::transform(y.begin(), y.end(), to.begin(), [](Int128 raw) { return static_cast<Raw>(raw); });
  }
}
template void Softmax::compute(const ExactCall<std::int64_t>&) const;
template void Softmax::compute(const ExactCall<Int128>&) const;

// Whatever the scores are, terms and inverses are those of the tables.
Interval Softmax::bounds(const Place& place, const Step& step, const std::vector<Interval>&) const {
  const LayerPrecision& types = place.types;
  const Format& result = types.result();
  const auto ends = [](const std::vector<Int128>& table) {
    const auto [low, high] = std::minmax_element(table.begin(), table.end());
    return Interval{*low, *high};
  };
  if (*types.softmax == SoftmaxKind::kArgmax) return cast_interval({0, 1}, 0, result);
  const Interval inverses = ends(step[TypeName::kInvTable].raw);
  if (*types.softmax == SoftmaxKind::kLegacy) return cast_interval(inverses, default_table().fraction(), result);
  const Format& accum = types[TypeName::kAccum];
  const Interval terms = cast_interval(ends(step[TypeName::kExpTable].raw), types[TypeName::kExpTable].fraction(), accum);
  const Int128 corners[] = {terms.low * inverses.low, terms.low * inverses.high, terms.high * inverses.low, terms.high * inverses.high};
  const auto [low, high] = std::minmax_element(std::begin(corners), std::end(corners));
  return cast_interval({*low, *high}, accum.fraction() + types[TypeName::kInvTable].fraction(), result);
}

}  // namespace narrow
