#ifndef NARROW_SEARCH_IDENTITY_H_
#define NARROW_SEARCH_IDENTITY_H_

#include <string>

#include "data/dataset.h"
#include "model/model.h"
#include "study/metric.h"

namespace narrow {

// A word for everything that the deviation of a candidate and its metrics depend on: the network, the samples and how their targets are
// prepared, the bounds, and by which arithmetic and measure they are computed. Which candidates there are may differ.
std::string search_identity(const Model& model, const Dataset& on, const DataOptions& options, const std::string& below,
                            const MetricOptions& metrics);

}  // namespace narrow

#endif  // NARROW_SEARCH_IDENTITY_H_
