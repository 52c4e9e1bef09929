// The fast path against the interpreter: random networks, formats, modes and weights, on every instruction set of this
// machine; and that the fast path is in fact taken where it is claimed.
#include "engine/engine.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdlib>

#include "engine/kernels.h"
#include "engine/random_program.h"
#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/linear.h"
#include "layers/merge.h"
#include "layers/relu.h"
#include "layers/set_sum.h"
#include "layers/sign_activation.h"

namespace narrow {
namespace {

bool overflowed(const RunResult& run) {
  bool any = false;
  for (const LayerCounts& counts : run.counts) any |= counts.overflows + counts.accum_overflows > 0;
  return any;
}

void expect_same(const Program& program, const std::vector<float>& x, std::size_t n, const std::string& what) {
  const RunResult expected = interpret(program, x, n, {.traced = n});
  const auto describe = [&](const Engine& engine) {
    std::string text = what + "\n";
    for (const std::string& kernel : engine.kernels()) text += kernel + ", ";
    return text + "\n" + to_yaml(program.resolved);
  };
  for (const Counting counting : {Counting::kAll, Counting::kNone}) {
    const Engine engine(program, {.counting = counting, .dedup = false, .fuse = false});
    const EngineResult traced = engine.trace(x, n);
    for (std::size_t i = 0; i < expected.trace.size(); ++i) {
      ASSERT_EQ(traced.run.trace[i], expected.trace[i]) << "trace of " << program.model().layers[i].name << " of " << describe(engine);
    }
  }
  for (const Counting counting : {Counting::kAll, Counting::kOverflow, Counting::kNone}) {
    for (const bool dedup : {true, false}) {
      const Engine engine(program, {.counting = counting, .dedup = dedup});
      const EngineResult got = engine.run(x, n);
      ASSERT_EQ(got.run.predictions, expected.predictions) << describe(engine);
      const EngineResult again = engine.run(*engine.prepare(x, n));
      ASSERT_EQ(again.run.predictions, expected.predictions) << "prepared, " << describe(engine);
      ASSERT_EQ(again.overflowed, got.overflowed) << "prepared, " << describe(engine);
      ASSERT_EQ(again.run.counts, got.run.counts) << "prepared, " << describe(engine);
      ASSERT_EQ(again.counted_rows, got.counted_rows) << "prepared, " << describe(engine);
      if (counting == Counting::kOverflow) {
        ASSERT_EQ(got.overflowed, overflowed(expected)) << describe(engine);
      }
      if (counting != Counting::kAll) continue;
      for (std::size_t i = 0; i < expected.counts.size(); ++i) {
        ASSERT_EQ(got.run.counts[i], expected.counts[i]) << "layer " << program.model().layers[i].name << " of " << describe(engine);
      }
    }
  }
}

// Runs on each instruction set that this machine has.
class EngineOn : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    // Files that are not compiled for the target take the best below it, as they do on such a machine.
    hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~(GetParam() - 1));
  }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }

  static void compare(const RandomLimits& limits, std::uint64_t cases) {
    const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    for (std::uint64_t i = 0; i < cases; ++i) {
      std::mt19937_64 random(seed * 1'000'003 + i);
      const Program program = random_program(random, limits);
      const std::size_t n = 1 + random() % 12;
      expect_same(program, random_samples(random, program, n), n, "seed " + std::to_string(seed) + ", case " + std::to_string(i));
      if (HasFatalFailure()) return;
    }
  }
};

TEST_P(EngineOn, IsTheInterpreter) { compare({}, number_from_environment("NARROW_CASES", 750)); }
TEST_P(EngineOn, IsTheInterpreterForCommonTypes) { compare({.all_modes = false}, number_from_environment("NARROW_CASES", 1200)); }
TEST_P(EngineOn, IsTheInterpreterForSmallTypes) {
  compare({.max_width = 9, .all_modes = false}, number_from_environment("NARROW_CASES", 750));
}
TEST_P(EngineOn, IsTheInterpreterForWideTypes) {
  compare({.max_width = 34, .max_nodes = 20}, number_from_environment("NARROW_CASES", 500));
}
TEST_P(EngineOn, IsTheInterpreterForTheWidestTypes) {
  compare({.max_width = 64, .max_nodes = 20, .max_set = 6}, number_from_environment("NARROW_CASES", 500));
  compare({.max_width = 64, .max_nodes = 20, .max_set = 6, .all_modes = false, .graphs = true},
          number_from_environment("NARROW_CASES", 500));
}
TEST_P(EngineOn, IsTheInterpreterForManyNodes) {
  compare({.max_nodes = 300, .max_set = 5, .all_modes = false}, number_from_environment("NARROW_CASES", 300) / 5);
}

