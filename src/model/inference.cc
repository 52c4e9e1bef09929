#include "model/inference.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>

#include "error.h"
#include "model/float_kernels.h"

namespace narrow {
namespace {

// Samples at a time: enough rows for the matrix product, few enough for the caches.
constexpr std::size_t kBlock = 16;

struct Forward {
  const Layer& layer;
  const PackedKernel& kernel;
  const Shape& input_shape;
  const std::vector<float>& x;
  std::vector<float>& y;
  std::size_t samples;

  void operator()(const InputOp&) const {}
  void operator()(const DenseOp& dense) const {
    dense_float(kernel, dense.bias, x.data(), x.size() / static_cast<std::size_t>(dense.n_in), y.data());
  }
  void operator()(const ReluOp&) const {
    std::transform(x.begin(), x.end(), y.begin(), [](float v) { return v > 0.F ? v : 0.F; });
  }
  void operator()(const LinearOp&) const { y = x; }
  void operator()(const FlattenOp&) const { y = x; }
  void operator()(const SetSumOp&) const {
    const auto set = static_cast<std::size_t>(input_shape.front());
    const auto width = static_cast<std::size_t>(input_shape.back());
    for (std::size_t i = 0; i < samples; ++i) set_sum_float(x.data() + i * set * width, set, width, y.data() + i * width);
  }
  void operator()(const SetMeanOp&) const {
    (*this)(SetSumOp{});
    for (float& v : y) v /= static_cast<float>(input_shape.front());
  }
  void operator()(const BatchNormOp& norm) const {
    const std::vector<float> scale = norm.scale();
    const std::vector<float> bias = norm.bias();
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale[i % scale.size()] + bias[i % scale.size()];
  }
};

}  // namespace

std::vector<float> infer(const Model& model, std::span<const float> x, std::size_t n, const FloatObserver& observe) {
  const std::vector<int> inputs = model.inputs();
  if (inputs.size() != 1)
    throw Error("model " + model.name + " has " + std::to_string(inputs.size()) + " inputs; data for one can be given");
  const std::size_t input_size = size_of(model.layers[static_cast<std::size_t>(inputs.front())].shape);
  const std::size_t output_size = model.output_size();
  std::vector<float> predictions(n * output_size);
  std::vector<PackedKernel> kernels(model.layers.size());
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    if (const auto* dense = as<DenseOp>(model.layers[i])) kernels[i] = pack(*dense);
  }
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n, kBlock), [&](const tbb::blocked_range<std::size_t>& range) {
    for (std::size_t first = range.begin(); first < range.end(); first += kBlock) {
      const std::size_t count = std::min(kBlock, range.end() - first);
      std::vector<std::vector<float>> values(model.layers.size());
      for (std::size_t i = 0; i < model.layers.size(); ++i) {
        const Layer& layer = model.layers[i];
        std::vector<float>& y = values[i];
        if (layer.inputs.empty()) {
          const auto block = x.subspan(first * input_size, count * input_size);
          y.assign(block.begin(), block.end());
        } else {
          const auto from = static_cast<std::size_t>(layer.inputs.front());
          y.resize(count * size_of(layer.shape));
          std::visit(Forward{layer, kernels[i], model.layers[from].shape, values[from], y, count}, layer.op);
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
