#include "keras/writer.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "data/hash.h"
#include "data/hdf5.h"
#include "data/partial_file.h"
#include "data/preparation.h"
#include "data/seen.h"
#include "data/zip.h"
#include "error.h"
#include "keras/architecture.h"
#include "keras/layer_config.h"
#include "layers/convolution.h"
#include "layers/hard_sigmoid.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

constexpr const char* kKerasVersion = "3.5.0";  // the oldest that is known to read these files

ordered_json keras_object(const std::string& module, const std::string& class_name, ordered_json config) {
  return {{"module", module}, {"class_name", class_name}, {"config", std::move(config)}, {"registered_name", nullptr}};
}
std::vector<hsize_t> sizes_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

ordered_json batch_shape(const Shape& shape) {
  ordered_json json = {nullptr};
  for (const int d : shape) json.push_back(d);
  return json;
}

ordered_json json_of(const Model& model, const Layer& layer) {
  ordered_json json;
  if (layer.op->inputs() == 0) {
    json = keras_object(
        "keras.layers", "InputLayer",
        {{"batch_shape", batch_shape(layer.shape)}, {"dtype", "float32"}, {"sparse", false}, {"ragged", false}, {"name", layer.name}});
    json["name"] = layer.name;
    json["inbound_nodes"] = ordered_json::array();
    return json;
  }
  ordered_json config = {{"name", layer.name}, {"trainable", true}, {"dtype", keras_object("keras", "DTypePolicy", {{"name", "float32"}})}};
  for (const auto& [name, value] : layer.op->settings()) {
    if (name == HardSigmoid::kSlope) continue;
    std::visit([&, key = std::string(name)](const auto& each) { config[key] = each; }, value);
  }
  const std::string keras_class(layer.op->keras_class());
  json = keras_object("keras.layers", keras_class, std::move(config));
  if (keras_class == "KSum") {
    json["module"] = nullptr;
    json["registered_name"] = "Custom>KSum";
  }
  ordered_json arguments = ordered_json::array();
  for (const int input : layer.inputs) {
    const Layer& from = model.layers[static_cast<std::size_t>(input)];
    const ordered_json history = {from.name, 0, 0};
    arguments.push_back({{"class_name", "__keras_tensor__"},
                         {"config", {{"shape", batch_shape(from.shape)}, {"dtype", "float32"}, {"keras_history", history}}}});
  }
  // A layer of several inputs takes them in one list.
  ordered_json shapes = ordered_json::array();
  for (const Shape& shape : model.input_shapes(layer)) shapes.push_back(batch_shape(shape));
  if (shapes.size() > 1) arguments = ordered_json::array({std::move(arguments)});
  json["build_config"] = {{"input_shape", shapes.size() == 1 ? shapes.front() : shapes}};
  json["name"] = layer.name;
  json["inbound_nodes"] = {{{"args", arguments}, {"kwargs", ordered_json::object()}}};
  return json;
}

// One endpoint alone, or several in a list.
ordered_json endpoints(const Model& model, const std::vector<int>& layers) {
  ordered_json all = ordered_json::array();
  for (const int layer : layers) all.push_back({model.layers[static_cast<std::size_t>(layer)].name, 0, 0});
  return all.size() == 1 ? all.front() : all;
}

ordered_json architecture_of(const Model& model) {
  ordered_json layers = ordered_json::array();
  for (const Layer& layer : model.layers) layers.push_back(json_of(model, layer));
  ordered_json config = {{"name", model.name}, {"trainable", true}, {"layers", std::move(layers)}};
  config["input_layers"] = endpoints(model, model.inputs());
  config["output_layers"] = endpoints(model, model.outputs);
  return {{"module", "keras.src.models.functional"},
          {"class_name", "Functional"},
          {"config", std::move(config)},
          {"registered_name", "Functional"}};
}

