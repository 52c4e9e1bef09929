#include "study/run.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "data/clusters.h"
#include "data/hash.h"
#include "data/seen.h"
#include "data/text.h"
#include "error.h"
#include "files/model_file.h"
#include "keras/reader.h"
#include "keras/writer.h"
#include "model/inference.h"
#include "precision/precision.h"
#include "study/best.h"
#include "study/layout.h"
#include "study/outdated.h"
#include "study/profile.h"
#include "study/scan.h"
#include "study/study_data.h"
#include "study/subject.h"
#include "study/trace.h"
#include "train/checkpoint.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Samples of the float model whose values are shown beside the types.
constexpr std::size_t kProfiled = 100;

bool less(const Point& a, const Point& b) {
  const auto bits = [](const Point& p) { return std::array{p.v_full, p.v_int, p.wb_full, p.wb_int}; };
  return bits(a) < bits(b);
}

// Grids of one description are one scan: their points together, each once.
struct ScanGrid {
  PrecisionOptions precision;
  std::vector<Point> points;
  std::size_t skipped = 0;
};

std::vector<ScanGrid> scan_grids(const Definition& definition, const Shard& shard) {
  std::vector<ScanGrid> scans;
  for (const StudyGrid& grid : definition.grids) {
    const auto known = std::find_if(scans.begin(), scans.end(),
                                    [&](const ScanGrid& scan) { return describe(scan.precision) == describe(grid.precision); });
    ScanGrid& scan = known == scans.end() ? scans.emplace_back(ScanGrid{grid.precision, {}, 0}) : *known;
    const GridPoints points = points_of(grid.grid);
    scan.points.insert(scan.points.end(), points.points.begin(), points.points.end());
    scan.skipped += points.skipped;
  }
  for (ScanGrid& scan : scans) {
    std::stable_sort(scan.points.begin(), scan.points.end(), less);
    scan.points.erase(std::unique(scan.points.begin(), scan.points.end()), scan.points.end());
    scan.points = points_of(scan.points, shard);
  }
  return scans;
}

// Those of the grid's points that a part of the study has of a model.
ScanGrid grid_of(const RunOptions& options, const std::string& label, const ScanGrid& grid) {
  if (!options.part) return grid;
  ScanGrid own{grid.precision, options.part->points_of(label), 0};
  std::sort(own.points.begin(), own.points.end(), less);
  own.points.erase(std::unique(own.points.begin(), own.points.end()), own.points.end());
  for (const Point& point : own.points) {
    if (std::binary_search(grid.points.begin(), grid.points.end(), point, less)) continue;
    throw Error("--points: " + types_of(point) + " of model " + label + " is no point of this study's grid");
  }
  return own;
}

void check_part(const StudyPart& part, const std::vector<Subject>& subjects) {
  for (const Store::KnownModel& model : part.known()) {
    const auto same = std::find_if(subjects.begin(), subjects.end(), [&](const Subject& each) { return each.label == model.label; });
    if (same == subjects.end() || content_hash(same->model) != model.hash)
      throw Error("--points: its model " + model.label + " is none of this study's");
  }
}

void check_targets(const MetricOptions& metrics, const Dataset& data, const Model& model, const Targets& targets) {
  if (!targets.truth.empty()) check_target(targets, data.path);
  const MetricOptions usual;
  if (!targets.classes && (metrics.backgrounds != usual.backgrounds || metrics.efficiencies != usual.efficiencies)) {
    throw Error("--background and --efficiency are working points of a classifier, and model " + model.name +
                " is not taken for one; name its classes (--classes)");
  }
  if (targets.classes && targets.classes->truth.empty() &&
      (metrics.backgrounds != usual.backgrounds || metrics.efficiencies != usual.efficiencies)) {
    throw Error("--background and --efficiency need the true classes: " +
                (data.targets == 0 ? data.path + " has no targets (y)" : targets.classes->notes.front()));
  }
  if (metrics.thresholds.empty()) return;
  if (targets.classes) {
    throw Error("--threshold is of a trigger on one target, and model " + model.name +
                " is a classifier; its working points are --background and --efficiency");
  }
  if (data.targets != 1) {
    throw Error(data.path + ": a trigger threshold needs one target per sample, and these data have " + std::to_string(data.targets));
  }
  for (const double threshold : metrics.thresholds) {
    if (!std::isfinite(targets.of_data.prepare(threshold))) {
      throw Error("threshold " + short_text(threshold) + ": " + to_string(targets.of_data) + " has no such value");
    }
  }
}

