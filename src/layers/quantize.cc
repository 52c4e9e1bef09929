#include "layers/quantize.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "fixed/cast.h"

namespace narrow {
namespace {

// `'{:.Nf}'.format(value)` of Python, read back as a double: both round correctly, ties to even on the exact value.
double through_text(double value, int decimals) {
  // value * 10^decimals, rounded to even, is a whole number; as long as it and 10^decimals are doubles, their quotient is the
  // double nearest to the text.
  constexpr int kMaxDecimals = 22;
  constexpr double kExact = 9007199254740992.0;  // 2^53
  constexpr int kMantissaBits = 53;
  int exponent = 0;
  const auto mantissa = static_cast<Int128>(std::ldexp(std::frexp(value, &exponent), kMantissaBits));
  const int shift = kMantissaBits - exponent;  // value = mantissa / 2^shift
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
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return std::strtod(text.data(), nullptr);
}

// A sign and an exponent, as hls4ml writes a power of two (model/types.py, ExponentWeightVariable).
Int128 exponent_of(double value, const Format& format) {
  const auto log = static_cast<double>(std::trunc(std::log2(static_cast<float>(std::abs(value)))));
  return 2 * cast(log, format).raw + (value < 0 ? 0 : 1);
}

template <class Value>
QuantizedWeights quantize(std::span<const Value> values, const Format& format) {
  QuantizedWeights weights;
  weights.raw.reserve(values.size());
  const int decimals = format.is_integer ? 0 : std::max(0, format.fraction());
  for (const Value value : values) {
    if (format.meaning == Meaning::kExponent) {
      weights.raw.push_back(exponent_of(static_cast<double>(value), format));
      continue;
    }
    const CastResult result = cast(through_text(value, decimals), format);
    weights.raw.push_back(result.raw);
    weights.overflows += result.overflow ? 1 : 0;
    weights.zeros += value != 0 && result.raw == 0 && !result.overflow ? 1 : 0;
  }
  return weights;
}

// data * 2^f, brought between the ends, rounded and divided by 2^f, in the type of the data.
template <class Value>
std::vector<Value> rounded(const std::vector<Value>& values, const Format& format) {
  const auto highest = static_cast<Value>(max_raw(format));
  const auto lowest = static_cast<Value>(least_raw(format));
  std::vector<Value> result;
  for (const Value value : values) {
    const Value scaled = std::clamp(std::ldexp(value, format.fraction()), lowest, highest);
    const Value whole = format.rounding == Rounding::kRndConv ? std::nearbyint(scaled) : std::floor(scaled);
    result.push_back(std::ldexp(whole, -format.fraction()));
  }
  return result;
}

}  // namespace

Numbers quantized_as_trained(const Numbers& numbers, const Format& format) {
  return numbers.is_double() ? Numbers(rounded(numbers.doubles(), format)) : Numbers(rounded(numbers.singles(), format));
}

QuantizedWeights quantize_weights(std::span<const float> values, const Format& format) { return quantize(values, format); }

QuantizedWeights quantize_weights(const WeightArray& weights, const Format& format) {
  return weights.doubles.empty() ? quantize(weights.values, format) : quantize(weights.doubles, format);
}

std::shared_ptr<const QuantizedWeights> WeightCache::get(const WeightArray& weights, const Format& format) {
  const bool wide = !weights.doubles.empty();
  const XXH128_hash_t hash = wide ? XXH3_128bits(weights.doubles.data(), weights.doubles.size_bytes())
                                  : XXH3_128bits(weights.values.data(), weights.values.size_bytes());
  std::string type = to_string(format) + (wide ? ", double" : "");
  if (format.meaning == Meaning::kExponent) type += ", exponent";
  auto& found = known_[{hash.low64, hash.high64, weights.values.size(), std::move(type)}];
  if (!found) found = std::make_shared<const QuantizedWeights>(quantize_weights(weights, format));
  return found;
}

}  // namespace narrow
