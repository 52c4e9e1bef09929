#include "study/profile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <span>

#include "model/inference.h"

namespace narrow {
namespace {

// Values of one kind, of which every n-th is kept where there are many.
class Magnitudes {
 public:
  explicit Magnitudes(std::size_t expected) : stride_(stride_for(expected, kKept)) {}

  // Values number `first` and on, of all.
  void add(std::size_t first, std::span<const float> values) {
    seen_ += values.size();
    for (const float value : values) {
      const bool chosen = first++ % stride_ == 0;
      const double magnitude = std::abs(static_cast<double>(value));
      negative_ |= value < 0;
      if (magnitude == 0) {
        ++zeros_;
      } else {
        if (largest_ == 0 || magnitude < smallest_) smallest_ = magnitude;
        largest_ = std::max(largest_, magnitude);
        if (chosen) kept_.push_back(magnitude);
      }
    }
  }

  Profile result(const std::string& layer, const std::string& kind) const {
    Profile profile{layer, kind, {}, seen_ == 0 ? 0 : static_cast<double>(zeros_) / static_cast<double>(seen_), negative_};
    if (largest_ == 0) return profile;
    std::vector<double> sorted = kept_;
    sorted.push_back(smallest_);
    sorted.push_back(largest_);
    std::sort(sorted.begin(), sorted.end());
    for (const double share : kProfileShares)
      profile.quantiles.push_back(sorted[static_cast<std::size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))]);
    return profile;
  }

 private:
  static constexpr std::size_t kKept = 50'000;
  std::size_t stride_;
  std::size_t seen_ = 0, zeros_ = 0;
  double smallest_ = 0, largest_ = 0;
  bool negative_ = false;
  std::vector<double> kept_;
};

Profile profile_of(const std::string& layer, const std::string& kind, std::span<const float> values) {
  Magnitudes magnitudes(values.size());
  magnitudes.add(0, values);
  return magnitudes.result(layer, kind);
}

}  // namespace

std::vector<Profile> profile(const Model& model, const Resolved& resolved, const Dataset& data, std::size_t samples) {
  std::map<std::string, std::string> fused;
  for (const auto& [layer, norm] : resolved.fused) fused[layer] = norm;  // of several the last
  samples = std::min(samples, data.size);
  std::vector<Magnitudes> outputs;
  std::mutex mutex;
  for (const Layer& layer : model.layers) outputs.emplace_back(samples * size_of(layer.shape));
  infer(model, std::span(data.x).first(samples * size_of(data.shape)), samples,
        [&](std::size_t first, std::size_t count, std::size_t layer, std::span<const float> values) {
          const std::scoped_lock lock(mutex);
          outputs[layer].add(first * (values.size() / count), values);
        });
  std::vector<Profile> profiles;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const auto norm = fused.find(layer.name);
    const bool takes_in = norm != fused.end();
    const Magnitudes& output = takes_in ? outputs[static_cast<std::size_t>(model.find(norm->second))] : outputs[i];
    profiles.push_back(output.result(layer.name, "output"));
    const Layer& kept = takes_in ? resolved.model.layers[static_cast<std::size_t>(resolved.model.find(layer.name))] : layer;
    for (const WeightArray& weights : kept.op->weights()) {
      const bool any = std::any_of(weights.values.begin(), weights.values.end(), [](float value) { return value != 0; });
      if (any) profiles.push_back(profile_of(layer.name, std::string(name_of(weights.type)), weights.values));
    }
  }
  return profiles;
}

std::size_t stride_for(std::size_t values, std::size_t most) {
  std::size_t stride = std::max<std::size_t>(1, (values + most - 1) / most);
  while (std::gcd(stride, values) > 1) ++stride;
  return stride;
}

}  // namespace narrow