std::string fact_of_training(const std::string& path) { return "training of " + path; }

std::string fact_of_studied_training(const std::string& label) { return "studied training of " + label; }

// Of a model that narrow wrote: its weights may lie in a file of their own.
bool is_written(const std::string& path) {
  const std::vector<std::string> files = files_written(path);
  return std::all_of(files.begin(), files.end(), [](const std::string& file) { return fs::exists(file); });
}

std::string hash_of_files(const std::string& path) {
  Hash hash;
  for (const std::string& file : files_written(path)) hash.add(read_file(file));
  return hash.text();
}

bool trained_before(const Store& store, const std::string& path, const std::string& training) {
  return is_written(path) && store.known(fact_of_training(path)) == training + " " + hash_of_files(path);
}

// Passes training on to who looks on; what is trained, and with which result, is a fact of the study.
class Trainer : public FamilyWatch {
 public:
  Trainer(Store& store, FamilyWatch& watch) : store_(store), watch_(watch) {}
  void notes(const std::vector<std::string>& notes) override { watch_.notes(notes); }
  bool is_done(const std::string& path, const std::string& training) override { return trained_before(store_, path, training); }
  void begin(const std::string& path, std::size_t samples, std::size_t validation, std::size_t epochs_done) override {
    watch_.begin(path, samples, validation, epochs_done);
  }
  void batch(std::size_t done, std::size_t all, double loss) override { watch_.batch(done, all, loss); }
  void epoch(const Epoch& epoch) override { watch_.epoch(epoch); }
  void end(const std::string& path, const std::string& training, const TrainState& state) override {
    store_.set(fact_of_training(path), training + " " + hash_of_files(path));
    watch_.end(path, training, state);
  }

 private:
  Store& store_;
  FamilyWatch& watch_;
};

// --- plan

// What is to be done, checked: everything that can be wrong is found before anything is trained, run or written.
struct CheckedStudy {
  std::vector<ScanGrid> grids;
  std::vector<Subject> subjects;  // those that are to be trained, with their first weights
  std::vector<FittedData> data;
};

// All data are read: a single row does not tell whether targets are classes.
CheckedStudy checked(const Definition& definition, const RunOptions& options, const KnownModels& known) {
  CheckedStudy study{scan_grids(definition, options.shard), all_models(definition, options.shard.of > 1, known), {}};
  const MetricOptions& metrics = definition.metrics;
  check_metrics(metrics);
  for (const StudyData& each : definition.data) {
    const FittedData& data = study.data.emplace_back(read_fitted(each, study.subjects));
    for (const Subject& subject : study.subjects) {
      const Dataset& own = data.of(subject.model);
      check_targets(metrics, own, subject.model, targets_of(each.options, own, subject.model, metrics.classes));
    }
  }
  if (options.part) check_part(*options.part, study.subjects);
  for (const Subject& subject : study.subjects) {
    for (const ScanGrid& grid : study.grids) {
      for (const Point& point : grid_of(options, subject.label, grid).points)
        resolve(subject.model, config_at(subject.model, grid.precision, point));
    }
  }
  return study;
}

// The data sets held against what the study has, where there is one, and so are the models that are not to be trained.
void check_known(const Definition& definition, const std::vector<Subject>& subjects, const std::vector<FittedData>& data,
                 const Store* store) {
  if (store != nullptr) {
    for (std::size_t i = 0; i < definition.models.size(); ++i) store->check_model(subjects[i].model, subjects[i].label);
  }
  for (std::size_t i = 0; i < data.size(); ++i) check_study_data(store, definition.metrics, definition.data[i], subjects, data[i]);
}

// Notes which models were trained before, and trains none.
class TrainingsDone : public FamilyWatch {
 public:
  TrainingsDone(const Store* store, std::vector<PlannedTraining>& trainings) : store_(store), trainings_(trainings) {}
  void notes(const std::vector<std::string>& /*notes*/) override {}
  bool is_done(const std::string& path, const std::string& training) override {
    trainings_.push_back({path, store_ != nullptr && trained_before(*store_, path, training), training});
    return true;
  }
  void begin(const std::string&, std::size_t, std::size_t, std::size_t) override {}
  void batch(std::size_t, std::size_t, double) override {}
  void epoch(const Epoch&) override {}
  void end(const std::string&, const std::string&, const TrainState&) override {}

