#ifndef NARROW_APP_INPUTS_H_
#define NARROW_APP_INPUTS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "app/options.h"
#include "data/dataset.h"
#include "engine/interpreter.h"
#include "model/model.h"

namespace narrow {

// MODEL, --weights, --data and --samples, which most commands take.
class InputArguments {
 public:
  void add_model_to(CLI::App& command);
  void add_data_to(CLI::App& command);
  Model model() const;
  // At most --samples samples, cut to the model's vmax. Notes of the reading go to stderr unless `quiet`.
  Dataset data(const Model& model, bool quiet) const;

 private:
  std::string model_, weights_, data_;
  std::size_t samples_ = 0;
};

// Prints a note a line on stderr.
void print_notes(const std::vector<std::string>& notes, bool quiet);

// One line a layer: its type, and the share of its values that overflowed or were lost to zero.
std::string describe_counts(const Program& program, const std::vector<LayerCounts>& counts);

}  // namespace narrow

#endif  // NARROW_APP_INPUTS_H_
