#include "search/search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <optional>
#include <random>

#include "engine/engine.h"
#include "error.h"
#include "files/model_file.h"
#include "fixed/cast.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/pooling.h"
#include "layers/relu.h"
#include "model/inference.h"
#include "search/findings.h"
#include "search/tensor_profile.h"

namespace narrow {
namespace {

std::string golden(const std::string& name) { return std::string(NARROW_SOURCE_DIR) + "/golden/" + name; }

// NARROW_SEED draws other cases, NARROW_CASES more of them.
unsigned from_environment(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}
unsigned seed() { return from_environment("NARROW_SEED", 1); }
unsigned cases(unsigned usual) { return from_environment("NARROW_CASES", usual); }

Dataset samples_of(const Model& model, std::size_t size, std::mt19937& random) {
  Dataset data;
  data.path = "random samples";
  data.size = size;
  data.shape = model.inputs().size() > 1 ? Shape{static_cast<int>(model.input_size())}
                                         : model.layers[static_cast<std::size_t>(model.inputs().front())].shape;
  std::normal_distribution<float> value(0, 2);
  for (std::size_t i = 0; i < size * model.input_size(); ++i) data.x.push_back(value(random));
  return data;
}

TEST(Range, EndsAndOctaves) {
  Range range;
  range.add(std::vector<float>{0, -3, 0.75F, 4, 1e-30F});
  range.add(std::vector<float>{1});
  EXPECT_EQ(range.low, -3);
  EXPECT_EQ(range.high, 4);
  EXPECT_EQ(range.values, 6U);
  EXPECT_EQ(range.zeros, 1U);
  const auto octave = [&](int e) { return range.octaves[static_cast<std::size_t>(e - Range::kLowest)]; };
  EXPECT_EQ(octave(1), 1U);
  EXPECT_EQ(octave(-1), 1U);
  EXPECT_EQ(octave(2), 1U);
  EXPECT_EQ(octave(0), 1U);
  EXPECT_EQ(octave(Range::kLowest), 1U) << "1e-30 is below all octaves";
}

// A type of the integer bits that are given brings both ends of the range to their nearest step, or half a step beside it at the upper end;
// with one bit less it cannot.
TEST(Range, IntegerBitsHoldTheRangeAndNoFewerDo) {
  std::mt19937 random(seed());
  for (unsigned i = 0; i < cases(20'000); ++i) {
    const bool is_signed = random() % 2 == 0;
    const int fraction = static_cast<int>(random() % 24) - 4;
    const auto draw = [&] {
      const double exact = std::ldexp(1.0, static_cast<int>(random() % 16) - 8);  // the ends of ranges of types
      const double step = std::ldexp(1.0, -fraction);
      switch (random() % 5) {
        case 0: return exact;
        case 1: return exact - step;
        case 2: return exact - step / 2;
        case 3: return 0.0;
        default: return std::abs(std::normal_distribution<double>(0, exact)(random));
      }
    };
    Range range;
    const std::vector<float> values{std::max(0.0F, static_cast<float>(draw())),
                                    is_signed ? std::min(0.0F, -static_cast<float>(draw())) : 0.0F};
    range.add(values);
    const int integer = integer_bits(range, is_signed, fraction, kLeastWidth);
    const auto holds = [&](int bits) {
      const Format format{
          .width = bits + fraction, .integer = bits, .is_signed = is_signed, .rounding = Rounding::kRnd, .overflow = Overflow::kSat};
      for (const float value : values) {
        const double held = to_double(cast(static_cast<double>(value), format).raw, fraction);
        if (std::abs(held - static_cast<double>(value)) > std::ldexp(0.5, -fraction)) return false;
      }
      return true;
    };
    ASSERT_GE(integer + fraction, kLeastWidth);
    ASSERT_TRUE(holds(integer)) << "seed " << seed() << ", case " << i << ": " << values[0] << " " << values[1] << ", fraction "
                                << fraction;
    // A lower end of half a step below the range is brought to it too, so the upper end decides where both are there.
    const bool needless = integer + fraction > kLeastWidth && holds(integer - 1) &&
                          static_cast<double>(values[0]) < std::ldexp(1.0, integer - 1 - (is_signed ? 1 : 0)) - std::ldexp(0.5, -fraction);
    ASSERT_FALSE(needless) << "seed " << seed() << ", case " << i << ": " << values[0] << " " << values[1] << ", fraction " << fraction
                           << " is held by " << integer - 1 << " integer bits";
  }
}

// Types as a search may try them, and some that it does not: clipped ranges, any rounding.
Assignment random_assignment(const Tensors& tensors, std::mt19937& random) {
  Assignment types;
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const int width = kLeastWidth + static_cast<int>(random() % 13);
    const Modes modes{static_cast<Rounding>(random() % kRoundings), random() % 4 == 0 ? Overflow::kWrap : Overflow::kSat};
    Format format = tensors.fitted(t, width, modes).value_or(Format{.width = width, .integer = 1});
    format.integer += static_cast<int>(random() % 4) - 2;
    types.push_back(format);
  }
  return types;
}

const char* const kNetworks[] = {"ds16.keras",  "bn16.keras",   "pool16.keras", "jet_tagger.keras",
                                 "units.keras", "merges.keras", "image.keras",  "ds16_keras215.keras"};

// A Dense that takes the type of the relu behind it gives the numbers that it gives with all bits that hls4ml infers.
TEST(Tensors, TypesOfDenseInFrontOfRelusChangeNothing) {
  std::mt19937 random(seed());
  std::size_t narrower = 0;
  for (const char* name : kNetworks) {
    const Model model = read_model(golden(name));
    const Dataset data = samples_of(model, 8, random);
    const Tensors tensors(model, data);
    for (unsigned i = 0; i < cases(15); ++i) {
      const Assignment types = random_assignment(tensors, random);
      const Program tied = build_program(tensors.resolve(types, true));
      const Program untied = build_program(tensors.resolve(types, false));
      for (std::size_t l = 0; l < tied.model().layers.size(); ++l) {
        const int other = untied.model().find(tied.model().layers[l].name);
        if (other >= 0) narrower += tied.format(l).width < untied.format(static_cast<std::size_t>(other)).width ? 1 : 0;
      }
      for (const Layer& layer : tensors.base().model.layers)
        EXPECT_GE(tied.model().find(layer.name), 0) << name << ": with these types hls4ml has no layer " << layer.name;
      const RunResult expected = interpret(untied, data.x, data.size);
      EXPECT_EQ(interpret(tied, data.x, data.size).predictions, expected.predictions) << name << ", seed " << seed() << ", case " << i;
      EXPECT_EQ(Engine(untied, {}).run(data.x, data.size).run.predictions, expected.predictions)
          << name << ", seed " << seed() << ", case " << i;
    }
  }
  EXPECT_GT(narrower, 100U);
}

// With the integer bits of the calibration samples no value of these leaves its type, at any width.
TEST(Tensors, FittedTypesHoldWhatTheyWereFittedTo) {
  std::mt19937 random(seed());
  for (const char* name : {"ds16.keras", "bn16.keras", "pool16.keras"}) {
    const Model model = read_model(golden(name));
    const Dataset data = samples_of(model, 20, random);
    const Tensors tensors(model, data);
    Assignment types;
    for (std::size_t t = 0; t < tensors.size(); ++t) types.push_back(*tensors.fitted(t, 24, {}));
    const RunResult result = interpret(build_program(tensors.resolve(types, false)), data.x, data.size);
    for (std::size_t i = 0; i < result.counts.size(); ++i) EXPECT_EQ(result.counts[i].overflows, 0U) << name << ", layer " << i;
    // A bit less cannot hold the widest of a layer's values.
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      if (tensors.all()[t].is_weight() || tensors.all()[t].range.is_zero()) continue;
      Assignment less = types;
      less[t].integer -= 1;
      const Program program = build_program(tensors.resolve(less, false));
      const RunResult of_less = interpret(program, data.x, data.size);
      const int layer = program.model().find(tensors.all()[t].layer);
      EXPECT_GT(of_less.counts[static_cast<std::size_t>(layer)].overflows, 0U) << name << ", " << tensors.all()[t].name;
    }
  }
}

// Every tensor that is listed gets the type that an assignment gives it, and has numbers: what the file settles, or a layer does not have,
// is not listed.
TEST(Tensors, WhatIsListedTakesItsType) {
  std::mt19937 random(seed());
  std::vector<std::string> networks(std::begin(kNetworks), std::end(kNetworks));
  for (const char* name : {"bits", "scales", "conv1", "conv2", "kinds", "norms", "signs", "sets", "tagger"})
    networks.push_back(std::string("qkeras/") + name + ".keras");
  for (const char* name : {"separable.keras", "depthwise.keras", "flattened.keras", "steps.keras"}) networks.emplace_back(name);
  std::size_t given = 0;
  networks.emplace_back("without a bias");
  for (const std::string& name : networks) {
    const bool without = name == networks.back();
    Model model = read_model(golden(without ? "ds16.keras" : name));
    for (Layer& layer : model.layers) {
      const Dense* dense = without ? as<Dense>(layer) : nullptr;
      if (dense != nullptr) layer.op = std::make_shared<Dense>(dense->n_in, dense->n_out, dense->kernel, std::vector<float>{});
    }
    std::optional<Tensors> tensors;
    try {
      tensors.emplace(model, samples_of(model, 8, random));
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("is none to search for"), std::string::npos) << name << ": " << error.what();
      continue;
    }
    const Assignment types = random_assignment(*tensors, random);
    const Program program = build_program(tensors->resolve(types, false));
    for (std::size_t t = 0; t < tensors->size(); ++t) {
      const FreeTensor& tensor = tensors->all()[t];
      const int at = program.model().find(tensor.layer);
      ASSERT_GE(at, 0) << name << ", " << tensor.name;
      const LayerPrecision& own = program.resolved.precision[static_cast<std::size_t>(at)];
      EXPECT_EQ(to_string(own[tensor.type]), to_string(types[t])) << name << ", " << tensor.name << ", seed " << seed();
      if (!tensor.is_weight()) continue;
      const std::vector<ParameterArray> parameters = program.model().layers[static_cast<std::size_t>(at)].op->parameters();
      const bool zeros = tensor.range.is_zero();
      EXPECT_TRUE(!zeros || tensor.type != TypeName::kBias ||
                  std::any_of(parameters.begin(), parameters.end(), [](const ParameterArray& each) { return each.name == "bias"; }))
          << name << ", " << tensor.name << " has no numbers";
      ++given;
    }
  }
  EXPECT_GT(given, 40U);
}

