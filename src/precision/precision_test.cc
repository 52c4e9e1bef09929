// Types from options and from files; that what is saved resolves to the same types again. hls4ml's own answers are compared
// in engine/golden_test.cc.
#include "precision/precision.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "engine/random_program.h"
#include "error.h"
#include "keras/reader.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/dot.h"
#include "layers/flatten.h"
#include "layers/input.h"
#include "layers/leaky_relu.h"
#include "layers/linear.h"
#include "layers/merge.h"
#include "layers/pooling.h"
#include "layers/prelu.h"
#include "layers/rearrangement.h"
#include "layers/relu.h"
#include "layers/set_sum.h"
#include "layers/sign_activation.h"
#include "layers/softmax.h"
#include "layers/table_activation.h"
#include "layers/thresholded_relu.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

class ConfigFile : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  void TearDown() override { fs::remove(path_); }
  static Model small_model() {
    Model model;
    model.name = "small";
    model.layers.push_back({"cells", "InputLayer", std::make_shared<Input>(Shape{4, 2}), {}, {4, 2}});
    model.layers.push_back(
        {"phi1", "Dense", std::make_shared<Dense>(2, 2, std::vector<float>{1, 2, 3, 4}, std::vector<float>{0, 0}), {0}, {4, 2}});
    model.layers.push_back({"phi1_relu", "Activation", std::make_shared<Relu>(), {1}, {4, 2}});
    model.layers.push_back({"KSum", "KSum", std::make_shared<SetSum>(), {2}, {2}});
    model.layers.push_back(
        {"regression", "Dense", std::make_shared<Dense>(2, 1, std::vector<float>{1, 2}, std::vector<float>{}), {3}, {1}});
    model.outputs = {4};
    return model;
  }
  std::string error_of(const std::string& text) {
    try {
      read_config(write(text), small_model());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  std::string path_ = (fs::temp_directory_path() / ("narrow_config_" + std::to_string(getpid()) + ".yml")).string();
};

TEST_F(ConfigFile, EntriesAreLookedUpAsInHls4ml) {
  const Model model = small_model();
  const Resolved resolved = resolve(model, read_config(write(R"(
Model:
  Precision:
    default: ap_fixed<16,6>
    maximum: ap_fixed<30,12>
  ReuseFactor: 1
  Strategy: Latency
  TraceOutput: false
LayerType:
  Dense:
    Precision:
      bias: fixed<8,2>
  PointwiseConv1D:
    Precision:
      bias: fixed<9,2>
LayerName:
  phi1:
    Trace: true
    Precision: {default: 'ap_fixed<9,9>', weight: 'ap_fixed<12,3>', bias: 'ap_fixed<10,3>', accum: auto, result: auto}
    Strategy: Resource
    ReuseFactor: 3
  PHI1_relu:
    Precision: ap_ufixed<9,4,AP_RND,AP_SAT>
)"),
                                                       model));
  EXPECT_EQ(to_string(resolved.precision[0].result()), "ap_fixed<16,6>");
  EXPECT_EQ(to_string(resolved.precision[1][TypeName::kWeight]), "ap_fixed<12,3>");
  EXPECT_EQ(to_string(resolved.precision[1][TypeName::kBias]), "ap_fixed<10,3>");  // and not that of its class
  EXPECT_EQ(to_string(resolved.precision[1][TypeName::kAccum]),
            "ap_fixed<30,11>");                      // 10 + 9 fractional bits; 6 + 3 + 1 integer ones, and the bias adds one
  EXPECT_EQ(resolved.precision[1].reuse_factor, 2);  // 3 does not divide 2x2
  ASSERT_EQ(resolved.notes.size(), 1U);
  EXPECT_NE(resolved.notes.front().find("does not correct that of a PointwiseConv1D"), std::string::npos) << resolved.notes.front();
  EXPECT_EQ(to_string(resolved.precision[2].result()), "ap_ufixed<9,4,AP_RND,AP_SAT>");
  EXPECT_EQ(to_string(resolved.precision[4][TypeName::kBias]), "ap_uint<1>");  // no bias
  EXPECT_EQ(to_string(resolved.precision[4][TypeName::kAccum]), "ap_fixed<16,6>");
}

TEST_F(ConfigFile, OneLineSaysWhatIsWrongAndWhere) {
  const auto expect = [&](const std::string& text, const std::string& part) {
    const std::string message = error_of(text);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  };
  expect("Model: [", "not valid YAML");
  expect("LayerName: {}", "Model:");
  expect("Model: {Precision: {result: 'ap_fixed<16,6>'}}", "default precision");
  expect("Model:\n  Precision: ap_fixed<16,6,AP_RDN>", "line 2: 'ap_fixed<16,6,AP_RDN>' is not a valid type: unknown rounding mode");
  expect("Model: {Precision: 'ap_fixed<16,6>'}\nLayerName:\n  phi7: {}", "line 3: the model has no layer phi7; it has cells, phi1");
  expect("Model: {Precision: 'ap_fixed<16,6>'}\nLayerName:\n  phi1:\n    Precision: {weights: 'ap_fixed<8,2>'}",
         "'weights' is not a type of a layer");
  expect("Model: {Precision: 'ap_fixed<16,6>', Strategy: Unrolled}", "strategy 'Unrolled' is not supported");
  // convert_to_snake_case makes r_e_s_o_u_r_c_e of it, which hls4ml takes for Latency.
  expect("Model: {Precision: 'ap_fixed<16,6>', Strategy: RESOURCE}", "takes Latency for one that it does not know");
  expect("Model: {Precision: 'ap_fixed<16,6>', ReuseFactor: zero}", "whole number");
  expect("Model: {Precision: 'ap_fixed<16,6>', Compression: 1}", "Compression");
  // Of equal keys hls4ml sees the last, and `<<` adds keys: what narrow does not do it must not pass over.
  const std::string model = "Model: {Precision: 'ap_fixed<16,6>'}\n";
  expect(model + "Model: {Precision: 'ap_fixed<8,2>'}", "line 2: duplicate key 'Model'");
  expect(model + "LayerName:\n  phi1: {}\n  PHI1: {Precision: 'ap_fixed<8,2>'}", "line 4: duplicate key 'PHI1'");
  expect(model + "LayerName:\n  phi1: {Precision: {bias: auto, bias: 'ap_fixed<8,2>'}}", "line 3: duplicate key 'bias'");
  expect(model + "LayerName:\n  phi1:\n    <<: {Precision: 'ap_fixed<8,2>'}", "line 4: merge keys (<<) are not supported");
  expect(model + "---\n" + model, "more than one YAML document");
  expect("? [a, b]\n: c\n" + model + "LayerName: {[phi1]: {}}", "line 4: a single value is expected here");
  expect("", "Model:");
}

TEST_F(ConfigFile, WhatIsMisspeltIsNotIgnored) {
  const std::string model = "Model: {Precision: 'ap_fixed<16,6>'}\n";
  const auto expect = [&](const std::string& text, const std::string& part) {
    const std::string message = error_of(text);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect(model + "Layername: {phi1: {Precision: 'ap_fixed<8,2>'}}",
         "line 2: unknown key 'Layername'; known are Model, LayerName, LayerType");
  expect(model + "LayerTyp: {Dense: {Precision: 'ap_fixed<8,2>'}}", "line 2: unknown key 'LayerTyp'");
  expect("HLSConfig:\n  Model: {Precision: 'ap_fixed<16,6>'}\n  LayerNames: {}", "line 3: unknown key 'LayerNames'");
  expect("HLSConfig:\n  Model: {Precision: 'ap_fixed<16,6>'}\nLayerName: {phi1: {Precision: 'ap_fixed<8,2>'}}",
         "line 3: the key 'LayerName' belongs under HLSConfig");
  expect(model + "LayerName:\n  phi1:\n    precision: {weight: 'ap_fixed<8,2>'}", "line 4: unknown key 'precision'; known are Precision, ");
  expect(model + "LayerName:\n  phi1: {Strategi: Resource}", "line 3: unknown key 'Strategi'");
  expect("Model: {Precision: 'ap_fixed<16,6>', Reusefactor: 2}", "line 1: unknown key 'Reusefactor'");
  expect(model + "LayerType:\n  Dens: {Precision: 'ap_fixed<8,2>'}", "line 3: unknown layer type 'Dens'; known are Activation, ");
  expect(model + "LayerName:\n  KSum:\n    Precision: {weight: 'ap_fixed<8,2>'}",
         "line 4: KSum has no type 'weight'; it has default, result");
  expect(model + "LayerType:\n  HSum:\n    Precision: {accum: 'ap_fixed<8,2>'}",
         "line 4: HSum has no type 'accum'; it has default, result");
  expect(model + "LayerName:\n  phi1: {Precision: {maximum: 'ap_fixed<8,2>'}}",
         "line 3: phi1 has no type 'maximum'; it has default, result, weight, bias, accum");
  expect(model + "LayerName:\n  phi1: {Precision: {weights: 'ap_fixed<8,2>'}}", "default, result, weight, bias, accum, scale, param");
  expect("Model: {Precision: 'ap_fixed<16,6>', BitExact: true}", "line 1: BitExact");
  expect(model + "Optimizers: [eliminate_linear_activation]", "line 2: Optimizers");
  // What hls4ml writes and knows without an effect on the numbers.
  const std::string rest =
      "LayerName:\n  phi1: {Trace: false, TableSize: 1024, ParallelizationFactor: 2, ConvImplementation: LineBuffer}\n"
      "  phi1_relu: {Precision: {result: auto, table: 'ap_fixed<18,8>'}}\n  phi1_linear: {Precision: {result: auto, table: auto}}\n";
  EXPECT_EQ(error_of(model + rest + "LayerType: {ThresholdedReLU: {Precision: {param: auto}}, InputLayer: {Trace: false}}"), "no error");
  // As hls4ml's example models have them.
  EXPECT_EQ(error_of(model + "LayerName:\n  phi1_relu: {Strategy: Stable, table_size: 1024}\n"), "no error");
  expect(model + "LayerName:\n  phi1: {Strategy: Stable}\n", "line 3: the strategy 'Stable' is not supported");
  expect(model + "LayerName:\n  phi1_relu: {TableSize: 1024, table_size: 512}\n",
         "line 3: phi1_relu: it gives both TableSize and table_size");
  EXPECT_EQ(
      error_of("OutputDir: d\nIOType: io_stream\nHLSConfig:\n  Model: {Precision: 'ap_fixed<16,6>', BramFactor: 9, PipelineStyle: auto}\n"),
      "no error");
}

TEST_F(ConfigFile, WhatIsSavedResolvesToTheSameTypes) {
  constexpr std::uint64_t kSeed = 3;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 300; ++i) {
    const Program program = random_program(random, {});
    // The model before fusing and merging is gone here; app/cli_test.py has those cases.
    if (!program.resolved.fused.empty() || !program.resolved.merged.empty()) continue;
    const std::string yaml = to_yaml(program.resolved);
    const Resolved again = resolve(program.model(), read_config(write(yaml), program.model()));
    ASSERT_EQ(to_yaml(again), yaml) << "seed " << kSeed << ", case " << i;
  }
}

TEST(Resolve, TooManyBitsAreRefusedWithTheLayer) {
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{8}), {}, {8}});
  model.layers.push_back({"wide", "Dense", std::make_shared<Dense>(8, 1, std::vector<float>(8, 1.F), std::vector{1.F}), {0}, {1}});
  model.outputs = {1};
  PrecisionOptions options;
  options.vector = fixed(64, 8);
  try {
    resolve(model, make_config(model, options));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layer wide: its result type"), std::string::npos) << error.what();
  }
}

