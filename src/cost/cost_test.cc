// Bits and EBOPs of networks worked out by hand, and properties of the cost over random networks. cost/fpga_test.cc holds the circuits
// against those that yosys makes.
#include "cost/cost.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "cost/ebops.h"
#include "cost/part.h"
#include "cost/reading.h"
#include "engine/random_program.h"
#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/dot.h"
#include "layers/input.h"
#include "layers/leaky_relu.h"
#include "layers/merge.h"
#include "layers/pooling.h"
#include "layers/relu.h"
#include "layers/set_sum.h"
#include "layers/softmax.h"
#include "layers/table_activation.h"

namespace narrow {
namespace {

constexpr CostKind kKinds[] = {CostKind::kBits, CostKind::kTotalBits, CostKind::kEbops, CostKind::kDsp, CostKind::kLut};

// Three rows of two values through a Dense of two nodes, a relu, their sum and a Dense without a bias.
Program small_program() {
  Model model;
  model.name = "small";
  model.layers.push_back({"cells", "InputLayer", std::make_shared<Input>(Shape{3, 2}), {}, {3, 2}});
  model.layers.push_back(
      {"phi", "Dense", std::make_shared<Dense>(2, 2, std::vector<float>{1, 0, 3, -6}, std::vector<float>{0, 5}), {0}, {3, 2}});
  model.layers.push_back({"phi_relu", "Activation", std::make_shared<Relu>(), {1}, {3, 2}});
  model.layers.push_back({"KSum", "KSum", std::make_shared<SetSum>(), {2}, {2}});
  model.layers.push_back({"out", "Dense", std::make_shared<Dense>(2, 1, std::vector<float>{1, 2}, std::vector<float>{}), {3}, {1}});
  model.outputs = {4};
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 6);
  const auto layer = [&](const std::string& name) -> ConfigEntry& { return config.by_name[name]; };
  layer("cells").types["result"] = fixed(8, 4);
  layer("phi").types = {{"weight", fixed(6, 4)}, {"bias", fixed(7, 5)}, {"accum", fixed(14, 9)}, {"result", fixed(12, 8)}};
  layer("phi_relu").types["result"] = ufixed(9, 7);
  layer("ksum").types["result"] = fixed(10, 9);
  layer("out").types = {{"weight", fixed(5, 3)}, {"accum", fixed(16, 11)}, {"result", fixed(11, 8)}};
  return build_program(resolve(model, config));
}

TEST(Cost, BitsOfASmallNetwork) {
  const Cost cost = cost_of(small_program());
  ASSERT_EQ(cost.layers.size(), 5U);
  const auto expect = [&](std::size_t i, int tensors, double tensor_bits, double weight_bits, double value_bits) {
    SCOPED_TRACE(cost.layers[i].layer);
    EXPECT_EQ(cost.layers[i].tensors, tensors);
    EXPECT_EQ(cost.layers[i].tensor_bits, tensor_bits);
    EXPECT_EQ(cost.layers[i].weight_bits, weight_bits);
    EXPECT_EQ(cost.layers[i].value_bits, value_bits);
  };
  expect(0, 1, 8, 0, 6 * 8);
  expect(1, 3, 6 + 7 + 12, 4 * 6 + 2 * 7, 6 * 12);
  expect(2, 1, 9, 0, 6 * 9);
  expect(3, 1, 10, 0, 2 * 10);
  expect(4, 2, 5 + 11, 2 * 5, 11);  // it has no bias
  EXPECT_DOUBLE_EQ(cost.average_bits, (8 + 25 + 9 + 10 + 16) / 8.0);
  EXPECT_EQ(total(cost, CostKind::kTotalBits), 48 + 38 + 72 + 54 + 20 + 10 + 11);
}

// 1 and 3 and 6 = 110b have 1, 2 and 2 significant bits, and so has 5 = 101b 3; all weights are whole.
TEST(Cost, EbopsOfASmallNetwork) {
  const Cost cost = cost_of(small_program());
  EXPECT_EQ(cost.layers[0].ebops, 0);
  EXPECT_EQ(cost.layers[1].ebops, 3 * (7 * (1 + 0 + 2 + 2) + 3));  // of ap_fixed<8,4> without its sign
  EXPECT_EQ(cost.layers[2].ebops, 0);
  EXPECT_DOUBLE_EQ(cost.layers[3].ebops, 0.65 * 2 * 2 * 9);  // two additions of each of two values, of 9 bits without a sign
  EXPECT_EQ(cost.layers[4].ebops, 9 * (1 + 1));
  EXPECT_DOUBLE_EQ(total(cost, CostKind::kEbops), 114 + 23.4 + 18);
}

TEST(Cost, SignificantBits) {
  const Format type = fixed(16, 8);
  EXPECT_EQ(significant_bits(0, type), 0);
  EXPECT_EQ(significant_bits(64, type), 1);
  EXPECT_EQ(significant_bits(-64, type), 1);
  EXPECT_EQ(significant_bits(0b0011011000, type), 5);
  EXPECT_EQ(significant_bits(static_cast<Int128>(5) << 100, type), 3);
  Format power = type;
  power.meaning = Meaning::kExponent;
  EXPECT_EQ(significant_bits(6, power), 1);  // 2^3, whatever it takes to say so
}

// A layer behind values of ap_fixed<10,4>, which have 9 bits without their sign.
Program behind_values(OperationPtr op, const Shape& shape, ConfigEntry types) {
  Model model;
  model.name = "one";
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(shape), {}, shape});
  Layer layer{"layer", std::string(op->keras_class()), std::move(op), {0}, {}};
  layer.shape = output_shape(layer, {shape});
  model.layers.push_back(std::move(layer));
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(10, 4);
  config.by_name["layer"] = std::move(types);
  return build_program(resolve(model, config));
}

