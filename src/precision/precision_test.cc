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
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/relu.h"
#include "layers/set_sum.h"

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
LayerName:
  phi1:
    Trace: true
    Precision: {weight: 'ap_fixed<12,3>', bias: 'ap_fixed<10,3>', accum: auto, result: auto}
    Strategy: Resource
    ReuseFactor: 3
  PHI1_relu:
    Precision: ap_ufixed<9,4,AP_RND,AP_SAT>
)"),
                                                       model));
  EXPECT_EQ(to_string(resolved.precision[0].result()), "ap_fixed<16,6>");
  EXPECT_EQ(to_string(resolved.precision[1][TypeName::kWeight]), "ap_fixed<12,3>");
  EXPECT_EQ(to_string(resolved.precision[1][TypeName::kAccum]),
            "ap_fixed<30,11>");                      // 10 + 9 fractional bits; 6 + 3 + 1 integer ones, and the bias adds one
  EXPECT_EQ(resolved.precision[1].reuse_factor, 2);  // 3 does not divide 2x2
  EXPECT_EQ(resolved.notes.size(), 1U);
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

}  // namespace
}  // namespace narrow