TEST_P(EngineOn, IsTheInterpreterForSumsOverRows) {
  for (const int width : {8, 16, 64})
    compare({.max_width = width, .max_set = 40, .adversarial = true, .sums_alone = true}, number_from_environment("NARROW_CASES", 750));
}

TEST_P(EngineOn, IsTheInterpreterForGraphs) {
  compare({.max_nodes = 20, .all_modes = false, .graphs = true}, number_from_environment("NARROW_CASES", 500));
}

// Padding of the one set is left out, whichever input comes first, and not what looks like it in a vector.
TEST_P(EngineOn, LeavesOutPaddingBesideAnotherInput) {
  constexpr int kRows = 12;
  constexpr std::size_t kSamples = 20;
  for (const bool vector_first : {true, false}) {
    Model model;
    model.name = "two";
    const Shape shapes[] = {vector_first ? Shape{4} : Shape{kRows, 2}, vector_first ? Shape{kRows, 2} : Shape{4}};
    for (const Shape& shape : shapes) {
      model.layers.push_back({shape.size() == 1 ? "event" : "cells", "InputLayer", std::make_shared<Input>(shape), {}, shape});
    }
    const int cells = vector_first ? 1 : 0;
    const std::vector<float> kernel = {0.5F, -0.25F, 1.F, 0.75F, 0.5F, -1.F, 0.25F, 2.F};
    const auto push = [&](const std::string& name, OperationPtr op, std::vector<int> inputs) {
      Layer layer{name, std::string(op->keras_class()), std::move(op), std::move(inputs), {}};
      layer.shape = output_shape(layer, model.input_shapes(layer));
      model.layers.push_back(std::move(layer));
    };
    push("phi", std::make_shared<Dense>(2, 4, kernel, std::vector{0.5F, 0.F, -0.5F, 1.F}), {cells});
    push("phi_relu", std::make_shared<Relu>(), {2});
    push("phi_sum", std::make_shared<Merge>(MergeKind::kAdd), {2, 3});
    push("phi_act", std::make_shared<Relu>(), {4});
    push("sum", std::make_shared<SetSum>(), {5});
    push("both", std::make_shared<Concatenate>(-1), {6, 1 - cells});
    push("out", std::make_shared<Dense>(8, 1, kernel, std::vector{0.125F}), {7});
    model.outputs = {8};
    PrecisionOptions options;
    options.vector = fixed(14, 7);
    const Program program = build_program(resolve(model, make_config(model, options)));
    std::mt19937_64 random(3);
    std::vector<float> x;
    for (std::size_t s = 0; s < kSamples; ++s) {
      for (const Shape& shape : shapes) {
        const std::size_t filled = shape.size() == 1 ? 2 : 2 * (random() % kRows);
        for (std::size_t k = 0; k < size_of(shape); ++k) x.push_back(k < filled ? static_cast<float>(random() % 100) / 16.F : -6.F);
      }
    }
    expect_same(program, x, kSamples, vector_first ? "vector first" : "set first");
    EXPECT_GT(Engine(program, {}).run(x, kSamples).counted_rows, 0.2);
  }
}

