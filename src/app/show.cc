#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "app/table.h"
#include "data/text.h"
#include "error.h"
#include "files/model_file.h"
#include "keras/writer.h"

namespace narrow {
namespace {

struct Show {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string save, save_model;
};

std::string range_of(std::span<const float> values) {
  if (values.empty()) return "-";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return short_number(static_cast<double>(*low)) + " to " + short_number(static_cast<double>(*high));
}

std::string count_or_dash(std::size_t count) { return count == 0 ? "-" : std::to_string(count); }

void print_layers(const Model& model) {
  Table table({"layer", "class", "output", "parameters", "multiplications", "weights", "biases"});
  std::size_t all_parameters = 0;
  std::size_t all_multiplications = 0;
  for (const Layer& layer : model.layers) {
    std::string weights = "-";
    std::string biases = "-";
    for (const WeightArray& array : layer.op->weights()) (array.type == TypeName::kBias ? biases : weights) = range_of(array.values);
    table.add({layer.name, layer.keras_class, to_string(layer.shape), count_or_dash(parameters(layer)),
               count_or_dash(multiplications(layer)), weights, biases});
    all_parameters += parameters(layer);
    all_multiplications += multiplications(layer);
  }
  table.add({"all", "", "", count_or_dash(all_parameters), count_or_dash(all_multiplications)});
  std::printf("model %s\n%s", model.name.c_str(), table.text().c_str());
  if (model.stands_for) {
    std::printf("its weights were changed by recover: in fixed point it is compared with the float network %s, which the file holds\n",
                model.stands_for->name.c_str());
  }
  for (const std::string& name : model.dropped) std::printf("%s does nothing at inference\n", name.c_str());
}

void run(const Show& show, const Globals& globals) {
  const Model model = show.inputs.model();
  if (!show.save.empty() && !show.precision.given())
    throw Error("--save " + show.save + ": give a precision whose types it gets, as in --v 16,6");
  if (!show.save_model.empty() && is_onnx(show.inputs.path())) {
    throw Error("--save-model " + show.save_model + ": a Keras file does not hold the types of " + show.inputs.path() +
                ", which is an ONNX file");
  }
  for (const std::vector<std::string>& read : {show.inputs.files(), show.precision.files()}) {
    keep_inputs("--save", {show.save}, read);
    keep_inputs("--save-model", files_written(show.save_model), read);
  }
  print_layers(model);
  if (!show.save_model.empty()) write_keras(model, show.save_model);
  if (!show.precision.given()) return;
  const Resolved resolved = show.precision.resolve_for(model);
  const std::string yaml = to_yaml(resolved);
  std::printf("\n%s", yaml.c_str());
  if (!show.save.empty()) write_file(show.save, yaml);
  print_notes(resolved.notes, globals.quiet);
}

}  // namespace

void add_show(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("show", "print a model's layers, and with a precision the type of every tensor");
  const auto show = std::make_shared<Show>();
  show->inputs.add_model_to(*command);
  show->precision.add_to(*command);
  command->add_option("--save", show->save, "write the types to this file as well, as an hls4ml configuration");
  command->add_option("--save-model", show->save_model, "write the model again, as .keras, .h5 or .json");
  command->callback([show, &globals] { run(*show, globals); });
}

}  // namespace narrow