 private:
  const Store* store_;
  std::vector<PlannedTraining>& trainings_;
};

std::vector<PlannedTraining> planned_trainings(const Definition& definition, const Store* store) {
  std::vector<PlannedTraining> trainings;
  TrainingsDone watch(store, trainings);
  for (const Family& family : definition.training) train_family(family, watch);
  return trainings;
}

// How the model was trained of which the study has results under this label; empty where that is not known.
std::string training_studied(const Store& store, const Store::KnownModel& known, const std::string& path) {
  std::string training = store.known(fact_of_studied_training(known.label));
  if (!training.empty()) return training;
  // Of a study of an older narrow: how the file was trained, if it is the model.
  return is_written(path) && content_hash(read_keras(path)) == known.hash ? store.known(fact_of_training(path)) : "";
}

// A model that is trained otherwise is another than the study knows, which would refuse it: before it is trained and takes its place.
void refuse_other_trainings(const Definition& definition, const Store& store, const std::vector<PlannedTraining>& trainings) {
  const KnownModels known = store.models();
  const std::vector<Subject> subjects = all_models(definition, false, known);
  for (std::size_t i = 0; i < trainings.size(); ++i) {
    if (trainings[i].done) continue;
    const std::string& label = subjects[definition.models.size() + i].label;
    const auto same = std::find_if(known.begin(), known.end(), [&](const Store::KnownModel& each) { return each.label == label; });
    if (same == known.end() || same->hash.empty()) continue;
    const std::string different = difference_of_trainings(training_studied(store, *same, trainings[i].path), trainings[i].training);
    if (different.empty()) continue;
    throw Error(trainings[i].path + ": the study in " + definition.out + " has results of this model trained otherwise (" + different +
                "); give the new one another name (out: of train:)");
  }
}

// How many points of a scan are done, how many are measured again, and how many are run at least: those that no other one, done without
// an overflow or still to be run, could answer (scan.cc).
void count_points(PlannedScan& planned, const ScanGrid& grid, const std::vector<StoredPoint>& known, const KeptFiles& files,
                  const std::function<bool(const StoredPoint&)>& is_measured, bool share) {
  std::vector<Point> to_run;
  std::vector<Point> leaders;
  for (const Point& point : grid.points) {
    const auto same = std::find_if(known.begin(), known.end(), [&](const StoredPoint& each) { return each.point == point; });
    const bool whole = same != known.end() && same->finished && !same->outdated() && files.whole(*same);
    const bool measured = whole && is_measured(*same);
    if (!measured && !(whole && files.predictions(*same))) {
      to_run.push_back(point);
      continue;
    }
    ++planned.found;
    planned.measured += measured ? 0 : 1;
    if (same->clean && same->computed_as == same->id) leaders.push_back(point);
  }
  leaders.insert(leaders.end(), to_run.begin(), to_run.end());
  const auto may_answer = [&](const Point& leader, const Point& point) {
    return share && leader != point && leader.v_full - leader.v_int == point.v_full - point.v_int &&
           leader.wb_full - leader.wb_int == point.wb_full - point.wb_int && leader.v_int <= point.v_int && leader.wb_int <= point.wb_int;
  };
  planned.most = to_run.size();
  planned.to_run = to_run;
  planned.least = static_cast<std::size_t>(std::count_if(to_run.begin(), to_run.end(), [&](const Point& point) {
    return std::none_of(leaders.begin(), leaders.end(), [&](const Point& leader) { return may_answer(leader, point); });
  }));
}

std::vector<std::string> files_of(const Definition& definition, const StudyPlan& plan) {
  std::vector<std::string> files{definition.out + "/study.db"};
  for (const PlannedTraining& training : plan.trainings) {
    if (!training.done) files.push_back(training.path + ", its history (.history.json, .history.csv)");
  }
  std::set<std::string> seen;
  const Keep& keep = definition.keep;
  std::set<std::pair<std::string, std::string>> folders;
  for (const PlannedScan& scan : plan.scans) folders.emplace(scan.data_name, scan.options);
  for (const PlannedScan& scan : plan.scans) {
    const std::string in = definition.out + "/" + (folders.size() > 1 ? "[FOLDER/]" : "");
    const std::string results =
        in + "results_" + scan.label + "_mpe.txt, results_" + scan.label + "_mae.txt, points_" + scan.label + ".txt";
    if (!seen.insert(results).second) continue;
    if (scan.has_targets && seen.insert(in).second) files.push_back(in + kTargets);
    files.push_back(results);
    if (!keep.predictions && !keep.trace) continue;
    const std::string name = in + scan.label + ".V_FULL.V_INT.wb_WB_FULL.WB_INT";
    const std::string what = keep.predictions && keep.trace ? "predictions and trace" : keep.trace ? "trace" : "predictions";
    files.push_back(name + (keep.layout == Keep::Layout::kText ? ".model/" : ".h5") + " for each point: " + what);
  }
  return files;
}

