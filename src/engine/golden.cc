#include "engine/golden.h"

#include <algorithm>

#include "data/hdf5.h"
#include "layers/convolution.h"
#include "layers/dense.h"

namespace narrow {

using nlohmann::json;

GoldenFile read_golden(const std::string& path) {
  const Hdf5Reader file(path);
  GoldenFile golden;
  auto input = file.read<float>("/input");
  golden.samples = input.shape.front();
  golden.input = std::move(input.values);
  golden.float_predictions = file.read<double>("/float").values;
  for (const std::string& name : file.children("/cases")) {
    const std::string group = "/cases/" + name;
    GoldenCase each{name,
                    json::parse(file.attribute(group, "case")),
                    json::parse(file.attribute(group, "types")),
                    file.read<double>(group + "/predictions").values,
                    {}};
    if (file.has(group + "/trace")) {
      for (const std::string& layer : file.children(group + "/trace"))
        each.trace[layer] = file.read<double>(group + "/trace/" + layer).values;
    }
    golden.cases.push_back(std::move(each));
  }
  return golden;
}

namespace {

// Of an Activation its function's name.
std::string function_of(const Layer& layer) {
  for (const auto& [name, value] : layer.op->settings()) {
    if (name == "activation") return std::get<std::string>(value);
  }
  return "";
}

// Keys of the layer itself, beside Precision:.
void read_keys(const json& keys, ConfigEntry& entry) {
  for (const auto& [key, value] : keys.items()) {
    if (key == "TableSize") {
      entry.table_size = value.get<int>();
    } else if (key == "Skip") {
      entry.skip = value.get<bool>();
    } else if (key == "Implementation") {
      const auto kind = std::find(kSoftmaxKinds.begin(), kSoftmaxKinds.end(), value.get<std::string>());
      entry.softmax = static_cast<SoftmaxKind>(kind - kSoftmaxKinds.begin());
    } else {
      entry.tables[key.substr(0, key.size() - 2)] = parse_format(value.get<std::string>());
    }
  }
}

}  // namespace

PrecisionConfig config_of(const GoldenCase& golden, const Model& model) {
  const json& description = golden.description;
  const auto format = [&](const char* key) { return parse_format(description.at(key).get<std::string>()); };
  PrecisionOptions options;
  options.vector = format("default");
  options.uniform = description.value("granularity", "name") == "model";
  if (description.contains("maximum")) options.maximum = format("maximum");
  PrecisionConfig config = make_config(model, options);
  for (const Layer& layer : model.layers) {
    ConfigEntry& entry = config.by_name[lower(layer.name)];
    const std::string function = function_of(layer);
    const bool fused =
        layer.name.ends_with("_" + function) && model.find(layer.name.substr(0, layer.name.size() - function.size() - 1)) >= 0;
    if (as<Dense>(layer) != nullptr || as<Convolution>(layer) != nullptr) {
      for (const char* key : {"weight", "bias"}) {
        if (description.contains(key)) entry.types[key] = format(key);
      }
      if (description.contains("strategy")) {
        entry.strategy = description.at("strategy").get<std::string>();
        entry.reuse_factor = description.value("reuse", 1);
      }
    }
    if (layer.keras_class == "Activation" && !fused && (description.contains("relu_rounding") || description.contains("relu_saturation"))) {
      Format result = options.vector;
      result.rounding = parse_rounding(description.value("relu_rounding", "AP_TRN"));
      if (description.contains("relu_saturation")) result.overflow = parse_overflow(description.at("relu_saturation").get<std::string>());
      entry.types["result"] = result;
    }
    const json keys = description.value("keys", json::object());
    if (keys.contains(layer.name)) read_keys(keys.at(layer.name), entry);
  }
  // Of layers too that hls4ml's reader of Keras 2 adds.
  const json layers = description.value("layers", json::object());
  for (const auto& [name, types] : layers.items()) {
    for (const auto& [type, text] : types.items()) config.by_name[lower(name)].types[type] = parse_format(text.get<std::string>());
  }
  return config;
}

}  // namespace narrow