// A relu in front of a max pooling that pads, or does not.
Model pooled_relu(Padding padding) {
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{3, 3, 1}), {}, {3, 3, 1}});
  model.layers.push_back({"r", "Activation", std::make_shared<Relu>(), {0}, {3, 3, 1}});
  model.layers.push_back({"p", "MaxPooling2D", std::make_shared<Pooling>(PoolKind::kMax, Windows{{2, 2}, {2, 2}, padding}), {1}, {}});
  model.layers.back().shape = output_shape(model.layers.back(), {{3, 3, 1}});
  model.outputs = {2};
  return model;
}

// hls4ml pads with 100..0: of ufixed<8,3> with 4, of ufixed<9,4> with 8.
TEST(AnswersFor, PadsOfTypesWithoutASignDoNot) {
  const auto answers = [](Padding padding, const char* from, const char* to) {
    const auto with = [&](const char* type) {
      PrecisionConfig config;
      config.model.types["default"] = fixed(8, 3);
      for (const char* layer : {"r", "p"}) config.by_name[layer].types["result"] = parse_format(type);
      config.by_name["p"].types["accum"] = parse_format(type);
      return resolve(pooled_relu(padding), config);
    };
    return narrow::answers_for(with(from), with(to));
  };
  EXPECT_TRUE(answers(Padding::kValid, "ap_ufixed<8,3>", "ap_ufixed<9,4>"));
  EXPECT_FALSE(answers(Padding::kSame, "ap_ufixed<8,3>", "ap_ufixed<9,4>"));
  EXPECT_TRUE(answers(Padding::kSame, "ap_ufixed<8,3>", "ap_ufixed<8,3>"));
  EXPECT_TRUE(answers(Padding::kSame, "ap_fixed<8,3>", "ap_fixed<9,4>"));
}

// Whether a sum over a set, or a Dense's sum, in one type answers for another.
TEST(AnswersFor, SumsThatWrapAnswerForSumsThatWrap) {
  const auto answers_for_sums = [](const char* from, const char* to, bool dense) {
    const auto with = [&](const char* type) {
      Model model;
      model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{3, 1}), {}, {3, 1}});
      if (dense) model.layers.push_back({"y", "Dense", std::make_shared<Dense>(1, 1, std::vector{1.F}, std::vector{1.F}), {0}, {3, 1}});
      else model.layers.push_back({"y", "KSum", std::make_shared<SetSum>(), {0}, {1}});
      model.outputs = {1};
      PrecisionConfig config;
      config.model.types["default"] = fixed(8, 3);
      config.by_name["y"].types[dense ? "accum" : "result"] = parse_format(type);
      return resolve(model, config);
    };
    return narrow::answers_for(with(from), with(to));
  };
  for (const bool dense : {false, true}) {
    EXPECT_TRUE(answers_for_sums("ap_fixed<8,4>", "ap_fixed<9,5>", dense));
    // 7 + 7 - 7 is 7 where it wraps, and less where it saturates on the way.
    EXPECT_FALSE(answers_for_sums("ap_fixed<8,4>", "ap_fixed<8,4,AP_TRN,AP_SAT>", dense));
    EXPECT_TRUE(answers_for_sums("ap_fixed<8,4,AP_TRN,AP_SAT>", "ap_fixed<9,5>", dense));
    // Sums on the way are rounded by their sign, which a wrap turns; products of a Dense by their own.
    EXPECT_EQ(answers_for_sums("ap_fixed<8,4,AP_TRN_ZERO>", "ap_fixed<9,5,AP_TRN_ZERO>", dense), dense);
  }
}

// A padded average is summed in accum's steps: rounded by the sign of a sum, which a wrap turns.
// hls4ml's pass gives a proxy model its types unless the configuration switches it off, with types that narrow does not follow.
TEST(ReadConfig, ABitExactThatIsSwitchedOffIsRefused) {
  const std::string path = testing::TempDir() + "bit_exact.yml";
  const auto read = [&](const char* network, const std::string& exact) {
    std::ofstream(path) << "Model: {Precision: 'ap_fixed<16,6>', ReuseFactor: 1" + exact + "}\n";
    read_config(path, read_keras(std::string(NARROW_SOURCE_DIR "/golden/") + network));
  };
  EXPECT_NO_THROW(read("hgq/jets.json", ""));
  EXPECT_NO_THROW(read("ds16.keras", ", BitExact: false"));
  EXPECT_THROW(read("hgq/jets.json", ", BitExact: false"), Error);
}

TEST(AnswersFor, AveragesThatAreRoundedByTheirSign) {
  const auto with = [](const char* type) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{3, 1}), {}, {3, 1}});
    const auto op = std::make_shared<Pooling>(PoolKind::kAverage, Windows{{2}, {2}, Padding::kSame});
    model.layers.push_back({"y", "AveragePooling1D", op, {0}, {2, 1}});
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = fixed(8, 3);
    config.by_name["y"].types["accum"] = parse_format(type);
    return resolve(model, config);
  };
  EXPECT_TRUE(narrow::answers_for(with("ap_fixed<6,3>"), with("ap_fixed<7,4>")));
  EXPECT_FALSE(narrow::answers_for(with("ap_fixed<6,3,AP_TRN_ZERO>"), with("ap_fixed<7,4,AP_TRN_ZERO>")));
}

