#include "train/train.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "error.h"
#include "keras/writer.h"
#include "report/text.h"
#include "train/checkpoint.h"

namespace narrow {
namespace {

struct Train {
  DataArguments data;
  std::string validation, out, loss = "mse";
  std::vector<int> nodes, phi, rho;
  int phi_layers = 5, rho_layers = 5, phi_nodes = 64, rho_nodes = 64;
  TrainOptions options;
  bool restart = false;
};

// One network of the family.
struct Member {
  DeepSets shape;
  std::string out;
};

std::string replaced(const std::string& text, int nodes) {
  const std::string placeholder = "{nodes}";
  const auto at = text.find(placeholder);
  return at == std::string::npos ? text : text.substr(0, at) + std::to_string(nodes) + text.substr(at + placeholder.size());
}

std::vector<Member> family_of(const Train& train, const Dataset& data) {
  const auto layers = [](int count, int nodes) { return std::vector<int>(static_cast<std::size_t>(count), nodes); };
  DeepSets shape;
  shape.vmax = data.shape.front();
  shape.features = data.shape.back();
  shape.outputs = static_cast<int>(data.targets);
  shape.phi = train.phi.empty() ? layers(train.phi_layers, train.phi_nodes) : train.phi;
  shape.rho = train.rho.empty() ? layers(train.rho_layers, train.rho_nodes) : train.rho;
  require_model_path(train.out);
  if (train.nodes.empty()) return {{shape, train.out}};
  if (train.nodes.size() > 1 && train.out.find("{nodes}") == std::string::npos) {
    throw Error("--out " + train.out + ": with several --nodes it should hold {nodes}, as in ds{nodes}.keras");
  }
  std::vector<Member> family;
  for (const int nodes : train.nodes) {
    shape.phi = layers(train.phi_layers, nodes);
    shape.rho = layers(train.rho_layers, nodes);
    family.push_back({shape, replaced(train.out, nodes)});
  }
  return family;
}

void require_targets(const Dataset& data) {
  if (data.shape.size() != 2) throw Error(data.path + ": x should have the shape (samples, vmax, features)");
  if (data.targets == 0) throw Error(data.path + ": it has no targets y, which training needs");
}

// The last share of the data, as Keras' validation_split takes it.
Dataset split_off(Dataset& data, double share) {
  const auto kept = static_cast<std::size_t>(static_cast<double>(data.size) * (1 - share));
  Dataset rest;
  rest.shape = data.shape;
  rest.targets = data.targets;
  rest.size = data.size - kept;
  if (kept == 0 || rest.size == 0) {
    throw Error(data.path + ": its " + std::to_string(data.size) + " samples cannot be split; give more, or --validation-data");
  }
  const auto x = data.x.begin() + static_cast<std::ptrdiff_t>(kept * size_of(data.shape));
  const auto y = data.y.begin() + static_cast<std::ptrdiff_t>(kept * data.targets);
  rest.x.assign(x, data.x.end());
  rest.y.assign(y, data.y.end());
  data.x.erase(x, data.x.end());
  data.y.erase(y, data.y.end());
  data.size = kept;
  return rest;
}

TrainData packed_samples(const Dataset& data) {
  return narrow::pack(data.x, data.y, data.size, static_cast<std::size_t>(data.shape[0]), static_cast<std::size_t>(data.shape[1]));
}

// One line an epoch; on a terminal also a bar within it.
class TrainProgress {
 public:
  TrainProgress(bool quiet, int epochs) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0), epochs_(epochs) {}
  void epoch(const Epoch& e) {
    if (quiet_) return;
    std::fprintf(stderr, "%sepoch %d/%d: loss %.6g, val_loss %.6g, learning rate %.3g, %.2f s%s\n", terminal_ ? "\r" : "", e.epoch, epochs_,
                 e.loss, e.val_loss, e.learning_rate, e.seconds, terminal_ ? "\x1b[K" : "");
    next_ = e.epoch + 1;
  }
  void batch(std::size_t done, std::size_t all, double loss) const {
    if (quiet_ || !terminal_) return;
    constexpr std::size_t kWidth = 30;
    const std::string bar(kWidth * done / all, '=');
    std::fprintf(stderr, "\repoch %d/%d [%-30s] loss %.6g\x1b[K", next_, epochs_, bar.c_str(), loss);
  }
  void begin_with(int epoch) { next_ = epoch; }

