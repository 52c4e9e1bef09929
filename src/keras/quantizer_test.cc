// Weights and biases as QKeras' own quantizers make them (golden/qkeras, tools/qkeras_reference.py), bit for bit.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/hdf5.h"
#include "keras/reader.h"
#include "layers/convolution.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

TEST(QKeras, QuantizesWeightsAsItDoes) {
  std::size_t arrays = 0;
  for (const auto& entry : fs::directory_iterator(NARROW_SOURCE_DIR "/golden/qkeras")) {
    const std::string path = entry.path().string();
    constexpr std::string_view kEnding = ".quantized.h5";
    if (!path.ends_with(kEnding)) continue;
    const Hdf5Reader file(path);
    const Model model = read_keras(path.substr(0, path.size() - kEnding.size()) + ".keras");
    for (const Layer& layer : model.layers) {
      const auto* convolution = as<Convolution>(layer);
      const auto* dense = convolution != nullptr ? &convolution->dense() : as<Dense>(layer);
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

}  // namespace
}  // namespace narrow