// --- execute

// Tells who looks on how far the points are. From any thread.
class Teller {
 public:
  Teller(const RunWatch& watch, std::size_t all) : watch_(watch) { progress_.all = all; }

  void begin_scan() {
    best_ = std::numeric_limits<double>::infinity();
    progress_.best.clear();
  }
  void done(const Subject& subject, std::size_t samples, PointEnd end, const Point& point, double cost, const Metric& headline,
            ScanResult& result) {
    const std::scoped_lock lock(mutex_);
    ++(end == PointEnd::kFound      ? result.found
       : end == PointEnd::kComputed ? result.computed
       : end == PointEnd::kFollowed ? result.followed
                                    : result.measured);
    progress_.found += end == PointEnd::kFound ? 1 : 0;
    progress_.samples += end == PointEnd::kComputed ? samples : 0;
    ++progress_.done;
    if (cost < best_) {
      best_ = cost;
      progress_.best = "lowest " + headline.title + (headline.says_space ? " of the output" : "") + " of " + subject.label + ": " +
                       number_text(cost, 3) + " " + headline.unit + ", " + types_of(point);
    }
    if (watch_.progress) watch_.progress(progress_);
  }

 private:
  const RunWatch& watch_;
  RunProgress progress_;
  double best_ = std::numeric_limits<double>::infinity();
  std::mutex mutex_;
};

// Whether the scan is new in the folder of others. (Where it is alone, what a power cut left there is written anew.)
bool joins_others(const Store& store, const Scan& scan) {
  const auto has_results = [&](const Scan& of) {
    const std::vector<StoredPoint> points = store.points(of, {});
    return std::any_of(points.begin(), points.end(), [](const StoredPoint& point) { return point.finished; });
  };
  const std::vector<Scan> scans = store.scans();
  return !has_results(scan) && std::any_of(scans.begin(), scans.end(), [&](const Scan& other) {
    return other.id != scan.id && other.folder == scan.folder && has_results(other);
  });
}

// A scan that joins others in their folder is on the same file, which may have changed since.
void write_targets(const std::string& folder, const Dataset& data, bool joins) {
  make_folder(folder);
  if (data.targets == 0) return;
  const std::string path = folder + "/" + kTargets;
  const std::string targets = savetxt(data.y, data.targets);
  if (joins && fs::exists(path) && read_file(path) != targets) {
    throw Error(data.path + ": its targets are not those in " + path + ", with which this study began; give another --out");
  }
  write_file(path, targets);
}

// The grid's points by their types: where those are inferred otherwise than before, a point is another one.
std::vector<PlannedPoint> planned(const Model& model, const ScanGrid& grid) {
  std::vector<PlannedPoint> points;
  points.reserve(grid.points.size());
  for (const Point& point : grid.points) {
    points.push_back(grid_point(point, types_json(resolve(model, config_at(model, grid.precision, point)))));
  }
  return points;
}

// What is beside the models of how they were trained, for the report.
void keep_histories(Store& store, const Definition& definition) {
  std::vector<std::string> paths = definition.models;
  for (const Family& family : definition.training) {
    const std::vector<std::string> more = paths_of(family);
    paths.insert(paths.end(), more.begin(), more.end());
  }
  for (const std::string& path : paths) {
    const std::string file = path.substr(0, path.rfind('.')) + ".history.json";
    if (fs::is_regular_file(file)) store.set(fact_of_history(path), read_file(file));
  }
}

// How the models were trained of which the study will have results.
void keep_trainings(Store& store, const Definition& definition, const std::vector<Subject>& subjects) {
  std::size_t i = definition.models.size();
  for (const Family& family : definition.training) {
    for (const std::string& path : paths_of(family)) {
      const std::string training = store.known(fact_of_training(path));
      const std::string& label = subjects[i++].label;
      // Without the hash of the file behind it.
      if (!training.empty()) store.set(fact_of_studied_training(label), training.substr(0, training.rfind(' ')));
    }
  }
}

