#ifndef NARROW_RECOVER_RECOVER_H_
#define NARROW_RECOVER_RECOVER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "recover/network.h"
#include "recover/padding.h"
#include "study/metric.h"

namespace narrow {

// Ways to change the weights of a trained network so that it loses less in given types, in the order in which they build on each other.
enum class Recovery : std::uint8_t { kEqualise, kRound, kBias };
inline constexpr std::array<std::string_view, 3> kRecoveries = {"equalise", "round", "bias"};
inline constexpr std::string_view name_of(Recovery recovery) { return kRecoveries[static_cast<std::size_t>(recovery)]; }

// Samples to work on, and the first model's float predictions for them. They count by their weights (weight_of); none is 0.
struct WorkingSamples {
  const Dataset& data;
  const std::vector<float>& reference;
};

// A network after some recoveries; of none the network as it was.
struct Attempt {
  std::vector<Recovery> recoveries;
  Network network;
  std::vector<std::string> changed;  // layers with other weights in the hardware than before
  std::vector<double> deviations;    // squared_deviations of the working samples
  Estimate deviation;                // their mean
  Estimate gain;                     // by how much it falls, with the error of the differences, sample by sample
  bool helps() const { return gain.value > gain.error; }
  bool has(Recovery recovery) const;
  std::string name() const;  // `round, bias`; `nothing`
  void add(const std::string& layer);
};

struct RecoverOptions {
  std::vector<Recovery> recoveries;  // those that are switched on
  std::function<void(const std::string& what)> progress = [](const std::string&) {};
};

struct RecoverResult {
  Attempt before;
  std::vector<Attempt> alone;  // of each recovery
  // Of all choices of recoveries the one with the least deviation: one with as many or more of them takes another's place where it helps by
  // more than the error of the difference.
  Attempt best;
  bool is_relative = false;  // deviations are in units of relative_scales (search/evaluator.h)
  std::vector<std::string> notes;
};

// Throws Error, naming the layer, for a network with types of its own, or weights or values that were trained with quantizers.
void require_trained_in_float(const Model& model);

// Changes weights of `model`, whose types `resolve` gives, by each choice of recoveries, and judges them on the exact program by the mean
// squared deviation of its predictions from the float model's: relative to these where the network has one output. Powers of two first;
// then each layer from the front is rounded and its bias corrected, before the next one is looked at. Throws Error as
// require_trained_in_float does, and where no layer can be changed.
RecoverResult recover(const Model& model, const Resolve& resolve, const WorkingSamples& on, const RecoverOptions& options);

// (n, outputs), as hls4ml would compute them.
std::vector<double> exact_predictions(const Network& network, const Dataset& data);

// Mean squared deviation of predictions, sample by sample.
std::vector<double> squared_deviations(std::span<const double> predictions, std::span<const float> reference, std::size_t outputs);
// The mean, weighted by weight_of, and its error.
Estimate mean_of(std::span<const double> values, std::span<const float> weights = {});
// Of two sets of deviations of the same samples, by how much the first's mean is above the second's.
Estimate gain_of(std::span<const double> before, std::span<const double> after, std::span<const float> weights = {});

}  // namespace narrow

#endif  // NARROW_RECOVER_RECOVER_H_
