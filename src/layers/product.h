#ifndef NARROW_LAYERS_PRODUCT_H_
#define NARROW_LAYERS_PRODUCT_H_

#include <bit>

#include "model/operation.h"

namespace narrow {

// Levels of a balanced tree over n terms, and bits that a sum of them has more than each.
inline int log2_ceil(std::size_t n) { return n < 2 ? 0 : static_cast<int>(std::bit_width(n - 1)); }

// hls4ml multiplies by templates that it chooses by the types' C++ names (fpga_backend.py, product_type; nnet_mult.h).

// Weights of the literal type ap_int<2> are taken for the signs of a ternary network: 0 is 0, -1 is -x, and anything else is +x,
// -2 too.
inline bool is_ternary(const Format& weight) { return weight.is_integer && weight.is_signed && weight.width == 2; }
// Where x and w are both the literal type ap_uint<1>, the sum of products counts the ones of a binary network, and the result is
// 2 * sum - n_in (nnet::cast).
inline bool is_binary(const Format& x, const Format& w) {
  const auto is_bit = [](const Format& f) { return f.is_integer && !f.is_signed && f.width == 1; };
  return is_bit(x) && is_bit(w);
}

// Fixed-point and integer types, not what quantizers make signs and powers of two of.
inline bool is_number(const Format& format) { return format.meaning == Meaning::kNumber; }

// Whether the product is x times the factor that a weight counts as (read_weights). Otherwise x or both are signs (data_binary, which
// negates w, and both_binary, which is 1 where they are equal), or w is a power of two (weight_exponential: x is shifted in a type of its
// own, which may lose bits).
inline bool is_plain(const Format& x, const Format& w) { return is_number(x) && w.meaning != Meaning::kExponent; }

// Of a product: fractional bits, bits that hold it with its sign, and the value.
int product_fraction(const Format& x, const Format& w);
int product_bits(const Format& x, const Format& w);
Int128 product_of(const Format& x, const Format& w, Int128 value, Int128 weight);
// In the place of a power of two, of which none is 0: there is no product.
inline constexpr Int128 kNoPower = 1 << 30;
// Integer bits of its C++ type, which decide how it becomes an ap_int (fixed/cast.h).
int product_integer(const Format& x, const Format& w);

// Replaces weights of ap_int<2>, and signs that numbers are multiplied by, by the factors that they count as.
void read_weights(Step& step, TypeName type, const Format& x, const Format& format);

// Bits, sign included, that a cast to `to` of a value of `bits` bits, `fraction` of them fractional, needs in one machine word: room to
// align, and a bit for rounding up.
int cast_bits(int bits, int fraction, const Format& to);

}  // namespace narrow

#endif  // NARROW_LAYERS_PRODUCT_H_
