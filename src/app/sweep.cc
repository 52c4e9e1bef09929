#include "study/sweep.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "app/progress.h"
#include "app/table.h"
#include "study/layout.h"

namespace narrow {
namespace {

struct SweepArguments {
  Sweep sweep;
  DataArguments data;
  PrecisionArguments precision;
  std::string v_full, v_int, wb_full, wb_int, shard;
};

std::atomic<bool> interrupted = false;

void print_result(const Sweep& sweep, const SweepResult& result) {
  Table table({"model", "best by MPE", "MPE [%]", "best by MAE", "MAE"});
  const auto types = [](const Point& p) { return to_string(fixed(p.v_full, p.v_int)) + " / " + to_string(fixed(p.wb_full, p.wb_int)); };
  std::size_t points = 0;
  std::size_t computed = 0;
  for (const SweepModel& model : result.models) {
    const SweepPoint& by_mpe = model.points[model.best(&Metrics::mpe)];
    const SweepPoint& by_mae = model.points[model.best(&Metrics::mae)];
    table.add({model.label, types(by_mpe.point), short_number(by_mpe.metrics.mpe), types(by_mae.point), short_number(by_mae.metrics.mae)});
    points += model.points.size();
    for (std::size_t i = 0; i < model.points.size(); ++i) computed += model.points[i].computed_as == i ? 1 : 0;
  }
  std::printf("%zu points of %zu samples; %zu points with more integer than total bits skipped\n", points, result.samples,
              result.skipped * result.models.size());
  if (result.found > 0) std::printf("%zu points were done before\n", result.found);
  std::printf("%zu points were computed, %zu follow from one with the same fractional bits and no overflow (points_*.txt)\n", computed,
              points - computed);
  std::printf("%sresults in %s: results_*.txt, heatmap_*.html, and a folder for each point\n", table.text().c_str(), sweep.out.c_str());
}

void run(SweepArguments& arguments, const Globals& globals) {
  Sweep& sweep = arguments.sweep;
  sweep.data = [&](const std::string& preparation) { return arguments.data.source(preparation); };
  sweep.samples = arguments.data.limit();
  sweep.precision = arguments.precision.options();
  sweep.grid = {parse_range("--v-full", arguments.v_full), parse_range("--v-int", arguments.v_int), {}, {}};
  sweep.grid.wb_full = parse_range("--wb-full", arguments.wb_full);
  sweep.grid.wb_int = parse_range("--wb-int", arguments.wb_int);
  if (!arguments.shard.empty()) {
    sweep.shard = parse_shard(arguments.shard);
    sweep.out += "/shard-" + std::to_string(sweep.shard.number) + "-of-" + std::to_string(sweep.shard.of);
  }
  sweep.stop = [] { return interrupted.load(); };
  std::signal(SIGINT, [](int) {
    interrupted = true;
    std::signal(SIGINT, SIG_DFL);  // a second Ctrl-C ends at once
  });
  Progress progress("points", globals.quiet);
  const SweepResult result = run_sweep(sweep, [&](std::size_t done, std::size_t all) { progress.show(done, all); });
  print_notes(result.notes, globals.quiet);
  if (!globals.quiet) print_result(sweep, result);
}

}  // namespace

void add_sweep(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("sweep", "run models at every precision of a grid and write the study's results");
  const auto arguments = std::make_shared<SweepArguments>();
  command->add_option("models", arguments->sweep.models, "Keras models: .keras, .h5, or .json with weights beside it")->required();
  arguments->data.add_to(*command, arguments->sweep.samples);
  command->add_option("--v-full", arguments->v_full, "total bits of vectors: N, A:B or A:B:STEP, both ends included")->required();
  command->add_option("--v-int", arguments->v_int, "integer bits of vectors, sign included")->required();
  command->add_option("--wb-full", arguments->wb_full, "total bits of weights and biases")->required();
  command->add_option("--wb-int", arguments->wb_int, "integer bits of weights and biases")->required();
  arguments->precision.add_modes_to(*command);
  command->add_option("--trace", arguments->sweep.traced, "samples whose layers are written for each point")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("!--no-share", arguments->sweep.share, "compute every point, also those that must give another's bits");
  command->add_flag("!--no-dedup", arguments->sweep.dedup, "compute repeated rows (padding) like any other");
  command->add_option("--out", arguments->sweep.out, "folder of the study")->required();
  command->add_option("--shard", arguments->shard,
                      "3/40: the third of forty parts of the points, into OUT/shard-3-of-40; narrow merge joins them");
  command->callback([arguments, &globals] { run(*arguments, globals); });
}

}  // namespace narrow
