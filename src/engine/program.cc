#include "engine/program.h"

#include <algorithm>
#include <string>

#include "error.h"

namespace narrow {

Place Program::place(std::size_t layer) const {
  const Layer& at = model().layers[layer];
  Place place{resolved.precision[layer], at.shape, {}, {}};
  for (const int input : at.inputs) {
    place.inputs.push_back(&format(static_cast<std::size_t>(input)));
    place.shapes.push_back(&model().layers[static_cast<std::size_t>(input)].shape);
  }
  return place;
}

bool fits_int64(const Program& program) {
  const auto fits = [](const LayerPrecision& types) {
    const auto named = types.all();
    return std::all_of(named.begin(), named.end(), [](const auto& each) {
      const bool tensor = each.name == TypeName::kResult || each.name == TypeName::kAccum;
      return !tensor || bits_at(each.format, each.format.fraction()) <= 64;
    });
  };
  return std::all_of(program.resolved.precision.begin(), program.resolved.precision.end(), fits);
}

Program build_program(Resolved resolved, WeightCache* cache) {
  Program program{std::move(resolved), {}};
  for (std::size_t i = 0; i < program.model().layers.size(); ++i) {
    const Layer& layer = program.model().layers[i];
    const LayerPrecision& types = program.resolved.precision[i];
    Step step;
    for (const WeightArray& weights : layer.op->weights()) {
      const Format& type = types[weights.type];
      step.weights.emplace_back(weights.type, cache != nullptr ? cache->get(weights, type)
                                                               : std::make_shared<const QuantizedWeights>(quantize_weights(weights, type)));
    }
    layer.op->plan(program.place(i), step);
    constexpr int kWordBits = 128;
    if (step.bits > kWordBits) {
      throw Error("layer " + layer.name + ": its exact values need " + std::to_string(step.bits) + " bits; narrow computes with at most " +
                  std::to_string(kWordBits) + ", so its input, its weights or its sums need fewer");
    }
    program.steps.push_back(std::move(step));
  }
  return program;
}

}  // namespace narrow
