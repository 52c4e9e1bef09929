#include "recover/padding.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "model/inference.h"
#include "recover/bias.h"

namespace narrow {

std::vector<float> padded_row(std::span<const float> x, std::size_t n, std::size_t features, std::optional<double> padding) {
  std::map<std::vector<float>, std::size_t> ends;
  const std::size_t size = n == 0 ? 0 : x.size() / n;
  for (std::size_t s = 1; s <= n; ++s) {
    const std::span<const float> row = x.subspan(s * size - features, features);
    ++ends[{row.begin(), row.end()}];
  }
  if (padding) {
    std::vector<float> row(features, static_cast<float>(*padding));
    return ends.contains(row) ? row : std::vector<float>();
  }
  const auto most = std::max_element(ends.begin(), ends.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == ends.end() || most->second < 2 || most->second * kPaddedAtLeast < n) return {};
  return most->first;
}

std::vector<SumError> sum_errors(const Network& network, std::span<const float> x, std::size_t n, std::span<const float> weights,
                                 std::optional<double> padding_value) {
  const Model& model = network.resolved.model;
  const std::vector<int> inputs = model.inputs();
  if (inputs.size() != 1) return {};
  const Shape& shape = model.layers[static_cast<std::size_t>(inputs.front())].shape;
  if (shape.size() != 2 || !rows_are_summed(model, static_cast<std::size_t>(inputs.front()))) return {};
  const auto rows = static_cast<std::size_t>(shape[0]);
  const auto features = static_cast<std::size_t>(shape[1]);
  const std::vector<float> padding = padded_row(x, n, features, padding_value);
  if (padding.empty()) return {};
  std::vector<SumError> errors;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    if (as<SetSum>(layer) == nullptr && as<SetMean>(layer) == nullptr) continue;
    const auto before = static_cast<std::size_t>(layer.inputs.front());
    const int float_at = in_float(network, before);
    if (float_at < 0 || model.layers[before].shape.front() != shape.front()) continue;
    const Model target = up_to(network.target, static_cast<std::size_t>(float_at));
    const ExactLayer exact(network.resolved, before);
    const auto channels = static_cast<std::size_t>(model.layers[before].shape.back());
    SumError error{.layer = layer.name};
    double weighed = 0;
    for_blocks(n, [&](std::size_t first, std::size_t count) {
      const std::span<const float> block = x.subspan(first * rows * features, count * rows * features);
      const std::vector<double> values = exact.values(block, count);
      const std::vector<float> wanted = infer(target, block, count);
      for (std::size_t s = 0; s < count; ++s) {
        std::vector<double> padded(channels);
        std::vector<double> others(channels);
        for (std::size_t row = s * rows; row < (s + 1) * rows; ++row) {
          const bool is_padded = std::equal(padding.begin(), padding.end(), block.begin() + static_cast<std::ptrdiff_t>(row * features));
          error.share += is_padded ? 1 : 0;
          std::vector<double>& sums = is_padded ? padded : others;
          for (std::size_t c = 0; c < channels; ++c)
            sums[c] += values[row * channels + c] - static_cast<double>(wanted[row * channels + c]);
        }
        const double weight = weight_of(weights, first + s);
        weighed += weight;
        for (std::size_t c = 0; c < channels; ++c) {
          error.padded += weight * padded[c] * padded[c];
          error.others += weight * others[c] * others[c];
          error.all += weight * (padded[c] + others[c]) * (padded[c] + others[c]);
        }
      }
    });
    const double sums = weighed * static_cast<double>(channels);
    for (double* part : {&error.all, &error.padded, &error.others}) *part = std::sqrt(*part / sums);
    error.share /= static_cast<double>(n * rows);
    errors.push_back(error);
  }
  return errors;
}

}  // namespace narrow
