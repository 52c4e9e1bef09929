#include "study/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "data/hash.h"
#include "data/seen.h"
#include "data/text.h"
#include "error.h"
#include "keras/reader.h"
#include "model/inference.h"
#include "precision/precision.h"
#include "study/layout.h"
#include "study/outdated.h"
#include "study/profile.h"
#include "study/scan.h"
#include "study/trace.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Samples of the float model whose values are shown beside the types.
constexpr std::size_t kProfiled = 100;

struct Subject {
  Model model;
  std::string label;  // {nodes} of the study's layout
};

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
    const auto bits = [](const Point& p) { return std::array{p.v_full, p.v_int, p.wb_full, p.wb_int}; };
    std::stable_sort(scan.points.begin(), scan.points.end(), [&](const Point& a, const Point& b) { return bits(a) < bits(b); });
    scan.points.erase(std::unique(scan.points.begin(), scan.points.end()), scan.points.end());
    scan.points = points_of(scan.points, shard);
  }
  return scans;
}

// How the models' inputs were prepared: in one way, but for the number of rows, of which the largest.
std::optional<Preparation> common_preparation(const std::vector<Subject>& subjects) {
  std::optional<Preparation> common;
  for (const Subject& subject : subjects) {
    const std::optional<Preparation>& own = subject.model.preparation;
    if (!own) continue;
    if (!common) common = own;
    common->vmax = std::max(common->vmax, own->vmax);
    const std::string different = difference(own, common, Agreement::kInputs);
    if (!different.empty()) {
      throw Error("model " + subject.model.name +
                  " was trained on data that were prepared differently from those of the models before it (" + different +
                  "); study it separately");
    }
  }
  return common;
}

using KnownModels = std::vector<Store::KnownModel>;

// A model that the study knows keeps its label, whatever else is run; its file may have another name than before, unless that is the
// label of another one of these models.
void keep_labels(std::vector<Subject>& subjects, const KnownModels& known) {
  std::set<std::string> kept;
  for (const bool of_its_name : {true, false}) {
    for (Subject& subject : subjects) {
      if (!subject.label.empty()) continue;
      const std::string hash = content_hash(subject.model);
      const auto same = std::find_if(known.begin(), known.end(), [&](const Store::KnownModel& each) {
        return each.hash == hash && (each.name == subject.model.name || !of_its_name) && !kept.contains(each.label);
      });
      if (same != known.end()) kept.insert(subject.label = same->label);
    }
  }
}

// A new model's: its width (`usual`) where no other model has it, or its name.
std::string new_label(const std::string& name, const std::string& usual, bool alone, const KnownModels& known) {
  for (const Store::KnownModel& each : known) {
    // Its file has changed, which Store::add_model refuses, or an older narrow did not say what was in it.
    if (each.name == name && (each.label == usual || each.label == name)) return each.label;
    if (each.label == usual && !each.hash.empty()) alone = false;
  }
  return alone ? usual : name;
}

void give_labels(std::vector<Subject>& subjects, const KnownModels& known) {
  keep_labels(subjects, known);
  const auto usual = [](const Subject& subject) {
    const int width = common_width(subject.model);
    return width > 0 ? std::to_string(width) : subject.model.name;
  };
  std::map<std::string, int> uses;
  for (const Subject& subject : subjects) ++uses[usual(subject)];
  std::set<std::string> labels;
  for (Subject& subject : subjects) {
    const std::string label = usual(subject);
    if (subject.label.empty()) subject.label = new_label(subject.model.name, label, uses[label] == 1, known);
    if (!labels.insert(subject.label).second)
      throw Error("two models are called " + subject.label + ": their results would share files; rename one");
  }
}

// The models with the weights they have, or will have when they are trained.
std::vector<Subject> all_models(const Definition& definition, bool trained, const KnownModels& known) {
  std::vector<Subject> subjects;
  for (const std::string& path : definition.models) subjects.push_back({read_keras(path), {}});
  for (const Family& family : definition.training) {
    if (trained) {
      for (const std::string& path : paths_of(family)) {
        if (!fs::exists(path)) throw Error(path + ": the model has not been trained; train it first, with narrow run --train-only");
        subjects.push_back({read_keras(path), {}});
      }
    } else {
      for (Model& model : untrained(family)) subjects.push_back({std::move(model), {}});
    }
  }
  give_labels(subjects, known);
  return subjects;
}

// The data's shape, and how they were prepared, without the samples.
Dataset header_of(const Dataset& data) {
  Dataset header;
  header.path = data.path;
  header.shape = data.shape;
  header.targets = data.targets;
  header.preparation = data.preparation;
  return header;
}

// How the targets were prepared: as the user says, or the data, or the model.
Feature target_of(const DataOptions& options, const Dataset& data, const Model& model) {
  if (!options.target.empty() && options.target != "none") return parse_feature(options.target);
  for (const auto& known : {data.preparation, model.preparation}) {
    if (known && known->target) return *known->target;
  }
  return {"target"};
}

