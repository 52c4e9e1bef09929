// Every value that the interpreter computes lies in the interval that its layer is proven to have; a run that saw no overflow
// answers for the precisions that it is said to answer for.
#include "engine/bounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/engine.h"
#include "engine/random_program.h"
#include "error.h"
#include "fixed/cast.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/pooling.h"
#include "layers/relu.h"
#include "layers/set_sum.h"
#include "layers/table.h"

namespace narrow {
namespace {

// Which layer has a value outside its interval, one operation at a time; empty for none.
std::string outside(const RandomCase& drawn) {
  const Program program = drawn.program();
  const std::vector<Interval> intervals = result_intervals(program);
  const RunResult run = interpret(program, drawn.x, drawn.n, {.traced = drawn.n, .one_by_one = true});
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    // Nearest doubles keep the order of values.
    const double low = to_double(intervals[i].low, program.format(i).fraction());
    const double high = to_double(intervals[i].high, program.format(i).fraction());
    for (const double value : run.trace[i]) {
      if (value < low || value > high) {
        return program.model().layers[i].name + " is " + std::to_string(value) + ", outside " + std::to_string(low) + " to " +
               std::to_string(high);
      }
    }
  }
  return "";
}

// The quick way to a table's entry is the way of hls4ml's C++, whatever the input's type.
TEST(TableIndex, TheFastWayIsTheOther) {
  std::mt19937 random(1);
  std::size_t compared = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto function = static_cast<TableFunction>(random() % 6);
    const TableIndex index(function, 2 + static_cast<int>(random() % 2000));
    const int width = 1 + static_cast<int>(random() % 20);
    const Format format{.width = width, .integer = width - static_cast<int>(random() % 30) + 8, .is_signed = random() % 2 == 0};
    const auto fast = index.fast(format);
    if (!fast) continue;
    for (const Int128 raw :
         {min_raw(format), max_raw(format), Int128{0}, Int128{1} % (max_raw(format) + 1), max_raw(format) / 3, min_raw(format) / 3}) {
      ASSERT_EQ((*fast)(static_cast<std::int64_t>(raw)), index.of(raw, format))
          << to_string(format) << ", size " << index.size << ", raw " << static_cast<std::int64_t>(raw);
      ++compared;
    }
  }
  EXPECT_GT(compared, 10'000U);
}

// What programs share of tables is of the same function, size and type.
TEST(Table, OfAnotherTypeIsAnother) {
  const Table coarse = function_table(TableFunction::kTanh, 256, fixed(6, 1));
  const Table fine = function_table(TableFunction::kTanh, 256, fixed(12, 1));
  const Table again = function_table(TableFunction::kTanh, 256, fixed(6, 1));
  EXPECT_EQ(coarse, again);
  EXPECT_NE(coarse->raw, fine->raw);
  EXPECT_NE(coarse->raw.size(), function_table(TableFunction::kTanh, 128, fixed(6, 1))->raw.size());
}

void intervals_hold(const RandomLimits& limits, std::uint64_t cases) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  for (std::uint64_t i = 0; i < cases; ++i) {
    std::mt19937_64 random(seed * 1'000'003 + i);
    RandomCase drawn = random_case(random, limits, 1 + random() % 4);
    if (outside(drawn).empty()) continue;
    const RandomCase small = shrink(std::move(drawn), [](const RandomCase& each) { return !outside(each).empty(); });
    FAIL() << "seed " << seed << ", case " << i << ": " << outside(small) << "\n" << describe(small);
  }
}

TEST(Bounds, HoldWhatTheInterpreterComputes) {
  intervals_hold({.max_nodes = 12, .max_set = 8, .adversarial = true}, number_from_environment("NARROW_CASES", 6000));
}
TEST(Bounds, HoldWhatTheInterpreterComputesInTrainedLookingNetworks) { intervals_hold({}, number_from_environment("NARROW_CASES", 1500)); }
TEST(Bounds, HoldWhatTheInterpreterComputesInGraphs) {
  intervals_hold({.max_nodes = 8, .max_set = 5, .adversarial = true, .graphs = true}, number_from_environment("NARROW_CASES", 4000));
  intervals_hold({.max_width = 60, .max_nodes = 6, .max_set = 4, .adversarial = true, .graphs = true},
                 number_from_environment("NARROW_CASES", 2000));
}
TEST(Bounds, HoldWhatTheInterpreterComputesForWideTypes) {
  intervals_hold({.max_width = 60, .max_nodes = 8, .max_set = 5, .adversarial = true}, number_from_environment("NARROW_CASES", 2000));
}

