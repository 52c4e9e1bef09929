// Effective bit operations, as HGQ2 0.2.0 counts them (hgq/layers, the `_compute_ebops` of each layer; the paper is arXiv:2405.00645).
#ifndef NARROW_COST_EBOPS_H_
#define NARROW_COST_EBOPS_H_

#include "engine/program.h"

namespace narrow {

// Bits of a value: HGQ2's quantizers count those of the number without its sign, and the sign too of a type that saturates (AP_SAT).
int value_bits(const Format& format);
// Bits of a constant: from its highest to its lowest bit that is set. 0 has none, a power of two one.
int significant_bits(Int128 raw, const Format& format);

// Of one layer, for one sample:
//   products with weights     the sum of bits(x) * bits(w) over all multiplications, and each added bias's bits
//   a sum of n values         0.65 * (n - 1) * bits(x); a mean the same
//   y = a + b                 0.65 * max(bits(a), bits(b)); an Average the same
//   y = a - b, max, min       max(bits(a), bits(b))
//   y = a * b, Dot            bits(a) * bits(b) for each product
//   pooling                   bits(x) of each value of the input
//   a table                   1e-4 * entries * bits(y) for each value; entries are at most 2^bits(x) and those of hls4ml's table
//   softmax                   bits(x) where it is stable, its sum of exponentials (without the 0.65), the products with the inverse,
//                             and both tables
//   all others                0
// narrow knows every weight, so its constants have their significant bits, as the paper has them; HGQ2's layers have the bits of the
// quantizers. Values are taken as wide as their types, where HGQ2 traces their range.
double ebops(const Program& program, std::size_t layer);

// LUTs for each EBOP where the products are made of adders alone (hls4ml's strategy distributed_arithmetic, da4ml): the median of the 20
// placed and routed designs of testdata/jedi-linear.csv, of which each lies within 24% of it.
inline constexpr double kLutsOfEbop = 0.81;

}  // namespace narrow

#endif  // NARROW_COST_EBOPS_H_
