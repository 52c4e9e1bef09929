#include "study/sweep.h"

#include <oneapi/tbb/task_group.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>

#include "data/dataset.h"
#include "engine/engine.h"
#include "error.h"
#include "keras/reader.h"
#include "model/inference.h"
#include "report/text.h"
#include "study/layout.h"
#include "study/store.h"
#include "study/trace.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// A model with the data as it takes them and its float answers.
struct Subject {
  Model model;
  std::string label;
  Dataset data;
  std::vector<float> reference;
};

// How the models' inputs were prepared: in one way, but for the number of rows, of which the largest.
std::string common_preparation(const std::vector<Subject>& subjects) {
  std::optional<Preparation> common;
  for (const Subject& subject : subjects) {
    if (subject.model.preparation.empty()) continue;
    Preparation own = preparation_from_json(subject.model.preparation);
    own.vmax = common ? std::max(own.vmax, common->vmax) : own.vmax;
    if (common) common->vmax = own.vmax;
    if (common && *common != own) {
      throw Error("model " + subject.model.name + " was trained on data prepared in another way than the models before it; study it alone");
    }
    common = own;
  }
  return common ? to_json(*common) : "";
}

std::vector<Subject> read_subjects(const Sweep& sweep, SweepResult& result) {
  std::vector<Subject> subjects;
  for (const std::string& path : sweep.models) subjects.push_back({read_keras(path), {}, {}, {}});
  const Dataset data = read_dataset(sweep.data(common_preparation(subjects)), sweep.samples);
  result.notes = data.notes;
  for (Subject& subject : subjects) {
    const int width = common_width(subject.model);
    subject.label = width > 0 ? std::to_string(width) : subject.model.name;
    subject.data = fit_to(data, subject.model);
    result.notes.insert(result.notes.end(), subject.data.notes.begin() + static_cast<std::ptrdiff_t>(data.notes.size()),
                        subject.data.notes.end());
  }
  std::map<std::string, int> uses;
  for (const Subject& subject : subjects) ++uses[subject.label];
  std::map<std::string, int> names;
  for (Subject& subject : subjects) {
    if (uses[subject.label] > 1) subject.label = subject.model.name;
    if (++names[subject.label] > 1) throw Error("two models are called " + subject.label + ": their results would share files; rename one");
  }
  return subjects;
}

PrecisionConfig config_at(const Sweep& sweep, const Model& model, const Point& point) {
  PrecisionOptions options = sweep.precision;
  options.vector.width = point.v_full;
  options.vector.integer = point.v_int;
  Format weight = options.weight.value_or(Format{});
  weight.width = point.wb_full;
  weight.integer = point.wb_int;
  options.weight = weight;
  return make_config(model, options);
}

// How types follow from a point's bits.
std::string describe(const PrecisionOptions& options) {
  const auto modes = [](const Format& format) { return to_string(format.rounding) + "," + to_string(format.overflow); };
  std::string text = options.uniform ? "uniform" : "auto";
  text += " v:" + modes(options.vector);
  if (options.weight) text += " wb:" + modes(*options.weight);
  if (options.relu_rounding) text += " relu:" + to_string(*options.relu_rounding);
  if (options.relu_overflow) text += " relu:" + to_string(*options.relu_overflow);
  if (options.maximum) text += " maximum:" + to_string(*options.maximum);
  return text;
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path))
    throw Error(path + ": the folder cannot be made: " + (error ? error.message() : "something else has its name"));
}

// Runs the points of one model. Points are taken in an order in which those that may answer others come first: same
// fractional bits together, fewest integer bits first.
class ModelSweep {
 public:
  ModelSweep(const Sweep& sweep, const Subject& subject, const std::vector<Point>& points, Store& store, std::int64_t data)
      : sweep_(sweep), subject_(subject), store_(store) {
    swept_ = {subject.model.name, subject.label, {}};
    stored_ = store.plan(store.add_model(subject.model, subject.label), data, points, describe(sweep.precision));
    std::map<std::int64_t, std::size_t> index_of;
    for (std::size_t i = 0; i < stored_.size(); ++i) index_of[stored_[i].id] = i;
    for (std::size_t i = 0; i < stored_.size(); ++i) {
      // A point of an earlier, larger grid may have answered this one; it then stands for itself.
      const auto leader = index_of.find(stored_[i].computed_as);
      swept_.points.push_back({points[i], stored_[i].metrics, leader == index_of.end() ? i : leader->second});
    }
    resolved_.resize(points.size());
  }
  std::size_t found() const {
    return static_cast<std::size_t>(std::count_if(stored_.begin(), stored_.end(), [](const StoredPoint& p) { return p.finished; }));
  }

