#include "recover/recover.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "error.h"
#include "keras/layer_config.h"
#include "model/inference.h"
#include "recover/bias.h"
#include "recover/equalise.h"
#include "recover/rounding.h"
#include "search/evaluator.h"

namespace narrow {
namespace {

std::vector<double> in_double(std::span<const float> values) { return {values.begin(), values.end()}; }

class Recoverer {
 public:
  Recoverer(const Network& before, const WorkingSamples& on, const RecoverOptions& options, std::vector<std::string>& notes)
      : on_(on), options_(options), in_float_(infer(before.target, on.data.x, on.data.size)), free_(free_layers(before, notes)) {
    if (free_.empty()) {
      throw Error(before.model.name + ": it has no Dense, Conv1D or Conv2D whose weights could be changed" +
                  (notes.empty() ? "" : ": " + notes.front()));
    }
  }

  std::vector<double> deviations(const Network& network) const {
    return squared_deviations(exact_predictions(network, on_.data), on_.reference, network.model.output_size());
  }

  // All choices of recoveries, those with fewer first, of none the network as it was.
  std::vector<Attempt> attempts(const Network& before) const {
    std::vector<Attempt> attempts;
    std::optional<Attempt> equalised;  // which those that begin with it share
    const std::size_t choices = std::size_t{1} << options_.recoveries.size();
    for (std::size_t choice = 0; choice < choices; ++choice) {
      Attempt own{.network = before};
      for (std::size_t i = 0; i < options_.recoveries.size(); ++i) {
        if ((choice >> i & 1) != 0) own.recoveries.push_back(options_.recoveries[i]);
      }
      if (own.has(Recovery::kEqualise)) {
        if (!equalised) {
          equalised = own;
          equalise(*equalised);
        }
        own.network = equalised->network;
        own.changed = equalised->changed;
      }
      change_layers(own);
      own.deviations = deviations(own.network);
      own.deviation = mean_of(own.deviations, on_.data.weights);
      attempts.push_back(std::move(own));
    }
    std::stable_sort(attempts.begin(), attempts.end(),
                     [](const Attempt& a, const Attempt& b) { return a.recoveries.size() < b.recoveries.size(); });
    return attempts;
  }

 private:
  double guide(const Network& network) const { return mean_of(deviations(network), on_.data.weights).value; }

  // Layer by layer from the front: each one's weights are rounded, then its bias corrected, before the next one is looked at.
  void change_layers(Attempt& attempt) const {
    for (const FreeLayer& layer : free_) {
      const std::string name = attempt.network.model.layers[layer.at].name;
      bool is_other = false;
      if (attempt.has(Recovery::kRound)) {
        options_.progress(attempt.name() + ": " + name);
        is_other = round_layer(attempt.network, layer, on_.data.x, on_.data.size, on_.data.weights);
      }
      if (attempt.has(Recovery::kBias)) {
        options_.progress(attempt.name() + ": " + name);
        is_other = correct_bias(attempt.network, layer, on_.data.x, on_.data.size, on_.data.weights) || is_other;
      }
      if (is_other) attempt.add(name);
    }
  }

  // Each pair as it helps most.
  void equalise(Attempt& attempt) const {
    double least = guide(attempt.network);
    for (const ScalePair& pair : scale_pairs(attempt.network, free_)) {
      options_.progress("equalise: " + attempt.network.model.layers[pair.first.at].name);
      const Equaliser equaliser(attempt.network, pair, on_.data.x, on_.data.size, on_.data.weights);
      Network best = attempt.network;
      bool helped = false;
      for (const int more : {0, -1, 1, 2}) {
        Network tried = attempt.network;
        scale_channels(tried, pair, equaliser.powers(more));
        const double own = guide(tried);
        if (!(own < least) || !same_in_float(tried)) continue;
        least = own;
        best = std::move(tried);
        helped = true;
      }
      if (!helped) continue;
      attempt.network = std::move(best);
      for (const FreeLayer& each : {pair.first, pair.second}) attempt.add(attempt.network.model.layers[each.at].name);
    }
  }

