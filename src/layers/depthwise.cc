#include "layers/depthwise.h"

#include <algorithm>

namespace narrow {
namespace {

// (taps, channels) as the kernel of a convolution, (taps, channels, channels).
template <class T>
std::vector<T> among_zeros(const std::vector<T>& kernel, int channels) {
  const auto n = static_cast<std::size_t>(channels);
  std::vector<T> whole(kernel.size() * n);
  for (std::size_t k = 0; k < kernel.size(); ++k) whole[k * n + k % n] = kernel[k];
  return whole;
}

Numbers among_zeros(const Numbers& kernel, int channels) {
  return kernel.is_double() ? Numbers(among_zeros(kernel.doubles(), channels)) : Numbers(among_zeros(kernel.singles(), channels));
}

}  // namespace

Depthwise::Depthwise(Windows windows, int channels, const Numbers& kernel, const Numbers& bias)
    : Convolution(std::move(windows), channels, channels, among_zeros(kernel, channels), bias), kernel_(kernel) {}

std::vector<Setting> Depthwise::settings() const {
  std::vector<Setting> settings = Convolution::settings();
  std::erase_if(settings, [](const Setting& each) { return each.name == "filters" || each.name == "groups"; });
  settings.push_back({"depth_multiplier", std::int64_t{1}});
  return settings;
}

std::vector<ParameterArray> Depthwise::parameters() const {
  Shape shape = windows().size;
  shape.insert(shape.end(), {channels(), 1});
  std::vector<ParameterArray> arrays{{"depthwise_kernel", std::move(shape), kernel_.singles()}};
  if (!dense().bias.empty()) arrays.push_back({"bias", {channels()}, dense().bias});
  return arrays;
}

std::size_t Depthwise::multiplications(const Shape& shape) const { return size_of(shape) * static_cast<std::size_t>(windows().pixels()); }

// A sum has a product for each value of a window in its channel; hls4ml fits the reuse factor to windows of all channels.
LayerPrecision Depthwise::types(const TypeRequest& request) const { return dense().types(request, windows().pixels()); }

OperationPtr Depthwise::scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const {
  return std::make_shared<Depthwise>(windows(), channels(), product(kernel_, scale), dense().scaled_bias(scale, shift, bias_type));
}

std::vector<WeightArray> Depthwise::weights() const {
  std::vector<WeightArray> arrays = dense().weights();
  arrays.front().values = kernel_.singles();
  arrays.front().doubles = kernel_.doubles();
  return arrays;
}

void Depthwise::plan(const Place& place, Step& step) const {
  for (auto& [type, weights] : step.weights) {
    if (type != TypeName::kWeight) continue;
    QuantizedWeights whole = *weights;
    whole.raw = among_zeros(weights->raw, channels());
    weights = std::make_shared<const QuantizedWeights>(std::move(whole));
  }
  Convolution::plan(place, step);
}

}  // namespace narrow
