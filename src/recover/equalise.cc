#include "recover/equalise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "fixed/cast.h"
#include "layers/flatten.h"
#include "layers/leaky_relu.h"
#include "layers/linear.h"
#include "layers/relu.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "model/inference.h"
#include "recover/singles.h"

namespace narrow {
namespace {

constexpr double kUniform = 12;  // the variance of what is spread evenly over a step is step^2 / 12

// Powers beyond these would not be made by any sensible type.
constexpr int kMostPower = 24;

bool passes_scales(const Layer& layer) {
  if (layer.quantizer || !layer.own.empty()) return false;
  if (as<Relu>(layer) != nullptr) {
    const std::vector<Setting> settings = layer.op->settings();
    return std::none_of(settings.begin(), settings.end(), [](const Setting& each) { return each.name == "max_value"; });
  }
  return is_idle(layer) || as<Linear>(layer) != nullptr || as<LeakyRelu>(layer) != nullptr || as<Flatten>(layer) != nullptr ||
         as<SetSum>(layer) != nullptr || as<SetMean>(layer) != nullptr;
}

double step_of(const Format& type) { return std::ldexp(1.0, -type.fraction()); }

// What rounding to a type of some steps does to a value between them: the mean of the error, and its variance.
struct Noise {
  double mean = 0, variance = 0;
};
Noise noise_of(const Format& type, int fraction_before) {
  if (type.fraction() >= fraction_before) return {};
  const double step = step_of(type);
  return {type.rounding == Rounding::kTrn ? -step / 2 : 0, step * step / kUniform};
}

// The largest k with 2^k * value <= end; kMostPower at most.
int room(double value, double end) {
  if (value <= 0) return kMostPower;
  return std::clamp(static_cast<int>(std::floor(std::log2(end / value))), -kMostPower, kMostPower);
}
double high_end(const Format& type) { return static_cast<double>(Singles(type).most); }
double low_end(const Format& type) { return -static_cast<double>(Singles(type).least); }

struct Samples {
  std::span<const float> x;
  std::size_t n;
  std::span<const float> weights;
};

// Of one channel, over all rows of the samples.
struct Values {
  double low = 0, high = 0;
  double squares = 0, count = 0;  // weighted
  double mean_square() const { return squares / count; }
};
std::vector<Values> values_of(const Model& model, std::size_t layer, const Samples& samples, std::size_t channels) {
  const Model own = up_to(model, layer);
  const std::size_t size = samples.x.size() / samples.n;
  std::vector<Values> all(channels);
  for_blocks(samples.n, [&](std::size_t first, std::size_t count) {
    const std::vector<float> values = infer(own, samples.x.subspan(first * size, count * size), count);
    const std::size_t per_sample = values.size() / count;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double weight = weight_of(samples.weights, first + i / per_sample);
      Values& channel = all[i % channels];
      const auto value = static_cast<double>(values[i]);
      channel.low = std::min(channel.low, value);
      channel.high = std::max(channel.high, value);
      channel.squares += weight * value * value;
      channel.count += weight;
    }
  });
  return all;
}

// How far a channel may be scaled up so that its values stay within a type. What an unsigned type cuts off below 0 it cuts off at any
// scale.
int room(const Values& values, const Format& type) {
  const int above = room(values.high * kHeadroom, high_end(type));
  return type.is_signed ? std::min(above, room(-values.low * kHeadroom, low_end(type))) : above;
}

}  // namespace

std::vector<ScalePair> scale_pairs(const Network& network, const std::vector<FreeLayer>& free) {
  const Model& model = network.model;
  std::vector<ScalePair> pairs;
  for (const FreeLayer& first : free) {
    ScalePair pair{first, {}, {}};
    for (std::size_t at = first.at;;) {
      const std::vector<int> readers = readers_of(model, static_cast<int>(at));
      if (readers.size() != 1 || readers.front() < 0) break;
      at = static_cast<std::size_t>(readers.front());
      if (model.layers[at].inputs.size() != 1) break;
      const auto second = std::find_if(free.begin(), free.end(), [&](const FreeLayer& each) { return each.at == at; });
      if (second != free.end()) {
        pair.second = *second;
        pairs.push_back(pair);
        break;
      }
      if (!passes_scales(model.layers[at])) break;
      pair.between.push_back(at);
    }
  }
  return pairs;
}

void scale_channels(Network& network, const ScalePair& pair, const std::vector<int>& powers) {
  const std::size_t channels = powers.size();
  const auto scale = [&](std::vector<float> values, std::size_t per_channel, int sign) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::ldexp(values[i], sign * powers[i / per_channel % channels]);
    return values;
  };
  const auto rescaled = [&](const Layer& layer, bool is_first) {
    const Dense& dense = *matrix_of(layer);
    // A kernel is (n_in, n_out), with the channels of the input the last of n_in's axes.
    return is_first ? with_numbers(layer, scale(dense.kernel, 1, 1), scale(dense.bias, 1, 1))
                    : with_numbers(layer, scale(dense.kernel, static_cast<std::size_t>(dense.n_out), -1), dense.bias);
  };
  for (const bool is_first : {true, false}) {
    const FreeLayer& own = is_first ? pair.first : pair.second;
    Layer& target = network.target.layers[own.at];
    target.op = rescaled(target, is_first);
    const OperationPtr op = rescaled(network.model.layers[own.at], is_first);
    network.model.layers[own.at].op = op;
    network.resolved.model.layers[own.resolved_at].op = op;
  }
}