void check_thresholds(const MetricOptions& metrics, const Dataset& data, const Feature& target) {
  if (metrics.thresholds.empty()) return;
  if (data.targets != 1) {
    throw Error(data.path + ": a trigger threshold needs one target per sample, and these data have " + std::to_string(data.targets));
  }
  for (const double threshold : metrics.thresholds) {
    if (!std::isfinite(target.prepare(threshold))) {
      throw Error("threshold " + short_text(threshold) + ": " + to_string(target) + " has no such value");
    }
  }
}

// Passes training on to who looks on; what is trained, and with which result, is a fact of the study.
class Trainer : public FamilyWatch {
 public:
  Trainer(Store& store, FamilyWatch& watch) : store_(store), watch_(watch) {}
  void notes(const std::vector<std::string>& notes) override { watch_.notes(notes); }
  bool is_done(const std::string& path, const std::string& training) override {
    return fs::exists(path) && store_.known("training of " + path) == training + " " + hash_of_file(path);
  }
  void begin(const std::string& path, std::size_t samples, std::size_t validation, std::size_t epochs_done) override {
    watch_.begin(path, samples, validation, epochs_done);
  }
  void batch(std::size_t done, std::size_t all, double loss) override { watch_.batch(done, all, loss); }
  void epoch(const Epoch& epoch) override { watch_.epoch(epoch); }
  void end(const std::string& path, const std::string& training, const TrainState& state) override {
    store_.set("training of " + path, training + " " + hash_of_file(path));
    watch_.end(path, training, state);
  }

 private:
  static std::string hash_of_file(const std::string& path) {
    Hash hash;
    hash.add(read_file(path));
    return hash.text();
  }

  Store& store_;
  FamilyWatch& watch_;
};

class StudyRun {
 public:
  StudyRun(const Definition& definition, const RunOptions& options, const RunWatch& watch)
      : definition_(definition), options_(options), watch_(watch), grids_(scan_grids(definition, options.shard)) {}

  std::vector<ScanResult> run() {
    validate();
    make_folder(definition_.out);
    Store store(definition_.out, Store::Mode::kWrite);
    if (options_.shard.of > 1) store.set("shard", std::to_string(options_.shard.number) + "/" + std::to_string(options_.shard.of));
    Definition whole = definition_;
    if (options_.shard.of > 1) whole.out = fs::path(definition_.out).parent_path().string();
    store.add_definition(to_yaml(whole), options_.command);
    train(store);
    if (options_.train_only) return {};
    subjects_ = all_models(definition_, true, store.models());
    for (const Subject& subject : subjects_) store.add_model(subject.model, subject.label);
    for (const ScanGrid& grid : grids_) all_ += grid.points.size() * subjects_.size() * definition_.data.size();
    for (const StudyData& data : definition_.data) run_data(store, data);
    return std::move(results_);
  }

 private:
  // Everything that can be wrong is found before anything is trained, run or written.
  void validate() const {
    check_metrics(definition_.metrics);
    const std::vector<Subject> subjects = all_models(definition_, options_.shard.of > 1, {});
    const std::optional<Preparation> preparation = common_preparation(subjects);
    for (const StudyData& each : definition_.data) {
      const Dataset data = read_dataset(each.options.source_for(preparation), 1);
      for (const Subject& subject : subjects) {
        fit_to(data, subject.model);
        check_thresholds(definition_.metrics, data, target_of(each.options, data, subject.model));
        for (const ScanGrid& grid : grids_) {
          for (const Point& point : grid.points) resolve(subject.model, config_at(subject.model, grid.precision, point));
        }
      }
    }
  }

  void train(Store& store) const {
    // Shards find the models trained: each would else train its own.
    if (options_.shard.of > 1) return;
    Trainer trainer(store, watch_.training);
    for (const Family& family : definition_.training) train_family(family, trainer);
  }

  void run_data(Store& store, const StudyData& of) {
    Dataset data = read_dataset(of.options.source_for(common_preparation(subjects_)), of.options.limit());
    std::vector<std::string> notes = std::move(data.notes);
    data.notes.clear();
    // As the models take them: one copy for each shape.
    std::map<Shape, Dataset> fitted;
    for (const Subject& subject : subjects_) {
      const Shape shape = fit_to(header_of(data), subject.model).shape;
      if (fitted.contains(shape)) continue;
      Dataset own = fit_to(data, subject.model);
      notes.insert(notes.end(), own.notes.begin(), own.notes.end());
      fitted.emplace(shape, std::move(own));
    }
    const Dataset header = header_of(data);
    data = {};
    for (const Subject& subject : subjects_) {
      SeenCount seen(subject.model);
      seen.add(fitted.at(fit_to(header, subject.model).shape));
      const std::vector<std::string> more = seen.notes();
      notes.insert(notes.end(), more.begin(), more.end());
    }
    watch_.notes(notes);
    // Before anything of an earlier run is written over: are these its data?
    for (const auto& [shape, own] : fitted) store.add_data(own, of.name);
    for (const Subject& subject : subjects_) {
      const Dataset& own = fitted.at(fit_to(header, subject.model).shape);
      const std::vector<float> reference = infer(subject.model, own.x, own.size);
      for (const ScanGrid& grid : grids_) run_one(store, of, subject, own, reference, grid);
    }
  }