// Of a SeparableConv: hls4ml gives both of its layers the whole entry, and each its own types.
TEST_F(ConfigFile, AnEntryOfASeparableConvolutionIsThatOfItsTwoLayers) {
  const Model model = read_keras(NARROW_SOURCE_DIR "/golden/separable.keras");
  const std::string start = "Model: {Precision: 'ap_fixed<16,6>'}\nLayerName:\n";
  const auto types_of = [&](const std::string& text) {
    const Resolved resolved = resolve(model, read_config(write(start + text), model));
    return std::pair(resolved.precision[static_cast<std::size_t>(resolved.model.find("sep_depthwise"))],
                     resolved.precision[static_cast<std::size_t>(resolved.model.find("sep_pointwise"))]);
  };
  const auto [depthwise, pointwise] = types_of(
      "  sep: {Precision: {depthwise: 'ap_fixed<7,2>', pointwise: 'ap_fixed<8,3>', pointwise_accum: 'ap_fixed<20,9>', depthwise_result: "
      "'ap_fixed<9,4>'}}\n");
  EXPECT_EQ(depthwise[TypeName::kWeight], fixed(7, 2));
  EXPECT_EQ(depthwise.result(), fixed(9, 4));
  EXPECT_EQ(depthwise[TypeName::kAccum], fixed(16, 6));
  EXPECT_EQ(pointwise[TypeName::kWeight], fixed(8, 3));
  EXPECT_EQ(pointwise[TypeName::kAccum], fixed(20, 9));
  EXPECT_EQ(pointwise.result(), fixed(16, 6));
  const auto [first, second] = types_of("  sep: {Precision: {weight: 'ap_fixed<7,2>'}}\n");
  EXPECT_EQ(first[TypeName::kWeight], fixed(7, 2));
  EXPECT_EQ(second[TypeName::kWeight], fixed(7, 2));
  try {
    types_of("  sep: {Precision: {weight: 'ap_fixed<7,2>'}}\n  sep_depthwise: {Precision: {weight: 'ap_fixed<7,2>'}}\n");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 4: the entry of a SeparableConv is that of its sep_depthwise too"), std::string::npos)
        << error.what();
  }
}

// A linear activation that hls4ml's reader of Keras 2 adds, with a type of its own: of a model of Keras 2 it casts, of Keras 3 it is none.
TEST_F(ConfigFile, ALinearActivationOfKeras2IsFollowedOrSaidToBeIgnored) {
  const std::string text =
      "Model: {Precision: 'ap_fixed<16,6>'}\nLayerName:\n  out: {Precision: {result: 'ap_fixed<12,5>'}}\n"
      "  out_linear: {Precision: {result: 'ap_fixed<9,4>'}}\n";
  Model model = read_keras(NARROW_SOURCE_DIR "/golden/separable.keras");
  Resolved resolved = resolve(model, read_config(write(text), model));
  const int linear = resolved.model.find("out_linear");
  ASSERT_EQ(resolved.model.outputs, std::vector<int>{linear});
  EXPECT_EQ(resolved.precision[static_cast<std::size_t>(linear)].result(), fixed(9, 4));
  EXPECT_EQ(resolved.added, (std::vector<std::pair<std::string, std::string>>{{"out_linear", "out"}}));
  model.linear.clear();
  resolved = resolve(model, read_config(write(text), model));
  EXPECT_EQ(resolved.model.find("out_linear"), -1);
  ASSERT_FALSE(resolved.notes.empty());
  EXPECT_NE(resolved.notes.front().find("out_linear: hls4ml has such a layer for models of Keras 2 alone"), std::string::npos);
}

// Behind a depthwise convolution whose kernel is quantized and whose bias is not; where its result has a type they stay two layers.
TEST(Depthwise, WithQuantizersDoesNotTakeInANormalization) {
  Model model = read_keras(NARROW_SOURCE_DIR "/golden/qkeras/depthwise2.keras");
  Layer& layer = model.layers[static_cast<std::size_t>(model.find("c"))];
  const auto* depthwise = as<Depthwise>(layer);
  PrecisionConfig config = make_config(model, {.vector = fixed(16, 6)});
  EXPECT_GE(resolve(model, config).model.find("bn0"), 0);
  layer.op = std::make_shared<Depthwise>(depthwise->windows(), depthwise->channels(), depthwise->column().kernel_numbers(), Numbers(),
                                         Quantizers{depthwise->quantizers().kernel, std::nullopt});
  try {
    resolve(model, config);
    FAIL() << "it is folded";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layer c (QDepthwiseConv2D): hls4ml 1.3.0 folds bn0 behind it"), std::string::npos)
        << error.what();
  }
  config.by_name["c"].types["result"] = fixed(16, 6);
  EXPECT_GE(resolve(model, config).model.find("bn0"), 0);
}

// The places of the other channels would be signs as well: y0 = x0 - x1 of weights of 1.
TEST(Depthwise, OfSignsIsRefused) {
  Model model = read_keras(NARROW_SOURCE_DIR "/golden/qkeras/depthwise2.keras");
  Layer& layer = model.layers[static_cast<std::size_t>(model.find("c"))];
  const auto* depthwise = as<Depthwise>(layer);
  TrainedQuantizer one_bit = *depthwise->quantizers().kernel;
  one_bit.kind = TrainedQuantizer::Kind::kBits;
  one_bit.bits = one_bit.integer = 1;
  one_bit.alpha = {Alpha::Kind::kNumber, 1};
  layer.op = std::make_shared<Depthwise>(depthwise->windows(), depthwise->channels(), depthwise->column().kernel_numbers(), Numbers(),
                                         Quantizers{one_bit, depthwise->quantizers().bias});
  try {
    resolve(model, make_config(model, {.vector = fixed(16, 6)}));
    FAIL() << "it is taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layer c: its depthwise weights are signs of one bit"), std::string::npos) << error.what();
  }
}

// hls4ml takes the largest of signs as a sign, where narrow does not follow it.
TEST(Signs, ThatNoNormalizationMadeAreNotPooled) {
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{4, 1}), {}, {4, 1}});
  model.layers.push_back({"sign", "Activation", std::make_shared<SignActivation>(false, true), {0}, {4, 1}});
  const OwnType sign{
      TypeName::kResult, {.width = 1, .integer = 1, .is_signed = false, .is_integer = true, .meaning = Meaning::kSign}, true};
  model.layers.back().set_own(TypeName::kResult, &sign);
  model.layers.push_back(
      {"pool", "MaxPooling1D", std::make_shared<Pooling>(PoolKind::kMax, Windows{{2}, {2}, Padding::kValid}), {1}, {2, 1}});
  model.outputs = {2};
  try {
    resolve(model, make_config(model, {.vector = fixed(16, 6), .weight = {}, .relu_rounding = {}, .relu_overflow = {}, .maximum = {}}));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "layer pool (MaxPooling1D): it pools signs that no normalization made; narrow does not follow hls4ml there");
  }
}

// hls4ml loses a normalization behind a Dense on a set, not behind a convolution.
TEST(Fusion, OfAConvolutionIsAsHls4mlMeansIt) {
  const auto notes_of = [](const OperationPtr& op, Shape shape) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{4, 2}), {}, {4, 2}});
    model.layers.push_back({"y", std::string(op->keras_class()), op, {0}, shape});
    const std::vector<float> two(2, 1.F);
    model.layers.push_back({"norm", "BatchNormalization", std::make_shared<BatchNormalization>(two, two, two, two), {1}, shape});
    model.outputs = {2};
    return resolve(model,
                   make_config(model, {.vector = fixed(16, 6), .weight = {}, .relu_rounding = {}, .relu_overflow = {}, .maximum = {}}))
        .notes;
  };
  const std::vector<float> kernel(8, 1.F);
  EXPECT_TRUE(notes_of(std::make_shared<Convolution>(Windows{{2}, {1}}, 2, 2, kernel, std::vector<float>()), {3, 2}).empty());
  const auto of_dense = notes_of(std::make_shared<Dense>(2, 2, std::vector<float>(4, 1.F), std::vector<float>()), {4, 2});
  ASSERT_EQ(of_dense.size(), 1U);
  EXPECT_NE(of_dense.front().find("loses it behind a Dense on a set"), std::string::npos);
  const auto of_depthwise =
      notes_of(std::make_shared<Depthwise>(Windows{{2}, {1}}, 2, std::vector<float>(4, 1.F), std::vector<float>()), {3, 2});
  ASSERT_EQ(of_depthwise.size(), 1U);
  EXPECT_NE(of_depthwise.front().find("along the wrong axis"), std::string::npos);
}

// The same network with one result type and another.
bool answers(const char* from, const char* to) {
  const auto with = [](const char* type) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
    model.outputs = {0};
    PrecisionConfig config;
    config.model.types["default"] = parse_format(type);
    return resolve(model, config);
  };
  return answers_for(with(from), with(to));
}

