#include "app/study_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/inputs.h"
#include "app/interrupt.h"
#include "app/progress.h"
#include "app/table.h"
#include "app/training_shown.h"
#include "data/text.h"
#include "search/study_search.h"
#include "study/layout.h"
#include "study/merge.h"

namespace narrow {
namespace {

void print_results(const std::string& study, const std::vector<ScanResult>& results) {
  const Store store(study, Store::Mode::kRead);
  Table table({"model", "data", "types", "lowest MPE at", "MPE of the output [%]", "lowest MAE at", "MAE of the output"});
  Table classifiers({"model", "data", "types", "lowest accuracy loss at", "percentage points", "lowest disagreement at", "%"});
  std::size_t regressions = 0;
  ScanResult sum;
  for (const ScanResult& result : results) {
    const Scan& scan = result.scan;
    sum.points += result.points;
    sum.found += result.found;
    sum.computed += result.computed;
    sum.followed += result.followed;
    sum.measured += result.measured;
    sum.skipped += result.skipped;
    const auto add = [&](Table& to, const std::string& first, const std::string& second) {
      const std::vector<StoredPoint> points = store.points(scan, {first, second});
      std::vector<std::string> row{scan.label, scan.data_name.empty() ? "-" : scan.data_name, scan.options};
      for (const std::size_t at : {std::size_t{0}, std::size_t{1}}) {
        const std::size_t best = least(points, at);
        if (best == points.size()) return false;
        const bool known = !std::isnan(points[best].values[at]);
        row.push_back(known ? types_of(points[best]) : "-");
        row.push_back(known ? short_number(points[best].values[at]) : "-");
      }
      to.add(std::move(row));
      return true;
    };
    if (store.float_metrics(scan).contains("agreement")) add(classifiers, "accuracy_loss", "disagreement");
    else regressions += add(table, "mpe", "mae") ? 1 : 0;
  }
  const auto same = [&](const ScanResult& result) { return result.scan.samples == results.front().scan.samples; };
  const bool of_one_size = std::all_of(results.begin(), results.end(), same);
  const std::string samples = of_one_size ? " of " + std::to_string(results.front().scan.samples) + " samples" : "";
  std::printf("%zu points%s; %zu points with more integer than total bits skipped\n", sum.points, samples.c_str(), sum.skipped);
  if (sum.found > 0) std::printf("%zu points were done before\n", sum.found);
  if (sum.measured > 0) std::printf("%zu points were done before; new metrics were computed from their predictions\n", sum.measured);
  std::printf("%zu points were computed, %zu follow from one with the same fractional bits and no overflow (points_*.txt)\n", sum.computed,
              sum.followed);
  if (regressions > 0 || classifiers.rows() == 0) std::printf("%s", table.text().c_str());
  if (classifiers.rows() > 0) std::printf("%s", classifiers.text().c_str());
  std::printf("results in %s: study.db, results_*.txt; narrow report %s makes a page of them\n", study.c_str(),
              shell_quoted(study).c_str());
}

void print_searched(const StudySearch& search, const std::vector<SearchedTypes>& all) {
  if (all.empty()) return;
  const std::string cost = search.cost == "bits" ? "bits on average" : search.cost;
  Table table({"model", "data", cost, "bound", "searched", "on the study's samples", "types"});
  for (const SearchedTypes& own : all) {
    for (std::size_t i = 0; i < own.bounds.size(); ++i) {
      const Metric& metric = own.bounds[i].metric;
      table.add({own.scan.label, own.scan.data_name.empty() ? "-" : own.scan.data_name, number_text(own.cost, 4),
                 metric.name + " " + short_text(own.bounds[i].most), in_words(metric, own.on_search.metrics[i]),
                 in_words(metric, own.judged.metrics[i]), own.file});
    }
  }
  std::printf("a type for each tensor, found on samples that the study does not have:\n%s", table.text().c_str());
  for (const SearchedTypes& own : all) {
    for (const std::string& doubt : bounds_in_doubt(own.bounds, own.on_search, own.judged))
      print_notes({own.scan.label + ": " + doubt}, false);
  }
}

// The part of the study that --shard names.
void take_shard(Definition& definition, RunOptions& options, const std::string& shard) {
  if (shard.empty()) return;
  options.shard = usage([&] { return parse_shard(shard); });
  definition.out = shard_folder(definition.out, options.shard.number, options.shard.of);
}

std::string range(std::size_t least, std::size_t most) {
  return least == most ? std::to_string(most) : std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace

void show_plan(Definition definition, RunOptions options, const std::string& shard) {
  take_shard(definition, options, shard);
  const StudyPlan plan = plan_study(definition, options);
  const bool searches = definition.search && options.shard.of == 1;
  if (searches) read_search_data(definition);
  for (const PlannedTraining& training : plan.trainings) {
    std::printf("%s: %s\n", training.path.c_str(), training.done ? "trained before, with this data and these options" : "to be trained");
  }
  Table table({"model", "data", "types", "points", "done", "to compute", "samples", "samples to run"});
  std::size_t all = 0;
  std::size_t least = 0;
  std::size_t most = 0;
  std::size_t skipped = 0;
  std::size_t measured = 0;
  double products = 0;
  double kept = 0;
  for (const PlannedScan& scan : plan.scans) {
    table.add({scan.label, scan.data_name.empty() ? "-" : scan.data_name, scan.options, std::to_string(scan.points),
               std::to_string(scan.found), range(scan.least, scan.most), std::to_string(scan.samples),
               range(scan.least * scan.samples, scan.most * scan.samples)});
    all += scan.points;
    least += scan.least * scan.samples;
    most += scan.most * scan.samples;
    skipped += scan.skipped;
    measured += scan.measured;
    kept += scan.kept;
    products += static_cast<double>(scan.most * scan.samples * scan.multiplications);
  }
  if (!plan.scans.empty()) {
    std::printf("%s%zu points; %zu with more integer than total bits skipped; samples to run: %s, at most %s multiplications\n",
                table.text().c_str(), all, skipped, range(least, most).c_str(), short_number(products).c_str());
    if (measured > 0)
      std::printf("%zu of the points that are done lack a metric, which is computed from their predictions or by running them\n", measured);
    std::printf(
        "The smaller number holds if no point overflows: such a point answers all with the same fractional bits and more integer bits.\n");
  }
  constexpr double kMega = 1e6;
  if (kept > 0) {
    std::printf("what is kept of the points takes at most about %s MB; keep: none takes none, layout: hdf5 less\n",
                short_number(kept / kMega).c_str());
  }
  std::printf("files:\n");
  for (const std::string& file : plan.files) std::printf("  %s\n", file.c_str());
  if (searches) std::printf("  of each model {nodes}.searched.yml, a type for each tensor\n");
}

void begin_and_show(const Definition& definition, const RunOptions& options, const std::string& file, const Globals& globals) {
  TrainingShown training(true, 0);
  const RunWatch watch{training, [&](const std::vector<std::string>& notes) { print_notes(notes, globals.quiet); }, nullptr};
  const StudyPart part = begin_study(definition, options, watch);
  write_file(file, to_json(part));
  if (globals.quiet) return;
  std::size_t points = 0;
  for (const StudyPart::Of& of : part.models) points += of.points.size();
  std::printf("%zu points are to be computed: %s\n", points, file.c_str());
}

void run_and_show(Definition definition, RunOptions options, const std::string& shard, const Globals& globals) {
  take_shard(definition, options, shard);
  for (Family& family : definition.training) family.options.threads = globals.threads;
  options.stop = interrupted;
  TrainingShown training(globals.quiet, definition.training.empty() ? 0 : definition.training.front().options.epochs);
  Progress progress("points", globals.quiet);
  bool running = false;
  const auto show = [&](const RunProgress& now) {
    if (!running) progress.restart();
    running = true;
    progress.show({now.done, now.all, now.found, now.samples, now.best});
  };
  const RunWatch watch{training, [&](const std::vector<std::string>& notes) { print_notes(notes, globals.quiet); }, show};
  stop_at_ctrl_c();
  const bool searches = definition.search && !options.train_only && options.shard.of == 1;
  const SearchData data = searches ? read_search_data(definition) : SearchData();
  const std::vector<ScanResult> results = run_study(definition, options, watch);
  if (!globals.quiet && !options.train_only) print_results(definition.out, results);
  if (!searches) return;
  Progress candidates("candidates", globals.quiet);
  const StudySearchWatch search_watch{watch.notes, [&](const std::string& label, const std::string& what, std::size_t done) {
                                        candidates.show({done, 0, 0, 0, label + ": " + what});
                                      }};
  const std::vector<SearchedTypes> searched = search_study(definition, data, options, search_watch);
  if (!globals.quiet) print_searched(*definition.search, searched);
}

}  // namespace narrow