// As Keras 2.15 says it.
ordered_json keras2_json_of(const Model& model, const Layer& layer) {
  ordered_json config = {{"name", layer.name}, {"dtype", "float32"}};
  if (layer.op->inputs() == 0) config["batch_input_shape"] = batch_shape(layer.shape);
  else config["trainable"] = true;
  const std::string keras_class(layer.op->keras_class());
  for (const auto& [name, value] : layer.op->settings()) {
    if (name == HardSigmoid::kSlope) continue;
    const bool slope = keras_class == "LeakyReLU" && name == "negative_slope";
    std::visit([&, key = std::string(slope ? "alpha" : name)](const auto& each) { config[key] = each; }, value);
  }
  ordered_json inputs = ordered_json::array();
  for (const int input : layer.inputs) {
    inputs.push_back({model.layers[static_cast<std::size_t>(input)].name, 0, 0, ordered_json::object()});
  }
  ordered_json json = {{"class_name", keras_class}, {"config", std::move(config)}, {"name", layer.name}};
  json["inbound_nodes"] = ordered_json::array();
  if (!inputs.empty()) json["inbound_nodes"].push_back(std::move(inputs));
  return json;
}

ordered_json keras2_architecture_of(const Model& model) {
  ordered_json config = {{"name", model.name}, {"trainable", true}, {"layers", ordered_json::array()}};
  for (const Layer& layer : model.layers) config["layers"].push_back(keras2_json_of(model, layer));
  for (const auto& [key, layers] : {std::pair("input_layers", model.inputs()), std::pair("output_layers", model.outputs)}) {
    config[key] = ordered_json::array();
    for (const int layer : layers) config[key].push_back({model.layers[static_cast<std::size_t>(layer)].name, 0, 0});
  }
  return {{"class_name", "Functional"}, {"config", std::move(config)}};
}

// What narrow knows of the model besides; empty where that is nothing.
ordered_json extras_of(const Model& model) {
  ordered_json extras;
  if (model.preparation) extras["preparation"] = ordered_json::parse(to_json(*model.preparation));
  if (model.seen) extras["seen"] = ordered_json::parse(to_json(*model.seen));
  return extras;
}

// Keras 3's layout: groups named by class and order.
void write_weights(const Model& model, Hdf5Writer& file) {
  std::map<std::string, int> used;
  for (const Layer& layer : model.layers) {
    const std::string base = snake_case(std::string(layer.op->keras_class()));
    const int number = used[base]++;
    const std::string group = "/layers/" + base + (number == 0 ? "" : "_" + std::to_string(number)) + "/vars";
    file.make_group(group);
    file.write_attribute(group, "name", layer.name);
    int index = 0;
    for (const ParameterArray& array : layer.op->parameters()) {
      file.write<float>(group + "/" + std::to_string(index++), sizes_of(array.shape), array.values);
    }
  }
  file.make_group("/vars");
}

// The legacy layout: groups named by layer.
void write_named_weights(const Model& model, const std::string& root, Hdf5Writer& file) {
  file.make_group(root);
  std::vector<std::string> names;
  for (const Layer& layer : model.layers) {
    names.push_back(layer.name);
    const std::string group = root + "/" + layer.name;
    file.make_group(group);
    std::vector<std::string> weight_names;
    for (const ParameterArray& array : layer.op->parameters()) {
      weight_names.push_back(layer.name + "/" + std::string(array.name));
      file.write<float>(group + "/" + weight_names.back(), sizes_of(array.shape), array.values);
    }
    file.write_attributes(group, "weight_names", weight_names);
  }
  file.write_attributes(root, "layer_names", names);
}

// `architecture` in the form of the Keras that is to read it.
void write_legacy(const Model& model, const std::string& path, ordered_json (*architecture)(const Model&), const std::string& version) {
  Hdf5Writer file(path);
  file.write_attribute("/", "model_config", architecture(model).dump());
  file.write_attribute("/", "keras_version", version);
  file.write_attribute("/", "backend", "tensorflow");
  if (const ordered_json extras = extras_of(model); !extras.empty()) file.write_attribute("/", "narrow", extras.dump());
  write_named_weights(model, "/model_weights", file);
  file.write_attribute("/model_weights", "keras_version", version);
  file.write_attribute("/model_weights", "backend", "tensorflow");
  if (model.stands_for) {
    const std::string root = std::string("/") + kFloatNetwork;
    write_named_weights(*model.stands_for, root, file);
    file.write_attribute(root, "model_config", architecture(*model.stands_for).dump());
  }
  file.commit();
}

// The file's bytes. One at a time: HDF5 knows files in memory by their name.
std::string weights_image(const Model& model) {
  Hdf5Writer weights;
  write_weights(model, weights);
  return weights.image();
}

