#ifndef NARROW_LAYERS_QUANTIZE_H_
#define NARROW_LAYERS_QUANTIZE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>

#include "model/operation.h"

namespace narrow {

// A weight's way into its type: hls4ml prints it with max(0, F) decimals, and the C++ program reads that text as a double
// and casts it. `values` are float32 as Keras has them.
QuantizedWeights quantize_weights(std::span<const float> values, const Format& format);
QuantizedWeights quantize_weights(const WeightArray& weights, const Format& format);

// Quantized weights by their content and type, for the many programs of a study or a search that share them. From one thread at
// a time.
class WeightCache {
 public:
  std::shared_ptr<const QuantizedWeights> get(const WeightArray& weights, const Format& format);
  std::shared_ptr<const QuantizedWeights> get(std::span<const float> values, const Format& format) {
    return get(WeightArray{TypeName::kWeight, values}, format);
  }

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::size_t, std::string>;  // hash and number of the values, type
  std::map<Key, std::shared_ptr<const QuantizedWeights>> known_;
};

// The numbers that hls4ml's QuantNodeQuantizer makes of weights for such a type, whose ends and rounding (to even, or down) it knows.
Numbers quantized_as_trained(const Numbers& numbers, const Format& format);

}  // namespace narrow

#endif  // NARROW_LAYERS_QUANTIZE_H_