// Three rows of five values: a table of 256 exponentials of 16 bits without a sign, one of 256 inverses of 13 bits for each row.
TEST(Cost, EbopsOfASoftmax) {
  ConfigEntry types;
  types.tables = {{"exp_table", fixed(17, 9)}, {"inv_table", fixed(14, 5)}, {"inv_inp", ufixed(8, 4)}};
  types.table_size = 256;
  const auto of = [&](SoftmaxKind kind) {
    types.softmax = kind;
    return ebops(behind_values(std::make_shared<Softmax>(false), {3, 5}, types), 1);
  };
  const double tables = 1e-4 * (15 * 256 * 16 + 3 * 256 * 13);
  const double latency = 15 * 16 * 13 + (15 - 3) * 16 + tables;
  EXPECT_DOUBLE_EQ(of(SoftmaxKind::kLatency), latency);
  EXPECT_DOUBLE_EQ(of(SoftmaxKind::kStable), latency + 15 * 9);
}

// Each of eight values times 3 or 5, of 2 and 3 bits, plus 7 or 0; and times 0.75, of 2 bits.
TEST(Cost, EbopsOfANormalizationAndOfASlope) {
  const std::vector<float> zeros{0, 0}, ones{1, 1};
  const auto norm = std::make_shared<BatchNormalization>(std::vector<float>{3, 5}, std::vector<float>{7, 0}, zeros, ones, 0.F);
  EXPECT_DOUBLE_EQ(ebops(behind_values(norm, {4, 2}, {}), 1), 4 * (2 + 3) * 9 + 4 * 3);
  EXPECT_DOUBLE_EQ(ebops(behind_values(std::make_shared<LeakyRelu>(0.75), {4, 2}, {}), 1), 8 * 2 * 9);
}

TEST(Cost, AMaximumIsChosenAndAnAverageAdded) {
  const auto lut = [](PoolKind kind) {
    return cost_of(behind_values(std::make_shared<Pooling>(kind, Windows{{2}, {2}}), {4, 2}, {})).layers[1].lut;
  };
  EXPECT_DOUBLE_EQ(lut(PoolKind::kMax), 1.5 * lut(PoolKind::kAverage));
}

