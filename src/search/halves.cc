#include "search/halves.h"

#include <utility>
#include <vector>

#include "model/inference.h"
#include "study/study_data.h"

namespace narrow {
namespace {

template <class T>
std::vector<T> part(const std::vector<T>& from, std::size_t first, std::size_t count, std::size_t per_sample) {
  if (from.empty()) return from;
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first * per_sample);
  return std::vector<T>(begin, begin + static_cast<std::ptrdiff_t>(count * per_sample));
}

}  // namespace

MeasuredSamples::MeasuredSamples(Dataset of, const Model& model, const MetricOptions& options, Targets targets)
    : data(std::move(of)),
      reference(infer(float_network(model), data.x, data.size)),
      measure(options, {reference.begin(), reference.end()}, std::move(targets)) {}

Dataset part(const Dataset& data, std::size_t first, std::size_t count) {
  Dataset own = header_of(data);
  own.size = count;
  own.x = part(data.x, first, count, size_of(data.shape));
  own.y = part(data.y, first, count, data.targets);
  own.weights = part(data.weights, first, count, 1);
  return own;
}

Targets part(const Targets& targets, std::size_t first, std::size_t count) {
  Targets own = targets;
  own.truth = part(targets.truth, first, count, 1);
  own.weights = part(targets.weights, first, count, 1);
  if (own.classes) own.classes->truth = part(targets.classes->truth, first, count, 1);
  return own;
}

}  // namespace narrow