// Where nothing overflowed, a value of the first type is the same in the second.
TEST(AnswersFor, TypesThatHoldTheSameValues) {
  EXPECT_TRUE(answers("ap_fixed<8,4>", "ap_fixed<8,4>"));
  EXPECT_TRUE(answers("ap_fixed<8,4>", "ap_fixed<9,5>"));
  EXPECT_TRUE(answers("ap_fixed<8,4,AP_RND>", "ap_fixed<9,5,AP_RND,AP_SAT>"));
  EXPECT_FALSE(answers("ap_fixed<8,4>", "ap_fixed<7,3>"));         // fewer integer bits
  EXPECT_FALSE(answers("ap_fixed<8,4>", "ap_fixed<9,4>"));         // other steps
  EXPECT_FALSE(answers("ap_fixed<8,4>", "ap_fixed<9,5,AP_RND>"));  // another rounding
  EXPECT_FALSE(answers("ap_fixed<8,4,AP_RND>", "ap_fixed<9,5>"));
  EXPECT_FALSE(answers("ap_ufixed<8,4>", "ap_fixed<9,5>"));  // other layers' types may be inferred from the sign
  EXPECT_FALSE(answers("ap_fixed<8,4>", "ap_ufixed<9,5>"));
  EXPECT_FALSE(answers("ap_fixed<8,4>", "ap_fixed<8,4,AP_TRN,AP_SAT_SYM>"));  // -8 is not in it
  EXPECT_TRUE(answers("ap_fixed<8,4>", "ap_fixed<9,5,AP_TRN,AP_SAT_SYM>"));
  EXPECT_TRUE(answers("ap_fixed<8,4,AP_TRN,AP_SAT_SYM>", "ap_fixed<8,4>"));
  EXPECT_TRUE(answers("ap_ufixed<8,4>", "ap_ufixed<8,4,AP_TRN,AP_SAT_SYM>"));
  EXPECT_TRUE(answers("ap_int<8>", "ap_int<8>"));
  EXPECT_FALSE(answers("ap_int<8>", "ap_int<9>"));
  EXPECT_FALSE(answers("ap_int<8>", "ap_fixed<8,8>"));
}

// A negative value of a type with 0 integer bits becomes -1 as an ap_int, that of a wider type 0 (fixed/cast.h).
TEST(AnswersFor, NotWhereAnApIntIsMadeOfAWiderType) {
  const auto with = [](const Format& input) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
    model.layers.push_back({"relu", "Activation", std::make_shared<Relu>(), {0}, {1}});
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = input;
    config.by_name["relu"].types["result"] = parse_format("ap_int<4>");
    return resolve(model, config);
  };
  EXPECT_TRUE(answers_for(with(fixed(8, 0)), with(fixed(8, 0))));
  EXPECT_FALSE(answers_for(with(fixed(8, 0)), with(fixed(9, 1))));
}

// What is lost where a product by a power of two is shifted, and where ternary_tanh doubles its input, is not counted.
TEST(AnswersFor, NotWhereBitsAreLostByTheWidthOfAType) {
  const auto with = [](OperationPtr op, const Format& input) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
    model.layers.push_back({"y", std::string(op->keras_class()), std::move(op), {0}, {1}});
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = input;
    config.by_name["y"].types["result"] = fixed(16, 6);
    config.by_name["y"].types["accum"] = fixed(16, 6);
    return resolve(model, config);
  };
  const TrainedQuantizer power{.kind = TrainedQuantizer::Kind::kPowerOfTwo, .name = "quantized_po2", .bits = 5};
  const auto shift =
      std::make_shared<Dense>(1, 1, std::vector<float>{-0x1p-8F}, std::vector<float>{}, Quantizers{.kernel = power, .bias = {}});
  EXPECT_TRUE(answers_for(with(shift, fixed(8, 1)), with(shift, fixed(8, 1))));
  EXPECT_FALSE(answers_for(with(shift, fixed(8, 1)), with(shift, fixed(9, 2))));
  const auto ternary = std::make_shared<SignActivation>(true);
  EXPECT_TRUE(answers_for(with(ternary, fixed(6, 2)), with(ternary, fixed(6, 2))));
  EXPECT_FALSE(answers_for(with(ternary, fixed(6, 2)), with(ternary, fixed(7, 3))));
  const auto binary = std::make_shared<SignActivation>(false);
  EXPECT_TRUE(answers_for(with(binary, fixed(6, 2)), with(binary, fixed(7, 3))));
}

// hls4ml multiplies the weights by an array of (rows, channels).
TEST(Thresholds, OfSetsAreNotFused) {
  const auto with = [](const Shape& shape, bool is_open) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(shape), {}, shape});
    model.layers.push_back({"dense", "Dense", std::make_shared<Dense>(1, 1, std::vector<float>{1}, std::vector<float>{}), {0}, shape});
    model.layers.push_back({"act", "QActivation", std::make_shared<SignActivation>(true, true, 0.33), {1}, shape});
    model.outputs = {2};
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 6);
    if (is_open) config.by_name["dense"].types["result"] = std::nullopt;
    return resolve(model, config);
  };
  EXPECT_NO_THROW(with({1}, true));
  EXPECT_NO_THROW(with({2, 1}, false));
  EXPECT_THROW(with({2, 1}, true), Error);
}

// hls4ml 1.3.0's _get_precision_from_constant.
TEST(LeakyReluTypes, SlopesAreInferredAsHls4mlDoes) {
  const std::pair<double, Format> slopes[] = {
      {0.0, ufixed(1, 1)},      {1.0, ufixed(1, 1)},   {0.5, ufixed(1, 0)},       {0.25, ufixed(1, -1)},
      {2.0, ufixed(1, 2)},      {0.3, ufixed(8, -1)},  {1.5, ufixed(2, 1)},       {3.0, ufixed(2, 2)},
      {0.01, ufixed(8, -6)},    {100.0, ufixed(5, 7)}, {0.001, ufixed(8, -9)},    {256.0, ufixed(1, 9)},
      {0x1p-10, ufixed(1, -9)}, {255.0, ufixed(8, 8)}, {0x1p-31, ufixed(1, -30)}, {0x1p-32, ufixed(1, -31)}};
  for (const auto& [slope, type] : slopes) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
    model.layers.push_back({"y", "LeakyReLU", std::make_shared<LeakyRelu>(slope), {0}, {1}});
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 6);
    config.by_name["y"].types["param"] = std::nullopt;
    EXPECT_EQ(resolve(model, config).precision[1][TypeName::kParam], type) << slope;
  }
}

// _infer_par_act_precision and _infer_prelu_act_precision: the type of the input, and not the default.
TEST(ParamTypes, OfThresholdsAndTrainedSlopesAreTheInputs) {
  for (const OperationPtr& op :
       {OperationPtr(std::make_shared<ThresholdedRelu>(0.5)), OperationPtr(std::make_shared<PRelu>(Shape{1}, std::vector{0.5F}))}) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
    model.layers.push_back({"y", "ReLU", op, {0}, {1}});
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 6);
    config.by_name["x"].types["result"] = fixed(9, 3);
    config.by_name["y"].types["param"] = std::nullopt;
    EXPECT_EQ(resolve(model, config).precision[1][TypeName::kParam], fixed(9, 3));
  }
}

// Two inputs and a layer that reads both.
Model merging(OperationPtr op, const Shape& a, const Shape& b) {
  Model model;
  model.layers.push_back({"a", "InputLayer", std::make_shared<Input>(a), {}, a});
  model.layers.push_back({"b", "InputLayer", std::make_shared<Input>(b), {}, b});
  Layer merge{"m", std::string(op->keras_class()), op, {0, 1}, {}};
  merge.shape = output_shape(merge, {a, b});
  model.layers.push_back(merge);
  model.outputs = {2};
  return model;
}

// As hls4ml 1.3.0 answers for layers called `m` whose result is `auto`.
TEST(Merges, InferredTypesAreHls4mls) {
  struct Case {
    OperationPtr op;
    const char *a, *b, *maximum, *m;
  };
  const auto merge = [](MergeKind kind) { return std::make_shared<Merge>(kind); };
  const auto concatenate = std::make_shared<Concatenate>(1);
  const Case cases[] = {
      {merge(MergeKind::kSubtract), "ap_ufixed<8,3>", "ap_ufixed<6,4>", nullptr, "ap_fixed<10,5>"},
      {merge(MergeKind::kAdd), "ap_ufixed<8,3>", "ap_ufixed<6,4>", nullptr, "ap_ufixed<10,5>"},
      {merge(MergeKind::kMaximum), "ap_ufixed<8,3>", "ap_ufixed<6,4>", nullptr, "ap_ufixed<9,4>"},
      {concatenate, "ap_ufixed<8,3>", "ap_ufixed<6,4>", nullptr, "ap_ufixed<9,4>"},
      {merge(MergeKind::kAdd), "ap_fixed<8,3,AP_RND,AP_SAT>", "ap_fixed<8,3,AP_RND,AP_SAT>", nullptr, "ap_fixed<9,4>"},
      {merge(MergeKind::kMaximum), "ap_fixed<8,3,AP_RND,AP_SAT>", "ap_fixed<8,3,AP_RND,AP_SAT>", nullptr, "ap_fixed<8,3,AP_RND,AP_SAT>"},
      {concatenate, "ap_fixed<8,3,AP_RND,AP_SAT>", "ap_fixed<8,3,AP_RND,AP_SAT>", nullptr, "ap_fixed<8,3,AP_RND,AP_SAT>"},
      {merge(MergeKind::kAdd), "ap_fixed<12,3>", "ap_fixed<10,6>", "ap_fixed<9,4>", "ap_fixed<9,4>"},
      {merge(MergeKind::kMaximum), "ap_fixed<12,3>", "ap_fixed<10,6>", "ap_fixed<9,4>", "ap_fixed<15,6>"},
      {concatenate, "ap_fixed<12,3>", "ap_fixed<10,6>", "ap_fixed<9,4>", "ap_fixed<9,4>"},
  };
  for (const Case& each : cases) {
    const Model model = merging(each.op, {4}, {4});
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 6);
    if (each.maximum != nullptr) config.model.types["maximum"] = parse_format(each.maximum);
    config.by_name["a"].types["result"] = parse_format(each.a);
    config.by_name["b"].types["result"] = parse_format(each.b);
    config.by_name["m"].types["result"] = std::nullopt;
    EXPECT_EQ(to_string(resolve(model, config).precision[2].result()), each.m) << each.op->keras_class() << " " << each.a << " " << each.b;
  }
}