  // `done` is called after each point.
  template <class Done>
  SweepModel run(const Done& done) {
    keras_text_ = savetxt(subject_.reference, subject_.model.output_size());
    const std::vector<std::size_t> order = this->order();
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::size_t index = order[i];
      if (sweep_.stop && sweep_.stop()) {
        writers_.wait();
        throw Interrupted();
      }
      resolved_[index] = resolve(subject_.model, config_at(sweep_, subject_.model, swept_.points[index].point));
      if (stored_[index].finished) {
        done();
        continue;
      }
      const std::size_t leader = find_leader(order, i);
      if (leader == index) compute(index, has_followers(order, i));
      else follow(index, leader);
      // Bounds what waits to be written.
      constexpr std::size_t kWaiting = 32;
      if (i % kWaiting == kWaiting - 1) writers_.wait();
      done();
    }
    writers_.wait();
    if (!error_.empty()) throw Error(error_);
    return std::move(swept_);
  }

 private:
  static int v_fraction(const Point& p) { return p.v_full - p.v_int; }
  static int wb_fraction(const Point& p) { return p.wb_full - p.wb_int; }
  static bool same_fractions(const Point& a, const Point& b) { return v_fraction(a) == v_fraction(b) && wb_fraction(a) == wb_fraction(b); }

  std::vector<std::size_t> order() const {
    std::vector<std::size_t> order(swept_.points.size());
    std::iota(order.begin(), order.end(), 0);
    const auto key = [&](std::size_t i) {
      const Point& p = swept_.points[i].point;
      return std::tuple(v_fraction(p), p.v_int, wb_fraction(p), p.wb_int);
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    return order;
  }

  // An earlier point that was run without any overflow and answers order[at]; itself where there is none.
  std::size_t find_leader(const std::vector<std::size_t>& order, std::size_t at) const {
    const std::size_t index = order[at];
    if (!sweep_.share) return index;
    for (std::size_t i = 0; i < at; ++i) {
      const std::size_t other = order[i];
      if (stored_[other].clean && same_fractions(swept_.points[other].point, swept_.points[index].point) &&
          answers_for(*resolved_[other], *resolved_[index]))
        return other;
    }
    return index;
  }

  bool has_followers(const std::vector<std::size_t>& order, std::size_t at) const {
    return sweep_.share && std::any_of(order.begin() + static_cast<std::ptrdiff_t>(at) + 1, order.end(), [&](std::size_t other) {
             return same_fractions(swept_.points[other].point, swept_.points[order[at]].point);
           });
  }

  void compute(std::size_t index, bool watch_overflow) {
    const auto start = std::chrono::steady_clock::now();
    auto program = std::make_shared<const Program>(build_program(*resolved_[index], &cache_));
    const Engine engine(*program, {.counting = watch_overflow ? Counting::kOverflow : Counting::kNone, .dedup = sweep_.dedup});
    const EngineResult result = engine.run(*prepared_for(engine));
    SweepPoint& entry = swept_.points[index];
    entry.metrics = compare(result.run.predictions, subject_.reference);
    entry.computed_as = index;
    bool weights_fit = true;
    for (const Step& step : program->steps) weights_fit &= step.kernel.overflows + step.bias.overflows == 0;
    StoredPoint& stored = stored_[index];
    stored.metrics = entry.metrics;
    stored.computed_as = stored.id;
    stored.clean = watch_overflow && !result.overflowed && weights_fit;
    stored.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::string folder = folder_of(index);
    write([this, folder, program, stored, kernels = kernels_text(engine),
           text = savetxt(result.run.predictions, subject_.model.output_size())] {
      write_point(folder, text);
      const std::size_t traced = std::min(sweep_.traced, subject_.data.size);
      if (traced > 0) {
        const std::size_t size = size_of(subject_.data.shape);
        const RunResult trace = interpret(*program, std::span(subject_.data.x).first(traced * size), traced, {.traced = traced});
        const std::scoped_lock lock(hdf5_);
        write_fixed_trace(folder + "/hls_trace.h5", *program, trace, traced);
      }
      // Last: a point is done when all that is kept of it is written.
      store_.finish(stored, types_json(program->resolved), kernels);
    });
  }

  // The same numbers under another precision's name.
  void follow(std::size_t index, std::size_t leader) {
    swept_.points[index].metrics = swept_.points[leader].metrics;
    swept_.points[index].computed_as = leader;
    stored_[index].metrics = swept_.points[leader].metrics;
    stored_[index].computed_as = stored_[leader].id;
    stored_[index].seconds = 0;
    writers_.wait();  // the leader's files are there
    if (!error_.empty()) throw Error(error_);
    const std::string folder = folder_of(index);
    const std::string from = folder_of(leader);
    make_folder(folder);
    for (const char* file : {"/keras_predictions.txt", "/hls_predictions.txt", "/hls_trace.h5"}) {
      if (!fs::exists(from + file)) continue;
      std::error_code error;
      fs::copy_file(from + file, folder + file, fs::copy_options::overwrite_existing, error);
      if (error) throw Error(folder + file + ": it cannot be written: " + error.message());
    }
    store_.finish(stored_[index], types_json(*resolved_[index]), "");
  }

  static std::string kernels_text(const Engine& engine) {
    std::string text;
    for (const std::string& kernel : engine.kernels()) text += (text.empty() ? "" : ", ") + kernel;
    return text;
  }

  void write_point(const std::string& folder, const std::string& text) const {
    make_folder(folder);
    write_file(folder + "/keras_predictions.txt", keras_text_);
    write_file(folder + "/hls_predictions.txt", text);
  }

  // Files are written while the next points run.
  template <class Work>
  void write(Work work) {
    writers_.run([this, work = std::move(work)] {
      try {
        work();
      } catch (const Error& error) {
        const std::scoped_lock lock(hdf5_);
        error_ = error.what();
      }
    });
  }

  // The samples in this point's input type; the last type's are kept, for points of one type follow one another.
  std::shared_ptr<const PreparedInput> prepared_for(const Engine& engine) {
    const auto input = static_cast<std::size_t>(engine.program().model().inputs().front());
    const std::pair key(to_string(engine.program().format(input)), engine.counts_rows());
    if (!prepared_ || key != prepared_key_) {
      prepared_ = engine.prepare(subject_.data.x, subject_.data.size);
      prepared_key_ = key;
    }
    return prepared_;
  }

  std::string folder_of(std::size_t index) const { return sweep_.out + "/" + point_folder(subject_.label, swept_.points[index].point); }

  const Sweep& sweep_;
  const Subject& subject_;
  Store& store_;
  SweepModel swept_;
  std::vector<StoredPoint> stored_;  // by the same index
  std::vector<std::optional<Resolved>> resolved_;
  WeightCache cache_;
  std::shared_ptr<const PreparedInput> prepared_;
  std::pair<std::string, bool> prepared_key_;
  std::string keras_text_;
  std::mutex hdf5_;  // HDF5 is not for two threads; the error is guarded by it too
  std::string error_;
  tbb::task_group writers_;
};

}  // namespace

