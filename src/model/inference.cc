#include "model/inference.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>

#include "error.h"

namespace narrow {
namespace {

// Samples at a time: enough rows for the matrix product, few enough for the caches.
constexpr std::size_t kBlock = 16;

FloatFunction quantizing(const TrainedQuantizer& quantizer) {
  return [&quantizer](const FloatCall& call) {
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(),
                   [&](float x) { return quantized(quantizer, x); });
  };
}

}  // namespace

std::vector<float> infer(const Model& model, std::span<const float> x, std::size_t n, const FloatObserver& observe) {
  const std::size_t input_size = model.input_size();
  if (x.size() != n * input_size) {
    throw Error("model " + model.name + " takes " + std::to_string(input_size) + " values per sample; " + std::to_string(x.size()) +
                " values are not " + std::to_string(n) + " samples");
  }
  const std::size_t output_size = model.output_size();
  std::vector<float> predictions(n * output_size);
  std::vector<FloatFunction> functions;
  std::vector<std::vector<Shape>> shapes;
  for (const Layer& layer : model.layers) {
    functions.push_back(layer.quantizer ? quantizing(*layer.quantizer) : layer.op->float_function());
    shapes.push_back(model.input_shapes(layer));
  }
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n, kBlock), [&](const tbb::blocked_range<std::size_t>& range) {
    for (std::size_t first = range.begin(); first < range.end(); first += kBlock) {
      const std::size_t count = std::min(kBlock, range.end() - first);
      std::vector<std::vector<float>> values(model.layers.size());
      std::size_t offset = 0;  // of an input in a sample
      for (std::size_t i = 0; i < model.layers.size(); ++i) {
        const Layer& layer = model.layers[i];
        std::vector<float>& y = values[i];
        if (layer.inputs.empty()) {
          const std::size_t size = size_of(layer.shape);
          y.resize(count * size);
          for (std::size_t s = 0; s < count; ++s) std::copy_n(x.data() + (first + s) * input_size + offset, size, y.data() + s * size);
          offset += size;
        } else {
          y.resize(count * size_of(layer.shape));
          std::vector<std::span<const float>> inputs;
          for (const int input : layer.inputs) inputs.emplace_back(values[static_cast<std::size_t>(input)]);
          functions[i]({std::move(inputs), shapes[i], count, y});
        }
        if (observe) observe(first, count, i, y);
      }
      std::size_t column = 0;
      for (const int output : model.outputs) {
        const std::vector<float>& y = values[static_cast<std::size_t>(output)];
        const std::size_t size = y.size() / count;
        for (std::size_t s = 0; s < count; ++s) {
          std::copy_n(y.data() + s * size, size, predictions.data() + (first + s) * output_size + column);
        }
        column += size;
      }
    }
  });
  return predictions;
}

}  // namespace narrow