  // Powers of two change no bit of a float32 unless it leaves its range.
  bool same_in_float(const Network& network) const { return infer(network.target, on_.data.x, on_.data.size) == in_float_; }

  const WorkingSamples& on_;
  const RecoverOptions& options_;
  std::vector<float> in_float_;
  std::vector<FreeLayer> free_;
};

}  // namespace

bool Attempt::has(Recovery recovery) const { return std::find(recoveries.begin(), recoveries.end(), recovery) != recoveries.end(); }

std::string Attempt::name() const {
  std::string text;
  for (const Recovery each : recoveries) text += (text.empty() ? "" : ", ") + std::string(name_of(each));
  return text.empty() ? "nothing" : text;
}

void Attempt::add(const std::string& layer) {
  if (std::find(changed.begin(), changed.end(), layer) == changed.end()) changed.push_back(layer);
}

std::vector<double> exact_predictions(const Network& network, const Dataset& data) {
  return Engine(build_program(network.resolved), {.counting = Counting::kNone}).run(data.x, data.size).run.predictions;
}

std::vector<double> squared_deviations(std::span<const double> predictions, std::span<const float> reference, std::size_t outputs) {
  const std::vector<double> scales = outputs == 1 ? relative_scales(in_double(reference)) : std::vector<double>();
  std::vector<double> deviations(predictions.size() / outputs);
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const double difference = (predictions[i] - static_cast<double>(reference[i])) / (scales.empty() ? 1 : scales[i]);
    deviations[i / outputs] += difference * difference / static_cast<double>(outputs);
  }
  return deviations;
}

// A ratio of two sums over samples, to first order, as in study/means.h, with n - 1 for n.
Estimate mean_of(std::span<const double> values, std::span<const float> weights) {
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  double all = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += weight_of(weights, i) * values[i];
    all += weight_of(weights, i);
  }
  const double mean = sum / all;
  double squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) squares += std::pow(weight_of(weights, i) * (values[i] - mean), 2);
  return {mean, values.size() > 1 ? std::sqrt(squares * n / (n - 1)) / all : std::nan("")};
}

Estimate gain_of(std::span<const double> before, std::span<const double> after, std::span<const float> weights) {
  std::vector<double> gains(before.begin(), before.end());
  for (std::size_t i = 0; i < gains.size(); ++i) gains[i] -= after[i];
  return mean_of(gains, weights);
}

void require_trained_in_float(const Model& model) {
  for (const Layer& layer : model.layers) {
    const bool is_quantized = layer.quantizer || !layer.own.empty() || quantizers_of(layer).any();
    if (!is_quantized && !is_hgq(std::string(layer.op->keras_class()))) continue;
    throw Error("layer " + layer.name + " (" + layer.keras_class +
                "): the network was trained with quantizers, so its weights are made for its types; recover takes networks without");
  }
}

RecoverResult recover(const Model& model, const Resolve& resolve, const WorkingSamples& on, const RecoverOptions& options) {
  require_trained_in_float(model);
  RecoverResult result;
  result.before.network = with_folded_normalizations(model, resolve);
  const Recoverer recoverer(result.before.network, on, options, result.notes);
  result.before.deviations = recoverer.deviations(result.before.network);
  result.before.deviation = mean_of(result.before.deviations, on.data.weights);
  result.is_relative = model.output_size() == 1;
  std::vector<Attempt> attempts = recoverer.attempts(result.before.network);
  result.best = result.before;
  for (Attempt& each : attempts) {
    each.gain = gain_of(result.before.deviations, each.deviations, on.data.weights);
    const Estimate more = gain_of(result.best.deviations, each.deviations, on.data.weights);
    if (more.value > more.error) result.best = each;
  }
  if (result.best.recoveries.empty()) result.best.network.model = model;
  for (const Recovery recovery : options.recoveries) {
    result.alone.push_back(*std::find_if(attempts.begin(), attempts.end(), [&](const Attempt& each) {
      return each.recoveries.size() == 1 && each.recoveries.front() == recovery;
    }));
  }
  return result;
}

}  // namespace narrow
