#include "app/inputs.h"

#include <algorithm>
#include <cassert>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <set>

#include "app/table.h"
#include "data/clusters.h"
#include "data/seen.h"
#include "data/text.h"
#include "error.h"
#include "files/model_file.h"
#include "study/study_data.h"

namespace narrow {

void InputArguments::add_model_to(CLI::App& command) {
  command.add_option("model", model_, "a Keras model: .keras, .h5, or .json with its weights beside it")->required();
  command.add_option("--weights", weights_, "weights of a .json architecture");
}

void DataArguments::add_to(CLI::App& command, std::size_t samples) {
  options_.samples = samples;
  command
      .add_option("--data", options_.paths,
                  "samples: prepared (.npy, .npz or .h5 with x), or clusters (.root, .h5 or .npz); repeatable; accepts wildcards (* and "
                  "?); of several "
                  "inputs .npz or .h5 with an array for each, or A.npy,B.npy in their order; "
                  "FILE:weight=NUMBER multiplies the weights of its samples")
      ->required()
      ->allow_extra_args(false);
  auto* limit = command.add_option("--samples", options_.samples,
                                   "at most so many samples, or all" + std::string(samples == 0 ? " (the default)" : ""));
  limit->transform(CLI::Validator(
      [](std::string& text) {
        if (text == "all") {
          text = "0";  // no limit
          return std::string();
        }
        const std::string wrong = positive()(text);
        return wrong.empty() ? wrong : wrong + ", or all";
      },
      "", "samples"));
  if (samples > 0) limit->capture_default_str();
  command
      .add_option("--features", options_.features,
                  "of clusters, NAME[:log|:log10][/DIVISOR] each; the model's, or eta,phi,layer/10,energy:log/10")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--target", options_.target, "the same for the target, or none; the model's, or true_energy:log/10");
  command.add_option("--order", options_.order,
                     "order cells by this feature, the largest first; as-is leaves them as they are (the default)");
  command.add_option("--vmax", options_.vmax, "rows of a sample; of clusters with more cells the first are kept (128)")->check(positive());
  command.add_option("--padding", options_.padding, "every value of the rows after the last cell (-6)");
  command.add_option("--branches", branches_, "names in the file that differ, as energy=cell_E,eta=cell_eta")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--tree", options_.tree, "the TTree or RNTuple of a .root file that has several");
  command.add_option("--weight", options_.weight,
                     "what samples weigh in training and in a study's metrics: of clusters a value of each, of prepared samples a dataset "
                     "(weight where it is there); none");
  command.add_option("--select", options_.select,
                     "of a .root file: the entries or clusters for which this is true, an expression of TTree::Draw");
  command.add_option("--counts", options_.counts,
                     "of a .root file whose entries are events: the branch that says how many of the event's cells each cluster has");
  command.add_option("--indices", options_.indices,
                     "the same: the branch with each cell's cluster, or with a list of each cluster's cells; both count from 0");
  command.add_option("--unfit", unfit_, "what cannot be prepared (no cells, nothing positive before a logarithm, ...): refuse or drop")
      ->check(CLI::IsMember({"refuse", "drop"}))
      ->capture_default_str();
}

DataOptions DataArguments::options() const {
  DataOptions options = options_;
  for (const std::string& branch : branches_) {
    const auto equals = branch.find('=');
    if (equals == std::string::npos || equals == 0) throw UsageError("--branches: '" + branch + "' should be FEATURE=BRANCH");
    options.branches[branch.substr(0, equals)] = branch.substr(equals + 1);
  }
  options.drop_unfit = unfit_ == "drop";
  return options;
}

std::vector<std::string> DataArguments::files() const { return expand_paths(options_.paths); }

Model InputArguments::model() const { return read_model(path()); }

std::vector<std::string> InputArguments::files() const {
  std::vector<std::string> files = data_.files();
  for (const std::string& file : files_of_model(path())) files.push_back(file);
  return files;
}

static void print_used(const DataOptions& options, const Dataset& data, bool quiet) {
  if (const std::string text = samples_in_words(options, 0, data); !text.empty()) print_notes({text}, quiet);
}

Dataset InputArguments::data(const Model& model, bool quiet) const {
  const DataOptions options = data_.options();
  Dataset data = fit_to(read_dataset(options.source_for(model), options.limit()), model);
  print_notes(data.notes, quiet);
  print_used(options, data, quiet);
  SeenCount seen(model);
  seen.add(data);
  print_notes(seen.notes(), quiet);
  return data;
}

Dataset InputArguments::data_that_counts(const Model& model, bool quiet) const {
  Dataset all = data(model, quiet);
  const std::size_t samples = all.size;
  Dataset own = that_count(std::move(all));
  if (own.size == 0) throw Error(own.path + ": every sample has the weight 0");
  if (own.size < samples) print_notes({std::to_string(samples - own.size) + " samples of weight 0 have no part"}, quiet);
  return own;
}

void InputArguments::for_blocks(const Model& model, bool quiet, const std::function<void(const Dataset& block)>& use) const {
  constexpr std::size_t kBlock = 1 << 14;
  const DataOptions options = data_.options();
  SampleReader reader(options.source_for(model));
  SeenCount seen(model);
  std::set<std::string> said;
  Dataset done;  // its size alone
  while (done.size < options.limit()) {
    Dataset block = reader.read(std::min(kBlock, options.limit() - done.size));
    if (block.size == 0) break;
    block = fit_to(std::move(block), model);
    for (const std::string& note : block.notes) {
      if (said.insert(note).second) print_notes({note}, quiet);
    }
    done.size += block.size;
    seen.add(block);
    use(block);
  }
  print_notes(reader.notes(), quiet);
  done.left = reader.remaining();
  done.unread = reader.unread().size();
  print_used(options, done, quiet);
  print_notes(seen.notes(), quiet);
  if (done.size == 0) throw Error("--data: it contains no samples");
}

void keep_inputs(const std::string& option, const std::vector<std::string>& written, const std::vector<std::string>& read) {
  for (const std::string& out : written) {
    for (const std::string& file : {out, out + ".partial"}) {
      // Where a file does not exist, it is no other's equal.
      std::error_code missing;
      if (std::none_of(read.begin(), read.end(),
                       [&](const std::string& input) { return std::filesystem::equivalent(file, input, missing); }))
        continue;
      throw Error(option + " " + written.front() + ": " + (file == written.front() ? "it" : file) +
                  " is an input of this command; give another file");
    }
  }
}

void print_notes(const std::vector<std::string>& notes, bool quiet) {
  if (quiet) return;
  for (const std::string& note : notes) std::fprintf(stderr, "narrow: note: %s\n", note.c_str());
}

namespace {

std::string share(std::uint64_t part, std::uint64_t whole) {
  if (part == 0) return "-";
  assert(part <= whole);
  return number_text(100.0 * static_cast<double>(part) / static_cast<double>(whole), 2) + " %";
}

}  // namespace

std::string describe_counts(const Program& program, const std::vector<LayerCounts>& counts) {
  // Of the network as it runs, which may have fewer layers than the file's.
  assert(counts.size() == program.steps.size());
  Table table({"layer", "type", "overflow", "sum overflow", "underflow to 0", "weights overflow", "weights to 0"});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const LayerCounts& seen = counts[i];
    const Step& step = program.steps[i];
    QuantizedWeights all;
    std::uint64_t weights = 0;
    for (const auto& [type, each] : step.weights) {
      weights += each->raw.size();
      all.overflows += each->overflows;
      all.zeros += each->zeros;
    }
    table.add({program.model().layers[i].name, to_string(program.format(i)), share(seen.overflows, seen.values),
               share(seen.accum_overflows, seen.values), share(seen.zeros, seen.values), share(all.overflows, weights),
               share(all.zeros, weights)});
  }
  return table.text();
}

}  // namespace narrow
