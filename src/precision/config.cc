#include "precision/config.h"
#include "precision/bit_exact.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>
#include <vector>

#include "error.h"
#include "layers/convolution.h"
#include "layers/depthwise.h"
#include "layers/relu.h"
#include "layers/softmax.h"
#include "layers/table.h"
#include "precision/yaml.h"

namespace narrow {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

namespace {

using Words = std::vector<std::string_view>;

// What hls4ml knows in a configuration. Of the keys of entries those after Strategy have no effect on the numbers, or are refused where
// they would have.
const Words kTopKeys = {"Model", "LayerName", "LayerType", "Flows", "Optimizers", "SkipOptimizers"};
const Words kEntryKeys = {"Precision",
                          "ReuseFactor",
                          "Strategy",
                          "Compression",
                          "TargetCycles",
                          "Trace",
                          "TraceOutput",
                          "BramFactor",
                          "TableSize",
                          "table_size",
                          "ParallelizationFactor",
                          "DepthwiseReuseFactor",
                          "PointwiseReuseFactor",
                          "PipelineStyle",
                          "PipelineInterval",
                          "ConvImplementation",
                          "Algorithm",
                          "ChannelsLastConversion",
                          "TransposeOutputs",
                          "BitExact",
                          "Implementation",
                          "Skip",
                          "table_t",
                          "exp_table_t",
                          "inv_table_t",
                          "inv_inp_t"};
constexpr TypeName kTableTypes[] = {TypeName::kTable, TypeName::kExpTable, TypeName::kInvTable, TypeName::kInvInp};
// Classes of the layers that narrow's models are made of: hls4ml's, and the names under which config_from_keras_model lists them.
const Words kLayerTypes = {"Activation",
                           "ApplyAlpha",
                           "AveragePooling1D",
                           "AveragePooling2D",
                           "BatchNormOnnx",
                           "BatchNormalization",
                           "BipolarQuant",
                           "Concatenate",
                           "Constant",
                           "Conv",
                           "Conv1D",
                           "Conv2D",
                           "Conv2DBatchnorm",
                           "Cropping1D",
                           "Cropping2D",
                           "Dense",
                           "DepthwiseConv1D",
                           "DepthwiseConv2D",
                           "Dot",
                           "ELU",
                           "FixedPointQuantizer",
                           "GlobalAveragePooling1D",
                           "GlobalAveragePooling2D",
                           "GlobalMaxPooling1D",
                           "GlobalMaxPooling2D",
                           "GlobalPooling1D",
                           "GlobalPooling2D",
                           "HSum",
                           "HardActivation",
                           "Input",
                           "InputLayer",
                           "LeakyReLU",
                           "MatMul",
                           "MaxPooling1D",
                           "MaxPooling2D",
                           "Merge",
                           "PReLU",
                           "Permute",
                           "ParametrizedActivation",
                           "PointwiseConv1D",
                           "PointwiseConv2D",
                           "Pooling1D",
                           "Pooling2D",
                           "Quant",
                           "ReLU",
                           "Reshape",
                           "Resize",
                           "Softmax",
                           "ThresholdedReLU",
                           "Transpose",
                           "UnaryLUT",
                           "UpSampling1D",
                           "UpSampling2D",
                           "ZeroPadding1D",
                           "ZeroPadding2D"};
const Words kStrategies = {"latency", "resource", "resource_unrolled"};
// Of layers that narrow's models do not have, and of the model alone.
const Words kOtherTypes = {"index", "maximum"};
// The two layers of a SeparableConv, and types of theirs alone by what they end in: depthwise, depthwise_accum, ...
constexpr std::string_view kHalves[] = {"depthwise", "pointwise"};
constexpr std::pair<std::string_view, std::string_view> kOfHalf[] = {{"", "weight"}, {"_accum", "accum"}, {"_result", "result"}};

const Words kTypesOfHalves = {"depthwise", "depthwise_accum", "depthwise_result", "pointwise", "pointwise_accum", "pointwise_result"};

std::string of_half(std::string_view half, std::string_view ending) { return std::string(half) + std::string(ending); }

// The entry of one of the two, from that of the whole (seperable_to_dw_conv.py).
ConfigEntry entry_of_half(const ConfigEntry& whole, std::string_view half) {
  ConfigEntry entry = whole;
  for (const std::string_view each : kHalves) {
    for (const auto& [ending, type] : kOfHalf) entry.types.erase(of_half(each, ending));
  }
  for (const auto& [ending, type] : kOfHalf) {
    if (const auto found = whole.types.find(of_half(half, ending)); found != whole.types.end())
      entry.types[std::string(type)] = found->second;
  }
  return entry;
}

Words layer_types() {
  Words types{"default"};
  types.insert(types.end(), kTypeNames.begin(), kTypeNames.end());
  return types;
}

bool contains(const Words& words, std::string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); }

std::string listed(const Words& words) {
  std::string text;
  for (const std::string_view word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

// Those that the layer computes with, whatever they are. hls4ml writes some that it does not use for relus.
Words types_of(const Layer& layer, const Model& model) {
  std::vector<std::string> notes;
  const Format any = parse_format("ap_fixed<16,6>");
  const TypeRequest request{.layer = layer.name,
                            .inputs = std::vector<Format>(layer.inputs.size(), any),
                            // A Dot infers no accum.
                            .choice = [&](TypeName type) { return type == TypeName::kAccum ? std::optional(any) : std::nullopt; },
                            .fallback = any,
                            .maximum = {},
                            .notes = notes};
  Words types{"default"};
  for (const auto& [name, format] : layer.op->types(request).all()) types.push_back(name_of(name));
  const std::string_view hls4ml_class = layer.op->hls4ml_class(model.input_shapes(layer));
  // Which hls4ml writes under the name of the quantizer, and does not use.
  if (as<Depthwise>(layer) != nullptr && quantizers_of(layer).kernel) types.emplace_back("depthwise");
  const bool any_table = hls4ml_class == "Activation" || hls4ml_class == "ParametrizedActivation" || hls4ml_class == "Softmax";
  if (any_table && !contains(types, "table")) types.push_back("table");
  if (hls4ml_class == "ParametrizedActivation" && !contains(types, "param")) types.push_back("param");
  return types;
}

class ConfigReader {
 public:
  ConfigReader(std::string path, const Model& model) : path_(std::move(path)), model_(model) {}

  PrecisionConfig read(const std::string& text) const {
    YAML::Node root = parse_yaml(text, path_);
    check_keys(root);
    if (root.IsMap() && root["HLSConfig"]) {
      // The keys of a project are many, and differ with the backend; none is about types but those that belong below.
      for (const auto& item : root) {
        const std::string key = item.first.IsScalar() ? scalar(item.first) : "";
        const auto is = [&](std::string_view known) { return lower(std::string(known)) == lower(key); };
        if (std::any_of(kTopKeys.begin(), kTopKeys.end(), is)) throw fault(item.first, "the key '" + key + "' belongs under HLSConfig:");
      }
      root.reset(root["HLSConfig"]);
      check_keys(root);
    }
    if (!root.IsMap() || !root["Model"]) throw fault(root, "an hls4ml configuration has an entry Model: with a Precision:");
    require_known(root, kTopKeys);
    for (const char* key : {"Flows", "Optimizers", "SkipOptimizers"}) {
      const YAML::Node value = root[key];
      if (value && !value.IsNull())
        throw fault(value, std::string(key) + " changes the network in a way that narrow does not follow; leave it out");
    }
    PrecisionConfig config;
    Words of_model = layer_types();
    of_model.insert(of_model.end(), kOtherTypes.begin(), kOtherTypes.end());
    config.model = entry(root["Model"], "Model", of_model);
    forbid_layer_keys(root["Model"], "Model", "a key of a layer, not of the model");
    if (!config.model.types.contains("default") || !config.model.types.at("default")) {
      throw fault(root["Model"], "Model: needs a default precision, as in Precision: ap_fixed<16,6>");
    }
    for (const auto& item : children(root, "LayerType")) {
      const std::string name = scalar(item.first);
      config.by_type[lower(name)] = entry(item.second, name, types_of_class(item.first));
      if (std::find(kLayerTypes.begin(), kLayerTypes.end(), name) == kLayerTypes.end())
        forbid_layer_keys(item.second, name, "which hls4ml takes from a layer type in its own spelling only");
    }
    for (const auto& item : children(root, "LayerName")) {
      const std::string name = scalar(item.first);
      if (!known_layer(name)) throw fault(item.first, "the model has no layer " + name + "; it has " + layer_names());
      if (is_separable(name)) {
        const ConfigEntry whole = entry(item.second, name, types_of_name(name));
        for (const std::string_view half : kHalves) add(item.first, name + "_" + std::string(half), entry_of_half(whole, half), config);
        continue;
      }
      add(item.first, name, entry(item.second, name, types_of_name(name)), config);
      if (!has_exactly(name)) forbid_layer_keys(item.second, name, "which hls4ml takes from a layer's exact name only");
    }
    note_linear_activations(config);
    note_strategies(config);
    return config;
  }

 private:
  void note_strategies(PrecisionConfig& config) const {
    for (const auto* entries : {&config.by_type, &config.by_name}) {
      for (const auto& [name, entry] : *entries) {
        if (!entry.strategy || contains(kStrategies, strategy_of(*entry.strategy))) continue;
        config.notes.push_back(name + ": hls4ml 1.3.0 ignores its Strategy " + *entry.strategy +
                               ", for it has no weights; of a softmax it reads Implementation");
      }
    }
  }

  // Those that hls4ml's reader of Keras 2 adds, where that of Keras 3 reads the model and their type is not that of the layer before.
  void note_linear_activations(PrecisionConfig& config) const {
    const auto result = [&](const std::string& name) {
      const auto entry = config.by_name.find(lower(name));
      if (entry == config.by_name.end()) return TypeChoice();
      const auto found = entry->second.types.find("result");
      return found == entry->second.types.end() ? TypeChoice() : found->second;
    };
    for (const Layer& layer : model_.layers) {
      const std::string linear = layer.name + "_linear";
      const bool added = std::find(model_.linear.begin(), model_.linear.end(), layer.name) != model_.linear.end();
      if (!config.by_name.contains(lower(linear)) || added || model_.find(linear) >= 0 || result(layer.name) == result(linear)) continue;
      config.notes.push_back(linear +
                             ": hls4ml has such a layer for models of Keras 2 alone, and this one is of Keras 3: its types are ignored");
    }
  }

  bool is_separable(const std::string& name) const {
    return std::find(model_.separable.begin(), model_.separable.end(), name) != model_.separable.end();
  }

  void add(const YAML::Node& node, const std::string& name, ConfigEntry entry, PrecisionConfig& config) const {
    if (!config.by_name.emplace(lower(name), std::move(entry)).second)
      throw fault(node, "the entry of a SeparableConv is that of its " + name + " too; give one of them");
  }

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

  void require_known(const YAML::Node& map, const Words& known) const {
    for (const auto& item : map) {
      // Keys that are not words may be anything at the top.
      if (!item.first.IsScalar() || contains(known, scalar(item.first))) continue;
      throw fault(item.first, "unknown key '" + scalar(item.first) + "'; known are " + listed(known));
    }
  }

  // Keys of tables where they have no effect; hls4ml writes TableSize wherever there could be a table.
  void forbid_layer_keys(const YAML::Node& entry, const std::string& owner, const std::string& why) const {
    if (!entry.IsMap()) return;
    for (const char* key : {"Implementation", "Skip", "table_t", "exp_table_t", "inv_table_t", "inv_inp_t"}) {
      if (entry[key]) throw fault(entry[key], owner + ": it gives " + std::string(key) + ", " + why);
    }
  }

  Words types_of_class(const YAML::Node& node) const {
    const std::string name = lower(scalar(node));
    Words types;
    for (const Layer& layer : model_.layers) {
      const bool is_made = layer.made_of == scalar(node);
      if (!is_made && lower(layer.made_of) == name)
        throw fault(node, "hls4ml takes the layer type " + layer.made_of + " in its own spelling only");
      if (!is_made && lower(std::string(layer.op->hls4ml_class(model_.input_shapes(layer)))) != name) continue;
      for (const std::string_view type : types_of(layer, model_)) {
        if (!contains(types, type)) types.push_back(type);
      }
    }
    if (!types.empty()) return types;
    if (std::none_of(kLayerTypes.begin(), kLayerTypes.end(), [&](std::string_view known) { return lower(std::string(known)) == name; })) {
      throw fault(node, "unknown layer type '" + scalar(node) + "'; known are " + listed(kLayerTypes));
    }
    return layer_types();
  }

  Words types_of_name(const std::string& name) const {
    if (is_separable(name)) {
      Words types{"default", "result", "weight", "bias", "accum"};
      types.insert(types.end(), kTypesOfHalves.begin(), kTypesOfHalves.end());
      return types;
    }
    for (const Layer& layer : model_.layers) {
      if (lower(layer.name) == lower(name) || lower(layer.configured_as) == lower(name)) return types_of(layer, model_);
    }
    return {"default", "result", "table"};  // of a linear activation or a Dropout, which the model no longer has
  }

  bool has_exactly(const std::string& name) const {
    return std::any_of(model_.layers.begin(), model_.layers.end(),
                       [&](const Layer& layer) { return layer.name == name || layer.configured_as == name; });
  }

  bool known_layer(const std::string& name) const {
    const auto is = [&](const std::string& other) { return lower(other) == lower(name) || lower(other + "_linear") == lower(name); };
    if (is_separable(name) || std::any_of(model_.linear.begin(), model_.linear.end(), is)) return true;
    return std::any_of(model_.layers.begin(), model_.layers.end(),
                       [&](const Layer& layer) { return is(layer.name) || is(layer.configured_as); }) ||
           std::any_of(model_.other_names.begin(), model_.other_names.end(), is) ||
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

  ConfigEntry entry(const YAML::Node& node, const std::string& owner, const Words& types) const {
    ConfigEntry entry;
    if (node.IsNull()) return entry;
    if (!node.IsMap()) throw fault(node, owner + ": should hold Precision:, Strategy: or ReuseFactor:");
    check_keys(node);
    require_known(node, kEntryKeys);
    if (const YAML::Node precision = node["Precision"]; precision && precision.IsMap()) {
      check_keys(precision);
      for (const auto& item : precision) {
        const std::string name = scalar(item.first);
        if (!contains(layer_types(), name) && !contains(kOtherTypes, name) && !contains(types, name)) {
          throw fault(item.first, "'" + name + "' is not a type of a layer; there are " + listed(layer_types()));
        }
        if (!contains(types, name)) throw fault(item.first, owner + " has no type '" + name + "'; it has " + listed(types));
        entry.types[name] = type(item.second);
      }
    } else if (precision && !precision.IsNull()) {
      entry.types["default"] = type(precision);
    }
    if (const YAML::Node strategy = node["Strategy"]; strategy && !strategy.IsNull()) {
      entry.strategy = scalar(strategy);
      const std::string name = strategy_of(*entry.strategy);
      // Of a layer without weights hls4ml looks at none; its example models give a softmax "Stable".
      if (!contains(kStrategies, name) && contains(types, name_of(TypeName::kWeight))) {
        const bool known = name == "distributed_arithmetic" || name == "da" || name == "compressed";
        throw fault(strategy, "the strategy '" + *entry.strategy +
                                  "' is not supported; Latency, Resource and, of a Dense, ResourceUnrolled are" +
                                  (known ? "" : " (hls4ml 1.3.0 takes Latency for one that it does not know)"));
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
    read_tables(node, owner, types, entry);
    for (const char* key : {"DepthwiseReuseFactor", "PointwiseReuseFactor"}) {
      const YAML::Node value = node[key];
      if (value && !value.IsNull() && scalar(value) != "1")
        throw fault(value, std::string(key) + " is ignored by hls4ml 1.3.0; give ReuseFactor");
    }
    for (const char* key : {"Compression", "TargetCycles", "BitExact"}) {
      const YAML::Node value = node[key];
      if (value && !value.IsNull() && scalar(value) != "0" && lower(scalar(value)) != "false") {
        throw fault(value, std::string(key) + " changes types or the order of sums in a way that narrow does not follow; leave it out");
      }
    }
    if (const YAML::Node exact = node["BitExact"]; exact && !exact.IsNull() && is_proxy(model_)) {
      throw fault(exact,
                  "BitExact: false gives the layers of a proxy model of HGQ the configuration's types, which narrow does not follow; "
                  "leave it out");
    }
    return entry;
  }

  // What hls4ml reads of a layer's tables.
  void read_tables(const YAML::Node& node, const std::string& owner, const Words& types, ConfigEntry& entry) const {
    for (const TypeName type : kTableTypes) {
      const YAML::Node value = node[std::string(name_of(type)) + "_t"];
      if (!value || value.IsNull()) continue;
      if (!contains(types, name_of(type))) throw fault(value, owner + " has no table of type " + std::string(name_of(type)) + "_t");
      const TypeChoice format = this->type(value);
      if (!format) throw fault(value, std::string(name_of(type)) + "_t: hls4ml infers no types of tables; give one, as in ap_fixed<18,8>");
      entry.tables[std::string(name_of(type))] = *format;
    }
    // hls4ml makes the attribute table_size of either; so its own example configurations spell it.
    if (node["TableSize"] && node["table_size"])
      throw fault(node["table_size"], owner + ": it gives both TableSize and table_size; give one");
    if (const YAML::Node size = node["TableSize"] ? node["TableSize"] : node["table_size"]; size && !size.IsNull()) {
      const auto fail = [&] { return fault(size, "TableSize should be a whole number from 1 to " + std::to_string(kLargestTable)); };
      try {
        entry.table_size = size.as<int>();
      } catch (const YAML::Exception&) {
        throw fail();
      }
      if (*entry.table_size < 1 || *entry.table_size > kLargestTable) throw fail();
    }
    const bool softmax = contains(types, name_of(TypeName::kExpTable));
    if (const YAML::Node kind = node["Implementation"]; kind && !kind.IsNull()) {
      const auto found = std::find(kSoftmaxKinds.begin(), kSoftmaxKinds.end(), scalar(kind));
      if (!softmax) throw fault(kind, owner + ": Implementation is of a softmax");
      if (found == kSoftmaxKinds.end()) {
        throw fault(kind, "the implementation '" + scalar(kind) + "' does not exist; there are " +
                              listed({kSoftmaxKinds.begin(), kSoftmaxKinds.end()}));
      }
      entry.softmax = static_cast<SoftmaxKind>(found - kSoftmaxKinds.begin());
    }
    if (const YAML::Node skip = node["Skip"]; skip && !skip.IsNull()) {
      try {
        entry.skip = skip.as<bool>();
      } catch (const YAML::Exception&) {
        throw fault(skip, "Skip should be true or false");
      }
      if (*entry.skip && !softmax) throw fault(skip, owner + ": Skip is of a softmax");
    }
  }

  std::string path_;
  const Model& model_;
};

}  // namespace

std::string strategy_of(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool is_upper = c >= 'A' && c <= 'Z';
    if (is_upper && !name.empty() && name.back() != '_') name += '_';
    if (c != '_' || name.empty() || name.back() != '_') name += is_upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return name;
}

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
      if (as<Softmax>(layer) != nullptr) entry.types["accum"] = Softmax::default_type();  // config_from_keras_model gives it
    }
    const std::vector<WeightArray> weights = layer.op->weights();
    const bool has_kernel =
        std::any_of(weights.begin(), weights.end(), [](const WeightArray& each) { return each.type == TypeName::kWeight; });
    // config_from_keras_model writes the quantizers' types; a layer that keeps its quantizers has them anyway.
    if (const Quantizers quantizers = quantizers_of(layer); !options.uniform) {
      const auto plain = [](const TrainedQuantizer& quantizer, bool of_kernel) {
        Format format = weight_format(quantizer, of_kernel);
        format.meaning = Meaning::kNumber;
        return format;
      };
      if (quantizers.kernel) entry.types["weight"] = plain(*quantizers.kernel, true);
      if (quantizers.bias) entry.types["bias"] = plain(*quantizers.bias, false);
    }
    if (has_kernel && options.weight) entry.types["weight"] = entry.types["bias"] = *options.weight;
    if (layer.quantizer && !options.uniform) entry.types["result"] = activation_format(*layer.quantizer);
    if (as<Relu>(layer) != nullptr && (options.relu_rounding || options.relu_overflow)) {
      const auto given = entry.types.find("result");
      Format result = given == entry.types.end() ? options.vector : given->second.value_or(options.vector);
      if (options.relu_rounding && !result.is_integer) result.rounding = *options.relu_rounding;
      if (options.relu_overflow && !result.is_integer) result.overflow = *options.relu_overflow;
      entry.types["result"] = result;
    }
    if (!entry.types.empty()) config.by_name[lower(layer.name)] = std::move(entry);
    if (!layer.behind.empty() && !options.uniform) config.by_name[lower(layer.behind)].types["result"] = {};
  }
  // Of Keras 2, where hls4ml adds these.
  for (const std::string& name : options.uniform ? std::vector<std::string>() : model.linear)
    config.by_name[lower(name + "_linear")].types["result"] = {};
  return config;
}

PrecisionConfig read_config(const std::string& path, const Model& model) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(path + ": no such file, or no permission to read it");
  return parse_config({std::istreambuf_iterator<char>(stream), {}}, path, model);
}

PrecisionConfig parse_config(const std::string& text, const std::string& path, const Model& model) {
  return ConfigReader(path, model).read(text);
}

}  // namespace narrow
