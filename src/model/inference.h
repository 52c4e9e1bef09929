#ifndef NARROW_MODEL_INFERENCE_H_
#define NARROW_MODEL_INFERENCE_H_

#include <functional>
#include <span>
#include <vector>

#include "model/model.h"

namespace narrow {

// Called with a block of consecutive samples: the first one's index, their number, a layer's index and its float outputs
// (number, layer.shape), in any order and from several threads at once.
using FloatObserver = std::function<void(std::size_t first, std::size_t count, std::size_t layer, std::span<const float> values)>;

// The model in float32, as Keras runs it. `x` holds n samples, (n, model.input_size()): of each the inputs' values side by side, row major.
// Returns (n, model.output_size()). Uses all cores. Throws Error if x has another number of values.
std::vector<float> infer(const Model& model, std::span<const float> x, std::size_t n, const FloatObserver& observe = {});

}  // namespace narrow

#endif  // NARROW_MODEL_INFERENCE_H_