// hls4ml's io_stream asserts that both sizes are equal and has no dot1d; io_parallel takes the larger of the texts "3*4" and "4".
TEST(Merges, WhatHls4mlHasForIoParallelAloneIsSaid) {
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 6);
  const auto notes_of = [&](const Model& model) { return resolve(model, config).notes; };
  const auto add = std::make_shared<Merge>(MergeKind::kAdd);
  EXPECT_TRUE(notes_of(merging(add, {3, 4}, {3, 4})).empty());
  for (const auto& [a, b] : {std::pair(Shape{3, 4}, Shape{1, 4}), std::pair(Shape{1, 4}, Shape{30, 4}), std::pair(Shape{8, 4}, Shape{4})}) {
    const std::vector<std::string> notes = notes_of(merging(add, a, b));
    ASSERT_EQ(notes.size(), 1U);
    EXPECT_NE(notes.front().find("with io_parallel alone"), std::string::npos) << notes.front();
  }
  EXPECT_THROW(resolve(merging(add, {3, 4}, {4}), config), Error);
  EXPECT_THROW(resolve(merging(add, {6}, {30, 6}), config), Error);
  EXPECT_THROW(merging(add, {3, 4}, {3, 1}), Error);
  const Model dot = merging(std::make_shared<Dot>(4), {4}, {4});
  EXPECT_EQ(notes_of(dot).size(), 1U);
  config.by_name["m"].types["accum"] = std::nullopt;
  EXPECT_THROW(resolve(dot, config), Error);
}

TEST(Merges, ALayerThatIsReadMoreThanSevenTimesIsSaid) {
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 6);
  Model model = merging(std::make_shared<Merge>(MergeKind::kAdd), {4}, {4});
  for (int i = 0; i < 7; ++i) {
    EXPECT_TRUE(resolve(model, config).notes.empty());
    model.layers.push_back({"r" + std::to_string(i), "ReLU", std::make_shared<Relu>(true), {2}, {4}});
  }
  EXPECT_EQ(resolve(model, config).notes.size(), 1U);  // seven layers and the output
}

// Of one axis they may overlap with io_stream too (docs/numerics.md).
TEST(Pooling, OfWindowsThatDoNotLieSideBySideIsSaid) {
  const auto notes_of = [](const Shape& shape, const Windows& windows) {
    const auto op = std::make_shared<Pooling>(PoolKind::kMax, windows);
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(shape), {}, shape});
    Layer layer{"pool", "MaxPooling", op, {0}, {}};
    layer.shape = output_shape(layer, {shape});
    model.layers.push_back(std::move(layer));
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 6);
    return resolve(model, config).notes;
  };
  EXPECT_TRUE(notes_of({4, 4, 2}, {{2, 2}, {2, 2}}).empty());
  EXPECT_TRUE(notes_of({4, 2}, {{2}, {1}}).empty());
  for (const std::vector<int>& strides : {std::vector{1, 1}, std::vector{2, 1}, std::vector{3, 2}}) {
    const std::vector<std::string> notes = notes_of({4, 4, 2}, {{2, 2}, strides});
    ASSERT_EQ(notes.size(), 1U);
    EXPECT_NE(notes.front().find("with io_parallel alone, for its windows do not lie side by side"), std::string::npos) << notes.front();
  }
}

// x -> scores (a linear Dense) -> softmax, or tanh.
class TablesTest : public ConfigFile {
 protected:
  TablesTest() {
    model_.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{2}), {}, {2}});
    model_.layers.push_back(
        {"scores", "Dense", std::make_shared<Dense>(2, 2, std::vector{1.F, 2.F, 3.F, 4.F}, std::vector{1.F, 1.F}), {0}, {2}});
    model_.layers.push_back({"classes", "Activation", std::make_shared<Softmax>(true), {1}, {2}});
    model_.outputs = {2};
  }
  Resolved resolved(const std::string& of_layer, const std::string& scores = "ap_fixed<16,6>") {
    return resolve(model_, read_config(write("Model: {Precision: 'ap_fixed<16,6>'}\nLayerName:\n  scores: {Precision: {result: '" + scores +
                                             "'}}\n  classes: " + of_layer),
                                       model_));
  }
  std::string fault(const std::string& of_layer) {
    try {
      resolved(of_layer);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  void expect_again(const Resolved& first) {
    const Resolved again = resolve(model_, read_config(write(to_yaml(first)), model_));
    EXPECT_TRUE(again.precision == first.precision) << to_yaml(first) << to_yaml(again);
    EXPECT_EQ(again.skipped, first.skipped);
  }
  Model model_;
};

TEST_F(TablesTest, KeysOfALayerReachThem) {
  const Resolved first = resolved("{exp_table_t: 'ap_fixed<17,9>', inv_inp_t: 'ap_ufixed<14,4>', TableSize: 256, Implementation: latency}");
  const LayerPrecision& types = first.precision[2];
  EXPECT_EQ(types[TypeName::kExpTable], fixed(17, 9));
  EXPECT_EQ(types[TypeName::kInvInp], ufixed(14, 4));
  EXPECT_EQ(types[TypeName::kInvTable], Softmax::default_type());
  EXPECT_EQ(types[TypeName::kAccum], fixed(16, 6));
  EXPECT_EQ(types.table_size, 256);
  EXPECT_EQ(types.softmax, SoftmaxKind::kLatency);
  EXPECT_TRUE(first.notes.empty());
  expect_again(first);
}

TEST_F(TablesTest, TypesUnderPrecisionAreSaidToBeIgnored) {
  const Resolved as_written = resolved("{Precision: {exp_table: 'ap_fixed<18,8,AP_RND,AP_SAT>', accum: auto}}");
  EXPECT_TRUE(as_written.notes.empty());
  const Resolved other = resolved("{Precision: {exp_table: 'ap_fixed<20,8>'}}");
  ASSERT_EQ(other.notes.size(), 1U);
  EXPECT_NE(other.notes.front().find("hls4ml ignores exp_table: ap_fixed<20,8> under Precision:"), std::string::npos)
      << other.notes.front();
  EXPECT_EQ(other.precision[2][TypeName::kExpTable], Softmax::default_type());
}

// fix_softmax_table_size.py.
TEST_F(TablesTest, ASoftmaxCutsItsTablesToTheTypes) {
  EXPECT_EQ(resolved("{TableSize: 4096}").precision[2].table_size, 4096);
  EXPECT_EQ(resolved("{table_size: 4096}").precision[2].table_size, 4096);
  EXPECT_NE(testing::PrintToString(resolved("{Strategy: Stable}").notes).find("ignores its Strategy Stable"), std::string::npos);
  EXPECT_EQ(resolved("{TableSize: 4096}", "ap_fixed<9,4>").precision[2].table_size, 512);
  EXPECT_EQ(resolved("{inv_table_t: 'ap_fixed<7,4>'}").precision[2].table_size, 128);
  expect_again(resolved("{TableSize: 4096}", "ap_fixed<9,4>"));
}

TEST_F(TablesTest, WhatHls4mlWouldReadPastTheEndOfIsRefused) {
  EXPECT_NE(fault("{TableSize: 1000}").find("layer classes (softmax): its tables of 1000 entries"), std::string::npos);
  EXPECT_NE(fault("{TableSize: 1}").find("a power of two from 2 on"), std::string::npos);
  EXPECT_NE(fault("{inv_inp_t: 'ap_fixed<9,4>'}").find("inv_inp_t ap_fixed<9,4> has too few bits for a TableSize of 1024"),
            std::string::npos);
  EXPECT_EQ(fault("{TableSize: 1000, Implementation: legacy}"), "");
}

TEST_F(TablesTest, KeysThatHaveNoEffectAreRefused) {
  EXPECT_NE(fault("{table_t: 'ap_fixed<9,4>', TableSize: 0}").find("TableSize should be a whole number from 1 to"), std::string::npos);
  EXPECT_NE(fault("{exp_table_t: auto}").find("hls4ml infers no types of tables"), std::string::npos);
  EXPECT_NE(fault("{Implementation: fast}").find("there are stable, latency, argmax, legacy"), std::string::npos);
  EXPECT_NE(fault("{Skip: 3}").find("Skip should be true or false"), std::string::npos);
  model_.layers[2].op = std::make_shared<TableActivation>(TableFunction::kTanh);
  EXPECT_NE(fault("{exp_table_t: 'ap_fixed<9,4>'}").find("classes has no table of type exp_table_t"), std::string::npos);
  EXPECT_NE(fault("{Implementation: stable}").find("is of a softmax"), std::string::npos);
  EXPECT_NE(fault("{Skip: true}").find("is of a softmax"), std::string::npos);
  EXPECT_EQ(resolved("{table_t: 'ap_fixed<9,4>', TableSize: 1000}").precision[2][TypeName::kTable], fixed(9, 4));
  expect_again(resolved("{table_t: 'ap_fixed<9,4>', TableSize: 1000}"));
}

TEST_F(TablesTest, ASoftmaxOfCoarseScoresIsSaidToBeUseless) {
  const Resolved coarse = resolved("{}", "ap_fixed<38,18>");
  ASSERT_EQ(coarse.notes.size(), 1U);
  EXPECT_NE(coarse.notes.front().find("scores that differ by less than 128 are equal"), std::string::npos) << coarse.notes.front();
  EXPECT_NE(coarse.notes.front().find("give scores a result type with fewer integer bits"), std::string::npos) << coarse.notes.front();
  EXPECT_EQ(resolved("{}", "ap_fixed<20,11>").notes.size(), 1U);  // one
  EXPECT_EQ(resolved("{}", "ap_fixed<20,10>").notes.size(), 0U);
  EXPECT_EQ(resolved("{Implementation: argmax}", "ap_fixed<38,18>").notes.size(), 0U);
}

TEST_F(TablesTest, ASkippedSoftmaxIsLeftOut) {
  const Resolved skipped = resolved("{Skip: true}");
  EXPECT_EQ(skipped.model.layers.size(), 2U);
  EXPECT_EQ(skipped.model.outputs, std::vector<int>{1});
  EXPECT_EQ(skipped.skipped, std::vector<std::string>{"classes"});
  expect_again(skipped);
}

// hls4ml would leave the layer behind it the type that it inferred from the softmax.
TEST(Skip, IsOfASoftmaxThatNoLayerReads) {
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{3, 2}), {}, {3, 2}});
  model.layers.push_back({"classes", "Softmax", std::make_shared<Softmax>(false), {0}, {3, 2}});
  model.layers.push_back({"flatten", "Flatten", std::make_shared<Flatten>(), {1}, {6}});
  model.outputs = {2};
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 6);
  EXPECT_NO_THROW(resolve(model, config));
  config.by_name["classes"].skip = true;
  EXPECT_THROW(resolve(model, config), Error);
}

