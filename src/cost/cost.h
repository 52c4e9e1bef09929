// What a network in fixed point costs on an FPGA, layer by layer. docs/cost.md has the rules, their sources, and how far they are from
// circuits that were synthesized.
#ifndef NARROW_COST_COST_H_
#define NARROW_COST_COST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/program.h"

namespace narrow {

// What a search may ask of a network: the average of its tensors' bits, the sum of all its numbers' bits, EBOPs, DSP slices, LUTs.
enum class CostKind : std::uint8_t { kBits, kTotalBits, kEbops, kDsp, kLut };
// Reads `bits`, `total_bits`, `ebops`, `dsp`, `lut`. Throws Error, with these, on anything else.
CostKind parse_cost(std::string_view text);
std::string_view name_of(CostKind kind);

// hls4ml's io_type: whole tensors go from layer to layer, or a row of them (the values of the last axis) after the other.
enum class Io : std::uint8_t { kParallel, kStream };
Io parse_io(std::string_view text);  // `io_parallel`, `io_stream`; throws Error
std::string_view name_of(Io io);

struct CostOptions {
  Io io = Io::kParallel;
};

// All counts are of one layer, those of values of one sample.
struct LayerCost {
  std::string layer;
  // Tensors: each array of weights or biases that the layer has (a bias that it does not have, uint<1> zeros, is none), and the layer's
  // result. A Dense and the relu behind it are two layers here, as in hls4ml, so both have a result; so has an Input. A layer that moves
  // values alone (Flatten, Reshape, Permute, ...) has no tensor: its values are those before it.
  int tensors = 0;
  double tensor_bits = 0;  // sum of the tensors' widths, each once, however many numbers it has
  double weight_bits = 0;  // of all weights and biases together
  double value_bits = 0;   // of all values of the result together
  double ebops = 0;        // cost/ebops.h
  // cost/fpga.h. Blocks of 36 Kb; half a block is one of 18 Kb.
  double dsp = 0, lut = 0, ff = 0, bram = 0;
  // Clock cycles from the first value in to the first row out, and from one sample's first value to the next one's.
  double latency = 0, interval = 0;
};

struct Cost {
  std::vector<LayerCost> layers;
  // The sums; of the latency that of the longest way through the network, of the interval the largest.
  LayerCost all;
  // all.tensor_bits / all.tensors: each tensor counts once.
  double average_bits = 0;
};

Cost cost_of(const Program& program, const CostOptions& options = {});

// One layer alone, without its name, so that a search asks again for those layers alone that changed (with a layer's result type, those
// behind it change as well). Its time grows with its weights: of a Dense of 64x64 EBOPs take 5 us (1 ns a weight), DSPs or LUTs 170 us
// (40 ns a weight), bits nothing worth naming. Allocates a constant number of small arrays.
LayerCost cost_of_layer(const Program& program, std::size_t layer, const CostOptions& options = {});

// What `kind` measures of one layer, and no more than is needed for it. Of all kinds the network's is the sum over its layers; of kBits
// that sum, of the tensors' widths, is then divided by tensors(program), which no type changes.
double layer_cost(const Program& program, std::size_t layer, CostKind kind, const CostOptions& options = {});
int tensors(const Program& program);

// Of the whole network, by `kind`.
double total(const Cost& cost, CostKind kind);

}  // namespace narrow

#endif  // NARROW_COST_COST_H_
