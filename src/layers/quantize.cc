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

}  // namespace

QuantizedWeights quantize_weights(std::span<const float> values, const Format& format) {
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

std::shared_ptr<const QuantizedWeights> WeightCache::get(std::span<const float> values, const Format& format) {
  const XXH128_hash_t hash = XXH3_128bits(values.data(), values.size_bytes());
  auto& found = known_[{hash.low64, hash.high64, values.size(), to_string(format)}];
  if (!found) found = std::make_shared<const QuantizedWeights>(quantize_weights(values, format));
  return found;
}

}  // namespace narrow
