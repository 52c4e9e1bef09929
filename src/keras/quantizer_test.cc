// Weights and biases as QKeras' own quantizers make them (golden/qkeras, tools/qkeras_reference.py), and HGQ2's (golden/hgq2,
// tools/hgq2_golden.py), bit for bit; what is refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "data/hdf5.h"
#include "error.h"
#include "keras/architecture.h"
#include "keras/hgq2.h"
#include "keras/reader.h"
#include "layers/batch_normalization.h"
#include "layers/depthwise.h"
#include "layers/fixed_quantizer.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// use(path, file, layer) of each layer of the networks in a folder of golden/, with the numbers that their own library quantized.
template <class Use>
void for_layers(const std::string& folder, const Use& use) {
  const char* other = std::getenv("NARROW_GOLDEN");
  for (const auto& entry : fs::directory_iterator(other != nullptr ? other : NARROW_SOURCE_DIR "/golden/" + folder)) {
    const std::string path = entry.path().string();
    constexpr std::string_view kEnding = ".quantized.h5";
    if (!path.ends_with(kEnding)) continue;
    const Hdf5Reader file(path);
    const Model model = read_keras(path.substr(0, path.size() - kEnding.size()) + ".keras");
    for (const Layer& layer : model.layers) use(path, file, layer);
  }
}

TEST(QKeras, QuantizesWeightsAsItDoes) {
  std::size_t arrays = 0;
  for_layers("qkeras", [&](const std::string& path, const Hdf5Reader& file, const Layer& layer) {
    const Dense* dense = matrix_of(layer);
    if (dense == nullptr) return;
    const auto* depthwise = as<Depthwise>(layer);
    const std::span<const float> kernel = depthwise != nullptr ? depthwise->column().float_kernel() : dense->float_kernel();
    for (const auto& [name, ours] : {std::pair("/kernel", kernel), std::pair("/bias", dense->float_bias())}) {
      const std::string dataset = "/" + layer.name + name;
      if (!file.has(dataset)) continue;
      const std::vector<float> theirs = file.read<float>(dataset).values;
      ASSERT_EQ(theirs.size(), ours.size()) << path << dataset;
      std::size_t different = 0;
      for (std::size_t i = 0; i < ours.size(); ++i) different += ours[i] != theirs[i] ? 1 : 0;
      EXPECT_EQ(different, 0U) << "of " << ours.size() << ", " << path << dataset;
      ++arrays;
    }
    const std::string scales = "/" + layer.name + "/kernel_scale";
    if (depthwise != nullptr || !dense->has_scale() || !file.has(scales)) return;
    std::vector<float> theirs = file.read<float>(scales).values;
    theirs.resize(static_cast<std::size_t>(dense->n_out), theirs.front());
    const std::vector<double> ours = dense->factors().scales;
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(static_cast<float>(ours[i]), theirs[i]) << path << scales << " " << i;
  });
  EXPECT_GT(arrays, 0U);
}

TEST(Hgq2, QuantizesWeightsAsItDoes) {
  std::size_t arrays = 0;
  for_layers("hgq2", [&](const std::string& path, const Hdf5Reader& file, const Layer& layer) {
    const Dense* dense = matrix_of(layer);
    const auto* norm = as<BatchNormalization>(layer);
    if (dense == nullptr && norm == nullptr) return;
    const std::vector<std::pair<std::string, std::vector<float>>> ours =
        dense != nullptr ? std::vector<std::pair<std::string, std::vector<float>>>{{"/kernel", dense->kernel}, {"/bias", dense->bias}}
                         : std::vector<std::pair<std::string, std::vector<float>>>{{"/scale", norm->scale()}, {"/offset", norm->bias()}};
    for (const auto& [name, values] : ours) {
      const std::string dataset = "/" + layer.name + name;
      if (!file.has(dataset)) continue;
      EXPECT_EQ(file.read<float>(dataset).values, values) << path << dataset;
      ++arrays;
    }
  });
  EXPECT_GT(arrays, 0U);
}

