#include "layers/product.h"

#include <algorithm>

#include "fixed/cast.h"

namespace narrow {

namespace {

// nnet_mult.h, weight_exponential: ap_fixed<2 n, n> with the bits of both.
Format shifted_type(const Format& x, const Format& w) {
  const int bits = x.width + w.width;
  return fixed(2 * bits, bits);
}

bool is_sign(const Format& format) { return format.meaning == Meaning::kSign; }

}  // namespace

int product_fraction(const Format& x, const Format& w) {
  if (w.meaning == Meaning::kExponent) return shifted_type(x, w).fraction();
  if (is_sign(x)) return is_sign(w) ? 0 : w.fraction();
  return x.fraction() + w.fraction();
}

int product_bits(const Format& x, const Format& w) {
  // A power of two is shifted by as many bits as its exponent says before it is brought into its type.
  if (w.meaning == Meaning::kExponent) return 2 * (x.width + w.width) + (1 << std::min(w.width - 1, 8));
  return x.width + w.width + (x.is_signed || w.is_signed ? 0 : 1);
}

int product_integer(const Format& x, const Format& w) {
  if (w.meaning == Meaning::kExponent) return shifted_type(x, w).integer;
  if (is_sign(x)) return is_sign(w) ? 1 : w.integer + 1;
  return x.integer + (is_ternary(w) || is_sign(w) ? 1 : w.integer);
}

Int128 product_of(const Format& x, const Format& w, Int128 value, Int128 weight) {
  if (w.meaning == Meaning::kExponent) {
    if (weight == kNoPower) return 0;
    const Format type = shifted_type(x, w);
    const auto exponent = static_cast<int>(weight >> 1);
    // << of a negative number shifts to the right, which rounds down.
    const Int128 held = cast(value, x, type).raw;
    const Int128 shifted = cast(held, type.fraction() - std::max(exponent, 0), type).raw >> std::min(std::max(-exponent, 0), 127);
    return (weight & 1) != 0 ? shifted : cast(-shifted, type, type).raw;
  }
  if (is_sign(x)) return is_sign(w) ? (value == weight ? 1 : 0) : value == 0 ? -weight : weight;
  return value * weight;
}

void read_weights(Step& step, TypeName type, const Format& x, const Format& format) {
  const bool signs = is_sign(format) && is_number(x);
  if (!signs && !(is_ternary(format) && is_number(x))) return;
  const Int128 from = signs ? 0 : -2;
  const Int128 to = signs ? -1 : 1;
  for (auto& [name, weights] : step.weights) {
    if (name != type || std::find(weights->raw.begin(), weights->raw.end(), from) == weights->raw.end()) continue;
    QuantizedWeights read = *weights;
    std::replace(read.raw.begin(), read.raw.end(), from, to);
    weights = std::make_shared<const QuantizedWeights>(std::move(read));
  }
}

int cast_bits(int bits, int fraction, const Format& to) { return std::max(bits + std::max(0, to.fraction() - fraction), to.width + 1) + 1; }

}  // namespace narrow
