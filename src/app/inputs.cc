#include "app/inputs.h"

#include <cinttypes>
#include <cstdio>
#include <limits>

#include "app/table.h"
#include "keras/reader.h"

namespace narrow {

void InputArguments::add_model_to(CLI::App& command) {
  command.add_option("model", model_, "a Keras model: .keras, .h5, or .json with its weights beside it")->required();
  command.add_option("--weights", weights_, "weights of a .json architecture");
}

void InputArguments::add_data_to(CLI::App& command) {
  command.add_option("--data", data_, "prepared samples: .npy, .npz or .h5 with x of shape (samples, vmax, features)")->required();
  command.add_option("--samples", samples_, "at most so many samples; all where it is not given")->check(CLI::PositiveNumber);
}

Model InputArguments::model() const { return read_keras(weights_.empty() ? model_ : model_ + "+" + weights_); }

Dataset InputArguments::data(const Model& model, bool quiet) const {
  Dataset data = fit_to(read_dataset(data_, samples_ == 0 ? std::numeric_limits<std::size_t>::max() : samples_), model);
  print_notes(data.notes, quiet);
  return data;
}

void print_notes(const std::vector<std::string>& notes, bool quiet) {
  if (quiet) return;
  for (const std::string& note : notes) std::fprintf(stderr, "narrow: %s\n", note.c_str());
}

namespace {

std::string share(std::uint64_t part, std::uint64_t whole) {
  if (part == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2g %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

}  // namespace

std::string describe_counts(const Program& program, const std::vector<LayerCounts>& counts) {
  Table table({"layer", "type", "overflow", "sum overflow", "lost to 0", "weights overflow", "weights to 0"});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const LayerCounts& seen = counts[i];
    const Step& step = program.steps[i];
    const std::uint64_t weights = step.kernel.raw.size() + step.bias.raw.size();
    table.add({program.model().layers[i].name, to_string(program.format(i)), share(seen.overflows, seen.values),
               share(seen.accum_overflows, seen.values), share(seen.zeros, seen.values),
               share(step.kernel.overflows + step.bias.overflows, weights), share(step.kernel.zeros + step.bias.zeros, weights)});
  }
  return table.text();
}

}  // namespace narrow