// A QDense of HGQ2 of one input and two outputs, whose quantizers are of a kind and have a state.
class OfHgq2 : public testing::Test {
 protected:
  static nlohmann::json quantizer(const std::string& kind, const std::string& rounding, const std::string& overflow) {
    return {{"class_name", "QuantizerConfig"},
            {"config",
             {{"q_type", kind},
              {"place", "weight"},
              {"round_mode", rounding},
              {"overflow_mode", overflow},
              {"is_weight", false},
              {"trainable", true}}}};
  }

  Model read(const nlohmann::json& more = {}) const {
    nlohmann::json config = {{"name", "d"},      {"units", 2},        {"use_bias", false},    {"activation", "linear"},
                             {"iq_conf", input}, {"kq_conf", kernel}, {"enable_ebops", false}};
    if (!more.is_null()) config.update(more);
    const nlohmann::json layers = {{{"class_name", "InputLayer"}, {"config", {{"name", "in"}, {"batch_shape", {nullptr, 1}}}}},
                                   {{"class_name", class_name}, {"module", "hgq.layers.core.dense"}, {"config", config}}};
    const Architecture architecture = parse_architecture({{"class_name", "Sequential"}, {"config", {{"layers", layers}}}}, "3.15.0");
    return build_model(architecture, {{"d", {Weight{{1, 2}, weights}}}, {"d/iq/quantizer", state}, {"d/kq/quantizer", kernel_state}});
  }
  std::vector<float> kernel_of(std::vector<float> values) {
    weights = std::move(values);
    return as<Dense>(read().layers.back())->kernel;
  }
  void expect_refused(const std::string& why, const nlohmann::json& more = {}) const {
    try {
      read(more);
      ADD_FAILURE() << "it is read: " << why;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
  }

  std::string class_name = "QDense";
  nlohmann::json input = quantizer("kif", "TRN", "SAT");
  nlohmann::json kernel = quantizer("kif", "RND", "SAT");
  LayerWeights state = {Weight{{1, 1}, {1.6F}}, Weight{{1, 1}, {3.5F}}, Weight{{1, 1}, {1.F}}};           // i, f, k
  LayerWeights kernel_state = {Weight{{1, 2}, {1, 1}}, Weight{{1, 2}, {2, -1}}, Weight{{1, 2}, {1, 0}}};  // i, f, k
  std::vector<float> weights = {0.5F, 0.25F};
};

// Whole numbers are the nearest, ties even: i = 2, f = 4.
TEST_F(OfHgq2, BitsAreRounded) {
  const Model model = read();
  EXPECT_EQ(model.layers.at(1).name, "d_iq");
  const auto* of_input = as<FixedQuantizer>(model.layers.at(1));
  ASSERT_NE(of_input, nullptr);
  EXPECT_TRUE(of_input->bits() == (QuantizerBits{{}, {1}, {7}, {3}}));
  EXPECT_EQ(of_input->overflow(), Overflow::kSat);
  state.front().values = {-5.F};
  const Model without = read();
  EXPECT_TRUE(as<FixedQuantizer>(without.layers.at(1))->bits() == (QuantizerBits{{}, {0}, {0}, {0}}));
}

// tanh(-2^-12) is -2^-12 in float32, or the next number above; rounded down, -2^-12 or what is below tells which.
TEST_F(OfHgq2, TablesThatFloat32DecidesAreRefused) {
  const auto made = [&](const std::string& function, const std::string& rounding) {
    KerasLayer layer{"t",   "UnaryLUT",         {{"activation", function}, {"allow_heterogeneous_table", false}}, {"in"}, {},
                     false, "QUnaryFunctionLUT"};
    layer.config["iq_conf"] = quantizer("kif", "TRN", "SAT");
    layer.config["oq_conf"] = quantizer("kif", rounding, "SAT");
    const LayerWeights from = {Weight{{1, 1}, {-10.F}}, Weight{{1, 1}, {12.F}}, Weight{{1, 1}, {1.F}}};
    const LayerWeights to = {Weight{{1, 1}, {0.F}}, Weight{{1, 1}, {12.F}}, Weight{{1, 1}, {1.F}}};
    return table_of(layer, {{"t/iq/quantizer", from}, {"t/oq/quantizer", to}});
  };
  const Hgq2Table table = made("tanh", "RND");
  EXPECT_EQ(table.kif, (std::vector<int>{1, -10, 12}));
  const float step = 1.F / 4096;
  EXPECT_EQ(table.table.values, (std::vector<float>{0, step, 2 * step, 3 * step, -4 * step, -3 * step, -2 * step, -step}));
  EXPECT_EQ(made("linear", "TRN").table.values, table.table.values);
  EXPECT_THROW(made("tanh", "TRN"), Error);
  EXPECT_THROW(made("gelu", "RND"), Error);
}

// hgq/quantizer/internal/fixed_point_quantizer.py, by hand: k, i, f of 1, 1, 2 and of 0, 1, -1, which has no bit left.
TEST_F(OfHgq2, WeightsAreQuantizedByTheirModes) {
  EXPECT_EQ(kernel_of({0.375F, 1.F}), (std::vector<float>{0.5F, 0.F}));
  kernel_state.back().values = {1, 1};
  kernel_state.front().values = {1, 0};
  EXPECT_EQ(kernel_of({0.375F, -3.F}), (std::vector<float>{0.5F, 0.F}));  // 1, 0, -1
  EXPECT_EQ(kernel_of({9.F, 1.F}).front(), 1.75F);
  EXPECT_EQ(kernel_of({-9.F, 1.F}).front(), -2.F);
  kernel = quantizer("kif", "RND", "SAT_SYM");
  EXPECT_EQ(kernel_of({-9.F, 1.F}).front(), -1.75F);
  kernel["config"]["scaler"] = 2.0;
  EXPECT_EQ(kernel_of({-9.F, 1.F}).front(), -3.5F);
  kernel["config"]["affine"] = {0.5, 1.0};
  EXPECT_EQ(kernel_of({-9.F, 1.F}).front(), -0.75F);
  // Of WRAP f comes first, and the speed of decay last.
  kernel = quantizer("kif", "S_RND", "WRAP");
  kernel_state = {Weight{{1, 1}, {2}}, Weight{{1, 1}, {1}}, Weight{{1, 1}, {1}}, Weight{{}, {0.F}}};
  EXPECT_EQ(kernel_of({2.25F, -2.25F}), (std::vector<float>{-1.75F, 1.75F}));
  kernel["config"]["is_weight"] = true;
  EXPECT_EQ(kernel_of({2.25F, -2.25F}), (std::vector<float>{2.25F, -2.25F}));
  kernel["config"]["trainable"] = false;
  EXPECT_EQ(kernel_of({2.25F, -2.25F}), (std::vector<float>{-1.75F, 1.75F}));
  // b - i is f; weights that wrap follow their range with RND alone.
  kernel = quantizer("kbi", "TRN", "WRAP");
  kernel["config"]["is_weight"] = true;
  kernel_state.front().values = {3};
  EXPECT_EQ(kernel_of({2.25F, -2.3F}), (std::vector<float>{-1.75F, 1.5F}));
}

TEST_F(OfHgq2, WeightsThatHaveNoNumber) {
  const auto refused = [&](const std::string& part) {
    try {
      kernel_of({0.F, 1.F});
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      return;
    }
    ADD_FAILURE() << part;
  };
  kernel = quantizer("kif", "RND", "SAT");
  kernel["config"]["scaler"] = {0.5, 4.0};
  refused("quantizer d_kq: its scaler should be one number");
  kernel["config"]["scaler"] = nullptr;
  kernel["config"]["affine"] = {{0.5, 1.0}, 1.0};
  refused("quantizer d_kq: its affine should be two numbers");
  kernel["config"]["affine"] = nullptr;
  for (Weight& each : kernel_state) each.values.assign(each.values.size(), 1.F);
  kernel_state.at(1).values.assign(kernel_state.at(1).values.size(), 200.F);  // 2^200 is no float32
  refused("quantizer d_kq: a weight becomes NaN or infinite in its type");
}

TEST_F(OfHgq2, WhatIsNotTakenIsNamed) {
  expect_refused("layer d (QDense): narrow does not know its option other = 1", {{"other", 1}});
  expect_refused("layer d (QDense): quantizer d_iq: it is missing", {{"iq_conf", nullptr}});
  input["config"]["scaler"] = 2.0;
  expect_refused("layer d (QDense): quantizer d_iq: hls4ml 1.3.0 leaves its scaler out");
  input = quantizer("float", "RND", "SAT");
  expect_refused("its q_type is 'float'; narrow reads kbi and kif");
  input = quantizer("kif", "RND", "WRAP_SM");
  expect_refused("its overflow_mode should be WRAP, SAT or SAT_SYM");
  input = quantizer("kif", "UP", "SAT");
  expect_refused("its round_mode 'UP' is none that narrow knows");
  input = quantizer("kif", "RND", "WRAP");
  expect_refused("it has 3 arrays in the weights file and needs 4");
  input = quantizer("kif", "RND", "SAT");
  state.front().values = {60.F};
  state.at(1).values = {60.F};
  expect_refused("narrow has quantizers of 0 to 64 bits");
  state.front() = Weight{{1, 3}, {1, 2, 3}};
  expect_refused("its arrays have unequal shapes");
  state = {Weight{{1, 3}, {1, 2, 3}}, Weight{{1, 3}, {1, 2, 3}}, Weight{{1, 3}, {1, 1, 1}}};
  expect_refused("its input of shape 1 should be values of shape 3");
  class_name = "QSoftmax";
  expect_refused("(hgq.QSoftmax) is a layer of HGQ2 that narrow does not read from a file");
}

// A QDense of 2 x 2 and a QActivation behind it.
Model read(const nlohmann::json& kernel, const nlohmann::json& activation) {
  const nlohmann::json layers = {
      {{"class_name", "InputLayer"}, {"config", {{"name", "in"}, {"batch_input_shape", {nullptr, 2}}}}},
      {{"class_name", "QDense"},
       {"config", {{"name", "q"}, {"units", 2}, {"use_bias", false}, {"activation", "linear"}, {"kernel_quantizer", kernel}}}},
      {{"class_name", "QActivation"}, {"config", {{"name", "a"}, {"activation", activation}}}}};
  const Architecture architecture = parse_architecture({{"class_name", "Sequential"}, {"config", {{"layers", layers}}}}, "2.15.0");
  return build_model(architecture, {{"q", {Weight{{2, 2}, {0.5F, -0.25F, 1.F, 0.F}}}}});
}

std::string refusal(const nlohmann::json& kernel, const nlohmann::json& activation) {
  try {
    read(kernel, activation);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

nlohmann::json bits(const nlohmann::json& more) {
  nlohmann::json config = {{"bits", 4}, {"integer", 0}, {"alpha", 1}};
  config.update(more);
  return {{"class_name", "quantized_bits"}, {"config", config}};
}

TEST(QKeras, RefusesByNameWhatHls4mlTakesOtherwise) {
  const nlohmann::json relu = "quantized_relu(4, 1)";
  EXPECT_EQ(refusal(bits(nlohmann::json::object()), relu), "");
  EXPECT_EQ(refusal(nullptr, "quantized_bits(bits=6, integer=2, alpha=1)"), "");
  const auto expect = [](const std::string& said, const std::string& part) { EXPECT_NE(said.find(part), std::string::npos) << said; };
  expect(refusal(bits({{"keep_negative", false}}), relu),
         "layer q (QDense): its kernel_quantizer (quantized_bits) has keep_negative = false");
  expect(refusal(bits({{"scale_axis", 0}}), relu), "scale_axis = 0");
  expect(refusal(bits({{"qnoise_factor", 0.5}}), relu), "qnoise_factor = 0.5");
  expect(refusal(bits({{"bits", 2.5}}), relu), "should have a whole number from 1 to 32 as its bits");
  expect(refusal(bits({{"alpha", "least"}}), relu), "should have an alpha above 0");
  expect(refusal(bits({{"something", 1}}), relu), "the option something");
  expect(refusal({{"class_name", "binary"}, {"config", {{"use_01", true}, {"alpha", 1}}}}, relu), "use_01 = true");
  expect(refusal({{"class_name", "quantized_ulaw"}, {"config", {{"bits", 4}}}}, relu), "is quantized_ulaw, which narrow does not support");
  expect(refusal({{"class_name", "quantized_relu"}, {"config", {{"bits", 4}}}}, relu), "hls4ml 1.3.0 does not take there");
  expect(refusal(bits(nlohmann::json::object()), "relu"), "layer a (QActivation): its activation \"relu\" is no quantizer");
  expect(refusal(bits(nlohmann::json::object()), "quantized_po2(4)"), "the activation quantized_po2 is not supported");
  expect(refusal(bits(nlohmann::json::object()), "quantized_relu(4, 1, 1)"), "use_sigmoid = 1");
  expect(refusal(bits(nlohmann::json::object()), "quantized_relu(4, 1, 0, 0.3)"), "a negative_slope that is a power of two");
  expect(refusal(bits(nlohmann::json::object()), "binary(alpha='auto')"), "has a scale, which hls4ml 1.3.0 leaves out");
  expect(refusal(bits(nlohmann::json::object()), "quantized_relu(4, None)"), "an option that QKeras does not take, None");
}

// A layer of QKeras with weights of these sizes, filled with halves.
std::string refusal(const std::string& class_name, nlohmann::json config, const std::vector<std::vector<std::size_t>>& shapes) {
  config.update({{"name", "q"}, {"activation", "linear"}});
  const nlohmann::json layers = {{{"class_name", "InputLayer"}, {"config", {{"name", "in"}, {"batch_input_shape", {nullptr, 4, 4, 2}}}}},
                                 {{"class_name", class_name}, {"config", config}}};
  LayerWeights weights;
  for (const std::vector<std::size_t>& shape : shapes) {
    std::size_t size = 1;
    for (const std::size_t d : shape) size *= d;
    weights.push_back({shape, std::vector<float>(size, 0.5F)});
  }
  try {
    build_model(parse_architecture({{"class_name", "Sequential"}, {"config", {{"layers", layers}}}}, "2.15.0"), {{"q", weights}});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(QKeras, RefusesConvolutionsThatHls4mlDoesNotConvert) {
  const auto expect = [](const std::string& said, const std::string& part) { EXPECT_NE(said.find(part), std::string::npos) << said; };
  const auto with = [](nlohmann::json config, const nlohmann::json& more) {
    config.update(more);
    return config;
  };
  const nlohmann::json one = bits(nlohmann::json::object());
  const nlohmann::json separable = {{"filters", 3}, {"kernel_size", {2, 2}}, {"strides", {1, 1}}, {"depthwise_quantizer", one}};
  const std::vector<std::vector<std::size_t>> separable_weights = {{2, 2, 2, 1}, {1, 1, 2, 3}, {3}};
  EXPECT_EQ(refusal("QSeparableConv2D", with(separable, {{"pointwise_quantizer", one}}), separable_weights), "");
  expect(refusal("QSeparableConv2D", with(separable, {{"pointwise_quantizer", bits({{"alpha", "auto"}})}}), separable_weights),
         "layer q (QSeparableConv2D): its pointwise_quantizer or its bias_quantizer has a scale, and hls4ml 1.3.0 stops there");
  expect(
      refusal("QSeparableConv2D", with(separable, {{"depthwise_quantizer", {{"class_name", "binary"}, {"config", {{"alpha", "auto"}}}}}}),
              separable_weights),
      "the scale of its binary kernel is a mean over a single column");
  const nlohmann::json folded = {{"filters", 3}, {"kernel_size", {2, 2}}, {"strides", {1, 1}}, {"kernel_quantizer", one}, {"axis", {3}}};
  const std::vector<std::vector<std::size_t>> folded_weights = {{2, 2, 2, 3}, {3}, {3}, {3}, {3}, {3}};
  EXPECT_EQ(refusal("QConv2DBatchnorm", with(folded, {{"bias_quantizer", one}}), folded_weights), "");
  expect(refusal("QConv2DBatchnorm", folded, folded_weights), "it has no bias_quantizer");
  expect(refusal("QConv2DBatchnorm", with(folded, {{"kernel_quantizer", nullptr}}), folded_weights), "it has no kernel_quantizer");
  expect(refusal("QConv2DBatchnorm", with(folded, {{"use_bias", false}}), folded_weights), "its use_bias is false");
  expect(refusal("QDenseBatchnorm", {{"units", 3}}, {}), "is not read by hls4ml 1.3.0 either; use a QDense and a BatchNormalization");
}

}  // namespace
}  // namespace narrow
