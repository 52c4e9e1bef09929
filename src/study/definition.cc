#include "study/definition.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>
#include <utility>

#include "data/text.h"
#include "error.h"
#include "number.h"
#include "precision/yaml.h"
#include "suggestion.h"
#include "train/settings.h"

namespace narrow {
namespace {

// As cost/cost.h has them, and the widths that a search takes.
const std::vector<std::string> kSearchCosts = {"bits", "total_bits", "ebops", "dsp", "lut"};
constexpr int kLeastSearched = 3;
constexpr int kMostSearched = 32;

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  Error fault(const YAML::Node& node, const std::string& why) const {
    return Error(path_ + ", line " + std::to_string(node.Mark().line + 1) + ": " + why);
  }

  // Runs a parser of narrow's on a value, and says where it stands if it is refused.
  template <class Parse>
  auto parsed(const YAML::Node& node, const Parse& parse) const {
    try {
      return parse();
    } catch (const Error& error) {
      throw fault(node, error.what());
    }
  }

  // The same for what is read from the value's text.
  template <class Parse>
  auto parsed_text(const YAML::Node& node, const Parse& parse) const {
    const std::string value = text(node);
    return parsed(node, [&] { return parse(value); });
  }

  std::string text(const YAML::Node& node) const {
    if (!node.IsScalar()) throw fault(node, "a single value is expected here");
    return node.as<std::string>();
  }

  // One value or a list of them.
  std::vector<std::string> texts(const YAML::Node& node) const {
    std::vector<std::string> all;
    for (const YAML::Node& item : items(node)) all.push_back(text(item));
    return all;
  }

  double number(const YAML::Node& node) const {
    try {
      if (const auto value = node.as<double>(); std::isfinite(value)) return value;
    } catch (const YAML::Exception&) {
    }
    throw fault(node, "'" + shown(node) + "' should be a number");
  }
  std::vector<double> numbers(const YAML::Node& node) const {
    std::vector<double> all;
    for (const YAML::Node& item : items(node)) all.push_back(number(item));
    return all;
  }

  // A whole number that is at least `least`.
  int count(const YAML::Node& node, int least) const { return static_cast<int>(number_to(node, least, std::numeric_limits<int>::max())); }
  std::size_t size(const YAML::Node& node, int least) const {
    return static_cast<std::size_t>(number_to(node, least, std::numeric_limits<std::int64_t>::max()));
  }
  bool truth(const YAML::Node& node) const {
    try {
      return node.as<bool>();
    } catch (const YAML::Exception&) {
      throw fault(node, "'" + shown(node) + "' should be true or false");
    }
  }

  // A value of those that are allowed.
  std::string choice(const YAML::Node& node, const std::vector<std::string>& allowed) const {
    std::string value = text(node);
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      throw fault(node, "'" + value + "' is not one of " + listed(allowed));
    }
    return value;
  }

  using Fields = std::vector<std::pair<std::string, std::function<void(const YAML::Node&)>>>;
  // Each key of a map to the one that reads it; a key that nobody reads is an error.
  void read(const YAML::Node& node, const std::string& what, const Fields& fields) const {
    if (!node.IsMap()) throw fault(node, what + " should hold keys and values, as in `" + fields.front().first + ": ...`");
    std::set<std::string> seen;
    for (const auto& item : node) {
      const std::string key = text(item.first);
      const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == key; });
      if (field == fields.end()) {
        std::vector<std::string> names;
        for (const auto& f : fields) names.push_back(f.first);
        throw fault(item.first, what + " has no key '" + key + "'" + suggestion(key, names, "it has"));
      }
      if (!seen.insert(key).second) throw fault(item.first, "duplicate key '" + key + "'");
      field->second(item.second);
    }
  }

  static std::vector<YAML::Node> items(const YAML::Node& node) {
    if (!node.IsSequence()) return {node};
    return {node.begin(), node.end()};
  }

 private:
  std::int64_t number_to(const YAML::Node& node, int least, std::int64_t most) const {
    const auto number = node.IsScalar() ? whole_number(node.as<std::string>(), least, most) : std::nullopt;
    if (number) return *number;
    const std::string range = least == 0 ? "0 or more" : "at least " + std::to_string(least);
    throw fault(node, "'" + shown(node) + "' should be a whole number, " + range + ", and at most " + std::to_string(most));
  }

  static std::string shown(const YAML::Node& node) { return node.IsScalar() ? node.as<std::string>() : "this"; }

  std::string path_;
};

