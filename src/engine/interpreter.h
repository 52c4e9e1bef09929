#ifndef NARROW_ENGINE_INTERPRETER_H_
#define NARROW_ENGINE_INTERPRETER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/program.h"

namespace narrow {

struct RunResult {
  std::vector<double> predictions;         // (n, model.output_size())
  std::vector<std::vector<double>> trace;  // layer by layer: (traced samples, layer.shape)
  std::vector<LayerCounts> counts;         // layer by layer
};

struct InterpretOptions {
  std::size_t traced = 0;  // samples whose layers are kept
  // Every operation by fixed/cast.h alone, none in SIMD lanes: slow, and what the lanes are tested against.
  bool one_by_one = false;
};

// Throws Error unless n samples of the model's inputs are `values` numbers.
void check_samples(const Program& program, std::size_t values, std::size_t n);

// Runs n samples, x (n, the values of all inputs side by side) as double(float), by the rules of docs/numerics.md, one operation after the
// other: any types to 64 bits, sums to 127. This is the reference that every faster path is held against. Uses all cores. Throws Error if
// x has another number of values.
RunResult interpret(const Program& program, std::span<const float> x, std::size_t n, const InterpretOptions& options = {});

}  // namespace narrow

#endif  // NARROW_ENGINE_INTERPRETER_H_