// No difference of scores wraps in a stable softmax, on the samples that the types were fitted to, at any width.
// Its pads are large in a type without a sign: the search gives it one, and the profile takes none away.
TEST(Tensors, InFrontOfAPaddedMaximumKeepTheirSign) {
  for (const Padding padding : {Padding::kValid, Padding::kSame}) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{3, 3, 1}), {}, {3, 3, 1}});
    model.layers.push_back({"r", "Activation", std::make_shared<Relu>(), {0}, {3, 3, 1}});
    model.layers.push_back({"p", "MaxPooling2D", std::make_shared<Pooling>(PoolKind::kMax, Windows{{2, 2}, {2, 2}, padding}), {1}, {}});
    model.layers.back().shape = output_shape(model.layers.back(), {{3, 3, 1}});
    model.outputs = {2};
    std::mt19937 random(seed());
    const Dataset data = samples_of(model, 20, random);
    const Tensors tensors(model, data);
    for (const FreeTensor& tensor : tensors.all()) {
      if (tensor.name == "r.result") EXPECT_EQ(tensor.is_signed, padding == Padding::kSame);
    }
    TensorProfiler profiler(model, resolve(model, make_config(model, {.vector = fixed(16, 6)})));
    profiler.add(data.x, data.size);
    profiler.add_again(data.x, data.size);
    bool loses_sign = false;
    for (const Finding& finding : findings(profiler.tensors())) loses_sign |= finding.tensor == "r.result" && finding.kind == "unsigned";
    EXPECT_EQ(loses_sign, padding == Padding::kValid);
  }
}