  void run_one(Store& store, const StudyData& of, const Subject& subject, const Dataset& data, const std::vector<float>& reference,
               const ScanGrid& grid) {
    const bool against_target = data.targets == 1 && subject.model.output_size() == 1;
    const Feature target = target_of(of.options, data, subject.model);
    if (against_target) keep_target(store, of, data, target);
    const Measure measure(definition_.metrics, reference, against_target ? data.y : std::vector<float>(), target);
    store.add_metric_names(measure.names());
    const Scan scan =
        store.add_scan(store.add_model(subject.model, subject.label), store.add_data(data, of.name), describe(grid.precision));
    const std::string folder = definition_.out + (scan.folder.empty() ? "" : "/" + scan.folder);
    write_targets(folder, data, store.points(scan, {}).empty());
    const std::vector<std::string> metrics = metric_names(measure);
    NamedValues float_values;
    const std::vector<double> values = measure.float_values();
    for (std::size_t i = 0; i < metrics.size(); ++i) float_values[metrics[i]] = values[i];
    store.set_float(scan, float_values, measure.curves());
    if (!grid.points.empty()) {
      // Which layers take in a BatchNormalization does not depend on the bits.
      const Resolved resolved = resolve(subject.model, config_at(subject.model, grid.precision, grid.points.front()));
      store.set_profile(scan, profile(subject.model, resolved, data, std::min(definition_.counted, kProfiled)));
    }
    const KeptFiles files(folder, subject.label, definition_.keep, subject.model, data, reference);
    files.write_float();
    best_ = std::numeric_limits<double>::infinity();
    progress_.best.clear();
    ScanResult result{scan, grid.points.size(), 0, 0, 0, 0, grid.skipped};
    const ScanJob job{subject.model, data, measure, files, grid.precision, definition_.counted, scan, store, options_};
    std::vector<StoredPoint> points = store.plan(scan, planned(subject.model, grid), metrics);
    Outdated outdated;
    outdated.add(points);
    if (outdated.any()) watch_.notes({subject.label + ": " + outdated.sentence(" and are computed again")});
    run_scan(job, std::move(points), [&](PointEnd end, const Point& point, double mpe) {
      const std::scoped_lock lock(mutex_);
      ++(end == PointEnd::kFound      ? result.found
         : end == PointEnd::kComputed ? result.computed
         : end == PointEnd::kFollowed ? result.followed
                                      : result.measured);
      progress_.found += end == PointEnd::kFound ? 1 : 0;
      progress_.samples += end == PointEnd::kComputed ? data.size : 0;
      tell(subject, point, mpe);
    });
    write_results(definition_.out, store, scan);
    results_.push_back(result);
  }

  // A scan that is new shares the folder of others on the same file, which may have changed since.
  static void write_targets(const std::string& folder, const Dataset& data, bool is_new) {
    make_folder(folder);
    if (data.targets == 0) return;
    const std::string path = folder + "/" + kTargets;
    const std::string targets = savetxt(data.y, data.targets);
    if (is_new && fs::exists(path) && read_file(path) != targets) {
      throw Error(data.path + ": its targets are not those in " + path + ", with which this study began; give another --out");
    }
    write_file(path, targets);
  }

  // What is in the store was measured in the target's own unit: another one would stand beside it under the same names.
  void keep_target(Store& store, const StudyData& of, const Dataset& data, const Feature& target) const {
    const std::string fact = fact_of_target(of.name);
    const std::string known = store.known(fact);
    if (!known.empty() && known != to_string(target)) {
      throw Error(data.path + ": the target of this study is " + known + ", and " + to_string(target) +
                  " is asked for; give another --out, or the same target");
    }
    store.set(fact, to_string(target));
    store.set(kUnitFact, definition_.metrics.unit);
  }

  // The grid's points by their types: where those are inferred otherwise than before, a point is another one.
  static std::vector<PlannedPoint> planned(const Model& model, const ScanGrid& grid) {
    std::vector<PlannedPoint> points;
    points.reserve(grid.points.size());
    for (const Point& point : grid.points) {
      points.push_back(grid_point(point, types_json(resolve(model, config_at(model, grid.precision, point)))));
    }
    return points;
  }

  void tell(const Subject& subject, const Point& point, double mpe) {
    ++progress_.done;
    progress_.all = all_;
    if (mpe < best_) {
      best_ = mpe;
      progress_.best = "best " + subject.label + ": " + types_of(point) + ", MPE " + short_text(std::round(mpe * 1e4) / 1e4) + " %";
    }
    if (watch_.progress) watch_.progress(progress_);
  }

  const Definition& definition_;
  const RunOptions& options_;
  const RunWatch& watch_;
  std::vector<ScanGrid> grids_;
  std::vector<Subject> subjects_;
  std::vector<ScanResult> results_;
  std::size_t all_ = 0;
  RunProgress progress_;
  double best_ = std::numeric_limits<double>::infinity();
  std::mutex mutex_;
};

}  // namespace

std::vector<ScanResult> run_study(const Definition& definition, const RunOptions& options, const RunWatch& watch) {
  return StudyRun(definition, options, watch).run();
}

}  // namespace narrow
