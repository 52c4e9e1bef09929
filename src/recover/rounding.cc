#include "recover/rounding.h"

#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cassert>
#include <cmath>

#include "fixed/cast.h"
#include "model/inference.h"
#include "recover/singles.h"

namespace narrow {
namespace {

// Improvements below this part of the cost's terms are rounding errors of double.
constexpr double kNothing = 1e-12;

// The neighbours of a number in a type.
struct Neighbours {
  float low = 0, high = 0;
};

// Of one layer on all rows: H of its inputs with a 1 behind them, for the bias, and c of each output.
class Products {
 public:
  Products(const Network& network, const FreeLayer& layer) : width_(0), outputs_(0) {
    const Dense& dense = *matrix_of(network.model.layers[layer.at]);
    width_ = static_cast<std::size_t>(dense.n_in) + 1;
    outputs_ = static_cast<std::size_t>(dense.n_out);
    gram.resize(width_ * width_);
    correlated.resize(outputs_ * width_);
    kernel_.assign(dense.kernel.begin(), dense.kernel.end());
    bias_.assign(outputs_, 0.0);
    std::copy(dense.bias.begin(), dense.bias.end(), bias_.begin());
  }

  // rows (count, n_in) of inputs, what the float layer makes there, (count, n_out), and what each row weighs, (count).
  void add(std::span<const double> rows, std::span<const float> target, std::span<const double> weights) {
    const std::size_t n_in = width_ - 1;
    const std::size_t count = target.size() / outputs_;
    assert(rows.size() == count * n_in);
    std::vector<double> with_one(count * width_, 1.0);
    std::vector<double> lacks(count * outputs_);
    tbb::parallel_for(std::size_t{0}, count, [&](std::size_t row) {
      double* own = with_one.data() + row * width_;
      std::copy_n(rows.data() + row * n_in, n_in, own);
      double* lack = lacks.data() + row * outputs_;
      for (std::size_t j = 0; j < outputs_; ++j) lack[j] = static_cast<double>(target[row * outputs_ + j]) - bias_[j];
      for (std::size_t i = 0; i < n_in; ++i) {
        if (own[i] == 0) continue;
        for (std::size_t j = 0; j < outputs_; ++j) lack[j] -= own[i] * kernel_[i * outputs_ + j];
      }
      const double factor = std::sqrt(weights[row]);
      for (std::size_t i = 0; i < width_; ++i) own[i] *= factor;
      for (std::size_t j = 0; j < outputs_; ++j) lack[j] *= factor;
    });
    // Each index has its own sums, in the order of the rows: the same on any number of cores.
    tbb::parallel_for(std::size_t{0}, width_, [&](std::size_t i) {
      std::vector<double> own(outputs_);
      for (std::size_t row = 0; row < count; ++row) {
        const double* x = with_one.data() + row * width_;
        if (x[i] == 0) continue;
        for (std::size_t k = 0; k < width_; ++k) gram[i * width_ + k] += x[i] * x[k];
        for (std::size_t j = 0; j < outputs_; ++j) own[j] += x[i] * lacks[row * outputs_ + j];
      }
      for (std::size_t j = 0; j < outputs_; ++j) correlated[j * width_ + i] += own[j];
    });
  }

  std::size_t width() const { return width_; }
  std::vector<double> gram;        // (width, width)
  std::vector<double> correlated;  // (outputs, width)

 private:
  std::size_t width_, outputs_;
  std::vector<double> kernel_, bias_;
};

// The rows that a layer's matrix multiplies, of `count` samples whose inputs are `x`.
std::vector<double> rows_of(const Network& network, const FreeLayer& layer, std::vector<double> x, std::size_t count) {
  const Resolved& resolved = network.resolved;
  const Layer& own = resolved.model.layers[layer.resolved_at];
  const auto input = static_cast<std::size_t>(own.inputs.front());
  const Place place{
      resolved.precision[layer.resolved_at], own.shape, {&resolved.precision[input].result()}, {&resolved.model.layers[input].shape}};
  const std::optional<Gather> gather = own.op->gather(place);
  if (!gather) return x;
  std::vector<double> rows(count * gather->rows() * gather->width);
  const std::size_t size = x.size() / count;
  for (std::size_t s = 0; s < count; ++s)
    gather_rows(*gather, x.data() + s * size, 0, gather->rows(), rows.data() + s * gather->rows() * gather->width);
  return rows;
}

Products products_of(const Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n,
                     std::span<const float> weights) {
  const auto input = static_cast<std::size_t>(network.resolved.model.layers[layer.resolved_at].inputs.front());
  const ExactLayer before(network.resolved, input);
  const Model target = up_to(network.target, layer.at);
  const std::size_t size = x.size() / n;
  Products products(network, layer);
  // Windows overlap: the rows of an image's are many times its values.
  constexpr std::size_t kMostValues = std::size_t{1} << 22;
  const Layer& own = network.model.layers[layer.at];
  const std::size_t rows = size_of(own.shape) / static_cast<std::size_t>(matrix_of(own)->n_out);
  const std::size_t most = std::clamp<std::size_t>(kMostValues / (rows * products.width()), 1, kSamplesAtOnce);
  for_blocks(n, most, [&](std::size_t first, std::size_t count) {
    const std::span<const float> block = x.subspan(first * size, count * size);
    std::vector<double> of_rows(count * rows);
    for (std::size_t row = 0; row < of_rows.size(); ++row) of_rows[row] = weight_of(weights, first + row / rows);
    products.add(rows_of(network, layer, before.values(block, count), count), infer(target, block, count), of_rows);
  });
  return products;
}

}  // namespace

double cost_of(const RoundingProblem& problem, const std::vector<bool>& is_high) {
  const std::size_t n = problem.low.size();
  std::vector<double> errors(n);
  for (std::size_t i = 0; i < n; ++i) errors[i] = is_high[i] ? problem.high[i] : problem.low[i];
  double cost = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double product = -2 * problem.correlated[i];
    for (std::size_t k = 0; k < n; ++k) product += problem.gram[i * n + k] * errors[k];
    cost += errors[i] * product;
  }
  return cost;
}

