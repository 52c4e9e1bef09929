#include <algorithm>
#include <memory>

#include "app/inputs.h"
#include "app/interrupt.h"
#include "app/options.h"
#include "app/training_shown.h"
#include "data/clusters.h"
#include "error.h"
#include "keras/writer.h"
#include "train/settings.h"

namespace narrow {
namespace {

struct Train {
  DataArguments data;
  Family family;
};

void run(Train& train, const Globals& globals) {
  train.family.data = train.data.options();
  train.family.options.threads = globals.threads;
  std::vector<std::string> read = train.data.files();
  if (!train.family.validation.empty()) {
    for (const std::string& file : expand_paths({train.family.validation})) read.push_back(file);
  }
  for (const std::string& path : paths_of(train.family)) keep_inputs("--out", files_written(path), read);
  stop_at_ctrl_c();
  TrainingShown watch(globals.quiet, train.family.options.epochs);
  train_family(train.family, watch);
}

// --phi-layers for `phi_layers`; a switch that is on is switched off, as --no-shuffle.
void add_setting(CLI::App& command, const TrainSetting& setting, Family& family) {
  std::string words = setting.name;
  std::replace(words.begin(), words.end(), '_', '-');
  const auto set = [&setting, &family, words](const std::string& text) {
    try {
      setting.parse(family, text);
    } catch (const Error& error) {
      throw CLI::ValidationError("--" + words, error.what());
    }
  };
  const std::string usual = setting.text(family);
  switch (setting.kind) {
    case TrainSetting::Kind::kSwitch:
      command.add_flag_callback(
          "--no-" + words, [set] { set("false"); }, setting.help);
      return;
    case TrainSetting::Kind::kList: {
      const auto set_all = [set](const std::vector<std::string>& items) {
        std::string all;
        for (const std::string& item : items) all += (all.empty() ? "" : ",") + item;
        set(all);
      };
      command.add_option_function<std::vector<std::string>>("--" + words, set_all, setting.help)->delimiter(',')->allow_extra_args(false);
      return;
    }
    case TrainSetting::Kind::kValue: {
      CLI::Option* option = command.add_option_function<std::string>("--" + words, set, setting.help);
      if (!usual.empty()) option->default_str(usual);
    }
  }
}

}  // namespace

void add_train(CLI::App& app, const Globals& globals) {
  auto* command =
      app.add_subcommand("train", "train a DeepSets network, a family of sizes, or a dense network, and write it as Keras does");
  const auto train = std::make_shared<Train>();
  Family& family = train->family;
  train->data.add_to(*command);
  command->add_option("--out", family.out, "the model, .keras, .h5 or .json; {nodes} is replaced by the size where there are several")
      ->required();
  for (const TrainSetting& setting : train_settings()) add_setting(*command, setting, family);
  // Each says the nodes of some layers; of two that do, one would be ignored.
  for (const auto& [one, other] :
       {std::pair("--nodes", "--phi-nodes"), std::pair("--nodes", "--rho-nodes"), std::pair("--nodes", "--phi"),
        std::pair("--nodes", "--rho"), std::pair("--phi", "--phi-nodes"), std::pair("--phi", "--phi-layers"),
        std::pair("--rho", "--rho-nodes"), std::pair("--rho", "--rho-layers"), std::pair("--layers", "--nodes"),
        std::pair("--layers", "--phi"), std::pair("--layers", "--rho"), std::pair("--layers", "--phi-nodes"),
        std::pair("--layers", "--rho-nodes"), std::pair("--layers", "--phi-layers"), std::pair("--layers", "--rho-layers")}) {
    command->get_option(one)->excludes(command->get_option(other));
  }
  // For tests: without rounding, Keras and narrow must agree on any machine.
  command->add_flag("--double-precision", family.options.double_precision)->group("");
  command->add_flag("--restart", family.restart, "start from the beginning even where there is a checkpoint of an interrupted training");
  command->callback([train, &globals] { run(*train, globals); });
}

}  // namespace narrow