// From the values of any layer, by way of any earlier one, an engine comes to the same end; and so does one of other types behind it.
TEST_P(EngineOn, StartsBehindAnyLayer) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  const std::uint64_t cases = number_from_environment("NARROW_CASES", 300);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::size_t behind = 0;
  std::size_t others = 0;
  for (std::uint64_t i = 0; i < cases; ++i) {
    std::mt19937_64 random(seed * 1'000'003 + i);
    const RandomCase drawn = random_case(
        random, {.all_modes = random() % 2 == 0, .adversarial = random() % 4 == 0, .graphs = random() % 3 == 0}, 1 + random() % 20);
    const EngineOptions options{.counting = static_cast<Counting>(random() % 3), .dedup = random() % 4 != 0, .fuse = random() % 4 != 0};
    const Engine engine(drawn.program(), options);
    const EngineResult expected = engine.run(drawn.x, drawn.n);
    // Another layer's type is another one: some layers in front are the same, their inferred types too.
    RandomCase changed = drawn;
    auto entry = std::next(changed.config.by_name.begin(), static_cast<std::ptrdiff_t>(random() % changed.config.by_name.size()));
    entry->second.types["result"] = fixed(9, 4);
    std::optional<Program> with_it;
    try {
      with_it = changed.program();
    } catch (const Error&) {
      continue;  // a table has too many entries for that type
    }
    const Engine other(*with_it, options);
    const EngineResult expected_of_other = other.run(drawn.x, drawn.n);
    std::shared_ptr<const PreparedInput> prepared = engine.prepare(drawn.x, drawn.n);
    const auto expect = [&](const EngineResult& got, const EngineResult& wanted, std::size_t layer) {
      const std::string what = "seed " + std::to_string(seed) + ", case " + std::to_string(i) + ", behind layer " + std::to_string(layer) +
                               " of " + describe(drawn);
      ASSERT_EQ(got.run.predictions, wanted.run.predictions) << what;
      ASSERT_EQ(got.overflowed, wanted.overflowed) << what;
      ASSERT_EQ(got.run.counts, wanted.run.counts) << what;
    };
    for (std::size_t layer = 0; layer < engine.program().model().layers.size(); ++layer) {
      if (!engine.can_start_behind(layer)) continue;
      const auto next = engine.prepare(*prepared, layer);
      if (random() % 2 == 0) prepared = next;
      ++behind;
      expect(engine.run(*next), expected, layer);
      ASSERT_EQ(engine.run(*next).counted_rows, expected.counted_rows);
      if (other.accepts(*next)) ++others, expect(other.run(*next), expected_of_other, layer);
      else EXPECT_THROW(other.run(*next), std::logic_error);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(behind, 2 * cases);
  EXPECT_GT(others, cases / 2);
}

TEST_P(EngineOn, KernelsAreRight) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  for (std::uint64_t i = 0; i < 300; ++i) ASSERT_TRUE(kernels_are_right(seed * 1'000'003 + i)) << "seed " << seed << ", case " << i;
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, EngineOn, testing::ValuesIn(kernel_targets()),
                         [](const auto& target) { return std::string(hwy::TargetName(target.param)); });

// A trained-looking network of the study's kind.
Program deep_sets(int nodes, const PrecisionOptions& options) {
  std::mt19937_64 random(3);
  const auto weights = [&](int n_in, int n_out) {
    std::vector<float> values(static_cast<std::size_t>(n_in) * static_cast<std::size_t>(n_out));
    for (float& value : values) value = std::normal_distribution<float>(0.F, 0.15F)(random);
    return values;
  };
  Model model;
  model.name = "deep_sets";
  model.layers.push_back({"cells", "InputLayer", std::make_shared<Input>(Shape{128, 4}), {}, {128, 4}});
  const auto push = [&](const std::string& name, OperationPtr op) {
    Layer layer{name, "Layer", std::move(op), {static_cast<int>(model.layers.size()) - 1}, {}};
    layer.shape = output_shape(layer, {model.layers.back().shape});
    model.layers.push_back(std::move(layer));
  };
  for (const char* name : {"phi1", "phi2", "rho1"}) {
    if (name[0] == 'r') push("KSum", std::make_shared<SetSum>());
    const int n_in = model.layers.back().shape.back();
    push(name, std::make_shared<Dense>(n_in, nodes, weights(n_in, nodes), weights(1, nodes)));
    push(std::string(name) + "_relu", std::make_shared<Relu>());
  }
  push("out", std::make_shared<Dense>(nodes, 1, weights(nodes, 1), std::vector<float>{0.F}));
  model.outputs = {static_cast<int>(model.layers.size()) - 1};
  return build_program(resolve(model, make_config(model, options)));
}

PrecisionOptions types(const char* vector, const char* weight, bool uniform = false) {
  PrecisionOptions options;
  options.vector = parse_short_format(vector);
  options.weight = parse_short_format(weight);
  options.uniform = uniform;
  return options;
}

