#ifndef NARROW_ENGINE_ENGINE_H_
#define NARROW_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/counting.h"
#include "engine/interpreter.h"
#include "engine/program.h"

namespace narrow {

struct EngineOptions {
  Counting counting = Counting::kAll;
  bool dedup = true;  // compute rows that repeat across samples (padding) once and count them
  bool fuse = true;   // relu together with the Dense before it; traces need it off
};

struct EngineResult {
  RunResult run;
  bool overflowed = false;  // with kOverflow and kAll
  double counted_rows = 0;  // share of rows that were counted instead of computed
};

// The values of one layer for all samples, repeated rows taken out: of the input, or of a later layer, from where all programs go
// on that have the same layers with the same types up to there. Refers to the samples that it was made from.
struct PreparedInput;
std::size_t memory_of(const PreparedInput& input);  // bytes: 2 a value where the layer's type has at most 16 bits, 8 to 64, else 16

// A program with a kernel for each layer, chosen when it is built from what is proven of its values: the quantized weights
// are known, so no sum is larger than the largest input times the sum of the |weights|. Where a bound does not hold, a
// slower kernel is taken, and the interpreter in the end: results are the interpreter's, bit for bit.
class Engine {
 public:
  Engine(Program program, const EngineOptions& options);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Runs n samples as interpret() does. Memory beyond inputs and outputs does not grow with n. Uses all cores.
  EngineResult run(std::span<const float> x, std::size_t n) const;
  // The same in steps: the samples in the input's type, the values of a later layer, and what follows from either. They serve every
  // engine that accepts them. Throws std::logic_error where this engine does not, or cannot start behind the layer.
  std::shared_ptr<const PreparedInput> prepare(std::span<const float> x, std::size_t n) const;
  std::shared_ptr<const PreparedInput> prepare(const PreparedInput& from, std::size_t layer) const;
  EngineResult run(const PreparedInput& input) const;
  // Whether everything behind the layer follows from its values alone, and they are computed: not those of a Dense whose relu is
  // fused, nor those of one of two branches.
  bool can_start_behind(std::size_t layer) const;
  // Whether the values were made by this engine's own layers and types, counted as this one counts.
  bool accepts(const PreparedInput& input) const;
  bool counts_rows() const;  // whether prepare() may take rows out; what it makes is then for engines that do so too
  // The same with the outputs of every layer; needs fuse and dedup off.
  EngineResult trace(std::span<const float> x, std::size_t n) const;

  const Program& program() const;
  // For each layer what computes it: `int16`, `int8 or int16`, `int16 x 2`, `rounding int16`, `high half`, `lanes`,
  // `wide lanes`, `watched lanes`, `128-bit lanes`, `rows`, `moved`, `largest`, `interpreter`, `with phi1` (fused).
  std::vector<std::string> kernels() const;
  // Multiplications a second of a Dense layer alone on one core, on rows of random values; 0 where the interpreter computes it.
  double layer_rate(std::size_t layer) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace narrow

#endif  // NARROW_ENGINE_ENGINE_H_
