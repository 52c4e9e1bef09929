#include "train/family.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>

#include "data/clusters.h"
#include "data/seen.h"
#include "data/text.h"
#include "error.h"
#include "keras/writer.h"
#include "train/checkpoint.h"
#include "train/settings.h"

namespace narrow {
namespace {

constexpr const char* kPlaceholder = "{nodes}";

std::string replaced(const std::string& text, int nodes) {
  const auto at = text.find(kPlaceholder);
  return at == std::string::npos ? text : text.substr(0, at) + std::to_string(nodes) + text.substr(at + std::string(kPlaceholder).size());
}

// The network of `nodes` nodes, or, where that is 0, of the layers that the family names.
DeepSets shape_of(const Family& family, const Dataset& data, int nodes) {
  const auto layers = [](int count, int size) { return std::vector<int>(static_cast<std::size_t>(count), size); };
  DeepSets shape;
  shape.vmax = data.shape.front();
  shape.features = data.shape.back();
  shape.outputs = static_cast<int>(data.targets);
  shape.activation = family.options.activation;
  shape.output = family.options.output;
  if (nodes > 0) {
    shape.phi = layers(family.phi_layers, nodes);
    shape.rho = layers(family.rho_layers, nodes);
  } else {
    shape.phi = family.phi.empty() ? layers(family.phi_layers, family.phi_nodes) : family.phi;
    shape.rho = family.rho.empty() ? layers(family.rho_layers, family.rho_nodes) : family.rho;
  }
  return shape;
}

void require_targets(const Family& family, const Dataset& data) {
  if (family.layers.empty() && data.shape.size() != 2) {
    throw Error(data.path + ": x should have the shape (samples, vmax, features)" +
                (data.shape.size() == 1 ? "; a dense network on vectors is asked for with layers" : ""));
  }
  if (!family.layers.empty() && data.shape.size() != 1) {
    throw Error(data.path + ": x should have the shape (samples, features) for a dense network, and its samples have " +
                to_string(data.shape));
  }
  if (data.targets == 0) throw Error(data.path + ": it has no targets y, which training needs");
  const TrainOptions& options = family.options;
  if (options.output == Nonlinearity::kSoftmax && data.targets == 1) {
    throw Error(data.path +
                ": y has one column, and a softmax of one output is always 1; store a column for each class, or take a sigmoid");
  }
  const std::size_t classes = std::max<std::size_t>(data.targets, 2);
  if (!options.class_weights.empty() && options.class_weights.size() != classes) {
    throw Error("class_weights: " + std::to_string(options.class_weights.size()) + " are given, and " + data.path + " has " +
                std::to_string(classes) + " classes");
  }
}

// What a crossentropy or weights of classes take for granted.
void require_classes(const TrainOptions& options, const Dataset& data) {
  if (!is_crossentropy(options.loss) && options.class_weights.empty()) return;
  for (std::size_t i = 0; i < data.size; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < data.targets; ++k) {
      const double y = data.y[i * data.targets + k];
      if (y < 0 || y > 1)
        throw Error(data.path + ": y of row " + std::to_string(i) + " holds " + short_text(y) + ", and should be from 0 to 1");
      sum += y;
    }
    constexpr double kRounding = 1e-3;
    if (options.loss == Loss::kCategoricalCrossentropy && std::abs(sum - 1) > kRounding) {
      throw Error(data.path + ": y of row " + std::to_string(i) + " adds up to " + short_text(sum) +
                  ", and should to 1: a 1 for the class and zeros");
    }
  }
}

// Each sample's weight times that of its class, the one of its largest target (as Keras does), or where there is one target, 0 or 1.
void weigh_classes(const TrainOptions& options, Dataset& data) {
  if (options.class_weights.empty()) return;
  if (data.weights.empty()) data.weights.assign(data.size, 1.0F);
  for (std::size_t i = 0; i < data.size; ++i) {
    const auto row = data.y.begin() + static_cast<std::ptrdiff_t>(i * data.targets);
    const auto own = data.targets == 1
                         ? static_cast<std::size_t>(std::lround(*row))
                         : static_cast<std::size_t>(std::max_element(row, row + static_cast<std::ptrdiff_t>(data.targets)) - row);
    data.weights[i] *= static_cast<float>(options.class_weights[own]);
  }
}

// Samples [first, last) of `from`, behind those of `to`.
void append(Dataset& to, const Dataset& from, std::size_t first, std::size_t last) {
  const auto take = [&](std::vector<float>& values, const std::vector<float>& of, std::size_t width) {
    values.insert(values.end(), of.begin() + static_cast<std::ptrdiff_t>(first * width),
                  of.begin() + static_cast<std::ptrdiff_t>(last * width));
  };
  take(to.x, from.x, size_of(from.shape));
  take(to.y, from.y, from.targets);
  if (!from.weights.empty()) take(to.weights, from.weights, 1);
  to.size += last - first;
}

// The last share of each file's samples, as Keras' validation_split takes it of one: files may be of different kinds.
Dataset split_off(Dataset& data, double share) {
  Dataset kept, rest;
  for (Dataset* part : {&kept, &rest}) part->shape = data.shape, part->targets = data.targets;
  std::size_t first = 0;
  for (const std::size_t size : data.of_files.empty() ? std::vector{data.size} : data.of_files) {
    const std::size_t middle = first + static_cast<std::size_t>(static_cast<double>(size) * (1 - share));
    append(kept, data, first, middle);
    append(rest, data, middle, first + size);
    first += size;
  }
  assert(first == data.size);
  if (kept.size == 0 || rest.size == 0) {
    throw Error(data.path + ": its " + std::to_string(data.size) + " samples cannot be split; give more, or --validation-data");
  }
  data.x = std::move(kept.x);
  data.y = std::move(kept.y);
  data.weights = std::move(kept.weights);
  data.size = kept.size;
  return rest;
}

// Where validation samples come from: clusters are prepared as the samples that are trained on.
DataSource validation_source(const Family& family, const Dataset& data) {
  DataSource source = family.data.source_for(data.preparation ? *data.preparation : Preparation());
  source.paths = {family.validation};
  const std::vector<std::string> files = expand_paths(source.paths);
  if (std::none_of(files.begin(), files.end(), holds_clusters)) {
    // They are said of clusters.
    source.branches.clear();
    source.tree.clear();
    source.counts.clear();
    source.indices.clear();
    source.drop_unfit = false;
  } else if (data.preparation) {
    source.preparation.weight = data.preparation->weight;
    source.preparation.select = data.preparation->select;
  }
  return source;
}

void require_same_preparation(const Dataset& data, const Dataset& validation) {
  if (data.preparation.has_value() != validation.preparation.has_value()) {
    const auto& [known, unknown] = data.preparation ? std::pair(&data, &validation) : std::pair(&validation, &data);
    throw Error(validation.path + ": it should be prepared as " + data.path + " is, but " + unknown->path +
                " does not say how it was prepared, and " + known->path + " was prepared with " +
                to_string(options_of(*known->preparation)));
  }
  const std::string different = difference(validation.preparation, data.preparation, Agreement::kAll);
  if (!different.empty()) throw Error(validation.path + ": it was prepared in another way than " + data.path + ": " + different);
}

TrainData packed_samples(const Dataset& data) {
  const bool is_vector = data.shape.size() == 1;  // a set of one row
  TrainData packed = pack(data.x, data.y, data.size, is_vector ? 1 : static_cast<std::size_t>(data.shape.front()),
                          static_cast<std::size_t>(data.shape.back()));
  packed.weights = data.weights;
  return packed;
}

// The network at `path`, the family's i-th, before training.
Model initial(const Family& family, const Dataset& data, std::size_t i, const std::string& path) {
  const TrainOptions& options = family.options;
  Model model =
      family.layers.empty()
          ? make_deep_sets(shape_of(family, data, family.nodes.empty() ? 0 : family.nodes[i]), options.seed)
          : make_dense_network({data.shape.front(), static_cast<int>(data.targets), family.layers, options.activation, options.output},
                               options.seed);
  model.name = std::filesystem::path(path).stem().string();
  model.preparation = data.preparation;
  return model;
}

struct Samples {
  TrainData training, validation;
};

void train_member(const Family& family, Model model, const std::string& path, const Samples& samples, FamilyWatch& watch) {
  const std::string stem = path.substr(0, path.rfind('.'));
  const std::string checkpoint = stem + ".checkpoint.h5";
  const std::string training = describe_training(model, samples.training, samples.validation, family);
  // More epochs go on from the same checkpoint, but make another model.
  const std::string whole = training + " epochs " + std::to_string(family.options.epochs);
  if (watch.is_done(path, whole)) return;
  TrainState state;
  if (std::filesystem::exists(checkpoint) && !family.restart) state = read_checkpoint(checkpoint, training);
  watch.begin(path, samples.training.size, samples.validation.size, state.history.size());
  state = train(
      model, samples.training, samples.validation, family.options, std::move(state),
      [&](std::size_t done, std::size_t all, double loss) { watch.batch(done, all, loss); },
      [&](const TrainState& now) {
        watch.epoch(now.history.back());
        write_checkpoint(checkpoint, now, training);
      });
  if (!state.history.empty()) {
    write_keras(model, path);
    write_file(stem + ".history.json", history_json(state));
    write_file(stem + ".history.csv", history_csv(state));
  }
  std::error_code ignored;
  std::filesystem::remove(checkpoint, ignored);
  if (state.failed) {
    const std::string where = path + ": the loss became NaN or infinite in epoch " + std::to_string(state.history.size() + 1);
    if (state.history.empty()) throw Error(where + "; nothing is written; lower --learning-rate, or look at the data");
    throw Error(where + "; the weights of epoch " + std::to_string(state.best_epoch) +
                ", the best before it, are written; lower --learning-rate");
  }
  watch.end(path, whole, state);
}

}  // namespace