TEST(Kernels, AreTheFastOnesWhereTheyAreClaimed) {
  const auto kernel = [](const PrecisionOptions& options, Counting counting) {
    return Engine(deep_sets(64, options), {.counting = counting}).kernels()[3];
  };
  EXPECT_EQ(kernel(types("16,6", "16,6"), Counting::kOverflow), "int16");
  EXPECT_EQ(kernel(types("16,6", "16,6"), Counting::kAll), "int16");
  EXPECT_EQ(kernel(types("10,6", "8,2"), Counting::kOverflow), "int8 or int16");
  EXPECT_EQ(kernel(types("24,12", "18,4"), Counting::kOverflow), "int16 x 2");
  EXPECT_EQ(kernel(types("16,9", "16,9", true), Counting::kNone), "high half");
  EXPECT_EQ(kernel(types("16,9", "16,9", true), Counting::kOverflow), "rounding int16");
  EXPECT_EQ(kernel(types("14,5,AP_RND,AP_SAT", "14,5", true), Counting::kAll), "saturating int16");
  EXPECT_EQ(kernel(types("14,5,AP_RND,AP_SAT_ZERO", "14,5", true), Counting::kAll), "lanes");
  EXPECT_EQ(kernel(types("48,20", "40,8"), Counting::kAll), "int16 x 12");
  EXPECT_EQ(kernel(types("40,16", "24,8", true), Counting::kAll), "wide lanes");
  EXPECT_EQ(kernel(types("64,24,AP_RND,AP_SAT", "40,8", true), Counting::kAll), "wide lanes");
}

// A relu of so many fractional bits that no machine word holds its input's values in its steps.
TEST(Kernels, DoNotCastWhatNoWordHolds) {
  Model model;
  model.name = "fine";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{2}), {}, {2}});
  model.layers.push_back(
      {"y", "Dense", std::make_shared<Dense>(2, 1, std::vector<float>{30000.F, -30000.F}, std::vector<float>{1.F}), {0}, {1}});
  model.layers.push_back({"y_relu", "Activation", std::make_shared<Relu>(), {1}, {1}});
  model.outputs = {2};
  for (const char* relu : {"ap_fixed<50,10,AP_TRN,AP_SAT>", "ap_fixed<50,10>", "ap_ufixed<60,12,AP_RND,AP_SAT>"}) {
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 16);
    config.by_name["x"].types["result"] = fixed(20, 20);
    config.by_name["y"].types["accum"] = config.by_name["y"].types["result"] = std::nullopt;
    config.by_name["y_relu"].types["result"] = parse_format(relu);
    const std::vector<float> x{500000.F, -500000.F, 3.F, 2.F, -7.F, 100.F, 1024.F, 0.F, 0.F, 0.F};
    const Program program = build_program(resolve(model, config));
    expect_same(program, x, 5, relu);
    EXPECT_EQ(interpret(program, x, 5).predictions, interpret(program, x, 5, {.one_by_one = true}).predictions) << relu;
  }
}

// 65535 is no int16.
TEST(Kernels, UnsignedValuesOf16BitsAreWide) {
  Model model;
  model.name = "unsigned";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{2}), {}, {2}});
  model.layers.push_back({"y", "Dense", std::make_shared<Dense>(2, 1, std::vector<float>{1.F, 1.F}, std::vector<float>{1.F}), {0}, {1}});
  model.layers.push_back({"y_relu", "Activation", std::make_shared<Relu>(), {1}, {1}});
  model.outputs = {0, 2};
  PrecisionConfig config;
  config.model.types["default"] = ufixed(16, 16);
  for (const char* type : {"accum", "result"}) config.by_name["y"].types[type] = fixed(20, 20);
  const Program program = build_program(resolve(model, config));
  const std::vector<float> x{65535.F, 0.F, 40000.F, 25534.F, 1.F, 2.F};
  EXPECT_EQ(interpret(program, x, 3).predictions, (std::vector<double>{65535, 0, 0, 40000, 25534, 65535, 1, 2, 4}));
  expect_same(program, x, 3, "unsigned");
}