Reader::Fields data_fields(const Reader& reader, DataOptions& options) {
  return {
      {"files", [&](const YAML::Node& node) { options.paths = reader.texts(node); }},
      {"samples",
       [&](const YAML::Node& node) { options.samples = node.IsScalar() && node.as<std::string>() == "all" ? 0 : reader.size(node, 1); }},
      {"features",
       [&](const YAML::Node& node) {
         options.features = reader.texts(node);
         for (const YAML::Node& item : Reader::items(node)) reader.parsed_text(item, parse_feature);
       }},
      {"target",
       [&](const YAML::Node& node) {
         options.target = reader.text(node);
         if (options.target != "none") reader.parsed(node, [&] { return parse_feature(options.target); });
       }},
      {"order", [&](const YAML::Node& node) { options.order = reader.text(node); }},
      {"vmax", [&](const YAML::Node& node) { options.vmax = reader.count(node, 1); }},
      {"padding", [&](const YAML::Node& node) { options.padding = reader.number(node); }},
      {"branches",
       [&](const YAML::Node& node) {
         if (!node.IsMap()) throw reader.fault(node, "branches should be like {energy: cell_E}");
         for (const auto& item : node) {
           const std::string feature = reader.text(item.first);
           if (!options.branches.emplace(feature, reader.text(item.second)).second) {
             throw reader.fault(item.first, "duplicate key '" + feature + "'");
           }
         }
       }},
      {"tree", [&](const YAML::Node& node) { options.tree = reader.text(node); }},
      {"weight", [&](const YAML::Node& node) { options.weight = reader.text(node); }},
      {"select", [&](const YAML::Node& node) { options.select = reader.text(node); }},
      {"counts", [&](const YAML::Node& node) { options.counts = reader.text(node); }},
      {"indices", [&](const YAML::Node& node) { options.indices = reader.text(node); }},
      {"unfit",
       [&](const YAML::Node& node) {
         options.drop_unfit = reader.choice(node, {"refuse", "drop"}) == "drop";
       }},
  };
}

StudyData read_data(const Reader& reader, const YAML::Node& node) {
  StudyData data;
  data.options.samples = kDefaultSamples;
  if (node.IsScalar()) {
    data.options.paths = {reader.text(node)};
    return data;
  }
  Reader::Fields fields = data_fields(reader, data.options);
  fields.emplace_back("name", [&](const YAML::Node& value) { data.name = reader.text(value); });
  reader.read(node, "data", fields);
  if (data.options.paths.empty()) throw reader.fault(node, "data needs `files:`");
  return data;
}

GeneratedFile read_generated(const Reader& reader, const YAML::Node& node) {
  GeneratedFile file;
  reader.read(node, "generate",
              {{"out", [&](const YAML::Node& value) { file.path = reader.text(value); }},
               {"kind", [&](const YAML::Node& value) { file.kind = reader.choice(value, generator_kinds()); }},
               {"samples", [&](const YAML::Node& value) { file.samples = reader.size(value, 1); }},
               {"seed", [&](const YAML::Node& value) { file.seed = reader.size(value, 0); }}});
  if (file.path.empty()) throw reader.fault(node, "generate needs `out:`, the file");
  return file;
}

