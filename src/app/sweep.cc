#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "app/study_run.h"

namespace narrow {
namespace {

struct Sweep {
  Definition definition;
  RunOptions options;
  DataArguments data;
  PrecisionArguments precision;
  std::vector<std::string> v_full, v_int, wb_full, wb_int, keep;
  std::string shard, begin, points, layout = "text";
};

// An option that was given several times, as its YAML form takes a list.
std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
  return all;
}

void run(const Sweep& sweep, const Globals& globals) {
  Definition definition = sweep.definition;
  definition.data = {{"", sweep.data.options()}};
  StudyGrid grid{{}, sweep.precision.options()};
  grid.grid.v_full = usage([&] { return parse_range("--v-full", joined(sweep.v_full)); });
  grid.grid.v_int = usage([&] { return parse_range("--v-int", joined(sweep.v_int)); });
  grid.grid.wb_full = usage([&] { return parse_range("--wb-full", joined(sweep.wb_full)); });
  grid.grid.wb_int = usage([&] { return parse_range("--wb-int", joined(sweep.wb_int)); });
  definition.grids = {grid};
  if (!sweep.keep.empty()) usage([&] { return parse_keep("--keep", joined(sweep.keep), definition.keep), 0; });
  definition.keep.layout = sweep.layout == "text" ? Keep::Layout::kText : Keep::Layout::kHdf5;
  RunOptions options = sweep.options;
  options.command = globals.command;
  if (!sweep.begin.empty()) return begin_and_show(definition, options, sweep.begin, globals);
  if (!sweep.points.empty()) options.part = read_part(sweep.points);
  run_and_show(std::move(definition), std::move(options), sweep.shard, globals);
}

}  // namespace

void add_sweep(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("sweep", "run models at every precision of a grid and write the study's results");
  const auto sweep = std::make_shared<Sweep>();
  Definition& definition = sweep->definition;
  command->add_option("models", definition.models, "Keras models: .keras, .h5, or .json with weights beside it")->required();
  sweep->data.add_to(*command, kDefaultSamples);
  command
      ->add_option("--v-full", sweep->v_full,
                   "total bits of vectors: N, A:B or A:B:STEP, both ends included; or several, as in 8,10,16:32:4")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--v-int", sweep->v_int, "integer bits of vectors, sign included")->required()->allow_extra_args(false);
  command->add_option("--wb-full", sweep->wb_full, "total bits of weights and biases")->required()->allow_extra_args(false);
  command->add_option("--wb-int", sweep->wb_int, "integer bits of weights and biases")->required()->allow_extra_args(false);
  sweep->precision.add_modes_to(*command);
  const auto numbers = [&](const char* option, std::vector<double>& values, const char* meaning) {
    command->add_option(option, values, meaning)->delimiter(',')->allow_extra_args(false);
  };
  numbers("--tolerance", definition.metrics.tolerances,
          "also measure the share of samples that are off by more than so many per cent (default: 1)");
  numbers("--threshold", definition.metrics.thresholds, "thresholds of a trigger, in the target's unit: also measure turn-on and rate");
  numbers("--bins", definition.metrics.bins, "edges of the target's bins for linearity (default: ten equally populated bins)");
  command
      ->add_option("--classes", definition.metrics.classes,
                   "names of a classifier's classes, in the order of its outputs (of a single output background,signal); or none, where it "
                   "is not to be taken for one (default: 0,1,... where it ends in a softmax, or its targets are 0 and 1 behind a sigmoid)")
      ->delimiter(',')
      ->allow_extra_args(false);
  numbers("--background", definition.metrics.backgrounds,
          "of a classifier, background efficiencies in per cent at which each class's efficiency is measured (default: 1)");
  numbers("--efficiency", definition.metrics.efficiencies,
          "of a classifier, efficiencies in per cent at which each class's background is measured (default: 50)");
  command->add_option("--unit", definition.metrics.unit, "unit of the target, for tables and axes, such as GeV");
  command->add_option("--keep", sweep->keep, "what is kept of each point besides the store: predictions, trace, both, or none")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("predictions,trace");
  command->add_option("--layout", sweep->layout, "layout of what is kept: text, the study's folders; hdf5, one file per point")
      ->check(CLI::IsMember({"text", "hdf5"}))
      ->capture_default_str();
  command->add_option("--trace", definition.keep.traced, "number of samples in a trace")->check(not_negative())->capture_default_str();
  command->add_option("--counted", definition.counted, "number of samples of which overflows are counted, layer by layer")
      ->check(not_negative())
      ->capture_default_str();
  command->add_flag("!--no-share", sweep->options.share, "compute every point, even where another's result is known to be the same");
  command->add_flag("!--no-dedup", sweep->options.dedup, "compute repeated rows (padding) like any others");
  command->add_option("--out", definition.out, "folder of the study")->required();
  auto* shard = command->add_option("--shard", sweep->shard,
                                    "3/40: the third of forty parts of the points, into OUT/shard-3-of-40; narrow merge joins them");
  auto* begin = command->add_option("--begin", sweep->begin,
                                    "begin the study, compute nothing, and write which points are to be computed into this file, as JSON");
  command
      ->add_option("--points", sweep->points,
                   "compute only the points in this file, as --begin writes it, into an OUT of their own; narrow merge joins them")
      ->excludes(shard)
      ->excludes(begin);
  begin->excludes(shard);
  command->callback([sweep, &globals] { run(*sweep, globals); });
}

}  // namespace narrow
