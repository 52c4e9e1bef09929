#include "study/scan.h"

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "engine/engine.h"
#include "study/nan.h"
#include "study/trace.h"

namespace narrow {
namespace {

int v_fraction(const Point& p) { return p.v_full - p.v_int; }
int wb_fraction(const Point& p) { return p.wb_full - p.wb_int; }

// Some samples in the input types that were used last, for the many points that share a type; all engines count the same.
class PreparedInputs {
 public:
  PreparedInputs(const Dataset& data, std::size_t first, std::size_t count, std::size_t kept)
      : x_(std::span(data.x).subspan(first * size_of(data.shape), count * size_of(data.shape))), count_(count), kept_(kept) {}

  std::size_t count() const { return count_; }

  std::shared_ptr<const PreparedInput> get(const Engine& engine) {
    const auto input = static_cast<std::size_t>(engine.program().model().inputs().front());
    const std::string key = to_string(engine.program().format(input)) + (engine.counts_rows() ? " counted" : "");
    {
      const std::scoped_lock lock(mutex_);
      const auto found = std::find_if(recent_.begin(), recent_.end(), [&](const auto& entry) { return entry.first == key; });
      if (found != recent_.end()) {
        recent_.splice(recent_.begin(), recent_, found);
        return found->second;
      }
    }
    // Two points may prepare the same at once; the work is small beside a run.
    auto prepared = engine.prepare(x_, count_);
    const std::scoped_lock lock(mutex_);
    recent_.emplace_front(key, prepared);
    if (recent_.size() > kept_) recent_.pop_back();
    return prepared;
  }

 private:
  std::span<const float> x_;
  std::size_t count_;
  std::size_t kept_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const PreparedInput>>> recent_;
};

class ScanRun {
 public:
  ScanRun(const ScanJob& job, std::vector<StoredPoint> points, const PointDone& done)
      : job_(job),
        done_(done),
        stored_(std::move(points)),
        metrics_(metric_names(job.measure)),
        values_(stored_.size()),
        lanes_(lanes(job.data)),
        counted_(job.data, 0, std::min(job.counted, job.data.size), 2 * lanes_),
        watched_(job.data, counted_.count(), job.data.size - counted_.count(), 2 * lanes_) {
    std::map<std::pair<int, int>, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < stored_.size(); ++i) {
      if (!stored_[i].point) continue;
      groups[{v_fraction(*stored_[i].point), wb_fraction(*stored_[i].point)}].push_back(i);
    }
    for (auto& [fractions, group] : groups) {
      std::stable_sort(group.begin(), group.end(), [&](std::size_t a, std::size_t b) {
        const Point& p = *stored_[a].point;
        const Point& q = *stored_[b].point;
        return std::pair(p.v_int, p.wb_int) < std::pair(q.v_int, q.wb_int);
      });
      groups_.push_back(std::move(group));
    }
  }

  // The only point.
  void run_alone(const Resolved& types, const Resolved& counted) {
    const auto start = std::chrono::steady_clock::now();
    StoredPoint& point = stored_.front();
    const Program program = build_program(types);
    const Program wide = build_program(counted);
    const Engine engine(program, {.counting = Counting::kNone, .dedup = job_.options.dedup});
    const std::vector<double> predictions = engine.run(job_.data.x, job_.data.size).run.predictions;
    PointResult end;
    for (PreparedInputs* samples : {&counted_, &watched_}) {
      if (samples->count() == 0) continue;
      const bool by_layer = samples == &counted_;
      const Engine own(wide, {.counting = by_layer ? Counting::kAll : Counting::kOverflow, .dedup = job_.options.dedup});
      const EngineResult result = own.run(*samples->get(own));
      end.overflowed |= result.overflowed;
      if (by_layer) count_into(end, wide, result.run.counts);
    }
    for (const std::string& kernel : engine.kernels()) end.kernels += (end.kernels.empty() ? "" : ", ") + kernel;
    finish(point, program, std::move(end), predictions, start);
  }

  void run() {
    tbb::task_group lanes;
    for (std::size_t i = 1; i < std::min(lanes_, groups_.size()); ++i) lanes.run([this] { lane(); });
    lane();
    lanes.wait();
    if (error_) std::rethrow_exception(error_);
    if (interrupted_) throw Interrupted();
  }

 private:
  // A point of a group that was run without any overflow: its types, found when they are first asked for.
  struct Leader {
    std::size_t index = 0;
    std::vector<Estimate> values;  // empty where an earlier run computed it
    std::optional<Resolved> resolved;
  };