TEST(Cost, AnAbsentBiasIsABitOfZero) {
  const Format bit{.width = 1, .integer = 1, .is_signed = false, .is_integer = true};
  QuantizedWeights zeros;
  zeros.raw = {0, 0};
  EXPECT_TRUE(is_absent(TypeName::kBias, bit, zeros));
  EXPECT_FALSE(is_absent(TypeName::kBias, fixed(7, 5), zeros));
  EXPECT_FALSE(is_absent(TypeName::kWeight, bit, zeros));
  zeros.raw = {0, 1};
  EXPECT_FALSE(is_absent(TypeName::kBias, bit, zeros));
}

TEST(Cost, PartsAreKnownByThemselvesAndByTheirDevices) {
  EXPECT_EQ(part_of("xcku115").name, "xcku115");
  EXPECT_EQ(part_of("xcvu13p-flga2577-2-e").name, "xcvu13p");
  EXPECT_THROW(part_of("xcvu13"), Error);
}

TEST(Cost, SaturatingValuesHaveTheirSign) {
  EXPECT_EQ(value_bits(fixed(8, 3)), 7);
  EXPECT_EQ(value_bits(ufixed(8, 3)), 8);
  EXPECT_EQ(value_bits(parse_format("ap_fixed<8,3,AP_RND,AP_SAT>")), 8);
  EXPECT_EQ(value_bits(parse_format("ap_fixed<8,3,AP_RND,AP_SAT_SYM>")), 7);
}

TEST(Cost, WordsAreReadAndWrongOnesNamed) {
  for (const CostKind kind : kKinds) EXPECT_EQ(parse_cost(name_of(kind)), kind);
  EXPECT_EQ(parse_io("io_stream"), Io::kStream);
  try {
    parse_cost("luts");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the cost `luts` should be one of bits, total_bits, ebops, dsp, lut");
  }
}

std::vector<float> numbers(const nlohmann::json& raws, const Format& type) {
  std::vector<float> values;
  for (const auto& raw : raws) values.push_back(std::ldexp(raw.get<float>(), -type.fraction()));
  return values;
}

// The layer of a case, behind inputs of its types.
Program program_of(const nlohmann::json& given) {
  const std::string kind = given["layer"];
  const Shape shape = given["shape"];
  Model model;
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 6);
  const auto input = [&](const std::string& name, const std::string& type) {
    model.layers.push_back({name, "InputLayer", std::make_shared<Input>(shape), {}, shape});
    config.by_name[name].types["result"] = parse_format(type);
  };
  input("a", given["x"]);
  if (given.contains("other")) input("b", given["other"]);
  ConfigEntry& types = config.by_name["layer"];
  OperationPtr op;
  std::vector<float> weights;
  std::vector<float> biases;
  if (given.contains("weights")) {
    types.types["weight"] = parse_format(given["weight"].get<std::string>());
    types.types["bias"] = parse_format(given["bias"].get<std::string>());
    weights = numbers(given["weights"], *types.types["weight"]);
    biases = numbers(given["biases"], *types.types["bias"]);
  }
  const auto outputs = static_cast<int>(biases.size());
  if (kind == "Dense") {
    op = std::make_shared<Dense>(shape.back(), outputs, weights, biases);
  } else if (kind.starts_with("Conv")) {
    const std::vector<int> size = given["size"];
    const Padding padding = given["padding"] == "same" ? Padding::kSame : Padding::kValid;
    op = std::make_shared<Convolution>(Windows{size, std::vector<int>(size.size(), 1), padding}, shape.back(), outputs, weights, biases);
  } else if (kind == "KSum") {
    op = std::make_shared<SetSum>();
  } else if (kind == "MaxPooling1D") {
    op = std::make_shared<Pooling>(PoolKind::kMax, Windows{{2}, {2}});
  } else if (kind == "sigmoid") {
    op = std::make_shared<TableActivation>(TableFunction::kSigmoid);
    types.types["result"] = parse_format(given["result"].get<std::string>());
  } else if (kind == "Dot") {
    op = std::make_shared<Dot>(shape.back());
    types.types["accum"] = fixed(24, 12);
  } else {
    const std::map<std::string, MergeKind> kinds = {
        {"Add", MergeKind::kAdd}, {"Subtract", MergeKind::kSubtract}, {"Multiply", MergeKind::kMultiply}, {"Maximum", MergeKind::kMaximum}};
    op = std::make_shared<Merge>(kinds.at(kind));
  }
  Layer layer{"layer", kind, op, {}, {}};
  for (std::size_t i = 0; i < model.layers.size(); ++i) layer.inputs.push_back(static_cast<int>(i));
  layer.shape = output_shape(layer, std::vector<Shape>(model.layers.size(), shape));
  model.layers.push_back(layer);
  model.outputs = {static_cast<int>(model.layers.size()) - 1};
  return build_program(resolve(model, config));
}

