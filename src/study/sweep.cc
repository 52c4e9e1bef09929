#include "study/sweep.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "data/dataset.h"
#include "error.h"
#include "keras/reader.h"
#include "model/inference.h"
#include "report/text.h"
#include "study/layout.h"
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

std::vector<Subject> read_subjects(const Sweep& sweep, SweepResult& result) {
  std::vector<Subject> subjects;
  const Dataset data = read_dataset(sweep.data, sweep.samples);
  result.notes = data.notes;
  for (const std::string& path : sweep.models) {
    Subject subject{read_keras(path), {}, {}, {}};
    const int width = common_width(subject.model);
    subject.label = width > 0 ? std::to_string(width) : subject.model.name;
    subject.data = fit_to(data, subject.model);
    result.notes.insert(result.notes.end(), subject.data.notes.begin() + static_cast<std::ptrdiff_t>(data.notes.size()),
                        subject.data.notes.end());
    subjects.push_back(std::move(subject));
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

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path))
    throw Error(path + ": the folder cannot be made: " + (error ? error.message() : "something else has its name"));
}

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
  const GridPoints grid = points_of(sweep.grid);
  result.skipped = grid.skipped;
  std::vector<Subject> subjects = read_subjects(sweep, result);
  // Everything that a type can be wrong with is found before the first point runs.
  for (const Subject& subject : subjects) {
    for (const Point& point : grid.points) resolve(subject.model, config_at(sweep, subject.model, point));
  }
  make_folder(sweep.out);
  const Dataset& first = subjects.front().data;
  result.samples = first.size;
  if (first.targets > 0) write_file(sweep.out + "/regression_targets.txt", savetxt(first.y, first.targets));

  const std::size_t all = subjects.size() * grid.points.size();
  std::size_t done = 0;
  for (Subject& subject : subjects) {
    const Model& model = subject.model;
    subject.reference = infer(model, subject.data.x, subject.data.size);
    const std::string keras_text = savetxt(subject.reference, model.output_size());
    const std::size_t traced = std::min(sweep.traced, subject.data.size);
    if (traced > 0) write_float_trace(sweep.out + "/" + subject.label + ".keras_trace.h5", model, subject.data, traced);
    SweepModel swept{model.name, subject.label, {}};
    for (const Point& point : grid.points) {
      const Program program = build_program(resolve(model, config_at(sweep, model, point)));
      const RunResult run = interpret(program, subject.data.x, subject.data.size, {.traced = traced});
      SweepPoint entry{point, compare(run.predictions, subject.reference), 0};
      for (const LayerCounts& counts : run.counts) entry.overflows += counts.overflows + counts.accum_overflows;
      const std::string folder = sweep.out + "/" + point_folder(subject.label, point);
      make_folder(folder);
      write_file(folder + "/keras_predictions.txt", keras_text);
      write_file(folder + "/hls_predictions.txt", savetxt(run.predictions, model.output_size()));
      if (traced > 0) write_fixed_trace(folder + "/hls_trace.h5", program, run, traced);
      swept.points.push_back(entry);
      if (progress) progress(++done, all);
    }
    write_results(sweep.out, swept, result.samples);
    result.models.push_back(std::move(swept));
  }
  return result;
}

}  // namespace narrow