 private:
  bool quiet_, terminal_;
  int epochs_;
  int next_ = 1;
};

void train_member(const Train& train, const Member& member, const TrainData& data, const TrainData& validation,
                  const std::string& preparation, const Globals& globals) {
  Model model = make_deep_sets(member.shape, train.options.seed);
  model.name = std::filesystem::path(member.out).stem().string();
  model.preparation = preparation;
  const std::string stem = member.out.substr(0, member.out.rfind('.'));
  const std::string checkpoint = stem + ".checkpoint.h5";
  const std::string training = describe_training(model, data, validation, train.options);
  TrainState state;
  if (std::filesystem::exists(checkpoint) && !train.restart) {
    state = read_checkpoint(checkpoint, training);
    if (!globals.quiet) std::fprintf(stderr, "narrow: going on after epoch %zu of %s\n", state.history.size(), checkpoint.c_str());
  }
  if (!globals.quiet)
    std::fprintf(stderr, "narrow: training %s on %zu samples, %zu for validation\n", member.out.c_str(), data.size, validation.size);
  TrainProgress progress(globals.quiet, train.options.epochs);
  progress.begin_with(static_cast<int>(state.history.size()) + 1);
  state = narrow::train(
      model, data, validation, train.options, std::move(state),
      [&](std::size_t done, std::size_t all, double loss) { progress.batch(done, all, loss); },
      [&](const TrainState& now) {
        progress.epoch(now.history.back());
        write_checkpoint(checkpoint, now, training);
      });
  if (!state.history.empty()) {
    write_keras(model, member.out);
    write_file(stem + ".history.json", history_json(state));
    write_file(stem + ".history.csv", history_csv(state));
  }
  std::error_code ignored;
  std::filesystem::remove(checkpoint, ignored);
  if (state.failed) {
    const std::string where = member.out + ": the loss became NaN or infinite in epoch " + std::to_string(state.history.size() + 1);
    if (state.history.empty()) throw Error(where + "; nothing is written; lower --learning-rate, or look at the data");
    throw Error(where + "; the weights of epoch " + std::to_string(state.best_epoch) +
                ", the best before it, are written; lower --learning-rate");
  }
  if (!globals.quiet) {
    std::printf("%s: val_loss %.6g in epoch %d of %zu\n", member.out.c_str(), state.best_loss, state.best_epoch, state.history.size());
  }
}

void run(Train& train, const Globals& globals) {
  train.options.threads = globals.threads;
  train.options.loss = train.loss == "mse" ? Loss::kMse : train.loss == "mae" ? Loss::kMae : Loss::kHuber;
  Dataset data = read_dataset(train.data.source(""), train.data.limit());
  print_notes(data.notes, globals.quiet);
  require_targets(data);
  Dataset validation;
  if (train.validation.empty()) {
    validation = split_off(data, train.options.validation_split);
  } else {
    DataSource source = train.data.source("");
    source.paths = {train.validation};
    validation = read_dataset(source);
    print_notes(validation.notes, globals.quiet);
    if (validation.shape != data.shape || validation.targets != data.targets) {
      throw Error(train.validation + ": its samples have the shape " + to_string(validation.shape) + " and " +
                  std::to_string(validation.targets) + " targets, those of " + data.path + " " + to_string(data.shape) + " and " +
                  std::to_string(data.targets));
    }
  }
  const std::vector<Member> family = family_of(train, data);
  const TrainData packed = packed_samples(data);
  const TrainData packed_validation = packed_samples(validation);
  const std::string preparation = data.preparation;
  data = {};
  validation = {};
  for (const Member& member : family) train_member(train, member, packed, packed_validation, preparation, globals);
}

}  // namespace

void add_train(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("train", "train a DeepSets network, or a family of sizes, and write it as Keras does");
  const auto train = std::make_shared<Train>();
  TrainOptions& options = train->options;
  train->data.add_to(*command);
  command->add_option("--validation-data", train->validation, "validation samples of their own");
  command->add_option("--validation-split", options.validation_split, "else the last share of the data")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--out", train->out, "the model, .keras, .h5 or .json; {nodes} stands for the size where there are several")
      ->required();
  command->add_option("--nodes", train->nodes, "nodes of every layer; several train a family of sizes")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber);
  command->add_option("--phi-layers", train->phi_layers, "layers before the sum over cells")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--phi-nodes", train->phi_nodes, "nodes of each")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--rho-layers", train->rho_layers, "layers behind the sum")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--rho-nodes", train->rho_nodes, "nodes of each")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--phi", train->phi, "nodes of the layers before the sum, one by one, as 64,32,16")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber);
  command->add_option("--rho", train->rho, "nodes of the layers behind the sum, one by one")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber);
  command->add_option("--epochs", options.epochs, "at most")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--batch", options.batch_size, "samples of a batch")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--loss", train->loss, "mse, mae or huber")->check(CLI::IsMember({"mse", "mae", "huber"}))->capture_default_str();
  command->add_option("--learning-rate", options.learning_rate, "of Adam, to begin with")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--reduce-factor", options.reduce_factor, "ReduceLROnPlateau: times so much")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--reduce-patience", options.reduce_patience, "after so many epochs without a better val_loss; 0 for never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--min-learning-rate", options.min_learning_rate, "but no lower than this")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--stop-patience", options.stop_patience, "EarlyStopping: epochs without a better val_loss; 0 for never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", options.seed, "of the first weights and of the order of samples")->capture_default_str();
  command->add_option("--device", options.device, "cpu, or cuda where libtorch has it")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("!--no-shuffle", options.shuffle, "take the samples of each epoch as they come");
  command->add_flag("--restart", train->restart, "begin anew where a checkpoint of an interrupted training is found");
  command->callback([train, &globals] { run(*train, globals); });
}

}  // namespace narrow
