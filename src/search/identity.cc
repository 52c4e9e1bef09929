#include "search/identity.h"

#include "data/hash.h"
#include "data/preparation.h"
#include "data/text.h"
#include "engine/arithmetic.h"
#include "study/metrics.h"
#include "study/store.h"

namespace narrow {

std::string search_identity(const Model& model, const Dataset& on, const DataOptions& options, const std::string& below,
                            const MetricOptions& metrics) {
  Hash hash;
  hash.add(content_hash(model));
  hash.add(content_hash(on));
  hash.add(static_cast<std::uint64_t>(kArithmetic));
  hash.add(static_cast<std::uint64_t>(kMeasure));
  hash.add(below + " " + options.target);
  hash.add(on.preparation ? to_json(*on.preparation) : "");
  hash.add(model.preparation ? to_json(*model.preparation) : "");
  const auto add = [&](const char* what, const std::vector<double>& numbers) {
    hash.add(what);
    for (const double number : numbers) hash.add(short_text(number));
  };
  add("tolerances", metrics.tolerances);
  add("thresholds", metrics.thresholds);
  add("bins", metrics.bins);
  add("backgrounds", metrics.backgrounds);
  add("efficiencies", metrics.efficiencies);
  for (const std::string& name : metrics.classes) hash.add(name);
  return hash.text();
}

}  // namespace narrow
