#include "search/evaluator.h"

#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "error.h"

namespace narrow {

// Of each thread its own.
class Evaluator::Caches : public tbb::enumerable_thread_specific<WeightCache> {};

Evaluator::Evaluator(const Tensors& tensors, std::span<const float> x, std::size_t n, std::vector<double> reference, bool is_relative)
    : tensors_(tensors),
      x_(x),
      n_(n),
      reference_(std::move(reference)),
      scales_(is_relative ? relative_scales(reference_) : std::vector<double>()),
      caches_(std::make_unique<Caches>()) {}

Evaluator::~Evaluator() = default;

Engine Evaluator::engine(const Assignment& types) {
  return {build_program(tensors_.resolve(types, false), &caches_->local()), {.counting = Counting::kNone}};
}

void Evaluator::start_from(const Assignment& types) {
  const Engine own = engine(types);
  const Model& model = own.program().model();
  // What was kept before serves as far as the types are the same.
  const auto changed = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& each) { return !own.accepts(*each.values); });
  kept_.erase(changed, kept_.end());
  if (model.inputs().size() > 1) return;
  if (kept_.empty()) kept_.push_back({static_cast<std::size_t>(model.inputs().front()), own.prepare(x_, n_)});
  std::size_t bytes = 0;
  for (const Kept& each : kept_) bytes += memory_of(*each.values);
  for (std::size_t i = kept_.back().layer + 1; i < model.layers.size(); ++i) {
    if (!own.can_start_behind(i)) continue;
    if (bytes + size_of(model.layers[i].shape) * n_ * sizeof(std::int64_t) > kKept) break;
    kept_.push_back({i, own.prepare(*kept_.back().values, i)});
    bytes += memory_of(*kept_.back().values);
  }
}

std::vector<double> Evaluator::predictions(const Assignment& types) {
  const Engine own = engine(types);
  for (auto kept = kept_.rbegin(); kept != kept_.rend(); ++kept) {
    if (own.accepts(*kept->values)) return own.run(*kept->values).run.predictions;
  }
  return own.run(x_, n_).run.predictions;
}

double Evaluator::deviation(const Assignment& types) {
  try {
    const double own = mean_squared(predictions(types), reference_, scales_);
    return std::isnan(own) ? std::numeric_limits<double>::infinity() : own;
  } catch (const Error&) {  // sums of more bits than narrow computes with
    return std::numeric_limits<double>::infinity();
  }
}

std::vector<double> Evaluator::deviations(const std::vector<Assignment>& all) {
  std::vector<double> values(all.size());
  // What an evaluation waits for inside may not take up another one, which would wait in turn.
  tbb::parallel_for(std::size_t{0}, all.size(),
                    [&](std::size_t i) { tbb::this_task_arena::isolate([&] { values[i] = deviation(all[i]); }); });
  return values;
}

double mean_squared(std::span<const double> fixed, std::span<const double> reference, std::span<const double> scales) {
  double sum = 0;
  for (std::size_t i = 0; i < fixed.size(); ++i) {
    const double difference = (fixed[i] - reference[i]) / (scales.empty() ? 1 : scales[i]);
    sum += difference * difference;
  }
  return sum / static_cast<double>(fixed.size());
}

std::vector<double> relative_scales(std::span<const double> reference) {
  constexpr double kFloor = 0.3;  // of the root mean square
  double sum = 0;
  for (const double value : reference) sum += value * value;
  const double floor = kFloor * std::sqrt(sum / static_cast<double>(reference.size()));
  std::vector<double> scales;
  for (const double value : reference) scales.push_back(floor > 0 ? std::hypot(value, floor) : 1);
  return scales;
}

}  // namespace narrow