TEST(Tensors, ScoresOfAStableSoftmaxHoldTheirDifferences) {
  std::mt19937 random(seed());
  std::size_t softmaxes = 0;
  for (const char* name : {"jet_tagger.keras", "qkeras/tagger.keras", "image.keras"}) {
    const Model model = read_model(golden(name));
    for (unsigned i = 0; i < cases(20); ++i) {
      const Dataset data = samples_of(model, 20, random);
      const Tensors tensors(model, data);
      const int width = 8 + static_cast<int>(random() % 12);
      Assignment types;
      for (std::size_t t = 0; t < tensors.size(); ++t) types.push_back(*tensors.fitted(t, 24, {}));
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        if (tensors.all()[t].may_saturate || tensors.all()[t].is_weight()) continue;
        types[t] = *tensors.fitted(t, width, {});
        const Program program = build_program(tensors.resolve(types, false));
        const RunResult run = interpret(program, data.x, data.size);
        for (std::size_t l = 0; l < run.counts.size(); ++l) {
          if (program.resolved.precision[l].softmax != SoftmaxKind::kStable) continue;
          ++softmaxes;
          EXPECT_EQ(run.counts[l].accum_overflows, 0U) << name << ", " << to_string(types[t]) << ", seed " << seed() << ", case " << i;
        }
      }
    }
  }
  EXPECT_GT(softmaxes, 20U);
}

