#include "study/trace.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "data/npy.h"
#include "data/zip.h"
#include "model/inference.h"

namespace narrow {
namespace {

std::vector<hsize_t> trace_shape(const Layer& layer, std::size_t traced) {
  std::vector<hsize_t> shape{traced};
  shape.insert(shape.end(), layer.shape.begin(), layer.shape.end());
  return shape;
}

}  // namespace

std::string types_json(const Resolved& resolved) {
  nlohmann::ordered_json types;
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const LayerPrecision& precision = resolved.precision[i];
    auto& entry = types[layer.name];
    for (const auto& [name, format] : precision.all()) entry[std::string(name_of(name)) + "_t"] = to_hls4ml_string(format);
    // The order of sums; hls4ml's usual one is not written.
    if (precision.table_size) entry["table_size"] = *precision.table_size;
    if (precision.softmax) entry["implementation"] = name_of(*precision.softmax);
    if (precision.strategy == Strategy::kResource) entry["reuse_factor"] = precision.reuse_factor;
  }
  return types.dump();
}

std::vector<std::vector<float>> float_trace(const Model& model, const Dataset& data, std::size_t traced) {
  std::vector<std::vector<float>> layers(model.layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) layers[i].resize(traced * size_of(model.layers[i].shape));
  const std::size_t input_size = size_of(data.shape);
  infer(model, std::span(data.x).first(traced * input_size), traced,
        [&](std::size_t first, std::size_t count, std::size_t layer, std::span<const float> values) {
          std::copy(values.begin(), values.end(), layers[layer].begin() + static_cast<std::ptrdiff_t>(first * (values.size() / count)));
        });
  return layers;
}

template <class T>
void write_trace_dict(const std::string& path, const Model& model, const std::vector<std::vector<T>>& layers, std::size_t traced) {
  ZipWriter file(path);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    std::vector<std::size_t> shape{traced};
    for (const int size : model.layers[i].shape) shape.push_back(static_cast<std::size_t>(size));
    std::string bytes = npy_header(std::is_same_v<T, float> ? "<f4" : "<f8", shape);
    bytes.append(reinterpret_cast<const char*>(layers[i].data()), layers[i].size() * sizeof(T));
    file.add(model.layers[i].name + ".npy", bytes);
  }
  file.commit();
}
template void write_trace_dict(const std::string&, const Model&, const std::vector<std::vector<float>>&, std::size_t);
template void write_trace_dict(const std::string&, const Model&, const std::vector<std::vector<double>>&, std::size_t);

void add_float_trace(Hdf5Writer& file, const std::string& group, const Model& model, const Dataset& data, std::size_t traced) {
  const std::vector<std::vector<float>> layers = float_trace(model, data, traced);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    file.write<float>(group + "/" + model.layers[i].name, trace_shape(model.layers[i], traced), layers[i], true);
  }
}

static nlohmann::ordered_json float_layers_of(const Resolved& resolved) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::object();
  for (const auto& [layer, norm] : resolved.fused) layers[layer] = norm;  // of several the last
  for (const auto& [linear, before] : resolved.added) layers[linear] = layers.value(before, before);
  // A layer whose scale was taken out of its weights has no values of its own in float; nor have thresholds that give signs as bits.
  for (const auto& [alpha, layer] : resolved.scaled) {
    layers[layer] = "";
    if (!alpha.empty()) layers[alpha] = layer;
  }
  for (const Resolved::Merged& merged : resolved.thresholds) layers[merged.name] = merged.ternary ? merged.activation : "";
  return layers;
}

std::string float_layers_json(const Resolved& resolved) { return float_layers_of(resolved).dump(); }

std::map<std::string, std::string> float_layers(const Resolved& resolved) {
  return float_layers_of(resolved).get<std::map<std::string, std::string>>();
}

void add_fixed_trace(Hdf5Writer& file, const std::string& group, const Resolved& resolved, const std::vector<std::vector<double>>& layers,
                     std::size_t traced) {
  const Model& model = resolved.model;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    file.write<double>(group + "/" + model.layers[i].name, trace_shape(model.layers[i], traced), layers[i], true);
  }
  file.write_attribute("/", "types", types_json(resolved));
  file.write_attribute("/", "float_layers", float_layers_json(resolved));
}

void write_float_trace(const std::string& path, const Model& model, const Dataset& data, std::size_t traced) {
  Hdf5Writer file(path);
  add_float_trace(file, "trace", model, data, traced);
  file.commit();
}

}  // namespace narrow