Family read_training(const Reader& reader, const YAML::Node& node) {
  Family family;
  Reader::Fields fields = {{"data",
                            [&](const YAML::Node& value) {
                              if (value.IsMap()) reader.read(value, "data", data_fields(reader, family.data));
                              else family.data.paths = reader.texts(value);
                            }},
                           {"out", [&](const YAML::Node& value) { family.out = reader.text(value); }}};
  for (const TrainSetting& setting : train_settings()) {
    fields.emplace_back(setting.name, [&](const YAML::Node& value) {
      std::string text;
      if (setting.kind == TrainSetting::Kind::kSwitch) {
        return setting.parse(family, reader.truth(value) ? "true" : "false");
      }
      for (const YAML::Node& item : Reader::items(value)) {
        if (setting.kind != TrainSetting::Kind::kList && value.IsSequence()) throw reader.fault(value, "a single value is expected here");
        text += (text.empty() ? "" : ",") + reader.text(item);
      }
      reader.parsed(value, [&] { return setting.parse(family, text), 0; });
    });
  }
  reader.read(node, "train", fields);
  reader.parsed(node, [&] { return check_settings(family), 0; });
  if (family.data.paths.empty()) throw reader.fault(node, "train needs `data:`");
  if (family.out.empty()) throw reader.fault(node, "train needs `out:`, the models' file, as in ds{nodes}.keras");
  reader.parsed(node, [&] { return paths_of(family); });
  return family;
}

std::vector<StudyGrid> read_grid(const Reader& reader, const YAML::Node& node) {
  StudyGrid grid;
  std::vector<std::string> types{"auto"};
  const auto range = [&](const std::string& name, std::vector<int>& values) {
    return std::pair<std::string, std::function<void(const YAML::Node&)>>(name, [&reader, &values, name](const YAML::Node& value) {
      for (const YAML::Node& item : Reader::items(value)) {
        const std::vector<int> more = reader.parsed_text(item, [&](const std::string& text) { return parse_range(name, text); });
        values.insert(values.end(), more.begin(), more.end());
      }
      std::sort(values.begin(), values.end());
      values.erase(std::unique(values.begin(), values.end()), values.end());
      if (values.empty()) throw reader.fault(value, name + " is empty");
    });
  };
  reader.read(node, "a grid",
              {range("v_full", grid.grid.v_full),
               range("v_int", grid.grid.v_int),
               range("wb_full", grid.grid.wb_full),
               range("wb_int", grid.grid.wb_int),
               {"types",
                [&](const YAML::Node& value) {
                  types.clear();
                  for (const YAML::Node& item : Reader::items(value)) types.push_back(reader.choice(item, {"auto", "uniform"}));
                }},
               {"relu",
                [&](const YAML::Node& value) {
                  reader.parsed_text(value, [&](const std::string& text) { return parse_relu(text, grid.precision), 0; });
                }},
               {"maximum", [&](const YAML::Node& value) { grid.precision.maximum = reader.parsed_text(value, parse_short_format); }}});
  for (const auto& [name, values] : {std::pair("v_full", &grid.grid.v_full), std::pair("v_int", &grid.grid.v_int),
                                     std::pair("wb_full", &grid.grid.wb_full), std::pair("wb_int", &grid.grid.wb_int)}) {
    if (values->empty()) throw reader.fault(node, std::string("a grid needs ") + name + ", as in `" + name + ": 8:16`");
  }
  reader.parsed(node, [&] { return points_of(grid.grid); });
  std::vector<StudyGrid> grids;
  for (const std::string& type : types) {
    grid.precision.uniform = type == "uniform";
    grids.push_back(grid);
  }
  return grids;
}

StudySearch read_search(const Reader& reader, const YAML::Node& node) {
  StudySearch search;
  search.data.samples = kDefaultSamples;
  reader.read(node, "search",
              {{"data",
                [&](const YAML::Node& value) {
                  if (value.IsMap()) reader.read(value, "data", data_fields(reader, search.data));
                  else search.data.paths = reader.texts(value);
                }},
               {"below", [&](const YAML::Node& value) { search.below = reader.text(value); }},
               {"cost", [&](const YAML::Node& value) { search.cost = reader.choice(value, kSearchCosts); }},
               {"most",
                [&](const YAML::Node& value) {
                  search.most = reader.count(value, kLeastSearched);
                  if (search.most > kMostSearched)
                    throw reader.fault(value, "most is a number of bits, at most " + std::to_string(kMostSearched));
                }},
               {"sigmas", [&](const YAML::Node& value) { search.sigmas = reader.number(value); }},
               {"margin", [&](const YAML::Node& value) { search.margin = reader.number(value); }}});
  if (search.data.paths.empty())
    throw reader.fault(node, "search needs `data:`, samples to search on; those of the study judge the result");
  if (search.below.empty()) throw reader.fault(node, "search needs `below:`, bounds on metrics, as in resolution_loss=1");
  if (search.sigmas < 0 || search.margin < 0) throw reader.fault(node, "sigmas and margin are at least 0");
  return search;
}

