#include "study/target.h"

#include <algorithm>

namespace narrow {

std::optional<Feature> target_of(const Store& store, const Scan& scan) {
  for (const std::string& fact : {fact_of_model_target(scan.label, scan.data_name), fact_of_target(scan.data_name)}) {
    const std::string known = store.known(fact);
    if (!known.empty()) return parse_feature(known);
  }
  return std::nullopt;
}

std::string difference_of_targets(const std::vector<std::pair<std::string, Feature>>& targets) {
  std::vector<std::pair<std::string, std::string>> kinds;  // the formula, the scans
  for (const auto& [name, target] : targets) {
    const std::string formula = formula_of(target);
    const auto known = std::find_if(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.first == formula; });
    if (known == kinds.end()) kinds.emplace_back(formula, name);
    else known->second += " and " + name;
  }
  if (kinds.size() < 2) return "";
  std::string text;
  for (const auto& [formula, names] : kinds) text += (text.empty() ? "" : "; ") + formula + " of " + names;
  return "the targets differ, so metrics of one name, and axes, are of different quantities: " + text;
}

}  // namespace narrow