// An interval that is no wider than it must be: kernels and proofs of "no overflow" live on it.
TEST(Bounds, AreTightForOneRow) {
  RandomCase one;
  one.model.name = "tight";
  one.model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{2}), {}, {2}});
  one.model.layers.push_back({"y", "Dense", std::make_shared<Dense>(2, 1, std::vector{2.F, -3.F}, std::vector{1.F}), {0}, {1}});
  one.model.outputs = {1};
  PrecisionOptions options;
  options.vector = fixed(4, 4);
  one.config = make_config(one.model, options);
  const Interval y = result_intervals(one.program())[1];
  EXPECT_EQ(static_cast<int>(y.low), -2 * 8 - 3 * 7 + 1);
  EXPECT_EQ(static_cast<int>(y.high), 2 * 7 + 3 * 8 + 1);
}

// The engine and the interpreter, whatever the kernels.
void expect_same(const RandomCase& found) {
  const Program program = found.program();
  const RunResult expected = interpret(program, found.x, found.n, {.one_by_one = true});
  for (const Counting counting : {Counting::kAll, Counting::kOverflow, Counting::kNone}) {
    EXPECT_EQ(Engine(program, {.counting = counting}).run(found.x, found.n).run.predictions, expected.predictions);
  }
  EXPECT_EQ(outside(found), "");
}

Layer next(const Model& model, const std::string& name, const std::string& keras_class, OperationPtr op) {
  Layer layer{name, keras_class, std::move(op), {static_cast<int>(model.layers.size()) - 1}, {}};
  layer.shape = output_shape(layer, {model.layers.back().shape});
  return layer;
}

// A sum that saturates at every step ends elsewhere than its whole sum, saturated: 100 - 31 - 31 is 31 - 31 - 31 here.
TEST(Cases, ASaturatingSumBeforeASumOverCells) {
  RandomCase found;
  found.model.name = "saturating";
  found.model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{3, 2}), {}, {3, 2}});
  found.model.layers.push_back(
      next(found.model, "phi", "Dense", std::make_shared<Dense>(2, 1, std::vector{-1.F, -1.F}, std::vector{100.F})));
  found.model.layers.push_back(next(found.model, "sum", "KSum", std::make_shared<SetSum>()));
  found.model.outputs = {2};
  PrecisionOptions options;
  options.vector = parse_short_format("12,6,AP_TRN,AP_SAT");
  options.weight = fixed(10, 10);
  options.uniform = true;
  found.config = make_config(found.model, options);
  found.x = {0, 0, 0, 0, 31, 31};
  found.n = 1;
  expect_same(found);
  EXPECT_EQ(interpret(found.program(), found.x, 1).predictions, std::vector<double>{31.984375 - 30.015625});
}

TEST(Cases, ASaturatingSumBeforeWideProducts) {
  constexpr int kNodes = 64;
  RandomCase found;
  found.model.name = "saturating";
  found.model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{4}), {}, {4}});
  found.model.layers.push_back(
      next(found.model, "z", "Dense", std::make_shared<Dense>(4, 4, std::vector<float>(16, 0.F), std::vector<float>(4, 1.F))));
  found.model.layers.push_back(next(found.model, "z_relu", "Activation", std::make_shared<Relu>()));
  found.model.layers.push_back(
      next(found.model, "a", "Dense",
           std::make_shared<Dense>(4, kNodes, std::vector<float>(4 * kNodes, -8000.F), std::vector<float>(kNodes, 32000.F))));
  std::vector<float> wide(kNodes * kNodes);
  std::mt19937_64 random(0);
  for (float& w : wide) w = static_cast<float>(random() % 30000);
  found.model.layers.push_back(
      next(found.model, "b", "Dense", std::make_shared<Dense>(kNodes, kNodes, wide, std::vector<float>(kNodes, 0.F))));
  found.model.outputs = {4};
  found.config.model.types["default"] = fixed(40, 40);
  const auto types = [&](const char* layer, const char* weight, const char* accum) {
    for (const char* type : {"weight", "bias"}) found.config.by_name[layer].types[type] = parse_short_format(weight);
    for (const char* type : {"accum", "result"}) found.config.by_name[layer].types[type] = parse_short_format(accum);
  };
  found.config.by_name["x"].types["result"] = ufixed(1, 1);
  types("z", "8,8", "16,16");
  found.config.by_name["z_relu"].types["result"] = fixed(16, 16);
  types("a", "16,16", "15,15,AP_TRN,AP_SAT");
  types("b", "16,16", "40,40");
  found.n = 64;
  for (std::size_t i = 0; i < found.n * 4; ++i) found.x.push_back(static_cast<float>(random() % 2));
  expect_same(found);
}

// A Dense of four ones: its sum is that of its weights, one after the other.
RandomCase sum_of_weights(const std::vector<float>& weights, const char* accum) {
  RandomCase found;
  found.model.name = "order";
  found.model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  found.model.layers.push_back(
      next(found.model, "ones", "Dense", std::make_shared<Dense>(1, 4, std::vector<float>(4, 0.F), std::vector<float>(4, 1.F))));
  found.model.layers.push_back(next(found.model, "y", "Dense", std::make_shared<Dense>(4, 1, weights, std::vector{0.F})));
  found.model.outputs = {2};
  found.config.model.types["default"] = fixed(16, 16);
  for (const char* type : {"accum", "result"}) found.config.by_name["y"].types[type] = parse_format(accum);
  found.x = {3.F};
  found.n = 1;
  return found;
}

