#include "app/study_run.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>

#include "app/inputs.h"
#include "app/progress.h"
#include "app/table.h"
#include "app/training_shown.h"
#include "study/layout.h"
#include "study/merge.h"

namespace narrow {
namespace {

std::atomic<bool> interrupted = false;

void stop_at_ctrl_c() {
  std::signal(SIGINT, [](int) {
    interrupted = true;
    std::signal(SIGINT, SIG_DFL);  // a second Ctrl-C ends at once
  });
}

// Training is stopped at once and resumes from its checkpoint; points are finished first.
class Training : public TrainingShown {
 public:
  using TrainingShown::TrainingShown;
  void begin(const std::string& path, std::size_t samples, std::size_t validation, std::size_t epochs_done) override {
    std::signal(SIGINT, SIG_DFL);
    TrainingShown::begin(path, samples, validation, epochs_done);
  }
  void end(const std::string& path, const std::string& training, const TrainState& state) override {
    stop_at_ctrl_c();
    TrainingShown::end(path, training, state);
  }
};

void print_results(const std::string& study, const std::vector<ScanResult>& results) {
  const Store store(study, Store::Mode::kRead);
  Table table({"model", "data", "types", "best by MPE", "MPE [%]", "best by MAE", "MAE"});
  ScanResult sum;
  for (const ScanResult& result : results) {
    const Scan& scan = result.scan;
    sum.points += result.points;
    sum.found += result.found;
    sum.computed += result.computed;
    sum.followed += result.followed;
    sum.measured += result.measured;
    sum.skipped += result.skipped;
    const std::vector<StoredPoint> points = store.points(scan, {"mpe", "mae"});
    const std::size_t by_mpe = least(points, 0);
    const std::size_t by_mae = least(points, 1);
    if (by_mpe == points.size()) continue;
    table.add({scan.label, scan.data_name.empty() ? "-" : scan.data_name, scan.options, types_of(points[by_mpe]),
               short_number(points[by_mpe].values[0]), types_of(points[by_mae]), short_number(points[by_mae].values[1])});
  }
  const auto same = [&](const ScanResult& result) { return result.scan.samples == results.front().scan.samples; };
  const bool of_one_size = std::all_of(results.begin(), results.end(), same);
  const std::string samples = of_one_size ? " of " + std::to_string(results.front().scan.samples) + " samples" : "";
  std::printf("%zu points%s; %zu points with more integer than total bits skipped\n", sum.points, samples.c_str(), sum.skipped);
  if (sum.found > 0) std::printf("%zu points were done before\n", sum.found);
  if (sum.measured > 0) std::printf("%zu points were done before; new metrics were computed from their predictions\n", sum.measured);
  std::printf("%zu points were computed, %zu follow from one with the same fractional bits and no overflow (points_*.txt)\n", sum.computed,
              sum.followed);
  std::printf("%sresults in %s: study.db, results_*.txt, heatmap_*.html; narrow report %s makes a page of them\n", table.text().c_str(),
              study.c_str(), shell_quoted(study).c_str());
}

}  // namespace

void run_and_show(Definition definition, RunOptions options, const std::string& shard, const Globals& globals) {
  if (!shard.empty()) {
    options.shard = parse_shard(shard);
    definition.out = shard_folder(definition.out, options.shard.number, options.shard.of);
  }
  for (Family& family : definition.training) family.options.threads = globals.threads;
  options.stop = [] { return interrupted.load(); };
  Training training(globals.quiet, definition.training.empty() ? 0 : definition.training.front().options.epochs);
  Progress progress("points", globals.quiet);
  bool running = false;
  const auto show = [&](const RunProgress& now) {
    if (!running) progress.restart();
    running = true;
    progress.show({now.done, now.all, now.found, now.samples, now.best});
  };
  const RunWatch watch{training, [&](const std::vector<std::string>& notes) { print_notes(notes, globals.quiet); }, show};
  stop_at_ctrl_c();
  const std::vector<ScanResult> results = run_study(definition, options, watch);
  if (!globals.quiet && !options.train_only) print_results(definition.out, results);
}

}  // namespace narrow
