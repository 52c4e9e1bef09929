#include "search/profile_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/text.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

ordered_json effect_json(const TypeEffect& effect) {
  ordered_json own{{"overflow", effect.overflow_share()}, {"lost_to_zero", effect.zero_share()}};
  if (!effect.compared || effect.values == 0) return own;
  const auto values = static_cast<double>(effect.values);
  own["snr_db"] = effect.snr();
  own["rms"] = std::sqrt(effect.signal / values);
  own["rms_error"] = std::sqrt(effect.noise / values);
  return own;
}

ordered_json json_of(const TensorProfile& tensor) {
  ordered_json own{{"name", tensor.name}, {"layer", tensor.layer}, {"kind", name_of(tensor.kind)}};
  if (tensor.in_float) {
    const Distribution& values = *tensor.in_float;
    own["values"] = values.values;
    own["low"] = values.low;
    own["high"] = values.high;
    own["percentiles"] = ordered_json::object();
    constexpr double kThousandthsPerCent = 10;
    for (std::size_t i = 0; i < kProfileThousandths.size(); ++i)
      own["percentiles"][short_text(kProfileThousandths[i] / kThousandthsPerCent)] = values.percentiles[i];
    own["zeros"] = static_cast<double>(values.zeros) / static_cast<double>(values.values);
    own["negative"] = values.is_negative();
    const std::optional<int> bits = values.integer_bits();
    own["integer_bits"] = bits ? ordered_json(*bits) : ordered_json();
    own["powers_of_two"] = ordered_json::object();
    for (std::size_t i = 0; i < values.octaves.size(); ++i) {
      if (values.octaves[i] > 0) own["powers_of_two"][std::to_string(static_cast<int>(i) + Range::kLowest)] = values.octaves[i];
    }
  }
  if (!tensor.type) return own;
  own["type"] = to_string(*tensor.type);
  own.update(effect_json(tensor.effect));
  if (tensor.is_weight()) return own;
  if (tensor.sum_type) own["sum_type"] = to_string(*tensor.sum_type);
  own["sum_overflow"] = tensor.effect.share(tensor.sum_overflows);
  if (tensor.alone.compared) own["type_alone"] = effect_json(tensor.alone);
  return own;
}

}  // namespace

std::string profile_json(const Model& model, std::size_t samples, const std::vector<TensorProfile>& tensors,
                         const std::vector<Finding>& found, bool has_types) {
  ordered_json document{{"model", model.name}, {"samples", samples}, {"tensors", ordered_json::array()}};
  for (const TensorProfile& tensor : tensors) document["tensors"].push_back(json_of(tensor));
  if (has_types) document["findings"] = ordered_json::array();
  for (const Finding& finding : found) {
    document["findings"].push_back({{"tensor", finding.tensor}, {"kind", finding.kind}, {"text", finding.text}, {"harm", finding.harm}});
  }
  return document.dump(2) + "\n";
}

}  // namespace narrow