Equaliser::Equaliser(const Network& network, const ScalePair& pair, std::span<const float> x, std::size_t n,
                     std::span<const float> weights) {
  const Samples samples{x, n, weights};
  const Dense& first = *matrix_of(network.model.layers[pair.first.at]);
  const Dense& second = *matrix_of(network.model.layers[pair.second.at]);
  const Resolved& resolved = network.resolved;
  const LayerPrecision& of_first = resolved.precision[pair.first.resolved_at];
  const LayerPrecision& of_second = resolved.precision[pair.second.resolved_at];
  const auto channels = static_cast<std::size_t>(first.n_out);
  const auto outputs = static_cast<std::size_t>(second.n_out);
  channels_.resize(channels);

  // What flows: into the first layer, out of it, and behind each layer between.
  const auto input = static_cast<std::size_t>(network.target.layers[pair.first.at].inputs.front());
  double squares_in = 0;  // of one row, summed over its values
  {
    const std::vector<Values> in = values_of(network.target, input, samples, 1);
    squares_in = in.front().mean_square() * first.n_in;
  }
  std::vector<Values> values = values_of(network.target, pair.first.at, samples, channels);
  const double weight_step = step_of(of_first[TypeName::kWeight]);
  Noise noise = noise_of(of_first.result(), of_first[TypeName::kAccum].fraction());
  noise.variance += weight_step * weight_step / kUniform * squares_in;
  const auto limit = [&](const Format& type) {
    for (std::size_t c = 0; c < channels; ++c) channels_[c].most = std::min(channels_[c].most, room(values[c], type));
  };
  for (Channel& channel : channels_) {
    channel.most = kMostPower;
    channel.least = -kMostPower;
  }
  limit(of_first[TypeName::kAccum]);
  limit(of_first.result());
  int fraction = of_first.result().fraction();
  for (const std::size_t at : pair.between) {
    values = values_of(network.target, at, samples, channels);
    const Layer& layer = network.model.layers[at];
    if (as<SetSum>(layer) != nullptr) {
      const auto rows = static_cast<double>(network.model.input_shapes(layer).front().front());
      noise = {noise.mean * rows, noise.variance * rows};
    }
    const int place = resolved.model.find(layer.name);
    if (place < 0) continue;  // the hardware does nothing there
    const Format& type = resolved.precision[static_cast<std::size_t>(place)].result();
    limit(type);
    if (as<SetMean>(layer) != nullptr) {  // it adds up what it divides
      const double rows = pooled_count(network.model.input_shapes(layer).front());
      const Format& accum = resolved.precision[static_cast<std::size_t>(place)][TypeName::kAccum];
      for (std::size_t c = 0; c < channels; ++c)
        channels_[c].most = std::min(channels_[c].most, room({values[c].low * rows, values[c].high * rows, 0, 0}, accum));
    }
    const Noise own = noise_of(type, fraction);
    noise = {noise.mean + own.mean, noise.variance + own.variance};
    fraction = type.fraction();
  }

  const double second_step = step_of(of_second[TypeName::kWeight]);
  for (std::size_t c = 0; c < channels; ++c) {
    Channel& channel = channels_[c];
    double largest = 0;
    for (std::size_t i = c; i < first.kernel.size(); i += channels)
      largest = std::max(largest, std::abs(static_cast<double>(first.kernel[i])));
    channel.most = std::min(channel.most, room(largest, high_end(of_first[TypeName::kWeight])));
    if (!first.bias.empty())
      channel.most = std::min(channel.most, room(std::abs(static_cast<double>(first.bias[c])), high_end(of_first[TypeName::kBias])));
    double reading = 0;  // the largest weight that reads the channel
    double squares = 0;
    std::size_t readers = 0;
    for (std::size_t row = c; row < static_cast<std::size_t>(second.n_in); row += channels) {
      for (std::size_t j = 0; j < outputs; ++j, ++readers) {
        const double weight = std::abs(static_cast<double>(second.kernel[row * outputs + j]));
        reading = std::max(reading, weight);
        squares += weight * weight;
      }
    }
    // 2^-k times the largest weight stays within the type.
    channel.least = reading > 0 ? -room(reading, high_end(of_second[TypeName::kWeight])) : -kMostPower;
    const double makes = (noise.mean * noise.mean + noise.variance) * squares / static_cast<double>(readers);
    const double reads = second_step * second_step / kUniform * values[c].mean_square();
    channel.is_dead = !(makes > 0) || !(reads > 0);
    constexpr double kQuarter = 0.25;
    channel.wanted = channel.is_dead ? 0 : kQuarter * std::log2(makes / reads);
  }
}

std::vector<int> Equaliser::powers(int more) const {
  std::vector<int> powers;
  for (const Channel& channel : channels_) {
    const bool none = channel.is_dead || channel.least > channel.most;
    powers.push_back(none ? 0 : std::clamp(static_cast<int>(std::lround(channel.wanted)) + more, channel.least, channel.most));
  }
  return powers;
}

}  // namespace narrow