// The table is indexed by bits of the scores' type.
TEST_F(TablesTest, AnswersForTheSameScoresAlone) {
  EXPECT_TRUE(answers_for(resolved("{}"), resolved("{}")));
  EXPECT_FALSE(answers_for(resolved("{}"), resolved("{}", "ap_fixed<17,7>")));
  EXPECT_FALSE(answers_for(resolved("{}"), resolved("{TableSize: 512}")));
  EXPECT_FALSE(answers_for(resolved("{}"), resolved("{Implementation: latency}")));
  EXPECT_FALSE(answers_for(resolved("{}"), resolved("{exp_table_t: 'ap_fixed<19,9,AP_RND,AP_SAT>'}")));
}

// An int is made of a value without integer bits in its own way (fixed/cast.h), and so is an index.
TEST(AnswersFor, NotWhereATableIsReadByValuesWithoutIntegerBits) {
  const auto with = [](const char* input) {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
    model.layers.push_back({"y", "Activation", std::make_shared<TableActivation>(TableFunction::kSigmoid), {0}, {1}});
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 6);
    config.by_name["x"].types["result"] = parse_format(input);
    return resolve(model, config);
  };
  EXPECT_FALSE(answers_for(with("ap_fixed<8,-33>"), with("ap_fixed<9,-32>")));
  EXPECT_TRUE(answers_for(with("ap_fixed<8,3>"), with("ap_fixed<9,4>")));
}

TEST_F(TablesTest, ALegacySoftmaxIsThatOfIoStream) {
  const auto notes = resolved("{Implementation: legacy}").notes;
  EXPECT_TRUE(
      std::any_of(notes.begin(), notes.end(), [](const std::string& note) { return note.find("io_parallel") != std::string::npos; }));
}

// _infer_bn_precision: 8 + 6 bits of the product, of which 4 + 2 are integer ones; the sum has one more, and a sign as the scale has.
TEST(BatchNormalizationTypes, AreInferredAsHls4mlDoes) {
  Model model;
  const std::vector<float> one{1.F};
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "BatchNormalization", std::make_shared<BatchNormalization>(one, one, one, one), {0}, {1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = ufixed(8, 4);
  config.by_name["y"].types = {{"scale", fixed(6, 2)}, {"bias", ufixed(5, 2)}, {"result", std::nullopt}};
  EXPECT_EQ(resolve(model, config).precision[1].result(), fixed(15, 7));
}

// _infer_common_precision: a bias without sign has one integer bit more in a sum with one.
TEST(DenseTypes, AreInferredAsHls4mlDoes) {
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "Dense", std::make_shared<Dense>(1, 1, std::vector{1.F}, std::vector{1.F}), {0}, {1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(8, 4);
  const auto inferred = [&](const Format& weight, const Format& bias) {
    config.by_name["y"].types = {{"weight", weight}, {"bias", bias}, {"accum", std::nullopt}, {"result", std::nullopt}};
    return resolve(model, config).precision[1].result();
  };
  EXPECT_EQ(inferred(fixed(6, 2), ufixed(10, 8)), fixed(18, 10));  // 8 + 1 + 1 integer bits
  EXPECT_EQ(inferred(fixed(6, 2), fixed(10, 8)), fixed(17, 9));
  config.model.types["default"] = ufixed(8, 4);
  EXPECT_EQ(inferred(ufixed(6, 2), fixed(5, 2)), fixed(16, 8));  // 4 + 2 + 1 + 1
  EXPECT_EQ(inferred(ufixed(6, 2), ufixed(5, 2)), ufixed(15, 7));
}

// hls4ml 1.3.0's get_closest_reuse_factor for 1, 2, 3, ... asked of a Dense.
TEST(ReuseFactor, IsTheOneThatHls4mlTakes) {
  const auto taken = [](int n_in, int n_out, int asked, const char* strategy = "Resource") {
    Model model;
    model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{n_in}), {}, {n_in}});
    model.layers.push_back({"y",
                            "Dense",
                            std::make_shared<Dense>(n_in, n_out, std::vector<float>(static_cast<std::size_t>(n_in * n_out)),
                                                    std::vector<float>(static_cast<std::size_t>(n_out))),
                            {0},
                            {n_out}});
    model.outputs = {1};
    PrecisionConfig config;
    config.model.types["default"] = fixed(16, 6);
    config.model.strategy = strategy;
    config.model.reuse_factor = asked;
    return resolve(model, config).precision[1].reuse_factor;
  };
  // Unrolled, the largest is none of them (set_closest_reuse_factor with include_max_rf=False).
  EXPECT_EQ(taken(6, 4, 24, "ResourceUnrolled"), 12);
  EXPECT_EQ(taken(6, 4, 8, "Resource_Unrolled"), 6);
  EXPECT_THROW(taken(3, 1, 3, "ResourceUnrolled"), Error);  // 1 is left, of which no program comes
  EXPECT_EQ(taken(3, 1, 1, "ResourceUnrolled"), 1);
  struct Shape4ml {
    int n_in, n_out;
    std::vector<int> taken;
  };
  for (const Shape4ml& shape :
       {Shape4ml{6, 4, {1, 2, 3, 3, 6, 6, 6, 6, 6, 12, 12, 12, 12, 12, 12, 12, 12, 12, 24, 24}},
        Shape4ml{4, 6, {1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 12, 12, 12, 12, 24, 24}},
        Shape4ml{10, 9, {1, 2, 2, 5, 5, 5, 5, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 30}}, Shape4ml{3, 1, {1, 1, 3, 3}}}) {
    for (std::size_t i = 0; i < shape.taken.size(); ++i)
      EXPECT_EQ(taken(shape.n_in, shape.n_out, static_cast<int>(i) + 1), shape.taken[i])
          << shape.n_in << "x" << shape.n_out << ", " << i + 1;
  }
}

