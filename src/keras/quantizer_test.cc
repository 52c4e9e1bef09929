// Weights and biases as QKeras' own quantizers make them (golden/qkeras, tools/qkeras_reference.py), bit for bit; what is refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "data/hdf5.h"
#include "error.h"
#include "keras/architecture.h"
#include "keras/reader.h"
#include "layers/convolution.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

TEST(QKeras, QuantizesWeightsAsItDoes) {
  std::size_t arrays = 0;
  const char* other = std::getenv("NARROW_GOLDEN");
  for (const auto& entry : fs::directory_iterator(other != nullptr ? other : NARROW_SOURCE_DIR "/golden/qkeras")) {
    const std::string path = entry.path().string();
    constexpr std::string_view kEnding = ".quantized.h5";
    if (!path.ends_with(kEnding)) continue;
    const Hdf5Reader file(path);
    const Model model = read_keras(path.substr(0, path.size() - kEnding.size()) + ".keras");
    for (const Layer& layer : model.layers) {
      const Dense* dense = matrix_of(layer);
      if (dense == nullptr) continue;
      for (const auto& [name, ours] : {std::pair("/kernel", dense->float_kernel()), std::pair("/bias", dense->float_bias())}) {
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
      if (!dense->has_scale() || !file.has(scales)) continue;
      std::vector<float> theirs = file.read<float>(scales).values;
      theirs.resize(static_cast<std::size_t>(dense->n_out), theirs.front());
      const std::vector<double> ours = dense->factors().scales;
      for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(static_cast<float>(ours[i]), theirs[i]) << path << scales << " " << i;
    }
  }
  EXPECT_GT(arrays, 0U);
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

}  // namespace
}  // namespace narrow
