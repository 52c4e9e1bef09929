#ifndef NARROW_STUDY_TARGET_H_
#define NARROW_STUDY_TARGET_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "study/store.h"

namespace narrow {

// What the model of a scan predicts, as its results were measured; nothing where that is not known.
std::optional<Feature> target_of(const Store& store, const Scan& scan);

// `the targets differ: ...`, of scans by their names, as far as their targets are known; empty where there is one. Metrics of one name
// are then of different quantities.
std::string difference_of_targets(const std::vector<std::pair<std::string, Feature>>& targets);

}  // namespace narrow

#endif  // NARROW_STUDY_TARGET_H_