// The order of a Resource layer, 0, 2, 1, 3 here: 100 + 100 is 127, and 127 - 100 - 100 is -73.
TEST(Cases, ASaturatingSumInTheOrderOfAResourceLayer) {
  RandomCase found = sum_of_weights({100.F, -100.F, 100.F, -100.F}, "ap_fixed<8,8,AP_TRN,AP_SAT>");
  found.config.by_name["y"].strategy = "Resource";
  found.config.by_name["y"].reuse_factor = 2;
  expect_same(found);
  EXPECT_EQ(interpret(found.program(), found.x, 1).predictions, std::vector<double>{-73});
}

// -100 - 28 is -127 there, and not -128.
// A mean in a narrow ap_int is not its sum's, as AMD's headers divide: of -1, 0 and 0 it is 2^33 - 1 over 3 in two bits, -2.
TEST(Cases, AMeanOfANarrowInteger) {
  RandomCase found;
  found.model.name = "integers";
  found.model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1, 4, 1}), {}, {1, 4, 1}});
  found.model.layers.push_back(
      next(found.model, "mean", "AveragePooling2D", std::make_shared<Pooling>(PoolKind::kAverage, Windows{{1, 3}, {1, 1}})));
  found.model.outputs = {1};
  found.config.model.types["default"] = parse_format("ap_int<2>");
  found.config.by_name["mean"].types["accum"] = parse_format("ap_int<2>");
  found.config.by_name["mean"].types["result"] = fixed(6, 4);
  found.x = {-1, 0, 0, 0};
  found.n = 1;
  expect_same(found);
  EXPECT_EQ(interpret(found.program(), found.x, 1).predictions, (std::vector<double>{-2, 0}));
}

TEST(Cases, ASymmetricSumThatReachesTheLowEndOfTheOther) {
  const RandomCase found = sum_of_weights({-100.F, -28.F, 50.F, 0.F}, "ap_fixed<8,8,AP_TRN,AP_SAT_SYM>");
  expect_same(found);
  EXPECT_EQ(interpret(found.program(), found.x, 1).predictions, std::vector<double>{-77});
}

// Whatever answers_for says of two precisions of one network: where the first saw no overflow, the second gives its numbers.
TEST(AnswersFor, GivesTheSameNumbersWhereNothingOverflowed) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::uint64_t answered = 0;
  for (std::uint64_t i = 0; i < number_from_environment("NARROW_CASES", 9000); ++i) {
    std::mt19937_64 random(seed * 1'000'003 + i);
    const RandomCase narrow =
        random_case(random, {.max_nodes = 6, .max_set = 4, .adversarial = random() % 2 == 0, .graphs = random() % 2 == 0}, 3);
    RandomCase wide = narrow;
    // The same steps, with more integer bits or another overflow mode here and there.
    const auto widen = [&](std::optional<Format>& format) {
      if (!format || random() % 2 == 0) return;
      if (!format->is_integer && random() % 3 > 0) {
        const int more = static_cast<int>(random() % 3);
        format->width += more;
        format->integer += more;
      }
      if (!format->is_integer && random() % 3 == 0) format->overflow = static_cast<Overflow>(random() % 4);
      if (random() % 20 == 0) format->is_signed = !format->is_signed;
      if (format->is_integer && random() % 4 == 0) ++format->width, ++format->integer;
    };
    for (auto& [name, entry] : wide.config.by_name) {
      for (auto& [type, format] : entry.types) widen(format);
    }
    for (auto& [type, format] : wide.config.model.types) widen(format);
    try {
      const Program from = narrow.program();
      const Program to = wide.program();
      if (!answers_for(from.resolved, to.resolved)) continue;
      bool clean = true;
      for (const Step& step : from.steps) {
        for (const auto& [type, weights] : step.weights) clean &= weights->overflows == 0;
      }
      const RunResult run = interpret(from, narrow.x, narrow.n);
      for (const LayerCounts& counts : run.counts) clean &= counts.overflows + counts.accum_overflows == 0;
      if (!clean) continue;
      ++answered;
      ASSERT_EQ(interpret(to, wide.x, wide.n).predictions, run.predictions) << "seed " << seed << ", case " << i << "\n"
                                                                            << describe(narrow) << "and\n"
                                                                            << describe(wide);
    } catch (const Error&) {
      continue;  // too wide
    }
  }
  EXPECT_GT(answered, 50U);
}

}  // namespace
}  // namespace narrow
