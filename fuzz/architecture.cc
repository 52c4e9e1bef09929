// The JSON of a Keras model alone, with weights that fit it as far as it says: most of what can be wrong is there.
#include "keras/architecture.h"

#include <algorithm>

#include "fuzz/fuzz.h"

namespace {

using namespace narrow;

std::map<std::string, LayerWeights> made_up(const Architecture& architecture) {
  std::map<std::string, LayerWeights> weights;
  std::size_t width = 4;  // of the layer before, in networks like the seeds
  std::size_t rows = 1;
  constexpr std::size_t kMost = 64;
  for (const KerasLayer& layer : architecture.layers) {
    if (layer.class_name == "InputLayer") {
      const auto size = [&](const nlohmann::json& d) {
        return d.is_number_unsigned() ? std::min(kMost, d.get<std::size_t>()) : std::size_t{1};
      };
      for (const char* key : {"batch_shape", "batch_input_shape"}) {
        const nlohmann::json shape = layer.config.value(key, nlohmann::json());
        if (!shape.is_array() || shape.size() < 2) continue;
        width = size(shape.back());
        rows = shape.size() == 3 ? size(shape[1]) : 1;
      }
    }
    if (layer.class_name == "Flatten") width *= rows;
    for (const std::string& name : weight_names(layer)) {
      const nlohmann::json units = layer.config.value("units", nlohmann::json());
      const std::size_t count = units.is_number_unsigned() ? std::min(kMost, units.get<std::size_t>()) : width;
      // Bits of a quantizer: one type for all values.
      if (layer.class_name == "FixedPointQuantizer") {
        weights[layer.name].push_back({{1}, {name == "keep_negative" ? 1.F : name == "bits" ? 8.F : 3.F}});
        continue;
      }
      if (layer.class_name == "UnaryLUT") {
        weights[layer.name].push_back({{16}, std::vector<float>(16, 0.5F)});
        continue;
      }
      const bool kernel = name == "kernel";
      weights[layer.name].push_back(
          {kernel ? std::vector{width, count} : std::vector{count}, std::vector<float>(kernel ? width * count : count, 0.5F)});
      if (name == weight_names(layer).back()) width = count;
    }
  }
  return weights;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_or_refuse([&] {
    try {
      const Architecture architecture = parse_architecture(parse_json(text));
      build_model(architecture, made_up(architecture));
    } catch (const nlohmann::json::exception&) {  // read_keras catches it, and names the file
    }
  });
  return 0;
}
