// The interpreter's lanes against fixed/cast.h one operation at a time, and its counts against their meaning.
#include "engine/interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "engine/random_program.h"
#include "fixed/cast.h"
#include "layers/dense.h"
#include "layers/input.h"

namespace narrow {
namespace {

void expect_same_runs(const Program& program, const std::vector<float>& x, std::size_t n, const std::string& what) {
  const RunResult fast = interpret(program, x, n, {.traced = n});
  const RunResult slow = interpret(program, x, n, {.traced = n, .one_by_one = true});
  ASSERT_EQ(fast.predictions, slow.predictions) << what;
  for (std::size_t i = 0; i < slow.trace.size(); ++i) {
    ASSERT_EQ(fast.trace[i], slow.trace[i]) << what << ", layer " << program.model().layers[i].name << "\n" << to_yaml(program.resolved);
    ASSERT_EQ(fast.counts[i], slow.counts[i]) << what << ", counts of layer " << program.model().layers[i].name << "\n"
                                              << to_yaml(program.resolved);
  }
}

void compare_random_programs(const RandomLimits& limits, std::uint64_t cases) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  for (std::uint64_t i = 0; i < cases; ++i) {
    std::mt19937_64 random(seed * 1'000'003 + i);
    const Program program = random_program(random, limits);
    const std::size_t n = 1 + random() % 3;
    expect_same_runs(program, random_samples(random, program, n), n, "seed " + std::to_string(seed) + ", case " + std::to_string(i));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Interpreter, LanesAreCastsOneByOne) { compare_random_programs({}, number_from_environment("NARROW_CASES", 3000)); }
TEST(Interpreter, LanesAreCastsOneByOneWithCommonModes) {
  compare_random_programs({.all_modes = false}, number_from_environment("NARROW_CASES", 3000));
}
TEST(Interpreter, LanesAreCastsOneByOneForWideTypes) {
  compare_random_programs({.max_width = 64, .max_nodes = 10, .max_set = 5}, number_from_environment("NARROW_CASES", 2000));
}

// Input -> Dense, one feature, weights as given.
Program one_dense(float weight, float bias, const PrecisionOptions& options) {
  Model model;
  model.name = "one";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "Dense", std::make_shared<Dense>(1, 1, std::vector{weight}, std::vector{bias}), {0}, {1}});
  model.outputs = {1};
  return build_program(resolve(model, make_config(model, options)));
}

TEST(Counts, OverflowsAndLostValuesAreSeen) {
  // ap_fixed<8,4>: -8 to 7.9375 in steps of 1/16.
  const Program program =
      one_dense(2.F, 0.F, {.vector = fixed(8, 4), .weight = {}, .uniform = true, .relu_rounding = {}, .relu_overflow = {}, .maximum = {}});
  const std::vector<float> x = {1.F, 5.F, 0.01F, 9.F};
  const RunResult run = interpret(program, x, x.size());
  EXPECT_EQ(run.predictions, (std::vector<double>{2, -6, 0, 2}));  // 10 - 16; 9 is -7 already, and -14 + 16
  EXPECT_EQ(run.counts[0].values, 4U);
  EXPECT_EQ(run.counts[0].overflows, 1U);  // 9
  EXPECT_EQ(run.counts[0].zeros, 1U);      // 0.01
  EXPECT_EQ(run.counts[1].accum_overflows, 2U);
}

TEST(Counts, WeightsThatDoNotFitAreSeen) {
  const Program program = one_dense(
      100.F, 0.001F, {.vector = fixed(8, 4), .weight = {}, .uniform = true, .relu_rounding = {}, .relu_overflow = {}, .maximum = {}});
  EXPECT_EQ(program.steps[1][TypeName::kWeight].overflows, 1U);
  EXPECT_EQ(program.steps[1][TypeName::kBias].zeros, 1U);
}

TEST(QuantizeWeights, GoThroughDecimalText) {
  // With 2 fractional bits -0.0016 prints as "-0.00" (numerics.md); straight into the type it would be -0.25.
  EXPECT_EQ(static_cast<int>(quantize_weights(std::vector{-0.0016F}, fixed(8, 6)).raw.front()), 0);
  EXPECT_EQ(static_cast<int>(cast(-0.0016, fixed(8, 6)).raw), -1);
  // "0.12" is below 1/8 = 0.125, which the format could hold.
  EXPECT_EQ(static_cast<int>(quantize_weights(std::vector{0.125F}, fixed(8, 5)).raw.front()), 1);
  EXPECT_EQ(static_cast<int>(quantize_weights(std::vector{0.375F}, fixed(8, 6)).raw.front()), 1);
}

// The quick way to a weight's text against printf and strtod themselves.
TEST(QuantizeWeights, TextIsThatOfPrintf) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200'000; ++i) {
    const int fraction = static_cast<int>(random() % 40);
    float value = std::ldexp(static_cast<float>(static_cast<std::int32_t>(random())), -static_cast<int>(random() % 50));
    if (i % 5 == 0) value = std::ldexp(static_cast<float>(static_cast<int>(random() % 64) - 32), -static_cast<int>(random() % 30));  // ties
    const Format format = {.width = 64, .integer = 64 - fraction};
    char text[512];
    std::snprintf(text, sizeof text, "%.*f", fraction, static_cast<double>(value));
    ASSERT_TRUE(quantize_weights(std::vector{value}, format).raw.front() == cast(std::strtod(text, nullptr), format).raw)
        << "seed " << seed << ": " << text;
  }
}

}  // namespace
}  // namespace narrow