// tools/hgq2_reference.py has them from HGQ2, in float32.
TEST(Cost, EbopsAreThoseOfHgq2) {
  const auto answers = nlohmann::json::parse(std::ifstream(NARROW_SOURCE_DIR "/src/cost/testdata/hgq2.json"));
  ASSERT_EQ(answers["cases"].size(), 19U);
  for (const auto& given : answers["cases"]) {
    const Program program = program_of(given);
    const auto ebops = given["ebops"].get<double>();
    EXPECT_NEAR(narrow::ebops(program, program.model().layers.size() - 1), ebops, 1e-6 * ebops) << given["layer"] << given["shape"];
  }
}

class RandomCost : public testing::Test {
 protected:
  template <class Check>
  static void each(const Check& check) {
    const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
    const std::uint64_t cases = number_from_environment("NARROW_CASES", 300);
    for (std::uint64_t i = seed; i < seed + cases; ++i) {
      SCOPED_TRACE("NARROW_SEED=" + std::to_string(i));
      std::mt19937_64 random(i);
      RandomLimits limits;
      limits.adversarial = i % 3 == 0;
      limits.graphs = i % 2 == 0;
      check(random_program(random, limits));
      if (testing::Test::HasFailure()) return;
    }
  }
};

TEST_F(RandomCost, TheSumsAreThoseOfTheLayers) {
  each([](const Program& program) {
    for (const Io io : {Io::kParallel, Io::kStream}) {
      const CostOptions options{io};
      const Cost cost = cost_of(program, options);
      EXPECT_EQ(tensors(program), cost.all.tensors);
      for (const CostKind kind : kKinds) {
        double sum = 0;
        for (std::size_t i = 0; i < program.model().layers.size(); ++i) sum += layer_cost(program, i, kind, options);
        if (kind == CostKind::kBits) sum /= tensors(program);
        EXPECT_DOUBLE_EQ(sum, total(cost, kind)) << name_of(kind);
      }
      for (const LayerCost& layer : cost.layers) {
        for (const double count : {layer.ebops, layer.dsp, layer.lut, layer.ff, layer.bram, layer.latency, layer.interval}) {
          EXPECT_TRUE(std::isfinite(count) && count >= 0) << layer.layer;
        }
      }
    }
  });
}

// The same numbers in types with more bits never have fewer EBOPs, or bits.
TEST_F(RandomCost, MoreBitsNeverCostLess) {
  each([](Program program) {
    const Cost before = cost_of(program);
    for (LayerPrecision& types : program.resolved.precision) {
      Format result = types.result();
      if (result.meaning != Meaning::kNumber) continue;
      ++result.width;
      ++result.integer;
      types.set(TypeName::kResult, result);
    }
    const Cost after = cost_of(program);
    for (std::size_t i = 0; i < before.layers.size(); ++i) {
      EXPECT_GE(after.layers[i].ebops, before.layers[i].ebops) << before.layers[i].layer;
      EXPECT_GE(after.layers[i].tensor_bits, before.layers[i].tensor_bits) << before.layers[i].layer;
      EXPECT_GE(after.layers[i].value_bits, before.layers[i].value_bits) << before.layers[i].layer;
    }
  });
}

}  // namespace
}  // namespace narrow