std::size_t SweepModel::best(double Metrics::*metric) const {
  const auto bits = [](const Point& p) { return p.v_full + p.wb_full; };
  const auto better = [&](const SweepPoint& a, const SweepPoint& b) {
    const double x = a.metrics.*metric;
    const double y = b.metrics.*metric;
    if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
    return x < y || (x == y && bits(a.point) < bits(b.point));
  };
  return static_cast<std::size_t>(std::min_element(points.begin(), points.end(), better) - points.begin());
}

SweepResult run_sweep(const Sweep& sweep, const SweepProgress& progress) {
  SweepResult result;
  GridPoints grid = points_of(sweep.grid);
  grid.points = points_of(grid.points, sweep.shard);
  result.skipped = grid.skipped;
  std::vector<Subject> subjects = read_subjects(sweep, result);
  // Everything that a type can be wrong with is found before the first point runs.
  for (const Subject& subject : subjects) {
    for (const Point& point : grid.points) resolve(subject.model, config_at(sweep, subject.model, point));
  }
  make_folder(sweep.out);
  Store store(sweep.out, Store::Mode::kWrite);
  if (sweep.shard.of > 1) store.set("shard", std::to_string(sweep.shard.number) + "/" + std::to_string(sweep.shard.of));
  // Before anything of an earlier run is written over: are these its models and data?
  std::deque<ModelSweep> sweeps;
  for (const Subject& subject : subjects) sweeps.emplace_back(sweep, subject, grid.points, store, store.add_data(subject.data));
  const Dataset& first = subjects.front().data;
  result.samples = first.size;
  if (first.targets > 0) write_file(sweep.out + "/regression_targets.txt", savetxt(first.y, first.targets));

  const std::size_t all = subjects.size() * grid.points.size();
  std::size_t done = 0;
  for (Subject& subject : subjects) {
    const Model& model = subject.model;
    subject.reference = infer(model, subject.data.x, subject.data.size);
    const std::size_t traced = std::min(sweep.traced, subject.data.size);
    if (traced > 0) write_float_trace(sweep.out + "/" + subject.label + ".keras_trace.h5", model, subject.data, traced);
    result.found += sweeps.front().found();
    SweepModel swept = sweeps.front().run([&] {
      if (progress) progress(++done, all);
    });
    sweeps.pop_front();
    write_results(sweep.out, swept, result.samples);
    result.models.push_back(std::move(swept));
  }
  return result;
}

