#ifndef NARROW_SEARCH_HALVES_H_
#define NARROW_SEARCH_HALVES_H_

#include <cstddef>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "search/search.h"
#include "study/metrics.h"

namespace narrow {

// Samples with their metrics, against the float model's predictions for them.
class MeasuredSamples {
 public:
  MeasuredSamples(Dataset data, const Model& model, const MetricOptions& options, Targets targets);
  MeasuredSamples(const MeasuredSamples&) = delete;
  MeasuredSamples& operator=(const MeasuredSamples&) = delete;
  ~MeasuredSamples() = default;
  Samples samples() const { return {data, measure}; }

  const Dataset data;
  const std::vector<float> reference;  // the float model's predictions
  const Measure measure;
};

// Samples [first, first + count) of data, and the same of their targets: whether these are classes is asked of all samples, not of a part.
Dataset part(const Dataset& data, std::size_t first, std::size_t count);
Targets part(const Targets& targets, std::size_t first, std::size_t count);

}  // namespace narrow

#endif  // NARROW_SEARCH_HALVES_H_