std::vector<bool> choose_rounding(const RoundingProblem& problem, std::vector<bool> is_high) {
  const std::size_t n = problem.low.size();
  // Half of the cost's derivative by each error: H e - c.
  std::vector<double> slope(n);
  for (std::size_t i = 0; i < n; ++i) {
    slope[i] = -problem.correlated[i];
    for (std::size_t k = 0; k < n; ++k) slope[i] += problem.gram[i * n + k] * (is_high[k] ? problem.high[k] : problem.low[k]);
  }
  for (;;) {
    std::size_t best = n;
    double gain = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double step = is_high[i] ? problem.low[i] - problem.high[i] : problem.high[i] - problem.low[i];
      const double linear = 2 * step * slope[i];
      const double square = step * step * problem.gram[i * n + i];
      const double own = linear + square;
      if (own < gain && own < -kNothing * (std::abs(linear) + square)) {
        gain = own;
        best = i;
      }
    }
    if (best == n) return is_high;
    const double step = is_high[best] ? problem.low[best] - problem.high[best] : problem.high[best] - problem.low[best];
    for (std::size_t i = 0; i < n; ++i) slope[i] += problem.gram[i * n + best] * step;
    is_high[best] = !is_high[best];
  }
}

bool round_layer(Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n, std::span<const float> weights) {
  const LayerPrecision types = network.resolved.precision[layer.resolved_at];
  const Dense& dense = *matrix_of(network.model.layers[layer.at]);
  const Products products = products_of(network, layer, x, n, weights);
  const auto n_in = static_cast<std::size_t>(dense.n_in);
  const auto outputs = static_cast<std::size_t>(dense.n_out);
  std::vector<float> kernel = dense.kernel;
  std::vector<float> bias = dense.bias;
  const QuantizedWeights kernel_before = quantize_weights(kernel, types[TypeName::kWeight]);
  const QuantizedWeights bias_before = quantize_weights(bias, types[TypeName::kBias]);
  const Singles of_weights(types[TypeName::kWeight]);
  const Singles of_biases(types[TypeName::kBias]);
  tbb::parallel_for(std::size_t{0}, outputs, [&](std::size_t j) {
    const std::span<const double> own = std::span(products.correlated).subspan(j * products.width(), products.width());
    RoundingProblem problem{products.gram, {own.begin(), own.end()}, {}, {}};
    std::vector<Neighbours> choices;
    std::vector<bool> nearest;
    const auto add = [&](float value, const Singles& singles) {
      const Neighbours neighbours{singles.down(value), singles.up(value)};
      problem.low.push_back(static_cast<double>(neighbours.low) - static_cast<double>(value));
      problem.high.push_back(static_cast<double>(neighbours.high) - static_cast<double>(value));
      nearest.push_back(std::abs(problem.high.back()) < std::abs(problem.low.back()));
      choices.push_back(neighbours);
    };
    for (std::size_t i = 0; i < n_in; ++i) add(kernel[i * outputs + j], of_weights);
    if (bias.empty()) {
      problem.low.push_back(0);
      problem.high.push_back(0);
      nearest.push_back(false);
    } else {
      add(bias[j], of_biases);
    }
    const std::vector<bool> is_high = choose_rounding(problem, nearest);
    for (std::size_t i = 0; i < n_in; ++i) kernel[i * outputs + j] = is_high[i] ? choices[i].high : choices[i].low;
    if (!bias.empty()) bias[j] = is_high[n_in] ? choices[n_in].high : choices[n_in].low;
  });
  const bool changed = quantize_weights(kernel, types[TypeName::kWeight]).raw != kernel_before.raw ||
                       quantize_weights(bias, types[TypeName::kBias]).raw != bias_before.raw;
  set_numbers(network, layer, std::move(kernel), std::move(bias));
  return changed;
}

}  // namespace narrow