// FuseBatchNormalization and MergeLinearActivation of hls4ml, on a Dense of a set with a BatchNormalization, a relu and a linear
// activation behind it; docs/numerics.md.
class Fusing : public testing::Test {
 protected:
  Fusing() {
    const std::vector<float> six{6, 6}, half{0.5F, 0.5F}, one{1, 1};
    push("x", std::make_shared<Input>(Shape{4, 2}), {});
    push("phi", std::make_shared<Dense>(2, 2, std::vector<float>{1, 2, 3, 4}, std::vector<float>{8, 16}), {0});
    push("norm", std::make_shared<BatchNormalization>(six, half, one, std::vector<float>{4, 4}, 0.F), {1});
    push("linear", std::make_shared<Linear>(), {2});
    push("relu", std::make_shared<Relu>(), {3});
    push("relu_linear", std::make_shared<Linear>(), {4});
    push("KSum", std::make_shared<SetSum>(), {5});
    model_.outputs = {6};
  }
  void push(const std::string& name, OperationPtr op, std::vector<int> inputs) {
    Layer layer{name, std::string(op->keras_class()), std::move(op), std::move(inputs), {}};
    std::vector<Shape> shapes;
    for (const int input : layer.inputs) shapes.push_back(model_.layers[static_cast<std::size_t>(input)].shape);
    layer.shape = shapes.empty() ? Shape{4, 2} : output_shape(layer, shapes);
    model_.layers.push_back(std::move(layer));
  }
  Resolved resolved() const {
    PrecisionConfig config = config_;
    config.model.types["default"] = fixed(16, 6);
    return resolve(model_, config);
  }
  static std::vector<std::string> names(const Resolved& resolved) {
    std::vector<std::string> names;
    for (const Layer& layer : resolved.model.layers) names.push_back(layer.name);
    return names;
  }
  Model model_;
  PrecisionConfig config_;
};

TEST_F(Fusing, TakesInWhatStandsBehindAnInferredResult) {
  config_.by_name["phi"].types["result"] = std::nullopt;
  config_.by_name["relu"].types["result"] = fixed(12, 4);
  const Resolved fused = resolved();
  EXPECT_EQ(names(fused), (std::vector<std::string>{"x", "phi", "relu", "relu_linear", "KSum"}));
  // times 6 / sqrt(4), and (8 - 1) * 3 + 0.5
  EXPECT_EQ(as<Dense>(fused.model.layers[1])->kernel, (std::vector<float>{3, 6, 9, 12}));
  EXPECT_EQ(as<Dense>(fused.model.layers[1])->bias, (std::vector<float>{21.5F, 45.5F}));
  EXPECT_EQ(fused.model.layers[2].inputs, std::vector<int>{1});
  ASSERT_EQ(fused.notes.size(), 1U);
  EXPECT_NE(fused.notes.front().find("norm (BatchNormalization) is folded into phi"), std::string::npos);
}

TEST_F(Fusing, LeavesWhatStandsBehindAGivenResult) {
  for (const char* name : {"phi", "norm", "relu"}) config_.by_name[name].types["result"] = fixed(12, 4);
  const Resolved given = resolved();
  EXPECT_TRUE(given.fused.empty());
  EXPECT_TRUE(given.merged.empty());
  EXPECT_EQ(names(given), names({model_, {}, {}, {}, {}, {}}));
}

TEST_F(Fusing, LeavesWhatAnotherLayerReads) {
  config_.by_name["phi"].types["result"] = std::nullopt;
  push("other", std::make_shared<Relu>(), {1});
  EXPECT_TRUE(resolved().fused.empty());
  // An output is no reader: hls4ml folds the normalization in, and the output is that of the normalization.
  model_.layers.pop_back();
  model_.outputs = {6, 1};
  const Resolved output = resolved();
  EXPECT_FALSE(output.fused.empty());
  ASSERT_EQ(output.notes.size(), 2U);
  EXPECT_NE(output.notes.back().find("whose output is then that of norm"), std::string::npos) << output.notes.back();
}

// hls4ml runs its passes until nothing changes; the cases are those that one round would leave.
class PassesTest : public testing::Test {
 protected:
  PassesTest() {
    push("x", std::make_shared<Input>(Shape{2}));
    model_.layers.back().inputs.clear();
  }
  void push(const std::string& name, OperationPtr op) {
    const int before = static_cast<int>(model_.layers.size()) - 1;
    Layer layer{name, std::string(op->keras_class()), std::move(op), {before}, {2}};
    model_.layers.push_back(std::move(layer));
    model_.outputs = {before + 1};
  }
  void push_dense(const std::string& name) {
    push(name, std::make_shared<Dense>(2, 2, std::vector{1.F, 2.F, 3.F, 4.F}, std::vector{1.F, 1.F}));
  }
  void push_norm(const std::string& name, float scale, float bias) {
    push(name,
         std::make_shared<BatchNormalization>(std::vector(2, scale), std::vector(2, bias), std::vector(2, 0.F), std::vector(2, 1.F), 0.F));
  }
  Resolved resolved(bool uniform = false) const {
    PrecisionOptions options;
    options.vector = fixed(8, 4);
    options.uniform = uniform;
    return resolve(model_, make_config(model_, options));
  }
  static std::vector<std::string> names(const Resolved& resolved) {
    std::vector<std::string> all;
    for (const Layer& layer : resolved.model.layers) all.push_back(layer.name);
    return all;
  }
  Model model_;
};

TEST_F(PassesTest, ALinearBetweenDenseAndNormalizationGoesFirst) {
  push_dense("phi");
  push("drop", std::make_shared<Linear>());
  push_norm("norm", 3, 0.5);
  const Resolved fused = resolved();
  EXPECT_EQ(names(fused), (std::vector<std::string>{"x", "phi"}));
  EXPECT_EQ(as<Dense>(fused.model.layers[1])->bias, (std::vector{3.5F, 3.5F}));
}

TEST_F(PassesTest, ALinearOfOpenTypeGoesBehindAnyOpenType) {
  push_dense("phi");
  push("flat", std::make_shared<Flatten>());
  push("drop", std::make_shared<Linear>());
  push_dense("rho");
  const Resolved kept = resolved();
  EXPECT_EQ(names(kept), (std::vector<std::string>{"x", "phi", "flat", "rho"}));
  EXPECT_EQ(kept.precision[2].result(), kept.precision[1].result());
  EXPECT_GT(kept.precision[2].result().width, 8);
  // With one type for both, too, which the Flatten then does not have.
  PrecisionOptions options;
  options.vector = fixed(8, 4);
  options.uniform = true;
  PrecisionConfig config = make_config(model_, options);
  config.by_name["phi"].types["result"] = fixed(12, 5);
  EXPECT_EQ(names(resolve(model_, config)), (std::vector<std::string>{"x", "phi", "flat", "rho"}));
}

TEST_F(PassesTest, ConsecutiveNormalizationsBecomeOne) {
  push("relu", std::make_shared<Relu>());
  push_norm("first", 0.25, 1);
  push_norm("second", 3, 0.5);
  const Resolved one = resolved();
  EXPECT_EQ(names(one), (std::vector<std::string>{"x", "relu", "second"}));
  EXPECT_EQ(as<BatchNormalization>(one.model.layers[2])->scale(), std::vector(2, 0.75F));
  EXPECT_EQ(as<BatchNormalization>(one.model.layers[2])->bias(), std::vector(2, 3.5F));
  EXPECT_EQ(names(resolved(true)), (std::vector<std::string>{"x", "relu", "first", "second"}));
  // And the same again from what is saved.
  const std::string path = (fs::temp_directory_path() / ("narrow_norms_" + std::to_string(getpid()) + ".yml")).string();
  std::ofstream(path) << to_yaml(one);
  const Resolved again = resolve(model_, read_config(path, model_));
  fs::remove(path);
  EXPECT_EQ(names(again), names(one));
  EXPECT_TRUE(again.precision == one.precision);
}

TEST_F(PassesTest, ANormalizationBehindAFlattenIsSaidToDiffer) {
  push("flat", std::make_shared<Flatten>());
  push_norm("norm", 3, 1);
  const Resolved both = resolved();
  ASSERT_EQ(both.notes.size(), 1U);
  EXPECT_NE(both.notes.front().find("norm (BatchNormalization) behind flat (Flatten)"), std::string::npos);
}

// RemoveNopBatchNormalization comes when types are inferred: those behind it are wider for it.
TEST_F(PassesTest, ANormalizationThatDoesNothingGoesLast) {
  push("relu", std::make_shared<Relu>());
  push_norm("idle", 1, 0);
  push("drop", std::make_shared<Linear>());
  push_dense("phi");
  for (const bool uniform : {false, true}) {
    const Resolved without = resolved(uniform);
    EXPECT_EQ(names(without), (std::vector<std::string>{"x", "relu", "phi"})) << uniform;
    EXPECT_EQ(without.precision[1].result(), fixed(8, 4));
    EXPECT_EQ(without.precision[2][TypeName::kAccum].width > 2 * 8 + 2, !uniform);
  }
}

