#include <memory>

#include "app/inputs.h"
#include "app/interrupt.h"
#include "app/options.h"
#include "app/training_shown.h"
#include "data/clusters.h"
#include "keras/writer.h"

namespace narrow {
namespace {

struct Train {
  DataArguments data;
  std::string loss = "mse";
  Family family;
};

void run(Train& train, const Globals& globals) {
  train.family.data = train.data.options();
  train.family.options.threads = globals.threads;
  train.family.options.loss = parse_loss(train.loss);
  std::vector<std::string> read = train.data.files();
  if (!train.family.validation.empty()) {
    for (const std::string& file : expand_paths({train.family.validation})) read.push_back(file);
  }
  for (const std::string& path : paths_of(train.family)) keep_inputs("--out", files_written(path), read);
  stop_at_ctrl_c();
  TrainingShown watch(globals.quiet, train.family.options.epochs);
  train_family(train.family, watch);
}

}  // namespace

void add_train(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("train", "train a DeepSets network, or a family of sizes, and write it as Keras does");
  const auto train = std::make_shared<Train>();
  Family& family = train->family;
  TrainOptions& options = family.options;
  train->data.add_to(*command);
  command->add_option("--validation-data", family.validation, "validation samples of their own");
  command->add_option("--validation-split", options.validation_split, "else the last share of the data")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--out", family.out, "the model, .keras, .h5 or .json; {nodes} is replaced by the size where there are several")
      ->required();
  command->add_option("--nodes", family.nodes, "nodes of every layer; several train a family of sizes")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(positive());
  command->add_option("--phi-layers", family.phi_layers, "layers before the sum over cells")->check(positive())->capture_default_str();
  command->add_option("--phi-nodes", family.phi_nodes, "nodes of each")->check(positive())->capture_default_str();
  command->add_option("--rho-layers", family.rho_layers, "layers behind the sum")->check(not_negative())->capture_default_str();
  command->add_option("--rho-nodes", family.rho_nodes, "nodes of each")->check(positive())->capture_default_str();
  command->add_option("--phi", family.phi, "nodes of the layers before the sum, one by one, as 64,32,16")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(positive());
  command->add_option("--rho", family.rho, "nodes of the layers behind the sum, one by one")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(positive());
  // Each says the nodes of some layers; of two that do, one would be ignored.
  for (const auto& [one, other] : {std::pair("--nodes", "--phi-nodes"), std::pair("--nodes", "--rho-nodes"), std::pair("--nodes", "--phi"),
                                   std::pair("--nodes", "--rho"), std::pair("--phi", "--phi-nodes"), std::pair("--phi", "--phi-layers"),
                                   std::pair("--rho", "--rho-nodes"), std::pair("--rho", "--rho-layers")}) {
    command->get_option(one)->excludes(command->get_option(other));
  }
  command->add_option("--epochs", options.epochs, "at most")->check(positive())->capture_default_str();
  command->add_option("--batch", options.batch_size, "samples of a batch")->check(positive())->capture_default_str();
  command->add_option("--loss", train->loss, "mse, mae or huber")->check(CLI::IsMember({"mse", "mae", "huber"}))->capture_default_str();
  command->add_option("--learning-rate", options.learning_rate, "of Adam, to begin with")->check(positive())->capture_default_str();
  command->add_option("--reduce-factor", options.reduce_factor, "ReduceLROnPlateau: factor by which the learning rate is reduced")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--reduce-patience", options.reduce_patience, "after so many epochs without a better val_loss; 0 for never")
      ->check(not_negative())
      ->capture_default_str();
  command->add_option("--min-learning-rate", options.min_learning_rate, "minimum of the learning rate")
      ->check(not_negative())
      ->capture_default_str();
  command->add_option("--stop-patience", options.stop_patience, "EarlyStopping: epochs without a better val_loss; 0 for never")
      ->check(not_negative())
      ->capture_default_str();
  command->add_option("--seed", options.seed, "of the first weights and of the order of samples")->capture_default_str();
  command->add_option("--device", options.device, "cpu, or cuda where libtorch has it")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  // For tests: without rounding, Keras and narrow must agree on any machine.
  command->add_flag("--double-precision", options.double_precision)->group("");
  command->add_flag("!--no-shuffle", options.shuffle, "take the samples of each epoch as they come");
  command->add_flag("--restart", family.restart, "start from the beginning even where there is a checkpoint of an interrupted training");
  command->callback([train, &globals] { run(*train, globals); });
}

}  // namespace narrow
