// The interpreter's lanes against fixed/cast.h one operation at a time, and its counts against their meaning.
#include "engine/interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "engine/random_program.h"
#include "error.h"
#include "fixed/cast.h"
#include "layers/dense.h"
#include "layers/exponential_unit.h"
#include "layers/input.h"
#include "layers/leaky_relu.h"
#include "layers/pooling.h"
#include "layers/relu.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "layers/softmax.h"

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

TEST(Interpreter, LanesAreCastsOneByOneInGraphs) {
  compare_random_programs({.max_nodes = 20, .graphs = true}, number_from_environment("NARROW_CASES", 2000));
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
  // 16 wraps to 0: integer bits are missing, not fractional ones.
  const Program wrapped =
      one_dense(16.F, 1.F, {.vector = fixed(8, 4), .weight = {}, .uniform = true, .relu_rounding = {}, .relu_overflow = {}, .maximum = {}});
  EXPECT_EQ(wrapped.steps[1][TypeName::kWeight].overflows, 1U);
  EXPECT_EQ(wrapped.steps[1][TypeName::kWeight].zeros, 0U);
}

// A row that does not fit accum is an overflow of the mean's sum, though the sum of what is left of it fits.
TEST(Counts, RowsOfAMeanThatDoNotFitAreSeen) {
  Model model;
  model.name = "mean";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{2, 1}), {}, {2, 1}});
  model.layers.push_back({"mean", "GlobalAveragePooling1D", std::make_shared<SetMean>(), {0}, {1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(8, 4);
  config.by_name["mean"].types["accum"] = fixed(6, 2);  // -2 to 1.9375
  const RunResult run = interpret(build_program(resolve(model, config)), std::vector<float>{5.F, 0.F, 1.F, 0.5F}, 2);
  EXPECT_EQ(run.predictions, (std::vector<double>{0.5, 0.75}));  // 5 is 1
  EXPECT_EQ(run.counts[1].accum_overflows, 1U);
}

// So is a value of a window, where windows lie side by side and their values are cast before they are added.
TEST(Counts, ValuesOfAWindowThatDoNotFitAreSeen) {
  Model model;
  model.name = "windows";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{4, 1}), {}, {4, 1}});
  model.layers.push_back({"mean", "AveragePooling1D", std::make_shared<Pooling>(PoolKind::kAverage, Windows{{2}, {2}}), {0}, {2, 1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(8, 4);
  config.by_name["mean"].types["accum"] = fixed(6, 2);  // -2 to 1.9375
  const RunResult run = interpret(build_program(resolve(model, config)), std::vector<float>{5.F, 0.F, 1.F, 0.5F}, 1);
  EXPECT_EQ(run.predictions, (std::vector<double>{0.5, 0.75}));  // 5 is 1
  EXPECT_EQ(run.counts[1].accum_overflows, 1U);
}

// A difference of scores from which the key of a stable softmax wraps is an overflow.
TEST(Counts, KeysOfASoftmaxThatWrapAreSeen) {
  Model model;
  model.name = "softmax";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{2}), {}, {2}});
  model.layers.push_back({"y", "Softmax", std::make_shared<Softmax>(false), {0}, {2}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(8, 4);  // differences below 8
  config.by_name["y"].types["accum"] = Softmax::default_type();
  const RunResult run = interpret(build_program(resolve(model, config)), std::vector<float>{4.F, -3.9375F, 4.F, -4.F}, 2);
  EXPECT_EQ(run.counts[1].accum_overflows, 2U);  // of the second sample, whose difference of 8 counts as 0
  EXPECT_EQ(run.predictions[2], run.predictions[3]);
  EXPECT_GT(run.predictions[0], run.predictions[1]);
}

// Input of `x` -> LeakyReLU with a slope of type `param`.
Program leaky_relu(double slope, const Format& x, const Format& param) {
  Model model;
  model.name = "leaky";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "LeakyReLU", std::make_shared<LeakyRelu>(slope), {0}, {1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = x;
  config.by_name["y"].types["param"] = param;
  return build_program(resolve(model, config));
}

TEST(Counts, ASlopeThatDoesNotFitIsSeen) {
  EXPECT_EQ(leaky_relu(3, fixed(8, 4), ufixed(3, 1)).steps[1][TypeName::kParam].overflows, 1U);
  EXPECT_EQ(leaky_relu(0.1, fixed(8, 4), ufixed(3, 1)).steps[1][TypeName::kParam].overflows, 0U);
  EXPECT_EQ(leaky_relu(0.1, fixed(8, 4), ufixed(3, 1)).steps[1][TypeName::kParam].zeros, 1U);
}

// The factor 1.05 of a selu is -0.95 as an ap_fixed<8,1>: no weight, but what it makes of a value is wrong.
TEST(Counts, ASeluWhoseFactorDoesNotFitIsSeen) {
  Model model;
  model.name = "selu";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "Activation", std::make_shared<ExponentialUnit>(), {0}, {1}});
  model.outputs = {1};
  for (const auto& [format, overflows] : {std::pair(fixed(8, 1), 1U), std::pair(fixed(8, 2), 0U)}) {
    PrecisionConfig config;
    config.model.types["default"] = format;
    const RunResult run = interpret(build_program(resolve(model, config)), std::vector<float>{0.5F, 0.F, -0.5F}, 3);
    EXPECT_EQ(run.predictions[0]<0, overflows> 0);
    EXPECT_EQ(run.counts[1].overflows, overflows);
  }
}