// 70,000 rows of int16 do not fit 32 bits.
TEST(Kernels, SumManyRows) {
  constexpr int kRows = 70000;
  Model model;
  model.name = "rows";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{kRows, 1}), {}, {kRows, 1}});
  model.layers.push_back({"sum", "KSum", std::make_shared<SetSum>(), {0}, {1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 16);
  config.by_name["sum"].types["result"] = fixed(40, 40);
  const Program program = build_program(resolve(model, config));
  EXPECT_EQ(interpret(program, std::vector<float>(kRows, 32767.F), 1).predictions, std::vector<double>{32767.0 * kRows});
  expect_same(program, std::vector<float>(kRows, 32767.F), 1, "many rows");
}

// 7 + 1.5 wraps to -8, where rounding -8 + 0.5 looks at another sign than rounding 0.5 does.
TEST(Kernels, RoundBySignWhereASumWraps) {
  Model model;
  model.name = "rows";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{3, 1}), {}, {3, 1}});
  model.layers.push_back({"sum", "KSum", std::make_shared<SetSum>(), {0}, {1}});
  model.outputs = {1};
  const std::vector<float> x{7.5F, 1.5F, 0.5F, 7.75F, 1.F, 0.25F, 7.F, 1.75F, 1.75F};
  for (const char* modes : {"AP_TRN_ZERO", "AP_RND_ZERO", "AP_RND_INF"}) {
    PrecisionConfig config;
    config.model.types["default"] = parse_format("ap_ufixed<6,4>");
    config.by_name["sum"].types["result"] = parse_format("ap_fixed<4,4," + std::string(modes) + ",AP_WRAP>");
    const Program program = build_program(resolve(model, config));
    if (std::string_view(modes) == "AP_TRN_ZERO") {
      EXPECT_EQ(interpret(program, x, 3).predictions, (std::vector<double>{-7, -7, -6}));
    }
    expect_same(program, x, 3, modes);
  }
}

// A number for each value of a sample, as hls4ml has in front of a ternary quantizer; rows that are computed once have fewer values.
TEST(Kernels, ScaleEachValueOfASet) {
  constexpr int kRows = 6;
  const Shape shape{kRows, 2};
  std::vector<double> scales(2 * kRows);
  for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = 0.25 * static_cast<double>(i + 1);
  const std::vector<std::pair<std::string, OperationPtr>> layers = {
      {"QActivation", std::make_shared<SignActivation>(true, true, 0.75)},
      {"BatchNormalization",
       std::make_shared<BatchNormalization>(GivenNumbers{Numbers(scales)}, GivenNumbers{Numbers(std::vector<double>(scales.size(), 1.0))},
                                            BatchNormalization::Origin{})}};
  for (const auto& [keras_class, op] : layers) {
    Model model;
    model.name = "rows";
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(shape), {}, shape});
    model.layers.push_back({"y", keras_class, op, {0}, shape});
    model.layers.push_back({"sum", "KSum", std::make_shared<SetSum>(), {1}, {2}});
    model.outputs = {2};
    PrecisionConfig config;
    config.model.types["default"] = fixed(12, 5);
    const Program program = build_program(resolve(model, config));
    ASSERT_EQ(program.model().layers[1].keras_class, "BatchNormalization");
    std::vector<float> x(2 * kRows, 0.5F);
    x[0] = 1.F, x[1] = 0.8F, x[2] = -1.F, x[3] = 0.7F;
    expect_same(program, x, 1, keras_class);
  }
}

// Small values of inputs whose types are as wide as 32 bits, or nearly.
TEST(Kernels, QuantizeIntoWideTypes) {
  Model model;
  model.name = "wide";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{4}), {}, {4}});
  model.layers.push_back({"y", "Activation", std::make_shared<Relu>(), {0}, {4}});
  model.outputs = {0, 1};
  for (int width = 14; width <= 36; ++width) {
    for (const char* modes : {"", ",AP_RND,AP_SAT", ",AP_TRN,AP_SAT_ZERO", ",AP_RND_CONV,AP_SAT_SYM"}) {
      const std::string type = "ap_fixed<" + std::to_string(width) + "," + std::to_string(width - 1) + modes + ">";
      PrecisionConfig config;
      config.model.types["default"] = parse_format(type);
      const std::vector<float> small{5.25F, -7.5F, 0.F, 100000.F};
      const std::vector<float> large{0x1p29F, -0x1p30F, 0x1p31F, 0x1p40F};
      for (const std::vector<float>& x : {small, large}) expect_same(build_program(resolve(model, config)), x, 1, type);
    }
  }
}

// Padding in the middle, at the start and alone; a row that is no padding but as frequent.
TEST(Dedup, CountsRepeatedRowsWhereverTheyStand) {
  std::mt19937_64 random(5);
  for (const auto& options :
       {types("16,6", "16,6"), types("12,4", "10,2"), types("16,9", "16,9", true), types("13,5,AP_TRN,AP_SAT", "10,2")}) {
    const Program program = deep_sets(24, options);
    constexpr std::size_t kSamples = 40;
    std::vector<float> x(kSamples * 128 * 4);
    std::uniform_real_distribution<float> uniform(-3.F, 3.F);
    for (std::size_t row = 0; row < x.size() / 4; ++row) {
      const std::size_t sample = row / 128;
      const bool pad = sample == 7 || random() % 3 == 0;
      for (std::size_t k = 0; k < 4; ++k) x[row * 4 + k] = pad ? -6.F : uniform(random);
    }
    const RunResult expected = interpret(program, x, kSamples);
    const EngineResult got = Engine(program, {}).run(x, kSamples);
    EXPECT_EQ(got.run.predictions, expected.predictions);
    EXPECT_EQ(got.run.counts, expected.counts);
    EXPECT_GT(got.counted_rows, 0.3);
    EXPECT_EQ(Engine(program, {.dedup = false}).run(x, kSamples).counted_rows, 0.0);
  }
}

