#include "recover/bias.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "fixed/cast.h"
#include "layers/relu.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "model/inference.h"

namespace narrow {
namespace {

// Sums of a layer's values, channel by channel: over each row, or over all rows of a sample.
class Units {
 public:
  Units(std::size_t rows, std::size_t channels, bool are_summed) : rows_(rows), channels_(channels), are_summed_(are_summed) {}
  std::size_t of(std::size_t samples) const { return are_summed_ ? samples : samples * rows_; }
  template <class Value, class Add>
  void for_each(std::span<const Value> values, std::size_t first, const Add& add) const {
    for (std::size_t row = 0; row * channels_ < values.size(); ++row) {
      const std::size_t unit = (are_summed_ ? first + row / rows_ : first * rows_ + row) * channels_;
      for (std::size_t c = 0; c < channels_; ++c) add(unit + c, c, static_cast<double>(values[row * channels_ + c]));
    }
  }

 private:
  std::size_t rows_, channels_;
  bool are_summed_;
};

class Corrector {
 public:
  Corrector(const Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n)
      : x_(x),
        n_(n),
        at_(judged_at(network.resolved.model, layer.resolved_at)),
        is_relu_(at_ != layer.resolved_at),
        channels_(static_cast<std::size_t>(network.resolved.model.layers[at_].shape.back())),
        units_(size_of(network.resolved.model.layers[at_].shape) / channels_, channels_, rows_are_summed(network.resolved.model, at_)),
        target_(units_.of(n) * channels_) {
    const int in_float = network.target.find(network.resolved.model.layers[at_].name);
    const Model model = up_to(network.target, static_cast<std::size_t>(in_float));
    for_blocks(n, [&](std::size_t first, std::size_t count) {
      const std::vector<float> values = infer(model, block(first, count), count);
      units_.for_each<float>(values, first, [&](std::size_t i, std::size_t, double value) { target_[i] += value; });
    });
  }

  struct Fit {
    std::vector<double> cost;   // of each channel the sum of e^2
    std::vector<double> shift;  // that makes it least; 0 where nothing does
  };
  Fit fit(const Resolved& resolved) const {
    const ExactLayer exact(resolved, at_);
    std::vector<double> lacks = target_;
    std::vector<double> moved(lacks.size());
    for_blocks(n_, [&](std::size_t first, std::size_t count) {
      const std::vector<double> values = exact.values(block(first, count), count);
      units_.for_each<double>(values, first, [&](std::size_t i, std::size_t, double value) {
        lacks[i] -= value;
        moved[i] += !is_relu_ || value > 0 ? 1 : 0;
      });
    });
    Fit fit{std::vector<double>(channels_), std::vector<double>(channels_)};
    std::vector<double> squares(channels_);
    for (std::size_t i = 0; i < lacks.size(); ++i) {
      const std::size_t c = i % channels_;
      fit.cost[c] += lacks[i] * lacks[i];
      fit.shift[c] += moved[i] * lacks[i];
      squares[c] += moved[i] * moved[i];
    }
    for (std::size_t c = 0; c < channels_; ++c) fit.shift[c] = squares[c] > 0 ? fit.shift[c] / squares[c] : 0;
    return fit;
  }

 private:
  std::span<const float> block(std::size_t first, std::size_t count) const {
    const std::size_t size = x_.size() / n_;
    return x_.subspan(first * size, count * size);
  }

  std::span<const float> x_;
  std::size_t n_;
  std::size_t at_;
  bool is_relu_;
  std::size_t channels_;
  Units units_;
  std::vector<double> target_;  // of each unit and channel, in float
};

// The number of a type that is nearest to a value.
float nearest(double value, const Format& type) {
  const double steps = std::nearbyint(std::ldexp(value, type.fraction()));
  const double held = std::clamp(steps, to_double(least_raw(type), 0), to_double(max_raw(type), 0));
  return static_cast<float>(std::ldexp(held, -type.fraction()));
}

}  // namespace

std::size_t judged_at(const Model& resolved, std::size_t layer) {
  const std::vector<int> readers = readers_of(resolved, static_cast<int>(layer));
  if (readers.size() != 1 || readers.front() < 0) return layer;
  const auto behind = static_cast<std::size_t>(readers.front());
  return as<Relu>(resolved.layers[behind]) != nullptr ? behind : layer;
}

bool rows_are_summed(const Model& model, std::size_t layer) {
  const Shape& shape = model.layers[layer].shape;
  if (shape.size() < 2) return false;
  for (std::size_t at = layer;;) {
    const std::vector<int> readers = readers_of(model, static_cast<int>(at));
    if (readers.size() != 1 || readers.front() < 0) return false;
    at = static_cast<std::size_t>(readers.front());
    const Layer& reader = model.layers[at];
    if (as<SetSum>(reader) != nullptr || as<SetMean>(reader) != nullptr) return true;
    // What computes each row by itself keeps the rows, and reads nothing else.
    const bool by_row = as<Dense>(reader) != nullptr || as<Relu>(reader) != nullptr;
    if (!by_row || reader.inputs.size() != 1) return false;
  }
}

bool correct_bias(Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n) {
  const Dense& dense = *matrix_of(network.model.layers[layer.at]);
  if (dense.bias.empty()) return false;
  const std::vector<float> kernel = dense.kernel;
  const Format type = network.resolved.precision[layer.resolved_at][TypeName::kBias];
  const Corrector corrector(network, layer, x, n);
  std::vector<float> best = dense.bias;
  Corrector::Fit fit = corrector.fit(network.resolved);
  std::vector<bool> settled(best.size());
  bool changed = false;
  for (int round = 0; round < kBiasRounds; ++round) {
    const QuantizedWeights held = quantize_weights(best, type);
    std::vector<float> tried = best;
    for (std::size_t c = 0; c < best.size(); ++c) {
      const double now = to_double(held.raw[c], type.fraction());
      const float next = nearest(now + fit.shift[c], type);
      settled[c] = settled[c] || static_cast<double>(next) == now;
      if (!settled[c]) tried[c] = next;
    }
    if (std::all_of(settled.begin(), settled.end(), [](bool each) { return each; })) break;
    set_numbers(network, layer, kernel, tried);
    Corrector::Fit of_tried = corrector.fit(network.resolved);
    for (std::size_t c = 0; c < best.size(); ++c) {
      if (settled[c]) continue;
      if (of_tried.cost[c] < fit.cost[c]) {
        best[c] = tried[c];
        fit.cost[c] = of_tried.cost[c];
        fit.shift[c] = of_tried.shift[c];
        changed = true;
      } else {
        settled[c] = true;
      }
    }
  }
  set_numbers(network, layer, kernel, best);
  return changed;
}

}  // namespace narrow
