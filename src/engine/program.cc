#include "engine/program.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>

#include "error.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

// `'{:.Nf}'.format(value)` of Python, read back as a double: both round correctly, ties to even on the exact value.
double through_text(float value, int decimals) {
  // value * 10^decimals, rounded to even, is a whole number; as long as it and 10^decimals are doubles, their quotient is the
  // double nearest to the text.
  constexpr int kMaxDecimals = 22;
  constexpr double kExact = 9007199254740992.0;  // 2^53
  int exponent = 0;
  const auto mantissa = static_cast<Int128>(std::ldexp(std::frexp(value, &exponent), 24));
  const int shift = 24 - exponent;  // value = mantissa / 2^shift
  constexpr int kMaxShift = 120;
  if (decimals <= kMaxDecimals && shift > 0 && shift < kMaxShift) {
    double power = 1;
    Int128 scaled = mantissa;
    for (int i = 0; i < decimals; ++i) power *= 10, scaled *= 10;
    const Int128 down = scaled >> shift;
    const Int128 rest = scaled - (down << shift);
    const Int128 half = static_cast<Int128>(1) << (shift - 1);
    const Int128 rounded = down + (rest > half || (rest == half && (down & 1) != 0) ? 1 : 0);
    const auto whole = static_cast<double>(rounded);
    if (std::abs(whole) < kExact) return whole / power;
  }
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, static_cast<double>(value));
  return std::strtod(text.data(), nullptr);
}

// A raw of format `f` seen at `fraction` bits, as a signed number: sign included.
int bits_at(const Format& f, int fraction) { return f.width + (f.is_signed ? 0 : 1) + std::max(0, fraction - f.fraction()); }

int log2_ceil(std::size_t n) { return n < 2 ? 0 : static_cast<int>(std::bit_width(n - 1)); }

struct StepBuilder {
  const Resolved& resolved;
  std::size_t index;
  WeightCache* cache;

  QuantizedWeights quantize(const char* array, const std::vector<float>& values, const Format& format) const {
    return cache == nullptr ? quantize_weights(values, format) : cache->get(layer().name + "/" + array, values, format);
  }

  const Layer& layer() const { return resolved.model.layers[index]; }
  const LayerPrecision& types() const { return resolved.precision[index]; }
  std::size_t input_index() const { return static_cast<std::size_t>(layer().inputs.front()); }
  const Format& input() const { return resolved.precision[input_index()].result; }

  // What a cast to `to` in one machine word needs: room to align, and a bit for rounding up.
  static int cast_bits(int bits, int fraction, const Format& to) {
    return std::max(bits + std::max(0, to.fraction() - fraction), to.width + 1) + 1;
  }

  Step operator()(const InputOp&) const { return {.bits = types().result.width + 1, .word_bits = types().result.width + 1}; }
  Step operator()(const ReluOp&) const { return plain(); }
  Step operator()(const LinearOp&) const { return plain(); }
  Step operator()(const FlattenOp&) const { return plain(); }
  Step plain() const {
    const int x = bits_at(input(), input().fraction());
    return {.bits = x, .word_bits = cast_bits(x, input().fraction(), types().result)};
  }

  int set_size() const { return resolved.model.layers[input_index()].shape.front(); }

  Step operator()(const SetSumOp&) const {
    const Format& sum = types().result;
    const int fraction = std::max(input().fraction(), sum.fraction());
    const int x = bits_at(input(), fraction);
    const int bits = std::max(x, bits_at(sum, fraction)) + 1;
    return {.bits = bits, .word_bits = std::max(bits, x + log2_ceil(static_cast<std::size_t>(set_size())) + 2)};
  }
  Step operator()(const SetMeanOp&) const {
    const int bits = types().accum.width + 2;
    return {.bits = std::max(bits, input().width + 1), .word_bits = kMaxSumWidth};
  }

  Step operator()(const DenseOp& dense) const {
    Step step{.kernel = quantize("kernel", dense.kernel, types().weight), .bias = quantize("bias", dense.bias, types().bias)};
    step.bias.raw.resize(static_cast<std::size_t>(dense.n_out), 0);
    step.order.resize(static_cast<std::size_t>(dense.n_in));
    std::iota(step.order.begin(), step.order.end(), 0);
    // A reuse factor above n_in is a multiple of it (valid_reuse_factor), which leaves the order as it is.
    if (types().strategy == Strategy::kResource) {
      std::stable_sort(step.order.begin(), step.order.end(),
                       [&](int a, int b) { return a % types().reuse_factor < b % types().reuse_factor; });
    }
    const Format& accum = types().accum;
    const int fraction = input().fraction() + types().weight.fraction();
    const int product = input().width + types().weight.width + (input().is_signed || types().weight.is_signed ? 0 : 1);
    step.bits = std::max(product, accum.width + 2);
    step.word_bits =
        std::max(dense_word_bits(dense, step, accum.fraction() - fraction), cast_bits(accum.width + 1, accum.fraction(), types().result));
    return step;
  }

