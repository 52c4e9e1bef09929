#include "search/coster.h"

#include <utility>
#include <vector>

namespace narrow {

double Coster::operator()(const Assignment& types) {
  Resolved resolved = tensors_.resolve(types, true);
  std::vector<std::string> keys;
  bool all_known = true;
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    std::string key = resolved.model.layers[i].name;
    const auto add = [&](const LayerPrecision& precision) {
      for (const auto& [name, format] : precision.all()) key += "|" + std::string(name_of(name)) + to_string(format);
    };
    add(resolved.precision[i]);
    for (const int input : resolved.model.layers[i].inputs)
      key += "<" + to_string(resolved.precision[static_cast<std::size_t>(input)].result());
    all_known = all_known && known_.contains(key);
    keys.push_back(std::move(key));
  }
  constexpr double kTie = 1e-3;
  if (!all_known) {
    const Program program = build_program(std::move(resolved), &weights_);
    tensors_of_ = narrow::tensors(program);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto [known, is_new] = known_.try_emplace(keys[i], 0);
      if (!is_new) continue;
      known->second = layer_cost(program, i, kind_);
      if (kind_ == CostKind::kBits) known->second /= tensors_of_;
      if (kind_ == CostKind::kDsp) known->second += kTie * layer_cost(program, i, CostKind::kBits) / tensors_of_;
    }
  }
  double sum = 0;
  for (const std::string& key : keys) sum += known_.at(key);
  return sum;
}

}  // namespace narrow