MergeResult merge_shards(const std::string& folder, std::vector<std::string> parts) {
  MergeResult result;
  if (parts.empty() && fs::is_directory(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().string().starts_with("shard-") && entry.is_directory()) parts.push_back(entry.path().string());
    }
    std::sort(parts.begin(), parts.end());
  }
  if (parts.empty()) throw Error(folder + ": it holds no shards (shard-1-of-2, ...)");
  std::set<int> found;
  for (const std::string& part : parts) {
    const std::string text = Store(part, Store::Mode::kRead).known("shard");
    if (text.empty()) continue;
    const Shard shard = parse_shard(text);
    if (result.of != 0 && result.of != shard.of) {
      throw Error(part + ": it is shard " + text + "; another part is one of " + std::to_string(result.of));
    }
    result.of = shard.of;
    found.insert(shard.number);
  }
  for (int i = 1; i <= result.of; ++i) {
    if (!found.contains(i)) result.missing.push_back(i);
  }
  make_folder(folder);
  Store store(folder, Store::Mode::kWrite);
  for (const std::string& part : parts) {
    store.take(part);
    for (const auto& entry : fs::recursive_directory_iterator(part)) {
      const fs::path relative = fs::relative(entry.path(), part);
      const std::string name = relative.filename().string();
      const bool of_point = relative.has_parent_path();
      const bool shared = name.ends_with(".keras_trace.h5") || name == "regression_targets.txt";
      if (!entry.is_regular_file() || (!of_point && !shared) || name.ends_with(".partial")) continue;
      const fs::path to = fs::path(folder) / relative;
      if (fs::exists(to)) continue;
      fs::create_directories(to.parent_path());
      std::error_code error;
      fs::create_hard_link(entry.path(), to, error);
      if (error) fs::copy_file(entry.path(), to, error);
      if (error) throw Error(to.string() + ": it cannot be written: " + error.message());
    }
  }
  for (const Store::ModelRow& row : store.models()) {
    SweepModel model{row.name, row.label, {}};
    std::map<std::int64_t, std::size_t> index_of;
    const std::vector<StoredPoint> points = store.points(row.id);
    result.points += points.size();
    for (const StoredPoint& point : points) {
      if (!point.finished) continue;
      ++result.finished;
      index_of[point.id] = model.points.size();
      model.points.push_back({point.point, point.metrics, model.points.size()});
    }
    for (const StoredPoint& point : points) {
      if (point.finished && index_of.contains(point.computed_as))
        model.points[index_of[point.id]].computed_as = index_of[point.computed_as];
    }
    if (!model.points.empty()) write_results(folder, model, row.samples);
  }
  return result;
}

}  // namespace narrow