void check_data(const Reader& reader, const YAML::Node& node, const std::vector<StudyData>& data) {
  std::set<std::string> names;
  for (const StudyData& each : data) {
    if (data.size() > 1 && each.name.empty()) throw reader.fault(node, "with several data sets, each needs a name");
    if (each.name.find_first_of("/\\") != std::string::npos)
      throw reader.fault(node, "the name " + each.name + " must not contain / or \\");
    if (!names.insert(each.name).second) throw reader.fault(node, "two data sets have the name " + each.name);
  }
}

}  // namespace

Definition parse_definition(const std::string& content, const std::string& path) {
  const Reader reader(path);
  const YAML::Node root = parse_yaml(content, path);
  if (root.IsNull()) throw Error(path + ": it is empty; docs/study.md shows what defines a study");
  Definition definition;
  reader.read(root, "a study",
              {{"out", [&](const YAML::Node& node) { definition.out = reader.text(node); }},
               {"data",
                [&](const YAML::Node& node) {
                  for (const YAML::Node& item : Reader::items(node)) definition.data.push_back(read_data(reader, item));
                  check_data(reader, node, definition.data);
                }},
               {"generate",
                [&](const YAML::Node& node) {
                  for (const YAML::Node& item : Reader::items(node)) definition.generated.push_back(read_generated(reader, item));
                }},
               {"models", [&](const YAML::Node& node) { definition.models = reader.texts(node); }},
               {"train",
                [&](const YAML::Node& node) {
                  for (const YAML::Node& item : Reader::items(node)) definition.training.push_back(read_training(reader, item));
                }},
               {"grid",
                [&](const YAML::Node& node) {
                  for (const YAML::Node& item : Reader::items(node)) {
                    for (StudyGrid& grid : read_grid(reader, item)) definition.grids.push_back(std::move(grid));
                  }
                }},
               {"metrics",
                [&](const YAML::Node& node) {
                  MetricOptions& metrics = definition.metrics;
                  reader.read(node, "metrics",
                              {{"tolerance", [&](const YAML::Node& value) { metrics.tolerances = reader.numbers(value); }},
                               {"threshold", [&](const YAML::Node& value) { metrics.thresholds = reader.numbers(value); }},
                               {"bins", [&](const YAML::Node& value) { metrics.bins = reader.numbers(value); }},
                               {"classes", [&](const YAML::Node& value) { metrics.classes = reader.texts(value); }},
                               {"background", [&](const YAML::Node& value) { metrics.backgrounds = reader.numbers(value); }},
                               {"efficiency", [&](const YAML::Node& value) { metrics.efficiencies = reader.numbers(value); }},
                               {"unit", [&](const YAML::Node& value) { metrics.unit = reader.text(value); }}});
                  reader.parsed(node, [&] { return check_metrics(metrics), 0; });
                }},
               {"search", [&](const YAML::Node& node) { definition.search = read_search(reader, node); }},
               {"keep",
                [&](const YAML::Node& node) {
                  std::string all;
                  for (const std::string& item : reader.texts(node)) all += (all.empty() ? "" : ",") + item;
                  reader.parsed(node, [&] { return parse_keep("keep", all, definition.keep), 0; });
                }},
               {"layout",
                [&](const YAML::Node& node) {
                  definition.keep.layout = reader.choice(node, {"text", "hdf5"}) == "text" ? Keep::Layout::kText : Keep::Layout::kHdf5;
                }},
               {"traced", [&](const YAML::Node& node) { definition.keep.traced = reader.size(node, 0); }},
               {"counted", [&](const YAML::Node& node) { definition.counted = reader.size(node, 0); }}});
  if (definition.out.empty()) throw Error(path + ": `out:`, the study's folder, is missing");
  if (definition.data.empty()) throw Error(path + ": `data:`, files of samples, is missing");
  if (definition.models.empty() && definition.training.empty()) throw Error(path + ": `models:`, or what to `train:`, is missing");
  if (definition.grids.empty()) throw Error(path + ": `grid:`, the precisions, is missing");
  return definition;
}