// Executes checked studies on a store.
class Execution {
 public:
  Execution(const Definition& definition, const RunOptions& options, const RunWatch& watch, Store& store)
      : definition_(definition), metrics_(with_known(definition.metrics, store)), options_(options), watch_(watch), store_(store) {}

  void train() {
    // Shards find the models trained: each would else train its own.
    if (options_.shard.of > 1) return;
    Trainer trainer(store_, watch_.training);
    for (const Family& family : definition_.training) train_family(family, trainer);
  }

  // Every scan in turn, on the data sets of the definition; `publish` is called when one is done.
  void run(const std::vector<Subject>& subjects, const std::vector<FittedData>& data, const std::vector<ScanGrid>& grids,
           const std::function<void(const ScanResult&)>& publish) {
    std::size_t all = 0;
    for (const ScanGrid& grid : grids) {
      for (const Subject& subject : subjects) all += grid_of(options_, subject.label, grid).points.size() * definition_.data.size();
    }
    Teller teller(watch_, all);
    plan(subjects, data, grids);
    if (!definition_.metrics.classes.empty()) store_.name_classes(definition_.metrics.classes);
    for (std::size_t i = 0; i < data.size(); ++i) {
      const StudyData& of = definition_.data[i];
      const std::map<std::string, std::vector<std::string>> seen = note(of, data[i], subjects);
      for (const Subject& subject : subjects) {
        const Dataset& own = data[i].of(subject.model);
        const std::vector<float> reference = infer(float_network(subject.model), own.x, own.size);
        for (const ScanGrid& grid : grids) {
          const ScanGrid part = grid_of(options_, subject.label, grid);
          if (options_.part && part.points.empty()) continue;
          publish(run_scan_of(of, subject, own, reference, seen.at(subject.label), part, teller));
        }
      }
    }
  }

 private:
  // All points of all scans are in the store before the first one is computed: whoever looks on, or finds the study interrupted, sees what
  // is missing.
  void plan(const std::vector<Subject>& subjects, const std::vector<FittedData>& data, const std::vector<ScanGrid>& grids) {
    for (std::size_t i = 0; i < data.size(); ++i) {
      for (const Subject& subject : subjects) {
        for (const ScanGrid& grid : grids) {
          const Scan scan = scan_of(definition_.data[i], subject, data[i].of(subject.model), grid);
          if (joins_others(store_, scan)) joining_.insert(scan.id);
          planned_[scan.id] = store_.plan(scan, planned(subject.model, grid_of(options_, subject.label, grid)), {});
        }
      }
    }
  }

  Scan scan_of(const StudyData& of, const Subject& subject, const Dataset& data, const ScanGrid& grid) {
    return store_.add_scan(store_.add_model(subject.model, subject.label), store_.add_data(data, of.name), describe(grid.precision));
  }

  // Says what a user should know of the data; which of their samples each model has seen in training, by its label.
  std::map<std::string, std::vector<std::string>> note(const StudyData& of, const FittedData& data, const std::vector<Subject>& subjects) {
    std::map<std::string, std::vector<std::string>> seen_by;
    std::vector<std::string> notes = data.notes;
    for (const Subject& subject : subjects) {
      const Dataset& own = data.of(subject.model);
      SeenCount seen(subject.model);
      seen.add(own);
      seen_by[subject.label] = seen.notes();
      const Targets targets = targets_of(of.options, own, subject.model, metrics_.classes);
      if (std::string unused = unused_targets(of.options, own, subject.model, targets); !unused.empty()) notes.push_back(std::move(unused));
    }
    watch_.notes(notes);
    if (data.all) store_.set(fact_of_all_samples(of.name), std::to_string(data.samples));
    if (store_.known(fact_of_reading(of.name)).empty()) store_.set(fact_of_reading(of.name), to_yaml(of.options));
    return seen_by;
  }

  // What a reader of the scan should know: where narrow departs from hls4ml for the model, and which samples have no part in a metric.
  void keep_notes(const Scan& scan, const Subject& subject, const ScanGrid& grid, std::vector<std::string> notes) {
    if (grid.points.empty()) return;
    const Resolved resolved = resolve(subject.model, config_at(subject.model, grid.precision, grid.points.front()));
    notes.insert(notes.begin(), resolved.notes.begin(), resolved.notes.end());
    store_.set_notes(scan, notes);
    std::vector<std::string> shown;
    shown.reserve(notes.size());
    for (const std::string& note : notes) shown.push_back(subject.label + ": " + note);
    watch_.notes(shown);
  }

