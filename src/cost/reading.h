// What a layer's arithmetic amounts to, as far as its cost goes: read from its form, its weights and its shapes.
#ifndef NARROW_COST_READING_H_
#define NARROW_COST_READING_H_

#include <cstddef>
#include <vector>

#include "engine/program.h"

namespace narrow {

enum class Work : std::uint8_t {
  kNone,      // samples, and values that move
  kProducts,  // rows times a matrix of weights
  kScale,     // x * scale + bias
  kSlope,     // x, or x * slope
  kSum,       // of the rows of a set, or the mean
  kPool,      // windows, or the largest row of a set
  kPair,      // two layers' values, one by one, or the products of Dot
  kTable,
  kSoftmax,
  kChoice,  // a cast, a relu, a comparison with constants
};

inline constexpr Format kSoftmaxTable{.width = 18, .integer = 8};  // of a legacy softmax, whatever is configured

struct Reading {
  Reading(const Program& program, std::size_t layer, const Place& place);

  const Operation& op;
  Work work = Work::kNone;
  std::size_t values = 0;         // of the result
  std::size_t values_before = 0;  // of all inputs
  std::size_t rows = 1;           // of kProducts: how often the matrix is used
  bool is_dot = false;
  bool averages = false;  // of kPool: sums, where others compare
  // Those that it has, else null.
  const QuantizedWeights* weights = nullptr;
  const QuantizedWeights* biases = nullptr;
  const QuantizedWeights* scales = nullptr;
  const QuantizedWeights* slopes = nullptr;
  const QuantizedWeights* table = nullptr;
  const QuantizedWeights* exp_table = nullptr;
  const QuantizedWeights* inv_table = nullptr;
};

// Of kProducts whose rows are gathered: how many rows have each of their values in the input, and not in the padding. Empty where all
// have all.
std::vector<std::size_t> uses_of_inputs(const Place& place, const Reading& layer);

// Whether an array of weights is no more than hls4ml's zeros for a bias that the layer does not have.
bool is_absent(TypeName type, const Format& format, const QuantizedWeights& weights);

}  // namespace narrow

#endif  // NARROW_COST_READING_H_
