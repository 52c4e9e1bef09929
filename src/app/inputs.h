#ifndef NARROW_APP_INPUTS_H_
#define NARROW_APP_INPUTS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/options.h"
#include "data/dataset.h"
#include "engine/interpreter.h"
#include "model/model.h"

namespace narrow {

// --data, --samples, and how clusters become samples.
class DataArguments {
 public:
  // `samples` is the limit where none is given; 0 for none.
  void add_to(CLI::App& command, std::size_t samples = 0);
  DataOptions options() const;
  std::vector<std::string> files() const;

 private:
  DataOptions options_;
  std::vector<std::string> branches_;
  std::string unfit_ = "refuse";
};

// MODEL, --weights and the data for it, which most commands take.
class InputArguments {
 public:
  void add_model_to(CLI::App& command);
  void add_data_to(CLI::App& command) { data_.add_to(command); }
  Model model() const;
  DataOptions data_options() const { return data_.options(); }
  std::string path() const { return weights_.empty() ? model_ : model_ + "+" + weights_; }
  // All that is read: of the model and, where the command takes data, of these.
  std::vector<std::string> files() const;
  // At most --samples samples, cut to the model's vmax. Notes of the reading go to stderr unless `quiet`.
  Dataset data(const Model& model, bool quiet) const;
  // Without those of weight 0, with a note. Throws Error where nothing is left.
  Dataset data_that_counts(const Model& model, bool quiet) const;
  // The same a block at a time, for data of any size.
  void for_blocks(const Model& model, bool quiet, const std::function<void(const Dataset& block)>& use) const;

 private:
  std::string model_, weights_;
  DataArguments data_;
};

// Throws Error where a file that `option` writes, or its temporary .partial, is a file that the command reads, by whatever name.
void keep_inputs(const std::string& option, const std::vector<std::string>& written, const std::vector<std::string>& read);

// Prints one note per line on stderr.
void print_notes(const std::vector<std::string>& notes, bool quiet);

// One line a layer: its type, and the share of its values that overflowed or were lost to zero.
std::string describe_counts(const Program& program, const std::vector<LayerCounts>& counts);

}  // namespace narrow

#endif  // NARROW_APP_INPUTS_H_