  ScanResult run_scan_of(const StudyData& of, const Subject& subject, const Dataset& data, const std::vector<float>& reference,
                         const std::vector<std::string>& seen, const ScanGrid& grid, Teller& teller) {
    const Targets targets = targets_of(of.options, data, subject.model, metrics_.classes);
    const std::vector<TargetFact> facts = target_facts(of, subject, data, targets);
    for (const TargetFact& fact : facts) store_.set(fact.name, fact.value);
    if (!facts.empty() && !definition_.metrics.unit.empty()) store_.set(kUnitFact, definition_.metrics.unit);
    const Measure measure(with_known(metrics_, store_), {reference.begin(), reference.end()}, targets);
    const Scan scan = scan_of(of, subject, data, grid);
    store_.add_metric_names(measure.names());
    const std::string folder = definition_.out + (scan.folder.empty() ? "" : "/" + scan.folder);
    write_targets(folder, data, joining_.contains(scan.id));
    const std::vector<std::string> metrics = metric_names(measure);
    NamedEstimates float_values;
    const std::vector<Estimate> values = measure.float_values();
    for (std::size_t i = 0; i < metrics.size(); ++i) float_values[metrics[i]] = values[i];
    store_.set_float(scan, float_values, measure.curves());
    std::vector<std::string> notes = measure.notes();
    notes.insert(notes.end(), seen.begin(), seen.end());
    keep_notes(scan, subject, grid, notes);
    if (!grid.points.empty() && !options_.part) {  // the whole study has it
      // Which layers take in a BatchNormalization does not depend on the bits.
      const Resolved resolved = resolve(subject.model, config_at(subject.model, grid.precision, grid.points.front()));
      store_.set_profile(scan, profile(subject.model, resolved, data, std::min(definition_.counted, kProfiled)));
    }
    const KeptFiles files(folder, subject.label, definition_.keep, subject.model, data, reference);
    files.write_float();
    teller.begin_scan();
    ScanResult result{scan, grid.points.size(), 0, 0, 0, 0, grid.skipped};
    if (options_.begin_only) return result;
    const ScanJob job{subject.model,       data, measure, files,    grid.precision,
                      definition_.counted, scan, store_,  options_, metric_named(headline_of(metrics))};
    std::vector<StoredPoint> points = std::move(planned_.at(scan.id));
    for (StoredPoint& point : points) point.measured = store_.is_measured(point, metrics);
    Outdated outdated;
    outdated.add(points);
    if (outdated.any()) watch_.notes({subject.label + ": " + outdated.sentence(" and are computed again")});
    run_scan(job, std::move(points), [&](PointEnd end, const Point& point, double cost) {
      teller.done(subject, data.size, end, point, cost, job.headline, result);
    });
    return result;
  }

  const Definition& definition_;
  const MetricOptions metrics_;
  const RunOptions& options_;
  const RunWatch& watch_;
  Store& store_;
  std::set<std::int64_t> joining_;                            // scans that are new in the folder of others
  std::map<std::int64_t, std::vector<StoredPoint>> planned_;  // of each scan that is still to be run
};

}  // namespace

std::string fact_of_history(const std::string& model_path) { return "history of " + model_path; }