  // How many points run side by side: as many as there are cores, unless each has work for all of them and needs much memory.
  static std::size_t lanes(const Dataset& data) {
    constexpr std::size_t kValues = std::size_t{1} << 26;
    const auto cores = static_cast<std::size_t>(tbb::this_task_arena::max_concurrency());
    return data.x.size() > kValues ? 1 : cores;
  }

  void lane() {
    try {
      for (std::size_t i = next_++; i < groups_.size() && !ends_; i = next_++) run_group(groups_[i]);
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      if (!error_) error_ = std::current_exception();
      ends_ = true;
    }
  }

  void run_group(const std::vector<std::size_t>& group) {
    WeightCache weights;
    std::vector<Leader> leaders;
    for (const std::size_t index : group) {
      if (job_.options.stop && job_.options.stop()) interrupted_ = ends_ = true;
      if (ends_) return;
      StoredPoint& point = stored_[index];
      const bool whole = point.finished && !point.outdated() && job_.files.whole(point);
      if (whole && point.measured) done_(PointEnd::kFound, *point.point, cost_of_point(point));
      else if (!(whole && measure_again(point))) compute_or_follow(point, leaders, weights);
      if (point.clean && point.computed_as == point.id) leaders.push_back({index, std::exchange(values_[index], {}), {}});
      values_[index] = {};
    }
  }

  // New metrics of a point that is done, from its predictions where those are kept.
  bool measure_again(const StoredPoint& point) const {
    const auto predictions = job_.files.predictions(point);
    if (!predictions) return false;
    Measure::Values values = job_.measure.measure(*predictions);
    const NamedEstimates all = named(values.metrics);
    job_.store.add_metrics(point.id, all, named_curves(std::move(values.curves)));
    done_(PointEnd::kMeasured, *point.point, cost_of_point(all));
    return true;
  }

  void compute_or_follow(StoredPoint& point, std::vector<Leader>& leaders, WeightCache& weights) {
    Resolved resolved = resolved_at(*point.point);
    if (job_.options.share) {
      for (Leader& leader : leaders) {
        if (!leader.resolved) leader.resolved = resolved_at(*stored_[leader.index].point);
        if (answers_for(*leader.resolved, resolved) && follow(point, leader, resolved)) return;
      }
    }
    // What it waits for inside may not take up another point, which would wait in turn.
    tbb::this_task_arena::isolate([&] { compute(point, std::move(resolved), weights); });
  }

  Resolved resolved_at(const Point& point) const { return resolve(job_.model, config_at(job_.model, job_.precision, point)); }

  void compute(StoredPoint& point, Resolved resolved, WeightCache& weights) {
    const auto start = std::chrono::steady_clock::now();
    const Program program = build_program(std::move(resolved), &weights);
    PointResult end;
    std::vector<double> predictions;
    const auto run_samples = [&](PreparedInputs& samples, Counting counting) {
      const Engine engine(program, {.counting = counting, .dedup = job_.options.dedup});
      EngineResult result = engine.run(*samples.get(engine));
      end.overflowed |= result.overflowed;
      predictions.insert(predictions.end(), result.run.predictions.begin(), result.run.predictions.end());
      end.kernels.clear();
      for (const std::string& kernel : engine.kernels()) end.kernels += (end.kernels.empty() ? "" : ", ") + kernel;
      return result;
    };
    if (counted_.count() > 0) count_into(end, program, run_samples(counted_, Counting::kAll).run.counts);
    if (watched_.count() > 0 || counted_.count() == 0) run_samples(watched_, Counting::kOverflow);
    finish(point, program, std::move(end), predictions, start);
  }

  // What follows from a point's predictions, into the store.
  void finish(StoredPoint& point, const Program& program, PointResult end, const std::vector<double>& predictions,
              std::chrono::steady_clock::time_point start) {
    for (const Step& step : program.steps) {
      for (const auto& [type, quantized] : step.weights) end.overflowed |= quantized->overflows > 0;
    }
    Measure::Values values = job_.measure.measure(predictions);
    end.values = named(values.metrics);
    end.curves = named_curves(std::move(values.curves));
    end.id = end.computed_as = point.id;
    end.types = types_json(program.resolved);
    end.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    end.kept = job_.files.write(point, program, predictions);
    settle(point, end, std::move(values.metrics));
    const double cost = cost_of_point(end.values);
    // Last: a point is done when all that is kept of it is written.
    job_.store.finish(std::move(end));
    if (point.point) done_(PointEnd::kComputed, *point.point, cost);
  }