// Of two keys that say the nodes of the same layers one would be ignored. In a user's file alone: to_yaml writes all.
static void refuse_ignored(const YAML::Node& root, const std::string& path) {
  const Reader reader(path);
  if (!root["train"]) return;
  for (const YAML::Node& node : Reader::items(root["train"])) {
    for (const auto& [one, other] :
         {std::pair("nodes", "phi_nodes"), std::pair("nodes", "rho_nodes"), std::pair("nodes", "phi"), std::pair("nodes", "rho"),
          std::pair("phi", "phi_nodes"), std::pair("phi", "phi_layers"), std::pair("rho", "rho_nodes"), std::pair("rho", "rho_layers"),
          std::pair("layers", "phi_nodes"), std::pair("layers", "phi_layers"), std::pair("layers", "rho_nodes"),
          std::pair("layers", "rho_layers")}) {
      if (node[one] && node[other]) throw reader.fault(node[other], std::string(one) + " and " + other + " exclude each other");
    }
  }
}

Definition read_definition(const std::string& path) {
  if (std::filesystem::is_directory(path)) throw Error(path + ": it is a folder; a study is defined in a YAML file");
  const std::string text = read_file(path);
  Definition definition = parse_definition(text, path);
  refuse_ignored(parse_yaml(text, path), path);
  return definition;
}

namespace {

template <class Values>
void list(YAML::Emitter& out, const char* key, const Values& values) {
  if (values.empty()) return;
  out << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginSeq;
  for (const auto& value : values) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) out << short_text(value);
    else out << value;
  }
  out << YAML::EndSeq;
}

// None, too.
void numbers(YAML::Emitter& out, const char* key, const std::vector<double>& values) {
  out << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginSeq;
  for (const double value : values) out << short_text(value);
  out << YAML::EndSeq;
}

void emit(YAML::Emitter& out, const DataOptions& options) {
  list(out, "files", options.paths);
  if (options.samples > 0) out << YAML::Key << "samples" << YAML::Value << options.samples;
  else out << YAML::Key << "samples" << YAML::Value << "all";
  list(out, "features", options.features);
  if (!options.target.empty()) out << YAML::Key << "target" << YAML::Value << options.target;
  if (!options.order.empty()) out << YAML::Key << "order" << YAML::Value << options.order;
  if (options.vmax > 0) out << YAML::Key << "vmax" << YAML::Value << options.vmax;
  if (options.padding) out << YAML::Key << "padding" << YAML::Value << short_text(*options.padding);
  if (!options.branches.empty()) out << YAML::Key << "branches" << YAML::Value << YAML::Flow << options.branches;
  if (!options.tree.empty()) out << YAML::Key << "tree" << YAML::Value << options.tree;
  if (!options.weight.empty()) out << YAML::Key << "weight" << YAML::Value << options.weight;
  if (!options.select.empty()) out << YAML::Key << "select" << YAML::Value << options.select;
  if (!options.counts.empty()) out << YAML::Key << "counts" << YAML::Value << options.counts;
  if (!options.indices.empty()) out << YAML::Key << "indices" << YAML::Value << options.indices;
  if (options.drop_unfit) out << YAML::Key << "unfit" << YAML::Value << "drop";
}

void emit(YAML::Emitter& out, const Family& family) {
  out << YAML::BeginMap;
  out << YAML::Key << "out" << YAML::Value << family.out;
  out << YAML::Key << "data" << YAML::Value << YAML::BeginMap;
  emit(out, family.data);
  out << YAML::EndMap;
  for (const TrainSetting& setting : train_settings()) {
    const std::string text = setting.text(family);
    if (text.empty()) continue;
    out << YAML::Key << setting.name << YAML::Value;
    if (setting.kind == TrainSetting::Kind::kList) out << YAML::Load("[" + text + "]");
    else out << text;
  }
  out << YAML::EndMap;
}

