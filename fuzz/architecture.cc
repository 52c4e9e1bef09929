// The JSON of a Keras model alone, with weights that fit it as far as it says: most of what can be wrong is there.
#include "keras/architecture.h"

#include <algorithm>

#include "fuzz/fuzz.h"

namespace {

using namespace narrow;

std::map<std::string, LayerWeights> made_up(const Architecture& architecture) {
  std::map<std::string, LayerWeights> weights;
  std::size_t width = 4;  // of what stands before, in networks like the seeds
  for (const KerasLayer& layer : architecture.layers) {
    for (const std::string& name : weight_names(layer)) {
      const nlohmann::json units = layer.config.value("units", nlohmann::json());
      constexpr std::size_t kMost = 64;
      const std::size_t count = units.is_number_unsigned() ? std::min(kMost, units.get<std::size_t>()) : width;
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
