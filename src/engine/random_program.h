// For tests: random networks with random types.
#ifndef NARROW_ENGINE_RANDOM_PROGRAM_H_
#define NARROW_ENGINE_RANDOM_PROGRAM_H_

#include <cstdint>
#include <random>
#include <vector>

#include "engine/program.h"

namespace narrow {

struct RandomLimits {
  int max_width = 16;     // of types that a user gives
  int max_nodes = 40;     // of a Dense
  int max_set = 12;       // rows of a sample
  bool all_modes = true;  // every rounding and overflow mode and saturated bits; else the common ones
};

// Numbers that a run may be given: $NARROW_SEED repeats it, $NARROW_CASES makes it longer.
std::uint64_t number_from_environment(const char* name, std::uint64_t fallback);

// A DeepSets-like network: Input, Dense (with or without bias), Relu, sometimes BatchNormalization, then a sum, a mean or a
// Flatten over the set, and Dense layers again. Types are random, with `auto`, uniform and explicit ones in one
// configuration, and steps near one another, so that most values survive.
Program random_program(std::mt19937_64& random, const RandomLimits& limits);

// n samples for it: values over the input type's range and somewhat beyond, sometimes at its ends, with some rows repeated.
std::vector<float> random_samples(std::mt19937_64& random, const Program& program, std::size_t n);

}  // namespace narrow

#endif  // NARROW_ENGINE_RANDOM_PROGRAM_H_