void emit(YAML::Emitter& out, const StudyGrid& grid) {
  out << YAML::BeginMap;
  list(out, "v_full", grid.grid.v_full);
  list(out, "v_int", grid.grid.v_int);
  list(out, "wb_full", grid.grid.wb_full);
  list(out, "wb_int", grid.grid.wb_int);
  const PrecisionOptions& precision = grid.precision;
  out << YAML::Key << "types" << YAML::Value << (precision.uniform ? "uniform" : "auto");
  if (precision.relu_rounding) {
    out << YAML::Key << "relu" << YAML::Value
        << to_string(*precision.relu_rounding) + (precision.relu_overflow ? "," + to_string(*precision.relu_overflow) : "");
  }
  if (precision.maximum) {
    const Format& maximum = *precision.maximum;
    std::string text = std::to_string(maximum.width) + "," + std::to_string(maximum.integer);
    if (maximum.rounding != Rounding::kTrn || maximum.overflow != Overflow::kWrap) {
      text += "," + to_string(maximum.rounding) + "," + to_string(maximum.overflow);
    }
    out << YAML::Key << "maximum" << YAML::Value << text;
  }
  out << YAML::EndMap;
}

}  // namespace

std::string to_yaml(const Definition& definition) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  out << YAML::Key << "out" << YAML::Value << definition.out;
  if (!definition.generated.empty()) {
    out << YAML::Key << "generate" << YAML::Value << YAML::BeginSeq;
    for (const GeneratedFile& file : definition.generated) {
      out << YAML::Flow << YAML::BeginMap << YAML::Key << "out" << YAML::Value << file.path << YAML::Key << "kind" << YAML::Value
          << file.kind << YAML::Key << "samples" << YAML::Value << file.samples << YAML::Key << "seed" << YAML::Value << file.seed
          << YAML::EndMap;
    }
    out << YAML::EndSeq;
  }
  out << YAML::Key << "data" << YAML::Value << YAML::BeginSeq;
  for (const StudyData& data : definition.data) {
    out << YAML::BeginMap;
    if (!data.name.empty()) out << YAML::Key << "name" << YAML::Value << data.name;
    emit(out, data.options);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq;
  list(out, "models", definition.models);
  if (!definition.training.empty()) {
    out << YAML::Key << "train" << YAML::Value << YAML::BeginSeq;
    for (const Family& family : definition.training) emit(out, family);
    out << YAML::EndSeq;
  }
  out << YAML::Key << "grid" << YAML::Value << YAML::BeginSeq;
  for (const StudyGrid& grid : definition.grids) emit(out, grid);
  out << YAML::EndSeq;
  out << YAML::Key << "metrics" << YAML::Value << YAML::BeginMap;
  numbers(out, "tolerance", definition.metrics.tolerances);
  list(out, "threshold", definition.metrics.thresholds);
  list(out, "bins", definition.metrics.bins);
  list(out, "classes", definition.metrics.classes);
  if (const MetricOptions usual; definition.metrics.backgrounds != usual.backgrounds)
    numbers(out, "background", definition.metrics.backgrounds);
  if (const MetricOptions usual; definition.metrics.efficiencies != usual.efficiencies)
    numbers(out, "efficiency", definition.metrics.efficiencies);
  if (!definition.metrics.unit.empty()) out << YAML::Key << "unit" << YAML::Value << definition.metrics.unit;
  out << YAML::EndMap;
  if (definition.search) {
    const StudySearch& search = *definition.search;
    out << YAML::Key << "search" << YAML::Value << YAML::BeginMap << YAML::Key << "data" << YAML::Value << YAML::BeginMap;
    emit(out, search.data);
    out << YAML::EndMap << YAML::Key << "below" << YAML::Value << search.below << YAML::Key << "cost" << YAML::Value << search.cost
        << YAML::Key << "most" << YAML::Value << search.most << YAML::Key << "sigmas" << YAML::Value << short_text(search.sigmas)
        << YAML::Key << "margin" << YAML::Value << short_text(search.margin) << YAML::EndMap;
  }
  const Keep& keep = definition.keep;
  std::vector<std::string> kept;
  if (keep.predictions) kept.emplace_back("predictions");
  if (keep.trace) kept.emplace_back("trace");
  if (kept.empty()) kept.emplace_back("none");
  list(out, "keep", kept);
  out << YAML::Key << "layout" << YAML::Value << (keep.layout == Keep::Layout::kText ? "text" : "hdf5");
  out << YAML::Key << "traced" << YAML::Value << keep.traced;
  out << YAML::Key << "counted" << YAML::Value << definition.counted;
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

std::string to_yaml(const DataOptions& options) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  emit(out, options);
  out << YAML::EndMap;
  return out.c_str();
}

