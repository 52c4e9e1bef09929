#ifndef NARROW_ENGINE_INTERPRETER_H_
#define NARROW_ENGINE_INTERPRETER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/program.h"

namespace narrow {

// What a layer's values met on the way to their types, over all samples of a run.
struct LayerCounts {
  std::uint64_t values = 0;     // outputs computed
  std::uint64_t overflows = 0;  // outputs that did not fit the result type
  std::uint64_t accum_overflows =
      0;                    // outputs whose sum left the accum type: the whole exact sum where it wraps, any step where it saturates
  std::uint64_t zeros = 0;  // outputs other than 0 that the result type rounded to 0
  bool operator==(const LayerCounts&) const = default;
  LayerCounts& operator+=(const LayerCounts& more) {
    values += more.values;
    overflows += more.overflows;
    accum_overflows += more.accum_overflows;
    zeros += more.zeros;
    return *this;
  }
};

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

// Runs n samples, x (n, input shape) as double(float), by the rules of docs/numerics.md, one operation after the other: any
// types to 64 bits, sums to 127. This is the reference that every faster path is held against. Uses all cores. Throws Error if the model
// has another number of inputs than one.
RunResult interpret(const Program& program, std::span<const float> x, std::size_t n, const InterpretOptions& options = {});

}  // namespace narrow

#endif  // NARROW_ENGINE_INTERPRETER_H_