// What overflows in one place alone is told, with and without counted rows: `narrow` is the layer whose type is too small for -6.
void expect_told(const std::string& narrow) {
  Model model;
  model.name = "told";
  const auto push = [&](const std::string& name, OperationPtr op) {
    Layer layer{name, "Layer", std::move(op), {static_cast<int>(model.layers.size()) - 1}, {}};
    layer.shape = output_shape(layer, {model.layers.back().shape});
    model.layers.push_back(std::move(layer));
  };
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{8, 1}), {}, {8, 1}});
  push("linear", std::make_shared<Linear>());
  push("dense", std::make_shared<Dense>(1, 1, std::vector{1.F}, std::vector{0.F}));
  push("sum", std::make_shared<SetSum>());
  model.outputs = {3};
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 8);
  for (const char* type : {"accum", "result"}) config.by_name[narrow].types[type] = fixed(8, 3);
  const Program program = build_program(resolve(model, config));
  std::vector<float> x;
  for (int i = 0; i < 16 * 8; ++i) x.push_back(i % 3 == 0 ? static_cast<float>(i % 5) / 4 : -6.F);
  const std::vector<float> clean(x.size(), 0.5F);
  for (const bool dedup : {false, true}) {
    const Engine engine(program, {.counting = Counting::kOverflow, .dedup = dedup});
    EXPECT_EQ(engine.run(x, 16).counted_rows > 0, dedup);
    EXPECT_TRUE(engine.run(x, 16).overflowed) << narrow << (dedup ? ", rows counted" : "");
    EXPECT_FALSE(engine.run(clean, 16).overflowed) << narrow << (dedup ? ", rows counted" : "");
  }
}
TEST(Overflow, IsToldWhereverItHappens) {
  expect_told("x");
  expect_told("linear");
  expect_told("dense");
}

TEST(Overflow, OfASumOf70BitsIsTold) {
  Model model;
  model.name = "wide";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "Dense", std::make_shared<Dense>(1, 1, std::vector{1.F}, std::vector{0.F}), {0}, {1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(8, 4);
  for (const char* type : {"accum", "result"}) config.by_name["y"].types[type] = fixed(70, 2);
  const Engine engine(build_program(resolve(model, config)), {.counting = Counting::kOverflow});
  EXPECT_TRUE(engine.run(std::vector{5.F}, 1).overflowed);
  EXPECT_FALSE(engine.run(std::vector{1.F}, 1).overflowed);
}

TEST(Prepared, IsForEnginesThatWouldMakeTheSame) {
  const Program program = deep_sets(8, types("16,6", "16,6"));
  Program other = program;
  auto& op = other.resolved.model.layers[1].op;
  op = std::make_shared<Dense>(4, 8, std::vector<float>(32, 0.5F), std::vector<float>(8, 0.F));
  const Program other_weights = build_program(other.resolved);
  const std::vector<float> x(4 * 128 * 4, 1.5F);  // one row alone, which is counted
  const Engine engine(program, {.counting = Counting::kAll});
  const auto input = engine.prepare(x, 4);
  ASSERT_TRUE(engine.can_start_behind(2));
  const auto behind = engine.prepare(*input, 2);
  EXPECT_TRUE(Engine(program, {.counting = Counting::kAll}).accepts(*behind));
  EXPECT_FALSE(Engine(program, {.counting = Counting::kNone}).accepts(*behind));
  EXPECT_FALSE(Engine(program, {.counting = Counting::kAll, .dedup = false}).accepts(*behind));
  EXPECT_FALSE(Engine(other_weights, {.counting = Counting::kAll}).accepts(*behind));
  EXPECT_TRUE(Engine(other_weights, {.counting = Counting::kAll}).accepts(*input));
  EXPECT_FALSE(Engine(deep_sets(8, types("16,7", "16,6")), {.counting = Counting::kAll}).accepts(*input));
}

}  // namespace
}  // namespace narrow