std::string difference(const std::string& before, const DataOptions& now) {
  const YAML::Node old_options = YAML::Load(before);
  const YAML::Node new_options = YAML::Load(to_yaml(now));
  std::string text;
  const auto compare = [&](const std::string& key) {
    const auto value = [&](const YAML::Node& options) {
      return !options[key] ? "not given" : options[key].IsScalar() ? options[key].as<std::string>() : YAML::Dump(options[key]);
    };
    if (value(old_options) != value(new_options))
      text += (text.empty() ? "" : ", ") + key + ": " + value(old_options) + " then, " + value(new_options) + " now";
  };
  for (const auto& option : old_options) compare(option.first.as<std::string>());
  for (const auto& option : new_options) {
    if (!old_options[option.first.as<std::string>()]) compare(option.first.as<std::string>());
  }
  return text;
}

std::string describe(const PrecisionOptions& options) {
  std::string text = options.uniform ? "uniform" : "auto";
  if (options.relu_rounding) text += " relu:" + to_string(*options.relu_rounding);
  if (options.relu_overflow) text += "," + to_string(*options.relu_overflow);
  if (options.maximum) text += " maximum:" + to_string(*options.maximum);
  return text;
}

PrecisionOptions options_described(const std::string& words) {
  PrecisionOptions options;
  std::istringstream stream(words);
  for (std::string word; stream >> word;) {
    const std::string rest = word.substr(word.find(':') + 1);
    if (word == "uniform") options.uniform = true;
    else if (word.starts_with("relu:")) parse_relu(rest, options);
    else if (word.starts_with("maximum:")) options.maximum = parse_format(rest);
    else if (word != "auto") throw Error("'" + words + "' does not say how types follow from the bits of a point");
  }
  return options;
}

void parse_keep(const std::string& option, const std::string& text, Keep& keep) {
  keep.predictions = keep.trace = false;
  std::size_t from = 0;
  while (true) {
    const std::size_t comma = text.find(',', from);
    const std::string part = text.substr(from, comma - from);
    if (part == "predictions") keep.predictions = true;
    else if (part == "trace") keep.trace = true;
    else if (part != "none" || text != "none") throw Error(option + ": '" + part + "' is not one of predictions, trace, or none alone");
    if (comma == std::string::npos) break;
    from = comma + 1;
  }
}

void check_metrics(const MetricOptions& options) {
  for (const double tolerance : options.tolerances) {
    if (!(tolerance >= 0) || std::isinf(tolerance)) throw Error("a tolerance is a percentage of the prediction, at least 0");
  }
  for (const double share : options.backgrounds) {
    if (!(share > 0 && share < 100))
      throw Error("a background efficiency is a percentage between 0 and 100, and " + short_text(share) + " is given");
  }
  for (const double share : options.efficiencies) {
    if (!(share > 0 && share <= 100))
      throw Error("a signal efficiency is a percentage above 0, at most 100, and " + short_text(share) + " is given");
  }
  check_classes(options.classes);
  const auto refuse_twice = [](const std::vector<double>& values, const char* what) {
    std::set<std::string> names;
    for (const double value : values) {
      if (!names.insert(short_text(value)).second) throw Error(std::string("the ") + what + " " + short_text(value) + " is given twice");
    }
  };
  refuse_twice(options.tolerances, "tolerance or threshold");
  refuse_twice(options.thresholds, "tolerance or threshold");
  refuse_twice(options.backgrounds, "background efficiency");
  refuse_twice(options.efficiencies, "signal efficiency");
  const bool finite = std::all_of(options.bins.begin(), options.bins.end(), [](double edge) { return std::isfinite(edge); });
  if (!finite || options.bins.size() == 1 ||
      std::adjacent_find(options.bins.begin(), options.bins.end(), std::greater_equal<>()) != options.bins.end()) {
    throw Error("bins should be increasing edges, at least two");
  }
}

}  // namespace narrow
