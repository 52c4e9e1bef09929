#include "keras/reader.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>

#include "data/hdf5.h"
#include "data/preparation.h"
#include "data/seen.h"
#include "data/text.h"
#include "data/zip.h"
#include "error.h"
#include "keras/architecture.h"
#include "keras/hgq2.h"
#include "keras/layer_config.h"
#include "keras/writer.h"

namespace narrow {
namespace {

using nlohmann::json;

Weight read_weight(const Hdf5Reader& file, const std::string& dataset) {
  auto array = file.read<float>(dataset);
  return {{array.shape.begin(), array.shape.end()}, std::move(array.values)};
}

[[noreturn]] void throw_count(const KerasLayer& layer, std::size_t found, std::size_t wanted) {
  throw Error(describe(layer) + " has " + std::to_string(found) + " arrays in the weights file and needs " + std::to_string(wanted));
}

void read_quantizers(const Hdf5Reader& file, const std::string& layer_group, const KerasLayer& layer,
                     std::map<std::string, LayerWeights>& weights) {
  for (const Hgq2Quantizer& quantizer : all_quantizers(layer)) {
    std::string group = layer_group + "/" + quantizer.group + "/vars";
    if (!file.has(group)) group = layer_group + "/_" + quantizer.group + "/vars";  // by the attribute's other name
    LayerWeights& state = weights[key_of(layer, quantizer)];
    if (!file.has(group)) continue;
    for (const std::string& each : file.children(group)) state.push_back(read_weight(file, group + "/" + each));
  }
}

// Keras 3 (and 2.12 on, in `.keras`): groups are named by class and order of the layers, `dense`, `dense_1`, ..., whatever
// the layers' own names are; each holds `vars/0`, `vars/1`, ...
std::map<std::string, LayerWeights> read_weights_by_order(const Hdf5Reader& file, const std::string& root,
                                                          const Architecture& architecture) {
  std::map<std::string, LayerWeights> weights;
  std::map<std::string, int> used;
  for (const KerasLayer& layer : architecture.layers) {
    const std::string base = snake_case(layer.hgq2.empty() ? layer.class_name : layer.hgq2);
    const int number = used[base]++;
    const std::string own = root + "/" + base + (number == 0 ? "" : "_" + std::to_string(number));
    if (!layer.hgq2.empty()) read_quantizers(file, own, layer, weights);
    const std::vector<std::string> names = weight_names(layer);
    if (names.empty()) continue;
    const auto take = [&](const std::string& group, std::size_t wanted, std::size_t others) {
      const std::size_t found = file.has(group) ? file.children(group).size() : 0;
      if (found != wanted + others) throw_count(layer, found, wanted + others);
      for (std::size_t i = 0; i < wanted; ++i) weights[layer.name].push_back(read_weight(file, group + "/" + std::to_string(i)));
    };
    const std::size_t inside = arrays_inside(layer);
    take(own + "/vars", names.size() - inside, inside > 0 ? 1 : 0);  // how long it was trained
    if (inside > 0) take(own + "/batchnorm/vars", inside, 0);
  }
  return weights;
}

// A layer's own arrays are `d/kernel`, `d/bias`, those of its quantizers `d/d_kq/fixed_point_quantizer_kbi/b`; of each they come in the
// order in which a Keras 3 file numbers them. Quantizers of several inputs have names of their own, in the order of the inputs.
void read_hgq2_by_name(const Hdf5Reader& file, const std::string& group, const KerasLayer& layer,
                       std::map<std::string, LayerWeights>& weights) {
  std::vector<std::pair<std::string, LayerWeights>> found;  // by what stands before the array's own name
  if (file.has(group)) {
    for (const std::string& dataset : file.attributes(group, "weight_names")) {
      const std::string owner = dataset.substr(0, dataset.rfind('/'));
      const auto known = std::find_if(found.begin(), found.end(), [&](const auto& each) { return each.first == owner; });
      LayerWeights& arrays = known != found.end() ? known->second : found.emplace_back(owner, LayerWeights()).second;
      arrays.push_back(read_weight(file, group + "/" + dataset));
    }
  }
  const auto take = [&](const auto& is_it) {
    const auto at = std::find_if(found.begin(), found.end(), [&](const auto& each) { return is_it(each.first); });
    if (at == found.end()) return LayerWeights();
    LayerWeights arrays = std::move(at->second);
    found.erase(at);
    return arrays;
  };
  const std::vector<std::string> names = weight_names(layer);
  LayerWeights own = take([&](const std::string& owner) { return owner == layer.name; });
  if (!names.empty() && own.size() != names.size()) throw_count(layer, own.size(), names.size());
  weights[layer.name] = std::move(own);
  const std::vector<Hgq2Quantizer> all = all_quantizers(layer);
  const auto take_where = [&](const auto& is_it) {
    for (const Hgq2Quantizer& quantizer : all) {
      LayerWeights& state = weights[key_of(layer, quantizer)];
      if (state.empty()) state = take([&](const std::string& owner) { return is_it(quantizer, owner); });
    }
  };
  const auto has = [](const std::string& owner, const std::string& part) { return owner.find(part) != std::string::npos; };
  take_where([&](const Hgq2Quantizer& quantizer, const std::string& owner) { return has(owner, "/" + quantizer.name + "/"); });
  // A layer that was renamed has quantizers of its first name.
  take_where([&](const Hgq2Quantizer& quantizer, const std::string& owner) {
    return has(owner, "_" + quantizer.group.substr(0, quantizer.group.find('/')) + "/");
  });
  const bool one_left = found.size() == 1;
  take_where([&](const Hgq2Quantizer& quantizer, const std::string&) {
    return one_left || std::isdigit(static_cast<unsigned char>(quantizer.name.back())) != 0;
  });
}

// Legacy HDF5: a group a layer, under the layer's own name; its attribute weight_names lists the arrays in order.
std::map<std::string, LayerWeights> read_weights_by_name(const Hdf5Reader& file, const std::string& root,
                                                         const Architecture& architecture) {
  std::map<std::string, LayerWeights> weights;
  for (const KerasLayer& layer : architecture.layers) {
    const std::vector<std::string> names = weight_names(layer);
    const std::string group = (root == "/" ? "" : root) + "/" + layer.name;
    if (!layer.hgq2.empty()) {
      read_hgq2_by_name(file, group, layer, weights);
      continue;
    }
    if (names.empty()) continue;
    if (!file.has(group)) throw_count(layer, 0, names.size());
    std::vector<std::string> datasets = file.attributes(group, "weight_names");
    if (arrays_inside(layer) > 0) std::erase_if(datasets, [](const std::string& each) { return each.ends_with("/iteration:0"); });
    if (datasets.size() != names.size()) throw_count(layer, datasets.size(), names.size());
    for (const std::string& dataset : datasets) weights[layer.name].push_back(read_weight(file, group + "/" + dataset));
  }
  return weights;
}

std::map<std::string, LayerWeights> read_weights(const Hdf5Reader& file, const Architecture& architecture) {
  for (const char* root : {"/layers", "/_layer_checkpoint_dependencies"}) {
    if (file.has(root)) return read_weights_by_order(file, root, architecture);
  }
  for (const char* root : {"/model_weights", "/"}) {
    if (file.has_attribute(root, "layer_names") || file.has_attribute(root, "layer_names0"))
      return read_weights_by_name(file, root, architecture);
  }
  throw Error("no weights as Keras writes them");
}

// What narrow adds to the files that it writes.
void take_extras(const json& extras, Model& model) {
  if (const auto found = extras.find("preparation"); found != extras.end()) model.preparation = preparation_from_json(found->dump());
  if (const auto found = extras.find("seen"); found != extras.end()) model.seen = seen_from_json(found->dump());
}

json json_in(const ZipReader& zip, const std::string& member) {
  const std::vector<std::byte> text = zip.read(member);
  return parse_json({reinterpret_cast<const char*>(text.data()), text.size()});
}

// Of the Keras that wrote it; empty where that is not said.
std::string version_in(const json& json) {
  const auto found = json.is_object() ? json.find("keras_version") : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string version_in(const ZipReader& zip) {
  if (!zip.has("metadata.json")) return "";
  return version_in(json_in(zip, "metadata.json"));
}

// The network that `model` stands for, with the same inputs and outputs.
void take_float_network(Model own, const json& config, Model& model) {
  const auto shapes = [](const Model& of, const std::vector<int>& layers) {
    std::vector<Shape> shapes;
    shapes.reserve(layers.size());
    for (const int layer : layers) shapes.push_back(of.layers[static_cast<std::size_t>(layer)].shape);
    return shapes;
  };
  if (shapes(own, own.inputs()) != shapes(model, model.inputs()) || shapes(own, own.outputs) != shapes(model, model.outputs))
    throw Error(std::string(kFloatNetwork) + ": the network that it stands for has other inputs or outputs");
  own.name = config.at("config").value("name", "");
  model.stands_for = std::make_shared<const Model>(std::move(own));
}

// Of a folder of the archive; the folder's name ends with a slash.
Model read_zip(const ZipReader& zip, const std::string& path, const std::string& folder, const json& config) {
  const Architecture architecture = parse_architecture(config, version_in(zip));
  const std::string weights = folder + "model.weights.h5";
  return build_model(architecture, read_weights(Hdf5Reader(path + ", " + weights, zip.read(weights)), architecture));
}

Model read_zip(const std::string& path) {
  const ZipReader zip(path);
  Model model = read_zip(zip, path, "", json_in(zip, "config.json"));
  const std::string folder = std::string(kFloatNetwork) + "/";
  if (zip.has(folder + "config.json")) {
    const json config = json_in(zip, folder + "config.json");
    take_float_network(read_zip(zip, path, folder, config), config, model);
  }
  if (zip.has("narrow.json")) take_extras(json_in(zip, "narrow.json"), model);
  return model;
}

Model read_legacy(const std::string& path) {
  const Hdf5Reader file(path);
  if (!file.has_attribute("/", "model_config")) {
    throw Error("it is HDF5 but holds no Keras architecture; weights alone are read with their architecture, as model.json+weights.h5");
  }
  const std::string version = file.has_attribute("/", "keras_version") ? file.attribute("/", "keras_version") : "";
  const Architecture architecture = parse_architecture(parse_json(file.attribute("/", "model_config")), version);
  Model model = build_model(architecture, read_weights(file, architecture));
  const std::string group = std::string("/") + kFloatNetwork;
  if (file.has(group)) {
    const json config = parse_json(file.attribute(group, "model_config"));
    const Architecture own = parse_architecture(config, version);
    take_float_network(build_model(own, read_weights_by_name(file, group, own)), config, model);
  }
  if (file.has_attribute("/", "narrow")) take_extras(parse_json(file.attribute("/", "narrow")), model);
  return model;
}

std::string weights_beside(const std::string& path) {
  const std::string stem = path.substr(0, path.size() - (path.ends_with(".json") ? 5 : 0));
  std::vector<std::string> found;
  for (const char* ending : {".weights.h5", "_weights.h5"}) {  // of Keras 3, and as users of Keras 2 called them
    if (std::filesystem::exists(stem + ending)) found.push_back(stem + ending);
  }
  if (found.size() > 1) {
    throw Error("it has several files of weights beside it, " + listed(found) + "; say which, as in " + path + "+" + found.front());
  }
  if (!found.empty()) return found.front();
  if (std::filesystem::exists(stem + ".h5")) return stem + ".h5";  // which may as well be a whole model
  throw Error("it is an architecture without weights; give them, as in " + path + "+weights.h5");
}

// Of two files that narrow wrote, of which the user did not say that they belong together.
void check_pair(const json& config, const Hdf5Reader& weights, const std::string& weights_path) {
  const auto extras = config.find("narrow");
  if (extras == config.end() || !extras->is_object() || !extras->contains(kPair) || !weights.has_attribute("/", kPair)) return;
  if (extras->at(kPair) == weights.attribute("/", kPair)) return;
  throw Error("the weights in " + weights_path + " were not written with it (was narrow stopped between the two?); write both anew");
}

Model read_pair(const std::string& architecture_path, const std::string& weights_path, bool chosen) {
  const json config = parse_json(read_file(architecture_path));
  const Architecture architecture = parse_architecture(config, version_in(config));
  const Hdf5Reader weights(weights_path);
  if (!chosen) check_pair(config, weights, weights_path);
  Model model = build_model(architecture, read_weights(weights, architecture));
  if (config.contains("narrow")) take_extras(config.at("narrow"), model);
  return model;
}

bool is_architecture(const std::string& magic) {
  const auto first = magic.find_first_not_of(" \t\r\n");
  return first != std::string::npos && magic[first] == '{';
}

// The first bytes of a file, which tell its kind.
std::string magic_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(path + ": no such file, or no permission to read it");
  std::string magic(8, '\0');
  stream.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  return magic;
}

// Everything that goes wrong is said of the file: errors of the parts below do not know its name.
template <class Read>
Model named(const std::string& path, const Read& read) {
  Model model;
  try {
    model = read();
  } catch (const json::exception&) {
    throw Error(path + ": its architecture is not as Keras writes it; is the file cut short?");
  } catch (const Error& error) {
    const std::string message = error.what();
    throw Error(message.starts_with(path) ? message : path + ": " + message);
  }
  model.name = std::filesystem::path(path).stem().string();
  return model;
}

}  // namespace

Model read_keras(const std::string& path) {
  if (const auto plus = path.rfind(".json+"); plus != std::string::npos) {
    const std::string architecture = path.substr(0, plus + 5);
    if (!std::filesystem::exists(architecture)) throw Error(architecture + ": no such file");
    return named(architecture, [&] { return read_pair(architecture, path.substr(plus + 6), true); });
  }
  if (std::filesystem::is_directory(path)) throw Error(path + ": it is a folder; narrow reads .keras, .h5 and .json files of Keras");
  const std::string magic = magic_of(path);
  if (magic.starts_with("PK")) return named(path, [&] { return read_zip(path); });
  if (magic == "\x89HDF\r\n\x1a\n") return named(path, [&] { return read_legacy(path); });
  if (is_architecture(magic)) return named(path, [&] { return read_pair(path, weights_beside(path), false); });
  throw Error(path + ": it is not a Keras model; narrow reads .keras, .h5, and .json with weights beside it");
}

std::vector<std::string> files_of_keras(const std::string& path) {
  if (const auto plus = path.rfind(".json+"); plus != std::string::npos) return {path.substr(0, plus + 5), path.substr(plus + 6)};
  if (is_architecture(magic_of(path))) return {path, weights_beside(path)};
  return {path};
}

}  // namespace narrow