// 2^63 does not fit a machine word with a sign.
TEST(Program, ValuesOf65BitsAreWide) {
  Model model;
  model.name = "wide";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "Activation", std::make_shared<Relu>(), {0}, {1}});
  model.outputs = {1};
  for (const Format& format : {ufixed(64, 40), fixed(65, 41)}) {
    PrecisionConfig config;
    config.model.types["default"] = format;
    const Program program = build_program(resolve(model, config));
    EXPECT_EQ(interpret(program, std::vector{0x1p39F}, 1).predictions, std::vector<double>{0x1p39});
    EXPECT_EQ(interpret(program, std::vector{0x1p39F}, 1, {.one_by_one = true}).predictions, std::vector<double>{0x1p39});
  }
}

// Exact values have 128 bits.
TEST(Program, WhatNeedsMoreBitsIsRefused) {
  EXPECT_EQ(leaky_relu(0.5, fixed(70, 6), ufixed(57, 1)).steps[1].bits, 128);
  try {
    leaky_relu(0.5, fixed(70, 6), ufixed(58, 1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layer y: its exact values need 129 bits"), std::string::npos) << error.what();
  }
}

TEST(QuantizeWeights, GoThroughDecimalText) {
  // With 2 fractional bits -0.0016 prints as "-0.00" (numerics.md); straight into the type it would be -0.25.
  EXPECT_EQ(static_cast<int>(quantize_weights(std::vector{-0.0016F}, fixed(8, 6)).raw.front()), 0);
  EXPECT_EQ(static_cast<int>(cast(-0.0016, fixed(8, 6)).raw), -1);
  // "0.12" is below 1/8 = 0.125, which the format could hold.
  EXPECT_EQ(static_cast<int>(quantize_weights(std::vector{0.125F}, fixed(8, 5)).raw.front()), 1);
  EXPECT_EQ(static_cast<int>(quantize_weights(std::vector{0.375F}, fixed(8, 6)).raw.front()), 1);
}

TEST(QuantizeWeights, ACacheTellsTypesAndValuesApart) {
  WeightCache cache;
  const std::vector<float> values{0.3F, -1.7F};
  const std::vector<float> others{0.3F, -1.8F};
  for (const Format& format : {fixed(8, 3), fixed(9, 3), ufixed(8, 3), parse_format("ap_fixed<8,3,AP_RND>")}) {
    EXPECT_TRUE(cache.get(values, format)->raw == quantize_weights(values, format).raw) << to_string(format);
    EXPECT_TRUE(cache.get(others, format)->raw == quantize_weights(others, format).raw) << to_string(format);
    EXPECT_EQ(cache.get(values, format), cache.get(values, format));
  }
}

// Every product and every sum of products before it is brought into accum's range, of inputs at the ends of their type, is a number of
// Step::word_bits.
TEST(Words, HoldTheLargestSums) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  std::mt19937_64 random(seed);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const auto format = [&] {
    const int width = number(1, 16);
    return Format{.width = width, .integer = number(-2, 10), .is_signed = number(0, 2) > 0};
  };
  for (int i = 0; i < 20000; ++i) {
    const Format input = format(), weight = format(), bias = format();
    Format accum = format();
    accum.rounding = static_cast<Rounding>(number(0, kRoundings - 1));
    const int n_in = number(1, 5);
    const auto end = [&](const Format& type) { return number(0, 1) == 0 ? min_raw(type) : max_raw(type); };
    std::vector<Int128> weights;
    for (int k = 0; k < n_in; ++k) weights.push_back(end(weight));
    const std::vector<Int128> biases{end(bias)};
    LayerPrecision types;
    types.set(TypeName::kWeight, weight);
    types.set(TypeName::kBias, bias);
    types.set(TypeName::kAccum, accum);
    types.set(TypeName::kResult, accum);
    types.strategy = Strategy::kLatency;
    const Dense dense(n_in, 1, std::vector<float>(static_cast<std::size_t>(n_in)), std::vector{0.F});
    const Shape from{n_in}, to{1};
    Step step;
    step.weights = {{TypeName::kWeight, std::make_shared<const QuantizedWeights>(QuantizedWeights{weights, 0, 0})},
                    {TypeName::kBias, std::make_shared<const QuantizedWeights>(QuantizedWeights{biases, 0, 0})}};
    dense.plan(Place{types, to, {&input}, {&from}}, step);
    const Int128 limit = static_cast<Int128>(1) << (step.word_bits - 1);
    const int fraction = input.fraction() + weight.fraction();
    for (const bool highest : {false, true}) {
      Int128 sum = cast(biases.front(), bias.fraction(), unbounded(accum)).raw;
      for (const Int128 w : weights) {
        const Int128 product = w * ((w < 0) == highest ? min_raw(input) : max_raw(input));
        const Int128 shifted = fraction < accum.fraction() ? product << (accum.fraction() - fraction) : product;
        ASSERT_TRUE(shifted >= -limit && shifted < limit) << "seed " << seed << ", case " << i << ": a product";
        sum += cast(product, fraction, unbounded(accum)).raw;
      }
      ASSERT_TRUE(sum >= -limit && sum < limit) << "seed " << seed << ", case " << i << ": a sum, " << step.word_bits << " bits, "
                                                << to_string(input) << " " << to_string(weight) << " " << to_string(accum);
    }
  }
}

TEST(Words, HoldTheLargestSumsOverCells) {
  for (const int set : {1, 2, 3, 4, 7, 8, 127, 128, 129}) {
    for (const Format& x : {fixed(8, 3), ufixed(8, 3), fixed(20, 20)}) {
      for (const int up : {0, 5}) {
        const Format sum = fixed(10, 10 - x.fraction() - up);
        LayerPrecision types;
        types.set(TypeName::kResult, sum);
        const Shape from{set, 1}, to{1};
        Step step;
        SetSum().plan(Place{types, to, {&x}, {&from}}, step);
        const Int128 limit = static_cast<Int128>(1) << (step.word_bits - 1);
        ASSERT_TRUE(set * min_raw(x) * (1 << up) >= -limit && set * max_raw(x) * (1 << up) < limit) << set << " of " << to_string(x);
      }
    }
  }
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
