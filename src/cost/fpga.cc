#include "cost/fpga.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace narrow {
namespace {

constexpr int kDspWide = 27, kDspNarrow = 18;
constexpr int kLutBits = 9;  // fits_luts
constexpr int kLutRomWords = 64;

double up(double count, double by) { return std::ceil(count / by); }

// A number on its way to a sum: bits from `low` to below `high`, sign included, counted from the point; `largest` is its largest magnitude.
struct Term {
  int low = 0;
  double largest = 0;
  int level = 0;  // adders behind which it stands in a row
};

// Bits of a signed number up to a magnitude, above `low`.
int bits_above(double largest, int low) { return largest <= 0 ? 0 : std::max(0, std::ilogb(largest) + 2 - low); }

// A balanced tree over terms that come one by one: two of the same number of terms are added at once.
class Tree {
 public:
  Tree(const Format& accum, Circuit& circuit) : low_(-accum.fraction()), high_(accum.integer), circuit_(circuit) {}

  // What the accumulator's type drops is no part of it.
  void add(Term term) {
    term.low = std::max(term.low, low_);
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
  int bits(const Term& term) const { return std::min(bits_above(term.largest, term.low), std::max(high_ - term.low, 0)); }

 private:
  // The bits below the higher of both lows are wires.
  Term sum(const Term& a, const Term& b) {
    Term result{std::min(a.low, b.low), a.largest + b.largest, std::max(a.level, b.level) + 1};
    const int high = result.low + bits(result);
    circuit_.lut += std::max(0, high - std::max(a.low, b.low));
    if (result.level % kAddersPerCycle == 0) circuit_.ff += bits(result);
    return result;
  }

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

int log2_ceil(std::size_t n) { return n < 2 ? 0 : static_cast<int>(std::bit_width(n - 1)); }

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

double block_rams(std::size_t words, int bits) {
  if (words == 0 || bits <= 0) return 0;
  constexpr std::array<int, 5> kWidths = {18, 9, 4, 2, 1};
  double best = 0;
  for (std::size_t i = 0; i < kWidths.size(); ++i) {
    const double blocks = up(bits, kWidths[i]) * up(static_cast<double>(words), 1024.0 * std::exp2(static_cast<double>(i)));
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
  std::vector<Int128> seen;  // weights of one input
  int product_levels = 0;
  for (std::size_t i = 0; i < inputs; ++i) {
    const std::span<const Int128> row = matrix.weights.subspan(i * outputs, outputs);
    seen.assign(row.begin(), row.end());
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    bool is_wired = false;
    for (const Int128 weight : seen) {
      const Constant constant = constant_of(weight, matrix.weight);
      if (constant.digits == 0) continue;
      if (constant.digits == 1) {
        is_wired = true;
        continue;
      }
      const int product_bits = bits_x + constant.bits - 1;
      circuit.ff += product_bits;
      if (constant.digits > 2 && !fits_luts(bits_x, constant.bits)) {
        circuit.dsp += dsps_of_product(bits_x, constant.bits);
        product_levels = std::max(product_levels, kAddersPerCycle);
      } else {
        circuit.lut += (constant.digits - 1) * (bits_x + 1);
        product_levels = std::max(product_levels, log2_ceil(static_cast<std::size_t>(constant.digits)));
      }
    }
    if (is_wired) circuit.ff += matrix.x.width;
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
      const bool is_number = matrix.weight.meaning == Meaning::kNumber;
      const double magnitude = is_number ? std::abs(static_cast<double>(matrix.weights[i])) : std::ldexp(1.0, constant.zeros);
      circuit.lut += each;
      tree.add({constant.zeros - fraction, std::ldexp(largest_x * magnitude, -fraction), 0});
    }
    if (const Int128 bias = matrix.biases[j]; bias != 0) {
      const int low = constant_of(bias, matrix.bias).zeros - matrix.bias.fraction();
      tree.add({low, std::ldexp(std::abs(static_cast<double>(bias)), -matrix.bias.fraction()), 0});
    }
    const Term sum = tree.finish();
    levels = std::max(levels, sum.level);
    const int bits = std::min(tree.bits(sum), matrix.result.width);
    circuit.lut += bits > 0 ? rounded : 0;
    if (sum.level % kAddersPerCycle != 0 || sum.level == 0) circuit.ff += bits;
  }
  circuit.latency = std::max(cycles_of(product_levels), product_levels > 0 ? 1 : 0) + std::max(1, cycles_of(levels));
  return circuit;
}

Circuit multiplexed(const MatrixCircuit& matrix, int reuse, Strategy strategy) {
  Circuit circuit;
  const std::size_t outputs = matrix.biases.size();
  const std::size_t inputs = matrix.weights.size() / outputs;
  const double multipliers = up(static_cast<double>(matrix.weights.size()), reuse);
  const int bits_x = matrix.x.width + (matrix.x.is_signed ? 0 : 1);
  const int bits_w = matrix.weight.width + (matrix.weight.is_signed ? 0 : 1);
  const int sum_bits = matrix.accum.width;
  const bool is_wired = matrix.weight.meaning != Meaning::kNumber;
  if (is_wired) circuit.lut += multipliers * bits_x;
  else if (fits_luts(bits_x, bits_w)) circuit.lut += multipliers * bits_x * bits_w;
  else circuit.dsp += multipliers * dsps_of_product(bits_x, bits_w);
  // Which input each multiplier takes: of reuse inputs one after the other, four to a LUT, and the rest of a wide choice in F7 and F8.
  const double turns = std::min<double>(reuse, static_cast<double>(inputs));
  const double chosen = up(static_cast<double>(inputs), turns);
  circuit.lut += chosen * matrix.x.width * up(turns, 4);
  // Which sum it is added to.
  const double sums_each = up(static_cast<double>(outputs), multipliers);
  if (sums_each > 1) circuit.lut += multipliers * sum_bits * up(sums_each, 4);
  circuit.lut += multipliers * sum_bits;  // an adder each
  circuit.ff += static_cast<double>(outputs) * sum_bits;
  circuit.ff += multipliers * (bits_x + bits_w);
  circuit.lut += static_cast<double>(outputs) * luts_of_cast(matrix.accum, matrix.result);
  circuit.ff += static_cast<double>(outputs) * matrix.result.width;
  const double word = multipliers * matrix.weight.width;
  if (strategy == Strategy::kResource) circuit.bram += block_rams(static_cast<std::size_t>(reuse), static_cast<int>(word));
  else circuit.lut += word * up(reuse, kLutRomWords);
  circuit.ff += log2_ceil(static_cast<std::size_t>(reuse)) + 1;
  circuit.lut += log2_ceil(static_cast<std::size_t>(reuse));
  const auto terms_each = static_cast<std::size_t>(up(multipliers, static_cast<double>(outputs)));
  circuit.latency = reuse + 1 + std::max(1, cycles_of(log2_ceil(terms_each) + 1));
  circuit.interval = reuse;
  return circuit;
}

}  // namespace narrow