// What starts behind layers that are kept is what is computed from the samples on.
TEST(Evaluator, KeptLayersGiveTheSameNumbers) {
  std::mt19937 random(seed());
  for (const char* name : kNetworks) {
    const Model model = read_model(golden(name));
    const Dataset data = samples_of(model, 12, random);
    const Tensors tensors(model, data);
    const std::vector<float> reference = infer(model, data.x, data.size);
    Evaluator evaluator(tensors, data.x, data.size, {reference.begin(), reference.end()});
    Assignment base = random_assignment(tensors, random);
    for (unsigned i = 0; i < cases(30); ++i) {
      if (i % 5 == 0) evaluator.start_from(base);
      Assignment types = base;
      const std::size_t t = random() % types.size();
      types[t] = random_assignment(tensors, random)[t];
      const Program program = build_program(tensors.resolve(types, false));
      const std::vector<double> expected = interpret(program, data.x, data.size).predictions;
      ASSERT_EQ(evaluator.predictions(types), expected) << name << ", seed " << seed() << ", case " << i << ", " << tensors.all()[t].name;
      const std::vector<double> deviations = evaluator.deviations({types, base});
      EXPECT_EQ(deviations.front(), mean_squared(expected, evaluator.reference(), {}));
      if (i % 3 == 0) base = types;
    }
  }
}

// A layer's cost that is known from another assignment is what a whole program costs.
TEST(Coster, KnownLayersCostTheSame) {
  std::mt19937 random(seed());
  const Model model = read_model(golden("ds16.keras"));
  const Dataset data = samples_of(model, 4, random);
  const Tensors tensors(model, data);
  for (const CostKind kind : {CostKind::kBits, CostKind::kTotalBits, CostKind::kEbops, CostKind::kDsp, CostKind::kLut}) {
    Coster coster(tensors, kind);
    Assignment types = random_assignment(tensors, random);
    for (unsigned i = 0; i < cases(20); ++i) {
      const std::size_t t = random() % types.size();
      types[t] = random_assignment(tensors, random)[t];
      const double whole = total(cost_of(build_program(tensors.resolve(types, true))), kind);
      EXPECT_NEAR(coster.shown(coster(types)), whole, 1e-9 * whole) << name_of(kind) << ", seed " << seed() << ", case " << i;
    }
  }
}