  void count_into(PointResult& end, const Program& program, const std::vector<LayerCounts>& seen_by_layer) const {
    end.counted = counted_.count();
    for (std::size_t i = 0; i < program.steps.size(); ++i) {
      const LayerCounts& seen = seen_by_layer[i];
      const Step& step = program.steps[i];
      StoredCounts counts{program.model().layers[i].name, seen.values, seen.overflows, seen.accum_overflows, seen.zeros};
      for (const auto& [type, weights] : step.weights) {
        counts.weights += weights->raw.size();
        counts.weight_overflows += weights->overflows;
        counts.weight_zeros += weights->zeros;
      }
      if (counts.overflows + counts.sum_overflows + counts.zeros + counts.weight_overflows + counts.weight_zeros > 0)
        end.counts.push_back(std::move(counts));
    }
  }

  // The same numbers under another precision's name. False where the leader's files are gone meanwhile.
  bool follow(StoredPoint& point, const Leader& leader, const Resolved& resolved) {
    const StoredPoint& run = stored_[leader.index];
    std::optional<std::string> kept = job_.files.follow(point, resolved, run);
    if (!kept) return false;
    PointResult end;
    end.id = point.id;
    end.computed_as = run.id;
    end.types = types_json(resolved);
    std::vector<Estimate> values = leader.values.empty() ? job_.store.values(run.id, metrics_) : leader.values;
    end.values = named(values);
    end.kept = *std::move(kept);
    settle(point, end, std::move(values));
    const double cost = cost_of_point(end.values);
    job_.store.finish(std::move(end));
    done_(PointEnd::kFollowed, *point.point, cost);
    return true;
  }

  void settle(StoredPoint& point, const PointResult& end, std::vector<Estimate> values) {
    point.finished = point.measured = true;
    point.arithmetic = kArithmetic;
    point.computed_as = end.computed_as;
    point.clean = !end.overflowed;
    point.kept = end.kept;
    values_[static_cast<std::size_t>(&point - stored_.data())] = std::move(values);
  }

  // Of a point that an earlier run computed.
  double cost_of_point(const StoredPoint& point) const {
    const std::string& name = job_.headline.name;
    const bool known = std::find(metrics_.begin(), metrics_.end(), name) != metrics_.end();
    return known ? job_.store.values(point.id, {name}).front().value : kNan;
  }

  double cost_of_point(const NamedEstimates& values) const {
    const auto own = values.find(job_.headline.name);
    return own == values.end() ? kNan : own->second.value;
  }

  NamedEstimates named(const std::vector<Estimate>& values) const {
    NamedEstimates named;
    for (std::size_t i = 0; i < values.size(); ++i) named[metrics_[i]] = values[i];
    return named;
  }

  NamedCurves named_curves(std::vector<std::vector<double>> values) const {
    NamedCurves named;
    for (std::size_t i = 0; i < values.size(); ++i) named[job_.measure.curves()[i].name] = std::move(values[i]);
    return named;
  }

  const ScanJob& job_;
  const PointDone& done_;
  std::vector<StoredPoint> stored_;
  std::vector<std::string> metrics_;
  std::vector<std::vector<Estimate>> values_;     // of each point, while a point of its group may follow it
  std::vector<std::vector<std::size_t>> groups_;  // of the same fractional bits
  std::size_t lanes_;
  PreparedInputs counted_;  // the first samples, of which overflows and losses are counted layer by layer
  PreparedInputs watched_;  // the others
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> ends_ = false, interrupted_ = false;
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

std::vector<std::string> metric_names(const Measure& measure) {
  std::vector<std::string> names;
  for (const MetricName& metric : measure.names()) names.push_back(metric.name);
  return names;
}

PrecisionConfig config_at(const Model& model, PrecisionOptions options, const Point& point) {
  options.vector.width = point.v_full;
  options.vector.integer = point.v_int;
  Format weight = options.weight.value_or(Format{});
  weight.width = point.wb_full;
  weight.integer = point.wb_int;
  options.weight = weight;
  return make_config(model, options);
}

void run_point(const ScanJob& job, const StoredPoint& point, const Resolved& types, const Resolved& counted) {
  const PointDone nobody;
  ScanRun(job, {point}, nobody).run_alone(types, counted);
}

void run_scan(const ScanJob& job, std::vector<StoredPoint> points, const PointDone& done) { ScanRun(job, std::move(points), done).run(); }

}  // namespace narrow