TEST_F(Fusing, MergesALinearIntoAnyLayerThatTakesIt) {
  config_.by_name["phi"].types["result"] = config_.by_name["relu"].types["result"] = std::nullopt;
  const Resolved merged = resolved();
  EXPECT_EQ(names(merged), (std::vector<std::string>{"x", "phi", "relu", "KSum"}));
  push("sum_linear", std::make_shared<Linear>(), {6});
  model_.outputs = {7};
  config_.by_name["ksum"].types["result"] = std::nullopt;
  config_.by_name["sum_linear"].types["result"] = fixed(10, 5);
  EXPECT_EQ(names(resolved()), (std::vector<std::string>{"x", "phi", "relu", "KSum", "sum_linear"}));  // no merge, and its type is its own
}

// What is saved resolves to the same types, fused and merged layers too.
TEST_F(Fusing, IsTheSameAgainFromWhatIsSaved) {
  const auto expect_again = [&](const std::string& what) {
    const Resolved first = resolved();
    const std::string path = (fs::temp_directory_path() / ("narrow_fused_" + std::to_string(getpid()) + ".yml")).string();
    std::ofstream(path) << to_yaml(first);
    const Resolved again = resolve(model_, read_config(path, model_));
    fs::remove(path);
    EXPECT_EQ(again.fused, first.fused) << what;
    EXPECT_EQ(names(again), names(first)) << what;
    EXPECT_TRUE(again.precision == first.precision) << what << "\n" << to_yaml(first) << "and\n" << to_yaml(again);
  };
  config_.by_name["phi"].types["result"] = config_.by_name["phi"].types["accum"] = std::nullopt;
  config_.by_name["relu"].types["result"] = fixed(12, 4);
  expect_again("fused");
  config_.by_name["relu"].types["result"] = std::nullopt;
  expect_again("fused and merged");
  model_.layers.resize(2);
  push("linear", std::make_shared<Linear>(), {1});
  push("KSum", std::make_shared<SetSum>(), {2});
  model_.outputs = {3};
  ASSERT_EQ(names(resolved()), (std::vector<std::string>{"x", "phi", "KSum"}));
  expect_again("merged into an inferred type");
}

// A layer behind one that goes when all types are known keeps what was inferred from that one's type.
class Saved : public Fusing {
 protected:
  Saved() {
    model_ = {};
    push("x", std::make_shared<Input>(Shape{8, 2}), {});
  }
  void append(const std::string& name, OperationPtr op) {
    const int before = static_cast<int>(model_.layers.size()) - 1;
    push(name, std::move(op), {before});
    model_.outputs = {before + 1};
  }
  void append_dense(const std::string& name) {
    append(name, std::make_shared<Dense>(2, 2, std::vector<float>{1, 2, 3, 4}, std::vector<float>{8, 16}));
  }
  void append_norm(const std::string& name, float scale, float bias) {
    const auto two = [](float value) { return std::vector<float>{value, value}; };
    append(name, std::make_shared<BatchNormalization>(two(scale), two(bias), two(0), two(1), 0.F));
  }
  void append_moved(const std::string& name, Move move) { append(name, std::make_shared<Rearrangement>(move, std::vector<int>{1, 0})); }
  std::vector<std::optional<Format>*> results(const std::vector<std::string>& names) {
    std::vector<std::optional<Format>*> all;
    for (const std::string& name : names) all.push_back(&config_.by_name[name].types["result"]);
    return all;
  }
  void expect_again(const std::string& what) const {
    const Resolved first = resolved();
    const std::string path = (fs::temp_directory_path() / ("narrow_late_" + std::to_string(getpid()) + ".yml")).string();
    std::ofstream(path) << to_yaml(first);
    const Resolved again = resolve(model_, read_config(path, model_));
    fs::remove(path);
    ASSERT_EQ(names(again), names(first)) << what << "\n" << to_yaml(first);
    EXPECT_EQ(again.fused, first.fused) << what;
    ASSERT_TRUE(again.precision == first.precision) << what << "\n" << to_yaml(first) << "and\n" << to_yaml(again);
  }
};

TEST_F(Saved, AnIdleNormalizationBeforeAFusedDense) {
  append("relu", std::make_shared<Relu>());
  append_norm("idle", 1, 0);
  append_dense("phi");
  append_norm("norm", 3, 1);
  results({"idle", "phi", "norm"});
  const Resolved first = resolved();
  ASSERT_EQ(names(first), (std::vector<std::string>{"x", "relu", "phi"}));
  ASSERT_EQ(first.fused.size(), 1U);
  // 16 bits of the relu, 16 of a scale, and one
  EXPECT_EQ(first.typed.at("idle").types.result(), fixed(33, 13));
  expect_again("open");
  *results({"idle"}).front() = fixed(9, 4);
  expect_again("given");
}

TEST_F(Saved, ALinearBehindAnIdleNormalization) {
  append("relu", std::make_shared<Relu>());
  append_norm("idle", 1, 0);
  append("drop", std::make_shared<Linear>());
  append_dense("phi");
  append_norm("norm", 3, 1);
  results({"phi", "norm"});
  for (auto* result : results({"idle", "drop"})) *result = fixed(9, 4);
  expect_again("of one type");
  *results({"idle"}).front() = std::nullopt;
  *results({"drop"}).front() = fixed(33, 13);
  expect_again("of the inferred type");
}

TEST_F(Saved, ACroppingBehindAnOpenLayer) {
  append("relu", std::make_shared<Relu>());
  append_norm("idle", 1, 0);
  append_moved("crop", Move::kCrop);
  results({"idle"});
  *results({"relu"}).front() = fixed(12, 5);
  const Resolved first = resolved();
  ASSERT_EQ(names(first), (std::vector<std::string>{"x", "relu", "crop"}));
  EXPECT_EQ(first.precision[1].result(), fixed(12, 5));
  EXPECT_EQ(first.precision[2].result(), fixed(16, 6));
  expect_again("a Cropping");
}

TEST_F(Saved, WhatMovesValuesBehindAFusedNormalization) {
  append_dense("phi");
  append_norm("norm", 3, 1);
  append_moved("pad", Move::kZeroPad);
  results({"phi", "norm"});
  const Resolved open = resolved();
  ASSERT_EQ(names(open), (std::vector<std::string>{"x", "phi", "pad"}));
  EXPECT_EQ(open.precision[2].result(), open.precision[1].result());
  expect_again("open");
  *results({"norm"}).front() = fixed(9, 4);
  EXPECT_EQ(resolved().precision[2].result(), fixed(9, 4));
  expect_again("given");
}

TEST_F(Saved, RandomChainsAreTheSameAgainFromWhatIsSaved) {
  constexpr std::uint64_t kSeed = 1;
  std::mt19937_64 random(kSeed);
  const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<std::uint64_t>(n)); };
  int late = 0;
  for (int i = 0; i < 3000; ++i) {
    model_.layers.resize(1);
    config_ = {};
    const int n = 2 + draw(6);
    for (int k = 0; k < n; ++k) {
      const std::string name = "l" + std::to_string(k);
      const int kind = draw(8);
      if (kind == 0) append("relu" + name, std::make_shared<Relu>());
      else if (kind == 1) append_dense("dense" + name);
      else if (kind == 2) append_norm("norm" + name, 3, 0.5);
      else if (kind == 3 && model_.layers.back().shape[0] > 1) append_moved("crop" + name, Move::kCrop);
      else if (kind == 4) append_moved("pad" + name, Move::kZeroPad);
      else if (kind == 5) append("linear" + name, std::make_shared<Linear>());
      else append_norm("idle" + name, 1, 0);
      const Format types[] = {fixed(16, 6), fixed(12, 5), fixed(9, 4)};
      if (draw(3) > 0) config_.by_name[model_.layers.back().name].types["result"] = draw(2) == 0 ? TypeChoice() : types[draw(3)];
      if (kind > 5 && draw(2) == 0) config_.by_name[model_.layers.back().name].types["scale"] = types[draw(3)];
    }
    try {
      late += static_cast<int>(resolved().typed.size());
    } catch (const Error&) {
      continue;  // more bits than narrow computes with
    }
    expect_again("seed " + std::to_string(kSeed) + ", case " + std::to_string(i));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(late, 1000);
}

TEST(Resolve, WeightsHave64BitsAtMost) {
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{1}), {}, {1}});
  model.layers.push_back({"y", "Dense", std::make_shared<Dense>(1, 1, std::vector{1.F}, std::vector{1.F}), {0}, {1}});
  model.outputs = {1};
  PrecisionConfig config;
  config.model.types["default"] = fixed(16, 6);
  config.by_name["y"].types["result"] = fixed(70, 6);
  EXPECT_EQ(resolve(model, config).precision[1].result(), fixed(70, 6));
  config.by_name["y"].types["weight"] = fixed(65, 6);
  try {
    resolve(model, config);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layer y: its weight type ap_fixed<65,6> needs 65 bits"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace narrow