StudyPlan plan_study(const Definition& definition, const RunOptions& options) {
  if (fs::exists(definition.out) && !fs::is_directory(definition.out)) {
    throw Error(definition.out + ": the study's folder cannot be made: something else has its name");
  }
  const std::optional<Store> store =
      fs::exists(definition.out + "/study.db") ? std::optional<Store>(std::in_place, definition.out, Store::Mode::kRead) : std::nullopt;
  const CheckedStudy study = checked(definition, options, store ? store->models() : KnownModels());
  StudyPlan plan;
  if (options.shard.of == 1) {
    plan.trainings = planned_trainings(definition, store ? &*store : nullptr);
    if (store) refuse_other_trainings(definition, *store, plan.trainings);
  }
  if (options.train_only) {
    plan.files = files_of(definition, plan);
    return plan;
  }
  const std::vector<FittedData>& data = study.data;
  check_known(definition, study.subjects, data, store ? &*store : nullptr);
  const std::vector<Scan> known = store ? store->scans() : std::vector<Scan>();
  const MetricOptions options_of_metrics = store ? with_known(definition.metrics, *store) : definition.metrics;
  for (std::size_t i = 0; i < data.size(); ++i) {
    for (const Subject& subject : study.subjects) {
      const Dataset& own = data[i].of(subject.model);
      const std::vector<float> unknown(own.size * subject.model.output_size());
      const Measure measure(options_of_metrics, {unknown.begin(), unknown.end()},
                            targets_of(definition.data[i].options, own, subject.model, options_of_metrics.classes));
      const std::vector<std::string> metrics = metric_names(measure);
      for (const ScanGrid& grid : study.grids) {
        PlannedScan scan{subject.label, definition.data[i].name, describe(grid.precision), own.size, grid.points.size(), grid.skipped};
        scan.has_targets = own.targets > 0;
        for (const Layer& layer : subject.model.layers) scan.multiplications += multiplications(layer);
        const auto same = std::find_if(known.begin(), known.end(), [&](const Scan& each) {
          return each.label == scan.label && each.data_name == scan.data_name && each.options == scan.options;
        });
        const bool is_known = same != known.end();
        const std::string folder = definition.out + (is_known && !same->folder.empty() ? "/" + same->folder : "");
        const KeptFiles files(folder, subject.label, definition.keep, subject.model, own, unknown);
        const auto is_measured = [&](const StoredPoint& point) { return store->is_measured(point, metrics); };
        count_points(scan, grid, is_known ? store->points(*same, {}) : std::vector<StoredPoint>(), files, is_measured, options.share);
        scan.kept = static_cast<double>(scan.most) * kept_bytes(definition.keep, subject.model, own.size);
        plan.scans.push_back(std::move(scan));
      }
    }
  }
  plan.files = files_of(definition, plan);
  return plan;
}

std::vector<ScanResult> run_study(const Definition& definition, const RunOptions& options, const RunWatch& watch) {
  const KnownModels whole_study = options.part ? options.part->known() : KnownModels();
  const CheckedStudy study = checked(definition, options, whole_study);
  make_folder(definition.out);
  Store store(definition.out, Store::Mode::kWrite);
  if (options.shard.of == 1 && !definition.training.empty() && !store.models().empty()) {
    refuse_other_trainings(definition, store, planned_trainings(definition, &store));
  }
  const auto known = [&] { return options.part ? whole_study : store.models(); };
  // Everything that could refuse models and data comes before anything is trained, computed or written.
  const std::vector<FittedData>& data = study.data;
  if (!options.train_only) check_known(definition, all_models(definition, options.shard.of > 1, known()), data, &store);
  if (options.shard.of > 1) store.set("shard", std::to_string(options.shard.number) + "/" + std::to_string(options.shard.of));
  Definition whole = definition;
  if (options.shard.of > 1) whole.out = fs::path(definition.out).parent_path().string();
  if (!options.part) store.add_definition(to_yaml(whole), options.command);
  Execution execution(definition, options, watch, store);
  execution.train();
  if (options.train_only) return {};
  const std::vector<Subject> subjects = all_models(definition, true, known());
  for (const Subject& subject : subjects) store.check_model(subject.model, subject.label);
  keep_trainings(store, definition, subjects);
  keep_histories(store, definition);
  std::vector<ScanResult> results;
  execution.run(subjects, data, study.grids, [&](const ScanResult& result) {
    if (!options.begin_only) write_results(definition.out, store, result.scan);
    results.push_back(result);
  });
  return results;
}

StudyPart begin_study(const Definition& definition, RunOptions options, const RunWatch& watch) {
  options.begin_only = true;
  run_study(definition, options, watch);
  const StudyPlan plan = plan_study(definition, options);
  StudyPart part;
  for (const std::string& model : definition.models) {
    for (const std::string& file : files_of_model(model)) part.files.push_back(file);
  }
  for (const StudyData& data : definition.data) {
    for (const std::string& file : expand_paths(data.options.paths)) part.files.push_back(file);
  }
  for (const Store::KnownModel& model : Store(definition.out, Store::Mode::kRead).models()) {
    const auto planned =
        std::find_if(plan.scans.begin(), plan.scans.end(), [&](const PlannedScan& each) { return each.label == model.label; });
    if (planned != plan.scans.end()) part.models.push_back({model, planned->to_run});
  }
  return part;
}

}  // namespace narrow