void write_archive(const Model& model, const std::string& path) {
  ZipWriter zip(path);
  const auto add = [&](const Model& each, const std::string& folder) {
    zip.add(folder + "config.json", architecture_of(each).dump());
    zip.add(folder + "model.weights.h5", weights_image(each));
  };
  zip.add("metadata.json", ordered_json{{"keras_version", kKerasVersion}, {"date_saved", "1980-01-01@00:00:00"}}.dump());
  add(model, "");
  if (const ordered_json extras = extras_of(model); !extras.empty()) zip.add("narrow.json", extras.dump());
  if (model.stands_for) add(*model.stands_for, std::string(kFloatNetwork) + "/");
  zip.commit();
}

std::string hash_of_pair(const Model& model, const ordered_json& architecture) {
  Hash hash;
  hash.add(architecture.dump());
  for (const Layer& layer : model.layers) {
    for (const ParameterArray& array : layer.op->parameters()) hash.add(std::vector<float>(array.values.begin(), array.values.end()));
  }
  return hash.text();
}

std::string weights_of(const std::string& path) { return path.substr(0, path.size() - std::string(".json").size()) + ".weights.h5"; }

void write_pair(const Model& model, const std::string& path) {
  Hdf5Writer weights(weights_of(path));
  write_weights(model, weights);
  ordered_json json = architecture_of(model);
  json["keras_version"] = kKerasVersion;
  json["narrow"] = extras_of(model);
  // Between the two files' taking their names, the old architecture stands beside new weights: a reader sees it by this.
  const std::string pair = hash_of_pair(model, json);
  json["narrow"][kPair] = pair;
  weights.write_attribute("/", kPair, pair);
  PartialFile file(path);
  std::ofstream stream(file.name(), std::ios::binary);
  file.opened(stream.is_open());
  stream << json.dump();
  stream.close();
  if (!stream) throw file.failed();
  weights.commit();
  file.commit();
}

}  // namespace

void require_model_path(const std::string& path) {
  if (!path.ends_with(".keras") && !path.ends_with(".h5") && !path.ends_with(".json")) {
    throw Error(path + ": a model is written as .keras, .h5 or .json");
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) throw Error(path + ": its folder does not exist");
}

std::vector<std::string> files_written(const std::string& path) {
  if (path.ends_with(".json")) return {path, weights_of(path)};
  return {path};
}

// A hard_sigmoid is of the Keras whose version the file names. Throws Error for one that a file of `version` cannot hold.
void require_version(const Model& model, bool keras2) {
  for (const Layer& layer : model.layers) {
    const auto* hard = as<HardSigmoid>(layer);
    if (hard == nullptr || hard->is_keras2() == keras2) continue;
    throw Error("layer " + layer.name + ": the hard_sigmoid of Keras " + (keras2 ? "3" : "2") + " cannot be written in a file of Keras " +
                (keras2 ? "2" : "3"));
  }
}

// Layers of QKeras and HGQ are written by these alone.
void require_plain(const Model& model) {
  for (const Layer& layer : model.layers) {
    if (is_hgq(std::string(layer.op->keras_class()))) {
      throw Error("layer " + layer.name + " (" + layer.keras_class +
                  ") is of HGQ, which narrow does not write; give hls4ml the file that it was read from");
    }
    if (!layer.quantizer && !quantizers_of(layer).any()) continue;
    throw Error("layer " + layer.name + " (" + layer.keras_class +
                ") has quantized weights or values, which narrow does not write; give hls4ml the file that it was read from");
  }
}

void write_keras(const Model& model, const std::string& path) {
  require_model_path(path);
  require_plain(model);
  require_version(model, false);
  if (path.ends_with(".keras")) write_archive(model, path);
  else if (path.ends_with(".h5")) write_legacy(model, path, architecture_of, kKerasVersion);
  else write_pair(model, path);
}

void write_keras2(const Model& model, const std::string& path) {
  // Both versions read the file; what it says of its own decides between their hard_sigmoids.
  const bool keras3 = std::any_of(model.layers.begin(), model.layers.end(), [](const Layer& layer) {
    const auto* hard = as<HardSigmoid>(layer);
    return hard != nullptr && !hard->is_keras2();
  });
  require_plain(model);
  require_version(model, !keras3);
  write_legacy(model, path, keras2_architecture_of, keras3 ? kKerasVersion : "2.15.0");
}

}  // namespace narrow
