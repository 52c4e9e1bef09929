#include "layers/depthwise.h"

#include <algorithm>

#include "error.h"
#include "layers/product.h"

namespace narrow {
namespace {

// (taps, channels) as the kernel of a convolution, (taps, channels, channels).
template <class T>
std::vector<T> among_zeros(const std::vector<T>& kernel, int channels, T zero = {}) {
  const auto n = static_cast<std::size_t>(channels);
  std::vector<T> whole(kernel.size() * n, zero);
  for (std::size_t k = 0; k < kernel.size(); ++k) whole[k * n + k % n] = kernel[k];
  return whole;
}

Numbers among_zeros(const Numbers& kernel, int channels) {
  return kernel.is_double() ? Numbers(among_zeros(kernel.doubles(), channels)) : Numbers(among_zeros(kernel.singles(), channels));
}

Dense column_of(const Numbers& kernel, const std::optional<TrainedQuantizer>& quantizer) {
  return {static_cast<int>(kernel.size()), 1, kernel, {}, {quantizer, std::nullopt}};
}

// What it computes with in float32.
Numbers quantized(const Dense& column) {
  const std::span<const float> values = column.float_kernel();
  return column.quantizers.kernel ? Numbers(std::vector<float>(values.begin(), values.end())) : column.kernel_numbers();
}

}  // namespace

Depthwise::Depthwise(Windows windows, int channels, const Numbers& kernel, const Numbers& bias, const Quantizers& quantizers)
    : Convolution(std::move(windows), channels, channels, among_zeros(quantized(column_of(kernel, quantizers.kernel)), channels), bias,
                  {std::nullopt, quantizers.bias}),
      kernel_(column_of(kernel, quantizers.kernel)) {}

std::vector<Setting> Depthwise::settings() const {
  std::vector<Setting> settings = Convolution::settings();
  std::erase_if(settings, [](const Setting& each) { return each.name == "filters" || each.name == "groups"; });
  settings.push_back({"depth_multiplier", std::int64_t{1}});
  kernel_.quantizers.add_to(settings);
  return settings;
}

std::vector<ParameterArray> Depthwise::parameters() const {
  Shape shape = windows().size;
  shape.insert(shape.end(), {channels(), 1});
  std::vector<ParameterArray> arrays{{"depthwise_kernel", std::move(shape), kernel_.kernel}};
  if (!dense().bias.empty()) arrays.push_back({"bias", {channels()}, dense().bias});
  return arrays;
}

std::size_t Depthwise::multiplications(const Shape& shape) const { return size_of(shape) * static_cast<std::size_t>(windows().pixels()); }

// A sum has a product for each value of a window in its channel; hls4ml fits the reuse factor to windows of all channels.
LayerPrecision Depthwise::types(const TypeRequest& request) const {
  TypeRequest own = request;
  const std::optional<TrainedQuantizer>& quantizer = kernel_.quantizers.kernel;
  if (quantizer) {
    own.choice = [&](TypeName type) { return type == TypeName::kWeight ? weight_format(*quantizer, true) : request.choice(type); };
  }
  LayerPrecision types = dense().types(own, windows().pixels());
  // The places of the other channels, which are no weights, would be signs too.
  if (types[TypeName::kWeight].meaning == Meaning::kSign) {
    throw Error("layer " + request.layer +
                ": its depthwise weights are signs of one bit, which narrow does not compute; give them 2 bits or more");
  }
  return types;
}

OperationPtr Depthwise::scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const {
  if (quantizers().any()) return nullptr;
  return std::make_shared<Depthwise>(windows(), channels(), product(kernel_.kernel_numbers(), scale),
                                     dense().scaled_bias(scale, shift, bias_type));
}

std::vector<WeightArray> Depthwise::weights() const {
  std::vector<WeightArray> arrays = dense().weights();
  arrays.front() = kernel_.weights().front();
  return arrays;
}

void Depthwise::plan(const Place& place, Step& step) const {
  for (auto& [type, weights] : step.weights) {
    if (type != TypeName::kWeight) continue;
    QuantizedWeights whole = *weights;
    const bool powers = place.types[TypeName::kWeight].meaning == Meaning::kExponent;
    whole.raw = among_zeros(weights->raw, channels(), powers ? kNoPower : 0);
    weights = std::make_shared<const QuantizedWeights>(std::move(whole));
  }
  Convolution::plan(place, step);
}

}  // namespace narrow
