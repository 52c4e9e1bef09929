// For tests: random networks with random types.
#ifndef NARROW_ENGINE_RANDOM_PROGRAM_H_
#define NARROW_ENGINE_RANDOM_PROGRAM_H_

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "engine/program.h"

namespace narrow {

struct RandomLimits {
  int max_width = 16;     // of types that a user gives
  int max_nodes = 40;     // of a Dense
  int max_set = 12;       // rows of a sample
  bool all_modes = true;  // every rounding and overflow mode and saturated bits; else the common ones
  // What proofs break on: types of 1 and 2 bits, integer and unsigned ones at any tensor, explicit types at single layers, weights
  // and biases at the ends of their types, dead and constant layers, inputs of few values.
  bool adversarial = false;
  // Layers that two others read, merges and residual connections, two inputs, and outputs in between, sets among them; else a chain with
  // one output.
  bool graphs = false;
  // A sum or a mean over rows and nothing else.
  bool sums_alone = false;
};

// A network, its types, and samples for it.
struct RandomCase {
  Model model;
  PrecisionConfig config;
  std::vector<float> x;  // (n, model.input_size())
  std::size_t n = 0;

  Program program() const { return build_program(resolve(model, config)); }
};

// Numbers that a run may be given: $NARROW_SEED repeats it, $NARROW_CASES makes it longer.
std::uint64_t number_from_environment(const char* name, std::uint64_t fallback);

// A DeepSets-like network: Input, Dense or a convolution (with or without bias), Relu, sometimes BatchNormalization, then a sum, a mean
// or a Flatten over the set, and Dense layers again; or such a network of images. Types are random, with `auto`, uniform and explicit ones
// in one configuration, and steps near one another, so that most values survive.
Program random_program(std::mt19937_64& random, const RandomLimits& limits);

RandomCase random_case(std::mt19937_64& random, const RandomLimits& limits, std::size_t n);

// The smallest case that it can find in which `fails` still holds, by leaving out samples, rows, layers, nodes and weights, one
// after the other. Requires that it holds for `failing`.
RandomCase shrink(RandomCase failing, const std::function<bool(const RandomCase&)>& fails);
// The case as one can read it, and make a named test of: types, weights, samples.
std::string describe(const RandomCase& found);

// n samples for it: values over the inputs' types' ranges and somewhat beyond, sometimes at its ends, with some rows repeated.
std::vector<float> random_samples(std::mt19937_64& random, const Program& program, std::size_t n, bool adversarial = false);

}  // namespace narrow

#endif  // NARROW_ENGINE_RANDOM_PROGRAM_H_
