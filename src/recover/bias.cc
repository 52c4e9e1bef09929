#include "recover/bias.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fixed/cast.h"
#include "layers/relu.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "model/inference.h"
#include "recover/singles.h"

namespace narrow {
namespace {

class Corrector {
 public:
  Corrector(const Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n, std::span<const float> weights,
            std::size_t kept)
      : x_(x),
        n_(n),
        weights_(weights),
        at_(judged_at(network.resolved.model, layer.resolved_at)),
        is_relu_(at_ != layer.resolved_at),
        channels_(static_cast<std::size_t>(network.resolved.model.layers[at_].shape.back())),
        rows_(size_of(network.resolved.model.layers[at_].shape) / channels_),
        rows_of_unit_(rows_are_summed(network.resolved.model, at_) ? rows_ : 1),
        target_(up_to(network.target, static_cast<std::size_t>(in_float(network, at_)))) {
    if (n * rows_ * channels_ <= kept) kept_ = infer(target_, x, n);
  }

  struct Fit {
    std::vector<double> cost;   // of each channel the sum of e^2
    std::vector<double> shift;  // that makes it least; 0 where nothing does
  };
  // Block by block: all values of all samples may be more than there is memory for.
  Fit fit(const Resolved& resolved) const {
    const ExactLayer exact(resolved, at_);
    Fit fit{std::vector<double>(channels_), std::vector<double>(channels_)};
    std::vector<double> squares(channels_);
    const std::size_t size = x_.size() / n_;
    for_blocks(n_, [&](std::size_t first, std::size_t count) {
      const std::span<const float> block = x_.subspan(first * size, count * size);
      const std::vector<double> values = exact.values(block, count);
      std::vector<float> made;
      if (kept_.empty()) made = infer(target_, block, count);
      const std::size_t of_sample = rows_ * channels_;
      const std::span<const float> wanted =
          kept_.empty() ? std::span<const float>(made) : std::span(kept_).subspan(first * of_sample, count * of_sample);
      for (std::size_t row = 0; row < count * rows_; row += rows_of_unit_) {
        const double weight = weight_of(weights_, first + row / rows_);
        for (std::size_t c = 0; c < channels_; ++c) {
          double lack = 0;
          double moved = 0;
          for (std::size_t i = row; i < row + rows_of_unit_; ++i) {
            const double value = values[i * channels_ + c];
            lack += static_cast<double>(wanted[i * channels_ + c]) - value;
            moved += !is_relu_ || value > 0 ? 1 : 0;
          }
          fit.cost[c] += weight * lack * lack;
          fit.shift[c] += weight * moved * lack;
          squares[c] += weight * moved * moved;
        }
      }
    });
    for (std::size_t c = 0; c < channels_; ++c) fit.shift[c] = squares[c] > 0 ? fit.shift[c] / squares[c] : 0;
    return fit;
  }

 private:
  std::span<const float> x_;
  std::size_t n_;
  std::span<const float> weights_;
  std::size_t at_;
  bool is_relu_;
  std::size_t channels_, rows_, rows_of_unit_;
  Model target_;             // up to the values that are wanted
  std::vector<float> kept_;  // these, of all samples; empty where they are too many
};

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

bool correct_bias(Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n, std::span<const float> weights,
                  std::size_t kept) {
  const Dense& dense = *matrix_of(network.model.layers[layer.at]);
  if (dense.bias.empty()) return false;
  const std::vector<float> kernel = dense.kernel;
  const Format type = network.resolved.precision[layer.resolved_at][TypeName::kBias];
  const Corrector corrector(network, layer, x, n, weights, kept);
  const Singles singles(type);
  std::vector<float> best = dense.bias;
  Corrector::Fit fit = corrector.fit(network.resolved);
  std::vector<bool> settled(best.size());
  bool changed = false;
  for (int round = 0; round < kBiasRounds; ++round) {
    const QuantizedWeights held = quantize_weights(best, type);
    std::vector<float> tried = best;
    for (std::size_t c = 0; c < best.size(); ++c) {
      const double now = to_double(held.raw[c], type.fraction());
      const float next = singles.nearest(now + fit.shift[c]);
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