  // From the largest input and the weights as they are: no sum is larger than the largest |x| times the sum of the |w|.
  // `up` is accum's fractional bits less the product's.
  int dense_word_bits(const DenseOp& dense, const Step& step, int up) const {
    const Format& accum = types().accum;
    if (up > kMaxSumWidth || -up > kMaxSumWidth || step.bits > kMaxSumWidth / 2) return kMaxSumWidth;
    const Int128 x = largest(input());
    const Int128 range = static_cast<Int128>(1) << accum.width;
    const auto n_out = static_cast<std::size_t>(dense.n_out);
    Int128 whole_sum = 0;
    Int128 product = 0;
    for (std::size_t j = 0; j < n_out; ++j) {
      Int128 column = 0;
      for (std::size_t i = j; i < step.kernel.raw.size(); i += n_out) {
        const Int128 weight = magnitude(step.kernel.raw[i]);
        product = std::max(product, x * weight);
        column += x * weight;
      }
      whole_sum = std::max(whole_sum, column);
    }
    const Int128 bias = std::accumulate(step.bias.raw.begin(), step.bias.raw.end(), Int128{0},
                                        [](Int128 m, Int128 b) { return std::max(m, magnitude(b)); });
    const int bias_up = accum.fraction() - types().bias.fraction();
    const int operand_bits = std::max(bits_of(product) + std::max(0, up), bits_of(bias) + std::max(0, bias_up));
    if (operand_bits + log2_ceil(static_cast<std::size_t>(dense.n_in) + 1) >= kMaxSumWidth) return kMaxSumWidth;
    const auto align = [](Int128 value, int shift) { return shift >= 0 ? value << shift : (value >> -shift) + 1; };
    const Int128 rounding = up < 0 ? static_cast<Int128>(1) << -up : 0;
    const Int128 aligned_bias = align(bias, bias_up);
    const bool wraps = accum.overflow == Overflow::kWrap;
    // Each product rounds up by less than one step. `range` is what bringing a value into range adds to it on the way.
    const Int128 sum = wraps ? align(whole_sum, up) + dense.n_in + aligned_bias : std::max(align(product, up), range);
    return bits_of(std::max({product + rounding, align(product, up), aligned_bias, sum + range})) + 1;
  }

  static Int128 magnitude(Int128 value) { return value < 0 ? -value : value; }
  static Int128 largest(const Format& format) { return std::max(max_raw(format), -min_raw(format)); }
  static int bits_of(Int128 value) {
    const auto high = static_cast<std::uint64_t>(static_cast<Uint128>(value) >> 64);
    return static_cast<int>(high != 0 ? 64 + std::bit_width(high) : std::bit_width(static_cast<std::uint64_t>(value)));
  }

  Step operator()(const BatchNormOp& norm) const {
    Step step{.kernel = quantize("scale", norm.scale(), types().scale), .bias = quantize("bias", norm.bias(), types().bias)};
    const int fraction = input().fraction() + types().scale.fraction();
    const int common = std::max(fraction, types().bias.fraction());
    step.bits = std::max(input().width + types().scale.width + 1 + common - fraction, bits_at(types().bias, common)) + 1;
    step.word_bits = cast_bits(step.bits, common, types().result);
    return step;
  }
};

}  // namespace

QuantizedWeights quantize_weights(const std::vector<float>& values, const Format& format) {
  QuantizedWeights weights;
  weights.raw.reserve(values.size());
  const int decimals = format.is_integer ? 0 : std::max(0, format.fraction());
  for (const float value : values) {
    const CastResult result = cast(through_text(value, decimals), format);
    weights.raw.push_back(result.raw);
    weights.overflows += result.overflow ? 1 : 0;
    weights.zeros += value != 0 && result.raw == 0 ? 1 : 0;
  }
  return weights;
}

const QuantizedWeights& WeightCache::get(const std::string& array, const std::vector<float>& values, const Format& format) {
  const auto [found, is_new] = known_.try_emplace({array, to_string(format)});
  if (is_new) found->second = quantize_weights(values, format);
  return found->second;
}

bool wraps(const Format& format) { return format.overflow == Overflow::kWrap && format.saturated_bits == 0; }

Format unbounded(const Format& format) {
  Format result = format;
  result.width = kMaxSumWidth;
  result.integer = kMaxSumWidth - format.fraction();
  result.is_signed = true;
  result.is_integer = false;
  if (format.is_integer) result.rounding = Rounding::kTrnZero;
  return result;
}

bool fits_int64(const Program& program) {
  const auto fits = [](const Format& format) { return bits_at(format, format.fraction()) <= 64; };
  return std::all_of(program.resolved.precision.begin(), program.resolved.precision.end(),
                     [&](const LayerPrecision& types) { return fits(types.result) && fits(types.accum); });
}

Program build_program(Resolved resolved, WeightCache* cache) {
  Program program{std::move(resolved), {}};
  for (std::size_t i = 0; i < program.model().layers.size(); ++i) {
    const Layer& layer = program.model().layers[i];
    program.steps.push_back(std::visit(StepBuilder{program.resolved, i, cache}, layer.op));
    constexpr int kWordBits = 128;
    if (program.steps.back().bits > kWordBits) {
      throw Error("layer " + layer.name + ": its exact values need " + std::to_string(program.steps.back().bits) +
                  " bits; narrow computes with at most " + std::to_string(kWordBits) +
                  ", so its input, its weights or its sums need fewer");
    }
  }
  return program;
}

}  // namespace narrow