std::vector<std::string> paths_of(const Family& family) {
  require_model_path(family.out);
  if (family.nodes.empty()) return {family.out};
  if (family.nodes.size() > 1 && family.out.find(kPlaceholder) == std::string::npos) {
    throw Error("--out " + family.out + ": with several --nodes it should hold {nodes}, as in ds{nodes}.keras");
  }
  std::vector<std::string> paths;
  for (const int nodes : family.nodes) paths.push_back(replaced(family.out, nodes));
  return paths;
}

std::vector<Model> untrained(const Family& family) {
  const Dataset data = read_dataset(family.data.source(), 1);
  require_targets(family, data);
  std::vector<Model> models;
  for (std::size_t i = 0; const std::string& path : paths_of(family)) models.push_back(initial(family, data, i++, path));
  return models;
}

void train_family(const Family& family, FamilyWatch& watch) {
  check_settings(family);
  const std::vector<std::string> paths = paths_of(family);
  Dataset data = read_dataset(family.data.source(), family.data.limit());
  watch.notes(data.notes);
  require_targets(family, data);
  require_classes(family.options, data);
  Dataset validation;
  if (family.validation.empty()) {
    validation = split_off(data, family.options.validation_split);
  } else {
    validation = read_dataset(validation_source(family, data));
    watch.notes(validation.notes);
    if (validation.shape != data.shape || validation.targets != data.targets) {
      throw Error(family.validation + ": its samples have the shape " + to_string(validation.shape) + " and " +
                  std::to_string(validation.targets) + " targets, those of " + data.path + " " + to_string(data.shape) + " and " +
                  std::to_string(data.targets));
    }
    require_same_preparation(data, validation);
    require_classes(family.options, validation);
    if (validation.weights.empty() != data.weights.empty()) {
      const auto& [with, without] = data.weights.empty() ? std::pair(&validation, &data) : std::pair(&data, &validation);
      throw Error(family.validation + ": the samples of " + with->path + " have weights, those of " + without->path +
                  " none; give that one a weight, as " + without->path + ":weight=1");
    }
  }
  std::vector<Model> models;
  for (const Dataset* each : {&data, &validation}) {
    if (each->weights.empty() || std::accumulate(each->weights.begin(), each->weights.end(), 0.0) > 0) continue;
    throw Error(data.path + ": the weights of the " + (each == &data ? "training" : "validation") +
                " samples add up to 0 or less; training needs more (--weight none leaves them out)");
  }
  if (!data.weights.empty()) watch.notes({"training samples are weighted"});
  weigh_classes(family.options, data);
  const SeenSamples seen = seen_samples(data, validation);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    models.push_back(initial(family, data, i, paths[i]));
    models.back().seen = seen;
  }
  const Samples samples{packed_samples(data), packed_samples(validation)};
  data = {};
  validation = {};
  for (std::size_t i = 0; i < paths.size(); ++i) train_member(family, std::move(models[i]), paths[i], samples, watch);
}

}  // namespace narrow
