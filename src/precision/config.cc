#include "precision/config.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>

#include "error.h"
#include "layers/relu.h"
#include "precision/yaml.h"

namespace narrow {
namespace {

// The types that hls4ml's layers may have. Those after `scale` belong to layers and tables that narrow's models do not use.
constexpr std::array<std::string_view, 13> kKnownTypes = {"default", "result", "weight",  "bias",      "accum",     "scale",  "table",
                                                          "param",   "index",  "inv_inp", "exp_table", "inv_table", "maximum"};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

class ConfigReader {
 public:
  ConfigReader(std::string path, const Model& model) : path_(std::move(path)), model_(model) {}

  PrecisionConfig read() const {
    std::ifstream stream(path_, std::ios::binary);
    if (!stream) throw Error(path_ + ": no such file, or no permission to read it");
    YAML::Node root = parse_yaml({std::istreambuf_iterator<char>(stream), {}}, path_);
    check_keys(root);
    if (root.IsMap() && root["HLSConfig"]) {
      root.reset(root["HLSConfig"]);
      check_keys(root);
    }
    if (!root.IsMap() || !root["Model"]) throw fault(root, "an hls4ml configuration has an entry Model: with a Precision:");
    PrecisionConfig config;
    config.model = entry(root["Model"], "Model");
    if (!config.model.types.contains("default") || !config.model.types.at("default")) {
      throw fault(root["Model"], "Model: needs a default precision, as in Precision: ap_fixed<16,6>");
    }
    for (const auto& item : children(root, "LayerType")) config.by_type[lower(scalar(item.first))] = entry(item.second, scalar(item.first));
    for (const auto& item : children(root, "LayerName")) {
      const std::string name = scalar(item.first);
      if (!known_layer(name)) throw fault(item.first, "the model has no layer " + name + "; it has " + layer_names());
      config.by_name[lower(name)] = entry(item.second, name);
    }
    return config;
  }

 private:
  // Of a map: Python takes the last of equal keys, yaml-cpp the first; and yaml-cpp does not know `<<`, which adds another map's keys.
  // Names of layers are looked up in lower case.
  void check_keys(const YAML::Node& map) const {
    if (!map.IsMap()) return;
    std::set<std::string> seen;
    for (const auto& item : map) {
      if (!item.first.IsScalar()) continue;
      const std::string key = scalar(item.first);
      if (key == "<<") throw fault(item.first, "merge keys (<<) are not supported; write the entries out");
      if (!seen.insert(lower(key)).second) throw fault(item.first, "duplicate key '" + key + "'");
    }
  }

  Error fault(const YAML::Node& node, const std::string& message) const {
    return Error(path_ + ", line " + std::to_string(node.Mark().line + 1) + ": " + message);
  }

  YAML::Node children(const YAML::Node& root, const char* key) const {
    const YAML::Node node = root[key];
    if (!node || node.IsNull()) return YAML::Node(YAML::NodeType::Map);
    if (!node.IsMap()) throw fault(node, std::string(key) + ": should hold a name and its types for each entry");
    check_keys(node);
    return node;
  }

  bool known_layer(const std::string& name) const {
    const auto is = [&](const std::string& other) { return lower(other) == lower(name) || lower(other + "_linear") == lower(name); };
    return std::any_of(model_.layers.begin(), model_.layers.end(), [&](const Layer& layer) { return is(layer.name); }) ||
           std::any_of(model_.dropped.begin(), model_.dropped.end(), is);
  }

  std::string layer_names() const {
    std::string names;
    for (const Layer& layer : model_.layers) names += (names.empty() ? "" : ", ") + layer.name;
    return names;
  }

  TypeChoice type(const YAML::Node& node) const {
    const auto text = scalar(node);
    if (lower(text) == "auto") return std::nullopt;
    try {
      return parse_format(text);
    } catch (const Error& error) {
      throw fault(node, error.what());
    }
  }

  std::string scalar(const YAML::Node& node) const {
    if (!node.IsScalar()) throw fault(node, "a single value is expected here");
    return node.as<std::string>();
  }

  ConfigEntry entry(const YAML::Node& node, const std::string& owner) const {
    ConfigEntry entry;
    if (node.IsNull()) return entry;
    if (!node.IsMap()) throw fault(node, owner + ": should hold Precision:, Strategy: or ReuseFactor:");
    check_keys(node);
    if (const YAML::Node precision = node["Precision"]; precision && precision.IsMap()) {
      check_keys(precision);
      for (const auto& item : precision) {
        const std::string name = scalar(item.first);
        if (std::find(kKnownTypes.begin(), kKnownTypes.end(), name) == kKnownTypes.end()) {
          throw fault(item.first, "'" + name + "' is not a type of a layer; there are default, result, weight, bias, accum, scale");
        }
        entry.types[name] = type(item.second);
      }
    } else if (precision && !precision.IsNull()) {
      entry.types["default"] = type(precision);
    }
    if (const YAML::Node strategy = node["Strategy"]; strategy && !strategy.IsNull()) {
      entry.strategy = scalar(strategy);
      const std::string name = lower(*entry.strategy);
      if (name != "latency" && name != "resource") {
        throw fault(strategy, "the strategy '" + *entry.strategy + "' is not supported; Latency and Resource are");
      }
    }
    if (const YAML::Node reuse = node["ReuseFactor"]; reuse && !reuse.IsNull()) {
      try {
        entry.reuse_factor = reuse.as<int>();
      } catch (const YAML::Exception&) {
        throw fault(reuse, "ReuseFactor should be a whole number");
      }
      if (*entry.reuse_factor < 1) throw fault(reuse, "ReuseFactor should be at least 1");
    }
    for (const char* key : {"Compression", "TargetCycles"}) {
      const YAML::Node value = node[key];
      if (value && !value.IsNull() && scalar(value) != "0" && lower(scalar(value)) != "false") {
        throw fault(value, std::string(key) + " changes the order of sums in a way that narrow does not follow; leave it out");
      }
    }
    return entry;
  }

  std::string path_;
  const Model& model_;
};

}  // namespace

void parse_relu(const std::string& text, PrecisionOptions& options) {
  const auto comma = text.find(',');
  options.relu_rounding = parse_rounding(text.substr(0, comma));
  if (comma != std::string::npos) options.relu_overflow = parse_overflow(text.substr(comma + 1));
}

PrecisionConfig make_config(const Model& model, const PrecisionOptions& options) {
  PrecisionConfig config;
  config.model.types["default"] = options.vector;
  if (options.maximum) config.model.types["maximum"] = *options.maximum;
  for (const Layer& layer : model.layers) {
    ConfigEntry entry;
    if (!options.uniform) {
      for (const std::string_view type : kTypeNames) entry.types[std::string(type)] = {};
    }
    const std::vector<WeightArray> weights = layer.op->weights();
    const bool has_kernel =
        std::any_of(weights.begin(), weights.end(), [](const WeightArray& each) { return each.type == TypeName::kWeight; });
    if (has_kernel && options.weight) entry.types["weight"] = entry.types["bias"] = *options.weight;
    if (as<Relu>(layer) != nullptr && (options.relu_rounding || options.relu_overflow)) {
      Format result = options.vector;
      if (options.relu_rounding) result.rounding = *options.relu_rounding;
      if (options.relu_overflow) result.overflow = *options.relu_overflow;
      entry.types["result"] = result;
    }
    if (!entry.types.empty()) config.by_name[lower(layer.name)] = std::move(entry);
  }
  return config;
}

PrecisionConfig read_config(const std::string& path, const Model& model) { return ConfigReader(path, model).read(); }

}  // namespace narrow
