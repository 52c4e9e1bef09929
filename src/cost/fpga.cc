#include "cost/fpga.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "layers/product.h"

namespace narrow {
namespace {

constexpr int kDspWide = 27, kDspNarrow = 18;
constexpr int kLutBits = 9;  // fits_luts
constexpr int kLutInputs = 6;

double up(double count, double by) { return std::ceil(count / by); }

// A number on its way to a sum: bits from `low` on, counted from the point; `largest` is its largest magnitude.
struct Term {
  int low = 0;
  int bits = 0;  // the sign included; of a constant 0, for it is kept nowhere
  double largest = 0;
  bool negative = false;  // what is meant is the negative number
  int level = 0;          // adders behind which it stands in a row
};

// A balanced tree over terms that come one by one: two of the same number of terms are added at once.
class Tree {
 public:
  Tree(const Format& accum, Circuit& circuit) : low_(-accum.fraction()), high_(accum.integer), circuit_(circuit) {}

  void add(Term term) {
    if (term.low < low_) {  // what accum's type drops is no part of it, and is dropped behind the sign
      if (term.negative) circuit_.lut += term.bits + 1;
      term.bits = std::max(term.bits + (term.negative ? 1 : 0) - (low_ - term.low), 0);
      term.negative = false;
      term.low = low_;
    }
    std::size_t terms = 1;
    while (depth_ > 0 && stack_[depth_ - 1].terms == terms) {
      term = sum(stack_[--depth_].term, term);
      terms *= 2;
    }
    stack_[depth_++] = {term, terms};
  }
  // Of all; what is left over is added from the smallest on.
  Term finish() {
    if (depth_ == 0) return {};
    Term term = stack_[--depth_].term;
    while (depth_ > 0) term = sum(stack_[--depth_].term, term);
    return term;
  }

 private:
  Term sum(const Term& a, const Term& b) {
    Term result{std::min(a.low, b.low), 0, a.largest + b.largest, a.negative && b.negative, std::max(a.level, b.level) + 1};
    result.bits = std::max(std::min(std::ilogb(result.largest) + 2, high_) - result.low, 0);
    // The bits below the higher of both lows are wires, but not where they are subtracted.
    const bool borrows = a.negative != b.negative && (a.negative ? a.low < b.low : b.low < a.low);
    circuit_.lut += std::max(0, result.low + result.bits - (borrows ? result.low : std::max(a.low, b.low)));
    // One that has fewer registers behind it waits for the other.
    circuit_.ff += std::abs(stage(a) - stage(b)) * (stage(a) < stage(b) ? a.bits : b.bits);
    if (result.level % kAddersPerCycle == 0) circuit_.ff += result.bits;
    return result;
  }
  static int stage(const Term& term) { return term.level / kAddersPerCycle; }

