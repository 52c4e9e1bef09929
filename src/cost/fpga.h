// An estimate of the circuit that Vitis HLS makes of a layer that hls4ml wrote, on an UltraScale+ device. docs/cost.md has what was
// measured, and what is an assumption.
#ifndef NARROW_COST_FPGA_H_
#define NARROW_COST_FPGA_H_

#include <cstddef>
#include <span>

#include "fixed/format.h"
#include "model/types.h"

namespace narrow {

struct Circuit {
  double dsp = 0, lut = 0, ff = 0;
  double bram = 0;      // blocks of 36 Kb, in halves
  double latency = 0;   // cycles
  double interval = 1;  // cycles between one row and the next
};

// DSP48E2 slices of a product of two signed numbers of so many bits. A slice multiplies 27 by 18 bits (UG579); of wider operands it has 26
// and 17 bits more for each further slice, for all parts but the highest are unsigned.
int dsps_of_product(int bits, int other_bits);

// Whether a product of so many bits, sign included, takes LUTs and no DSP slice: the narrower operand has fewer than 9 bits, as hls4ml's
// own estimate has it (hls4ml 1.3.0, optimization/dsp_aware_pruning/objectives/vivado_objectives.py: VivadoDSPEstimator).
bool fits_luts(int bits, int other_bits);

// Adds `count` products of two signed values: of DSP slices, or a row of adders for each bit of the narrower one.
void add_product(int bits, int other_bits, double count, Circuit& circuit);

// Digits of a constant that are not 0, in the signed-digit form that has the fewest (the non-adjacent one): 7 = 8 - 1 has two. One is a
// shift, two a shift and an addition.
int signed_digits(Int128 raw);

// Adders that one clock cycle holds in a row: an assumption, for 5 ns.
inline constexpr int kAddersPerCycle = 2;
// Words of a memory for which LUTs are taken, 64 to each bit, and no block RAM.
inline constexpr std::size_t kLutRomWords = 64;

// A row of n_in values times a matrix of known weights (n_in, n_out), row major, and biases.
struct MatrixCircuit {
  std::span<const Int128> weights;
  std::span<const Int128> biases;
  const Format& x;
  const Format& weight;
  const Format& bias;
  const Format& accum;
  const Format& result;
};

// All products at once (reuse factor 1): weights are constants. A weight that is 0 costs nothing, a power of two is wires, one of two
// signed digits an adder; weights of one input with one magnitude share what they need. Others take DSP slices, or one adder for each
// further digit where fits_luts. An adder takes a LUT for each bit in which both operands may differ from wires; sums are trees, with
// registers behind the products, behind each kAddersPerCycle levels and at the end.
Circuit unrolled(const MatrixCircuit& matrix);

// n_in * n_out / reuse multipliers, which take the weights one after the other: from block RAM with strategy Resource, from LUTs with
// Latency.
Circuit multiplexed(const MatrixCircuit& matrix, int reuse, Strategy strategy);

// Blocks of 36 Kb that hold so many words: halves of 18 Kb, each of 512x36, 1024x18, 2048x9, 4096x4, 8192x2 or 16384x1 bits (UG573).
double block_rams(std::size_t words, int bits);

// LUTs of a cast of one value: an adder where it rounds other than down, a choice for each bit where it saturates and the range is smaller.
double luts_of_cast(const Format& from, const Format& to);

}  // namespace narrow

#endif  // NARROW_COST_FPGA_H_