// What the search says of its answer is so, and no bit is left that could go.
TEST(Search, EndsWhereNoBitCanGo) {
  std::mt19937 random(seed());
  const Model model = read_model(golden("ds16.keras"));
  const Dataset on_data = samples_of(model, 60, random);
  const Dataset judge_data = samples_of(model, 60, random);
  const auto measure_of = [&](const Dataset& data) {
    const std::vector<float> reference = infer(model, data.x, data.size);
    return Measure({}, {reference.begin(), reference.end()});
  };
  const Measure on_measure = measure_of(on_data);
  const Measure judge_measure = measure_of(judge_data);
  const Tensors tensors(model, on_data);
  SearchOptions options;
  options.bounds = parse_bounds("mpe=2", "", on_measure.names());
  const SearchResult result = search(tensors, {on_data, on_measure}, {judge_data, judge_measure}, options);
  EXPECT_TRUE(result.best.on_search.met);
  // As anybody would compute it.
  const auto standing = [&](const Assignment& types, const Dataset& data, const Measure& measure) {
    return standings(measure, options, interpret(build_program(tensors.resolve(types, true)), data.x, data.size).predictions);
  };
  EXPECT_EQ(standing(result.best.types, on_data, on_measure).metrics.front().value, result.best.on_search.metrics.front().value);
  EXPECT_EQ(standing(result.best.types, judge_data, judge_measure).metrics.front().value, result.judged.metrics.front().value);
  const std::vector<float> reference = infer(model, on_data.x, on_data.size);
  Evaluator evaluator(tensors, on_data.x, on_data.size, {reference.begin(), reference.end()}, true);
  EXPECT_EQ(evaluator.deviation(result.best.types), result.best.deviation);
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    Assignment less = result.best.types;
    if (less[t].width == kLeastWidth) continue;
    less[t].width -= 1;
    EXPECT_TRUE(evaluator.deviation(less) > result.best.deviation || !standing(less, on_data, on_measure).met)
        << tensors.all()[t].name << " has a bit that nothing needs";
  }
  // The best single types of the same study cost more.
  const auto single = best_single_types(tensors, {on_data, on_measure}, {judge_data, judge_measure}, options);
  ASSERT_TRUE(single);
  EXPECT_LT(result.best.cost, single->cost);
  // Pairs with a bit more meet the bound as well: it is not by chance that this one does.
  for (const auto& [vector, weight] : {std::pair(1, 0), std::pair(0, 1)}) {
    Assignment more = single->types;
    for (std::size_t t = 0; t < tensors.size(); ++t) more[t].width += tensors.all()[t].is_weight() ? weight : vector;
    EXPECT_TRUE(standing(more, on_data, on_measure).met);
  }
  // Again, on one core: the same.
  const SearchResult again = search(tensors, {on_data, on_measure}, {judge_data, judge_measure}, options);
  EXPECT_EQ(again.best.types, result.best.types);
  EXPECT_EQ(again.candidates, result.candidates);
}

TEST(Search, AnUnknownMetricMissesEveryBound) {
  const Measure measure({}, {1, 2, 3});
  SearchOptions options;
  options.bounds = parse_bounds("mpe=5", "", measure.names());
  const auto met = [&](const std::vector<double>& predictions) { return standings(measure, options, predictions).met; };
  EXPECT_TRUE(met({1, 2, 3}));
  EXPECT_FALSE(met({1, 2, std::nan("")}));
  EXPECT_FALSE(met({1, 2, 4}));
  // 3.33 +- 2.72 %
  EXPECT_FALSE(met({1, 2.2, 3}));
  options.sigmas = 0;
  EXPECT_TRUE(met({1, 2.2, 3}));
}

}  // namespace
}  // namespace narrow