  struct Partial {
    Term term;
    std::size_t terms = 0;
  };
  int low_, high_;
  Circuit& circuit_;
  std::array<Partial, 64> stack_;
  std::size_t depth_ = 0;
};

// What a constant weight is made of.
struct Constant {
  int zeros = 0;  // low bits that are 0
  int digits = 0;
  int bits = 0;  // of what is left, sign included
};

Constant constant_of(Int128 raw, const Format& format) {
  if (format.meaning == Meaning::kExponent) return {static_cast<int>(std::clamp<Int128>(raw >> 1, -64, 64)), 1, 1};
  if (format.meaning == Meaning::kSign) return {0, 1, 1};
  if (raw == 0) return {};
  const Uint128 magnitude = magnitude_of(raw);
  const auto low = static_cast<std::uint64_t>(magnitude);
  const int zeros = low != 0 ? std::countr_zero(low) : 64 + std::countr_zero(static_cast<std::uint64_t>(magnitude >> 64));
  return {zeros, signed_digits(raw), bits_of(magnitude) - zeros + 1};
}

// For each bit of one of so many values, in LUTs that choose one of four (UltraScale's F7 and F8 would take some of them).
double luts_of_choice(double values) { return up(values - 1, 3); }

int cycles_of(int levels) { return static_cast<int>(up(levels, kAddersPerCycle)); }

}  // namespace

int dsps_of_product(int bits, int other_bits) {
  const auto parts = [](int of, int width) { return std::max(1, static_cast<int>(up(of - 1, width - 1))); };
  return std::min(parts(bits, kDspWide) * parts(other_bits, kDspNarrow), parts(bits, kDspNarrow) * parts(other_bits, kDspWide));
}

bool fits_luts(int bits, int other_bits) { return std::min(bits, other_bits) < kLutBits; }

int signed_digits(Int128 raw) {
  const Uint128 magnitude = magnitude_of(raw);
  const Uint128 digits = magnitude ^ (magnitude * 3);
  return std::popcount(static_cast<std::uint64_t>(digits)) + std::popcount(static_cast<std::uint64_t>(digits >> 64));
}

void add_product(int bits, int other_bits, double count, Circuit& circuit) {
  if (fits_luts(bits, other_bits)) circuit.lut += count * std::min(bits, other_bits) * (std::max(bits, other_bits) + 1);
  else circuit.dsp += count * dsps_of_product(bits, other_bits);
}

double block_rams(std::size_t words, int bits) {
  if (words == 0 || bits <= 0) return 0;
  constexpr std::array<int, 6> kWidths = {36, 18, 9, 4, 2, 1};
  constexpr double kWordsOfWidest = 512;
  double best = 0;
  for (std::size_t i = 0; i < kWidths.size(); ++i) {
    const double blocks = up(bits, kWidths[i]) * up(static_cast<double>(words), kWordsOfWidest * std::exp2(static_cast<double>(i)));
    if (i == 0 || blocks < best) best = blocks;
  }
  constexpr double kHalf = 0.5;
  return best * kHalf;
}

double luts_of_cast(const Format& from, const Format& to) {
  double luts = 0;
  if (to.fraction() < from.fraction() && to.rounding != Rounding::kTrn) luts += to.width;
  const auto above = [](const Format& format) { return format.integer - (format.is_signed ? 1 : 0); };
  const bool smaller = above(to) < above(from) || (from.is_signed && !to.is_signed);
  if (smaller && (saturates(to) || to.overflow == Overflow::kWrapSm || to.saturated_bits > 0)) luts += to.width;
  return luts;
}

Circuit unrolled(const MatrixCircuit& matrix) {
  Circuit circuit;
  const std::size_t outputs = matrix.biases.size();
  const std::size_t inputs = matrix.weights.size() / outputs;
  const int fraction = matrix.x.fraction() + matrix.weight.fraction();
  const double largest_x = std::ldexp(1.0, matrix.x.width - (matrix.x.is_signed ? 1 : 0));
  const int bits_x = matrix.x.width + (matrix.x.is_signed ? 0 : 1);
  const bool is_number = matrix.weight.meaning == Meaning::kNumber;
  std::vector<Uint128> seen;  // magnitudes of the weights of one input
  int product_levels = 0;
  for (std::size_t i = 0; i < inputs; ++i) {
    const std::span<const Int128> row = matrix.weights.subspan(i * outputs, outputs);
    seen.clear();
    bool is_wired = !is_number;
    for (const Int128 weight : row) {
      const Uint128 magnitude = magnitude_of(weight);
      if (!is_number || magnitude == 0) continue;
      if ((magnitude & (magnitude - 1)) == 0) is_wired = true;
      else seen.push_back(magnitude);
    }
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    int tables = 0;
    for (const Uint128 weight : seen) {
      const Constant constant = constant_of(static_cast<Int128>(weight), matrix.weight);
      // The highest bit of a product of two numbers without a sign is none; the lowest is the input's.
      const int bits = matrix.x.width + constant.bits - 2;
      circuit.ff += bits;
      if (constant.digits > 2 && !fits_luts(bits_x, constant.bits)) {
        circuit.ff += 1;
        circuit.dsp += dsps_of_product(bits_x, constant.bits);
        product_levels = std::max(product_levels, kAddersPerCycle);
        continue;
      }
      const int adders = (constant.digits - 1) * (matrix.x.width + 1);
      const bool is_table = matrix.x.width <= kLutInputs && bits < adders;
      tables += is_table ? 1 : 0;
      circuit.lut += is_table ? bits : adders;
      product_levels = std::max(product_levels, is_table ? 1 : log2_ceil(static_cast<std::size_t>(constant.digits)));
    }
    if (is_wired) circuit.ff += matrix.x.width;
    else if (!seen.empty()) circuit.ff += 1;
    // Of odd constants, bit k of the product has 2^k forms.
    for (int k = 1, forms = 2; forms < tables; ++k, forms *= 2) {
      circuit.lut -= tables - forms;
      circuit.ff -= tables - forms;
    }
  }
  int levels = 0;
  const double rounded = luts_of_cast(matrix.accum, matrix.result);
  // Where accum rounds or saturates, it does so with each product and each sum.
  Format product = matrix.accum;
  product.integer += 1;
  product.width = product.integer + std::max(fraction, matrix.accum.fraction());
  const double each = luts_of_cast(product, matrix.accum);
  for (std::size_t j = 0; j < outputs; ++j) {
    Tree tree(matrix.accum, circuit);
    for (std::size_t i = j; i < matrix.weights.size(); i += outputs) {
      const Constant constant = constant_of(matrix.weights[i], matrix.weight);
      if (constant.digits == 0) continue;
      const double magnitude = is_number ? std::abs(static_cast<double>(matrix.weights[i])) : std::ldexp(1.0, constant.zeros);
      circuit.lut += each;
      tree.add(
          {constant.zeros - fraction, bits_x + constant.bits - 1, std::ldexp(largest_x * magnitude, -fraction), matrix.weights[i] < 0});
    }
    if (const Int128 bias = matrix.biases[j]; bias != 0) {
      const int low = constant_of(bias, matrix.bias).zeros - matrix.bias.fraction();
      tree.add({low, 0, std::ldexp(std::abs(static_cast<double>(bias)), -matrix.bias.fraction()), bias < 0});
    }
    const Term sum = tree.finish();
    levels = std::max(levels, sum.level);
    circuit.lut += sum.bits > 0 ? rounded : 0;
    if (sum.level % kAddersPerCycle != 0 || sum.level == 0) circuit.ff += std::min(sum.bits, matrix.result.width);
  }
  circuit.latency = std::max(cycles_of(product_levels), product_levels > 0 ? 1 : 0) + std::max(1, cycles_of(levels));
  return circuit;
}

Circuit multiplexed(const MatrixCircuit& matrix, int reuse, Strategy strategy) {
  Circuit circuit;
  const auto outputs = static_cast<double>(matrix.biases.size());
  const double inputs = static_cast<double>(matrix.weights.size()) / outputs;
  double multipliers = up(static_cast<double>(matrix.weights.size()), reuse);
  // multiplier_limit of hls4ml's configurations (vivado/passes/core_templates.py).
  if (strategy == Strategy::kLatency) {
    const auto zeros = std::count(matrix.weights.begin(), matrix.weights.end(), 0);
    multipliers -= std::floor(static_cast<double>(zeros) / reuse);
  }
  circuit.interval = reuse;
  if (multipliers < 1) return circuit;
  const int bits_x = matrix.x.width + (matrix.x.is_signed ? 0 : 1);
  const int bits_w = matrix.weight.width + (matrix.weight.is_signed ? 0 : 1);
  if (matrix.weight.meaning != Meaning::kNumber) circuit.lut += multipliers * bits_x;
  else add_product(bits_x, bits_w, multipliers, circuit);
  // Which input each multiplier takes, of `reuse` inputs one after the other.
  const double turns = std::min<double>(reuse, inputs);
  const double chosen = up(inputs, turns) * matrix.x.width;
  circuit.lut += chosen * luts_of_choice(turns);
  circuit.ff += chosen;
  // Several products for one sum are added in a tree with registers behind each level.
  const int sum_bits = matrix.accum.width;
  const int fraction_up = std::max(0, matrix.accum.fraction() - matrix.x.fraction() - matrix.weight.fraction());
  double bits = std::min(bits_x + bits_w + fraction_up, sum_bits);
  double terms = up(multipliers, outputs);
  int levels = 0;
  for (; terms > 1; terms = up(terms, 2), ++levels) {
    bits = std::min<double>(bits + 1, sum_bits);
    circuit.lut += outputs * std::floor(terms / 2) * bits;
    circuit.ff += outputs * up(terms, 2) * bits;
  }
  // A running sum for each output, and its result; where a multiplier serves more than the three that fit the adder's own LUTs, a choice.
  const double adders = std::min(multipliers, outputs);
  const double sums_each = up(outputs, adders);
  circuit.lut += adders * sum_bits * (1 + (sums_each > 3 ? luts_of_choice(sums_each) : 0));
  circuit.ff += outputs * (sum_bits + matrix.result.width);
  circuit.lut += outputs * luts_of_cast(matrix.accum, matrix.result);
  // The weights of a turn, in a word. Of few turns there are few different bits, and equal ones are one.
  const double word = multipliers * matrix.weight.width;
  if (strategy == Strategy::kResource) {
    circuit.bram += block_rams(static_cast<std::size_t>(reuse), static_cast<int>(word));
  } else {
    constexpr int kManyTurns = 16;
    const double different = std::min(word, std::exp2(std::min(reuse, kManyTurns)));
    circuit.lut += different * up(reuse, kLutRomWords);
    circuit.ff += different;
  }
  const int count_bits = std::max(1, log2_ceil(static_cast<std::size_t>(reuse)));
  circuit.lut += count_bits;
  circuit.ff += (2 + levels) * count_bits;
  circuit.latency = reuse + 2 + levels;
  return circuit;
}

}  // namespace narrow
