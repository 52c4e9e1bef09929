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

// Samples in the input's type, repeated rows taken out: what all points of a study with one vector format share.
struct PreparedInput;

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
  // The same in two steps: the first is the same for all programs of one model with one input type.
  std::shared_ptr<const PreparedInput> prepare(std::span<const float> x, std::size_t n) const;
  EngineResult run(const PreparedInput& input) const;
  bool counts_rows() const;  // whether prepare() may take rows out; what it makes is then for engines that do so too
  // The same with the outputs of every layer; needs fuse and dedup off.
  EngineResult trace(std::span<const float> x, std::size_t n) const;

  const Program& program() const;
  // For each layer what computes it: `int16`, `int8 or int16`, `int16 x 2`, `truncating int16`, `high half`, `lanes`,
  // `interpreter`, `with phi1` (fused).
  std::vector<std::string> kernels() const;
  // Multiplications a second of a Dense layer alone on one core, on rows of random values; 0 where the interpreter computes it.
  double layer_rate(std::size_t layer) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace narrow

#endif  // NARROW_ENGINE_ENGINE_H_
